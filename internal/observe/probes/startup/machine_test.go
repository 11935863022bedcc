package startup

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func rules(s *startup.Start) []string {
	var list []string
	for _, f := range startup.Find(s) {
		if f.Severity != model.SeverityInfo {
			list = append(list, f.Rule)
		}
	}
	return list
}

// TestThrottled starts a program where one ms of CPU time is to be had in 20. An init
// spins for more than that, and for less than a slow one does. The kernel stops who
// has used up its quota at the next tick of its clock, which may come after the start:
// then the program is started again.
func TestThrottled(t *testing.T) {
	path := victim(t)
	group := testutil.RequireQuota(t, time.Millisecond, 20*time.Millisecond)
	o := observe(t, true, path)
	for range 20 {
		// The start is this process's child: the shell becomes the program.
		cmd := exec.Command("sh", "-c", `echo $$ >"$1/cgroup.procs" && exec "$0"`, path, group)
		cmd.Env = append(os.Environ(), "SPINS=4ms")
		_ = cmd.Run()
		var s *startup.Start
		for s == nil || s.Phase(startup.Main) == nil {
			s = o.next() // the shell's own comes first
		}
		got := rules(s)
		if slices.ContainsFunc(got, func(rule string) bool { return strings.HasPrefix(rule, "slow") }) {
			t.Errorf("findings = %q", got)
		}
		toMain, _ := s.ToMain()
		if toMain.Throttled < 10*time.Millisecond {
			continue
		}
		if s.Facts.Throttles < 1 || s.Facts.Quota != 0.05 || !slices.Contains(got, "throttled-start") {
			t.Errorf("throttled for %v, %d times, by a quota of %v: findings = %q", toMain.Throttled, s.Facts.Throttles, s.Facts.Quota, got)
		}
		return
	}
	t.Error("no start was throttled for 10 ms before main.main")
}

// TestStarved starts a program while every CPU has more to do than it can.
func TestStarved(t *testing.T) {
	path := victim(t)
	o := observe(t, true, path)
	for range 4 * runtime.NumCPU() {
		testutil.StartTarget(t, "/bin/sh", "-c", "while :; do :; done")
	}
	s := o.run(exec.Command(path))
	toMain, _ := s.ToMain()
	// How much the scheduler lets it wait is its own affair; who waits for long is
	// starved, and nobody is slow.
	got := rules(s)
	starved := slices.Contains(got, "starved-start")
	if toMain.RunDelay > toMain.Duration/2 && !starved || slices.ContainsFunc(got, func(rule string) bool { return strings.HasPrefix(rule, "slow") }) {
		t.Errorf("findings = %q of a start that waited for a CPU for %v of %v", got, toMain.RunDelay, toMain.Duration)
	}
}

// TestAnotherTracer starts a program that others' probes are on.
func TestAnotherTracer(t *testing.T) {
	path := victim(t)
	first := observe(t, true, path)
	second := observe(t, true, path)
	a := exec.Command(path)
	s := second.run(a)
	if s.Phase(startup.Main) == nil || len(s.Packages) < 10 {
		t.Errorf("phases %q, %d packages", names(s), len(s.Packages))
	}
	if other := first.next(); other.PID != s.PID || len(other.Packages) != len(s.Packages) {
		t.Errorf("the other sees %d packages of process %d, this one %d of %d", len(other.Packages), other.PID, len(s.Packages), s.PID)
	}
}

// TestJoined observes the rest of the start of a process that runs already.
func TestJoined(t *testing.T) {
	path := filepath.Clean(victim(t))
	v := testutil.StartTarget(t, path, "serve")
	address := v.WaitLine("")
	o := join(t, v.PID)
	answer(t, "tcp", address)
	v.Stdin.Close()
	s := o.next()
	if s.PID != int32(v.PID) || s.Phase(startup.FirstAccept) == nil || s.Phase(startup.FirstResponse) == nil || len(s.Packages) != 0 {
		t.Errorf("process %d, phases %q, %d packages", s.PID, names(s), len(s.Packages))
	}
}
