package testutil

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMain(m *testing.M) { NoLeaks(m) }

func TestBPFHost_judge(t *testing.T) {
	works := func() error { return nil }
	refuses := func() error { return errors.New("operation not permitted") }
	for _, tt := range []struct {
		name   string
		host   bpfHost
		want   verdict
		reason string
	}{
		{"runs where a program loads", bpfHost{capable: true, btf: true, release: "6.1.0-18-amd64", load: works}, runTest, ""},
		{"skips without privilege", bpfHost{btf: true, release: "6.1", load: works}, skipTest, "CAP_BPF"},
		{"skips without BTF", bpfHost{capable: true, release: "6.1", load: works}, skipTest, "CONFIG_DEBUG_INFO_BTF"},
		{"skips on an old kernel", bpfHost{capable: true, btf: true, release: "5.10.0-1", load: works}, skipTest, "older than 5.17"},
		{"fails where it should work", bpfHost{capable: true, btf: true, release: "5.17", load: refuses}, failTest, "not permitted"},
		{"fails without privilege when required", bpfHost{btf: true, release: "6.1", required: true, load: works}, failTest, "CAP_BPF"},
		{"fails on an old kernel when required", bpfHost{capable: true, btf: true, release: "4.19", required: true, load: works}, failTest, "4.19"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, reason := tt.host.judge()
			if got != tt.want || !strings.Contains(reason, tt.reason) {
				t.Errorf("got %d %q, want %d %q", got, reason, tt.want, tt.reason)
			}
		})
	}
}

func TestBPFCapable(t *testing.T) {
	for _, tt := range []struct {
		name, status string
		want, fails  bool
	}{
		{"root", "Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n", true, false},
		{"CAP_SYS_ADMIN alone", "CapEff:\t0000000000200000\n", true, false},
		{"CAP_BPF and CAP_PERFMON", "CapEff:\t000000c000000000\n", true, false},
		{"CAP_BPF alone", "CapEff:\t0000008000000000\n", false, false},
		{"nobody", "CapEff:\t0000000000000000\n", false, false},
		{"no line", "Name:\tx\n", false, true},
		{"not a number", "CapEff:\tmany\n", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := bpfCapable([]byte(tt.status))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestInitialUserNamespace(t *testing.T) {
	if !initialUserNamespace([]byte("         0          0 4294967295\n")) {
		t.Error("the whole range is taken for a user namespace")
	}
	if initialUserNamespace([]byte("         0       1000          1\n")) {
		t.Error("one mapped user is taken for the initial user namespace")
	}
}

func TestReleaseAtLeast(t *testing.T) {
	for _, tt := range []struct {
		release, version string
		want             bool
	}{
		{"6.18.44-x", "6.16", true},
		{"6.16", "6.16", true},
		{"6.9.1", "6.16", false},
		{"5.17-rc1", "5.17", true},
		{"5.4.0", "5.17", false},
		{"10.0", "6.16", true},
		{"", "5.17", false},
	} {
		if got := releaseAtLeast(tt.release, tt.version); got != tt.want {
			t.Errorf("releaseAtLeast(%q, %q) = %v", tt.release, tt.version, got)
		}
	}
}

func TestFirstDifference(t *testing.T) {
	for _, tt := range []struct {
		name, want, got string
		line            int
	}{
		{"equal", "a\nb\n", "a\nb\n", 0},
		{"another line", "a\nb\n", "a\nc\n", 2},
		{"a line less", "a\nb\n", "a\n", 2},
		{"no end of line", "a\n", "a", 1},
		{"nothing", "a\n", "", 1},
	} {
		if line, _, _ := firstDifference([]byte(tt.want), []byte(tt.got)); line != tt.line {
			t.Errorf("%s: line %d, want %d", tt.name, line, tt.line)
		}
	}
}

func TestInventory_reportsWhatIsLeft(t *testing.T) {
	before := takeInventory()
	if leaks := takeInventory().since(before); len(leaks) > 0 {
		t.Fatalf("nothing was left, got %q", leaks)
	}
	path := filepath.Join(t.TempDir(), "left-open")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	release, ended := make(chan struct{}), make(chan struct{})
	go func() { <-release; close(ended) }()
	defer func() { close(release); <-ended }()
	leaks := strings.Join(takeInventory().since(before), "\n")
	for _, want := range []string{path, "TestInventory_reportsWhatIsLeft"} {
		if !strings.Contains(leaks, want) {
			t.Errorf("leaks lack %q:\n%s", want, leaks)
		}
	}
}

func TestGolden_acceptsWhatIsThere(t *testing.T) {
	Golden(t, "golden.txt", []byte("as it was\n"))
}

const echo = `package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	fmt.Println("ready", len(os.Args))
	io.Copy(io.Discard, os.Stdin)
	fmt.Fprintln(os.Stderr, "bye")
	os.Exit(3)
}
`

func TestTarget_buildsStartsAndEnds(t *testing.T) {
	path := BuildGo(t, Files{"main.go": echo}, BuildOptions{})
	if again := BuildGo(t, Files{"main.go": echo}, BuildOptions{}); again != path {
		t.Errorf("the same program is at %s and %s", path, again)
	}
	if stripped := BuildGo(t, Files{"main.go": echo}, BuildOptions{Flags: []string{"-ldflags=-s -w"}}); stripped == path {
		t.Error("other flags give the same program")
	}
	target := StartTarget(t, path, "one", "two")
	if got := target.WaitLine("ready "); got != "3" {
		t.Errorf("got %q arguments, want 3", got)
	}
	target.Stdin.Close()
	if got := target.Wait().ExitCode(); got != 3 {
		t.Errorf("exit code %d, want 3", got)
	}
	if got := target.Stderr(); got != "bye\n" {
		t.Errorf("standard error %q", got)
	}
}

func TestTarget_isKilledAtCleanup(t *testing.T) {
	path := BuildGo(t, Files{"main.go": echo}, BuildOptions{})
	var target *Target
	t.Run("a test that leaves it", func(t *testing.T) {
		target = StartTarget(t, path)
		target.WaitLine("ready ")
	})
	if state := target.Wait(); state.String() != "signal: killed" {
		t.Errorf("ended by %q", state)
	}
}

func TestBuildGo_takesAnotherToolchain(t *testing.T) {
	const toolchain = "go1.20.14"
	path := BuildGo(t, Files{"main.go": "package main\n\nimport \"runtime\"\n\nfunc main() { println(runtime.Version()) }\n"},
		BuildOptions{Toolchain: toolchain})
	target := StartTarget(t, path)
	target.Wait()
	if got := strings.TrimSpace(target.Stderr()); got != toolchain {
		t.Errorf("built with %s, want %s", got, toolchain)
	}
}

func TestRequireBPF_letsALoadableProgramRun(t *testing.T) {
	RequireBPF(t)
	if err := loadMinimalProgram(); err != nil {
		t.Error(err)
	}
}
