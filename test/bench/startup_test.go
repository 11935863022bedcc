package main

import (
	"math"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReadInits(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name, said string
		want       map[string]time.Duration
		fails      bool
	}{
		{
			"lines among what the program prints",
			"init runtime @0.041 ms, 0.012 ms clock, 0 bytes, 0 allocs\nhello\ninit a.b/c @1.5 ms, 31 ms clock, 264 bytes, 2 allocs\n",
			map[string]time.Duration{"runtime": 12 * time.Microsecond, "a.b/c": 31 * ms}, false,
		},
		{"a name that the linker has escaped", "init gopkg.in/yaml%2ev3 @1 ms, 2 ms clock, 0 bytes, 0 allocs\n", map[string]time.Duration{"gopkg.in/yaml.v3": 2 * ms}, false},
		{"what only looks like a line is not one", "init main @1 ms, 2 ms clock, 0 bytes\n", nil, true},
		{"nothing is an error", "hello\n", nil, true},
		{"a package that is there twice is an error", "init a @1 ms, 2 ms clock, 0 bytes, 0 allocs\ninit a @1 ms, 2 ms clock, 0 bytes, 0 allocs\n", nil, true},
		{"a wrong escape is an error", "init a%zz @1 ms, 2 ms clock, 0 bytes, 0 allocs\n", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readInits([]byte(tt.said))
			if (err != nil) != tt.fails {
				t.Fatalf("error = %v, want one: %v", err, tt.fails)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestCompareInits(t *testing.T) {
	const us = time.Microsecond
	want := map[string]time.Duration{"a": 100 * us, "b": 50 * us, "c": 49 * us, "gone": us}
	got := map[string]time.Duration{"a": 110 * us, "b": 45 * us, "c": 51 * us, "new": us}
	truth := compareInits(want, got)
	if diff := cmp.Diff([]string{"gone"}, truth.missing); diff != "" {
		t.Errorf("missing (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"new"}, truth.extra); diff != "" {
		t.Errorf("extra (-want +got)\n%s", diff)
	}
	if truth.large != 2 || truth.small != 1 {
		t.Errorf("large %d, small %d, want 2 and 1", truth.large, truth.small)
	}
	if got := truth.errors.size().quantile(0.9); math.Abs(got-0.1) > 1e-9 {
		t.Errorf("p90 = %v, want 0.1", got)
	}
	if got := truth.micros.mean(); got != 2 {
		t.Errorf("mean difference of small ones = %v us, want 2", got)
	}
	if truth.want != 199*us || truth.got != 206*us {
		t.Errorf("sums %v and %v, want those of packages that both have", truth.want, truth.got)
	}
}

func TestLeastOfRounds(t *testing.T) {
	all, err := least(nil, map[string]time.Duration{"a": 2, "b": 5})
	if err != nil {
		t.Fatal(err)
	}
	if all, err = least(all, map[string]time.Duration{"a": 3, "b": 4}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]time.Duration{"a": 2, "b": 4}, all); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := least(all, map[string]time.Duration{"a": 1}); err == nil {
		t.Error("a round without one of the packages is no error")
	}
}

func TestQuantile(t *testing.T) {
	tests := []struct {
		name string
		s    sample
		part float64
		want float64
	}{
		{"nothing", nil, 0.9, 0},
		{"one", sample{3}, 0.9, 3},
		{"nine of ten", sample{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 0.9, 9},
		{"rounds up", sample{1, 2, 3}, 0.5, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.s.quantile(tt.part); got != tt.want {
				t.Errorf("quantile(%v) = %v, want %v", tt.part, got, tt.want)
			}
		})
	}
}

func TestStartGiven(t *testing.T) {
	got, err := startGiven([]string{"caddy=/tmp/caddy version", "x=y=z"})
	if err != nil || len(got) != 2 {
		t.Fatalf("startGiven = %v, %v", got, err)
	}
	if diff := cmp.Diff([]string{"/tmp/caddy", "version"}, got[0].command); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got[1].name != "x" || got[1].command[0] != "y=z" {
		t.Errorf("the first = ends the name; got %+v", got[1])
	}
	for _, wrong := range []string{"caddy", "=caddy", "caddy=", "caddy=  "} {
		if _, err := startGiven([]string{wrong}); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestChosenOf(t *testing.T) {
	name := func(k startKind) string { return k.name }
	got, err := chosenOf(startKinds(), name, "cgo,static")
	if err != nil || len(got) != 2 || got[0].name != "static" || got[1].name != "cgo" {
		t.Errorf("chosenOf = %v, %v, want static and cgo", got, err)
	}
	if _, err := chosenOf(startKinds(), name, "static,nonsense"); err == nil {
		t.Error("an unknown name is taken")
	}
}

// A process waited for without being reaped still has its clock, and what its
// children used is not in it.
func TestCPUAtEndIsWithoutChildren(t *testing.T) {
	const work = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done"
	cmd := exec.Command("sh", "-c", "("+work+"); true")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	own, err := cpuAtEnd(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	all := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if own <= 0 || own >= all-own {
		t.Errorf("own %v of %v, want a small part", own, all)
	}
}
