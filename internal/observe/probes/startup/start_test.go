package startup

import (
	"os"
	"os/exec"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestTry(t *testing.T) {
	path := testutil.BuildGo(t, testutil.Dir("testdata/victim"), testutil.BuildOptions{})
	o := observe(t, true, path)
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), "SLEEPS=1", "SPINS=1")
	s := o.run(cmd)
	t.Logf("%v %v %v", s.Duration, s.Ended, s.Exit)
	for _, p := range s.Phases {
		t.Logf("%+v", p)
	}
	for _, p := range s.Packages {
		t.Logf("%s %v %v cpu %v off %v delay %v sys %d %v faults %d %v", p.Name, p.Begin, p.Duration, p.CPU, p.OffCPU, p.RunDelay, p.Syscalls, p.SyscallTime, p.MinorFaults, p.Calls)
	}
}
