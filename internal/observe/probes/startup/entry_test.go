package startup

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

func TestEntryCost(t *testing.T) {
	for _, test := range []struct {
		name                   string
		untraced, traced, want time.Duration
	}{
		{"a call takes longer with the programs", 150, 310, 160},
		{"the machine has become faster meanwhile", 310, 150, 0},
		{"the machine was busy meanwhile", 150, 40 * time.Microsecond, mostEntry},
		{"nobody has timed a call without them", 0, 310, 0},
	} {
		if got := entryCost(test.untraced, test.traced); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if took := callTime(); took <= 0 {
		t.Errorf("a system call takes %v", took)
	}
}

// took runs a program whose init makes system calls, and returns how long these
// took by its own clock.
func took(t *testing.T, cmd *exec.Cmd) time.Duration {
	t.Helper()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n)
}

// TestSystemCallsAreObservedForFree holds an init that makes system calls to what it
// takes where nobody looks. Its own clock, while somebody does, has in it what the
// programs cost, so that what is told is less; and it is not less than half of what
// it takes alone. A busy machine may hold up the program at an unlucky moment: then
// it is started again.
func TestSystemCallsAreObservedForFree(t *testing.T) {
	path := victim(t)
	const calls = 20000
	run := func() *exec.Cmd {
		c := with(path, "CALLS="+strconv.Itoa(calls))
		c.Args = append(c.Args, "took")
		return c
	}
	alone := took(t, run())
	for range 4 {
		alone = min(alone, took(t, run()))
	}
	o := observe(t, true, path)
	var seen []string
	for range 20 {
		cmd := run()
		observed := took(t, cmd)
		s := o.next()
		if s.PID != int32(cmd.Process.Pid) {
			t.Fatalf("start of process %d, want %d", s.PID, cmd.Process.Pid)
		}
		for i := range s.Packages {
			if p := &s.Packages[i]; p.Syscalls == 0 && p.Observed != 0 {
				t.Errorf("the init of %s makes no system calls, and %v are taken off", p.Name, p.Observed)
			}
		}
		p := pkg(t, s, "victim/calls")
		if p.Syscalls < calls || p.Syscalls > calls+calls/10 {
			t.Errorf("%d system calls, want %d", p.Syscalls, calls+calls/50)
		}
		if p.Duration < observed-p.Observed/2 && p.Duration > alone/2 {
			return
		}
		seen = append(seen, (p.Duration+p.Observed).String()+" less "+p.Observed.String()+", by its own clock "+observed.String())
	}
	t.Errorf("an init that takes %v alone is told to take %s", alone, strings.Join(seen, "; "))
}

// TestSystemCallsOfThreads counts the calls of threads that run until their process
// ends.
func TestSystemCallsOfThreads(t *testing.T) {
	path := victim(t)
	o := observe(t, true, path)
	for range 5 {
		s := o.run(exec.Command(path, "threads"))
		main := s.Phase(startup.Main)
		if main == nil {
			t.Fatalf("phases = %q", names(s))
		}
		// The runtime makes some of its own.
		if main.Syscalls < 4*5000 || main.Syscalls > 4*5000+5000 {
			t.Errorf("main makes %d system calls, want 20,000 and some", main.Syscalls)
		}
		if main.Observed <= 0 || main.SyscallTime <= 0 {
			t.Errorf("system calls took %v, to observe them %v", main.SyscallTime, main.Observed)
		}
		checkPhases(t, s)
	}
}
