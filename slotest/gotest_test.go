package slotest_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/sli"
	"github.com/goshawk-io/goshawk/slotest"
)

// victimEnv makes the victims below do what it says: good,bad of the events. They
// are run as a program of their own; here they do nothing.
const victimEnv = "GOSHAWK_SLOTEST_VICTIM"

func victim(t testing.TB) (c sli.Counts, ok bool) {
	good, bad, ok := strings.Cut(os.Getenv(victimEnv), ",")
	if !ok {
		return c, false
	}
	var err1, err2 error
	c.Good, err1 = strconv.ParseUint(good, 10, 64)
	c.Bad, err2 = strconv.ParseUint(bad, 10, 64)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return c, true
}

func TestVictim(t *testing.T) {
	if c, ok := victim(t); ok {
		slotest.Objective{Target: 0.99}.Assert(t, c)
		t.Log("went on")
	}
}

func BenchmarkVictim(b *testing.B) {
	if c, ok := victim(b); ok {
		for b.Loop() {
			_ = c.Total()
		}
		slotest.Objective{Target: 0.99}.Assert(b, c)
	}
}

// FuzzVictim asserts over its corpus, or watches while it fuzzes.
func FuzzVictim(f *testing.F) {
	c, ok := victim(f)
	if !ok {
		f.Fuzz(func(*testing.T, int) {})
		return
	}
	for i := range int(c.Total()) {
		f.Add(i)
	}
	var seen slotest.Recorder
	o := slotest.Objective{Target: 0.99}
	watch := os.Getenv(victimEnv+"_WATCH") != ""
	f.Fuzz(func(t *testing.T, i int) {
		seen.Event(!watch && uint64(i) < c.Good)
		if watch {
			o.Watch(t, seen.Counts())
		}
	})
	if !watch {
		o.Assert(f, seen.Counts())
	}
}

// run starts this test program anew.
func run(t *testing.T, events string, watch bool, args ...string) (output string, failed bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, append(args, "-test.v")...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), victimEnv+"="+events)
	if watch {
		cmd.Env = append(cmd.Env, victimEnv+"_WATCH=1")
	}
	out, err := cmd.CombinedOutput()
	return string(out), err != nil
}

// TestAssert_underGoTest looks at what the testing package makes of it.
func TestAssert_underGoTest(t *testing.T) {
	const test, fuzz = "-test.run=^TestVictim$", "-test.run=^FuzzVictim$"
	bench := []string{"-test.run=^$", "-test.bench=^BenchmarkVictim$", "-test.benchtime=10x"}
	for _, tt := range []struct {
		name, events string
		args         []string
		failed       bool
		want, lack   []string
	}{
		{"a test that is kept", "300,0", []string{test}, false, []string{"--- PASS: TestVictim", "kept: 300 of 300", "went on"}, nil},
		{"a test that is broken", "8,2", []string{test}, true, []string{"--- FAIL: TestVictim", "gotest_test.go", "broken: 8 of 10", "went on"}, nil},
		{"a test with too few events", "10,0", []string{test}, false, []string{"--- SKIP: TestVictim", "289 more"}, []string{"went on"}},
		{"a fuzz test that is kept", "300,0", []string{fuzz}, false, []string{"--- PASS: FuzzVictim ", "kept: 300 of 300"}, nil},
		{"a fuzz test that is broken", "290,10", []string{fuzz}, true, []string{"--- FAIL: FuzzVictim ", "broken: 290 of 300"}, nil},
		{"a fuzz test with few seeds", "3,0", []string{fuzz}, false, []string{"--- SKIP: FuzzVictim ", "296 more"}, nil},
		{"a benchmark that is kept", "300,0", bench, false, []string{"1.000 good-share"}, nil},
		{"a benchmark that is broken", "8,2", bench, true, []string{"--- FAIL: BenchmarkVictim", "broken: 8 of 10"}, nil},
		{"a benchmark with too few events", "10,0", bench, false, []string{"--- SKIP: BenchmarkVictim", "289 more"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			output, failed := run(t, tt.events, false, tt.args...)
			if failed != tt.failed {
				t.Errorf("failed: %v, want %v", failed, tt.failed)
			}
			for _, want := range tt.want {
				if !strings.Contains(output, want) {
					t.Errorf("the output lacks %q", want)
				}
			}
			for _, lack := range tt.lack {
				if strings.Contains(output, lack) {
					t.Errorf("the output has %q", lack)
				}
			}
			if t.Failed() {
				t.Log(output[:min(len(output), 3000)])
			}
		})
	}
}

// TestWatch_whileFuzzing lets go's own fuzzer find that an objective is broken.
func TestWatch_whileFuzzing(t *testing.T) {
	output, failed := run(t, "1,0", true, "-test.run=^$", "-test.fuzz=^FuzzVictim$", "-test.fuzztime=5000x",
		"-test.fuzzminimizetime=1x", "-test.parallel=1", "-test.fuzzcachedir="+t.TempDir())
	if !failed || !strings.Contains(output, "broken: 0 of 16 events were good") {
		t.Errorf("failed: %v\n%s", failed, output[:min(len(output), 3000)])
	}
}
