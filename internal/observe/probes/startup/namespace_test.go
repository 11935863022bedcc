package startup

import (
	"os"
	"os/exec"
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestInAPIDNamespace runs itself again where process ids are other numbers than
// the kernel's, and observes there what is launched, and what has started before.
func TestInAPIDNamespace(t *testing.T) {
	testutil.RequireBPF(t)
	const variable = "GOSHAWK_TEST_INSIDE"
	if path := os.Getenv(variable); path != "" {
		observeInside(t, path)
		return
	}
	unshare := testutil.RequireTool(t, "unshare", "util-linux")
	cmd := exec.Command(unshare, "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), variable+"="+victim(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func observeInside(t *testing.T, path string) {
	o := observe(t, true, path)
	if err := exec.Command(path).Run(); err != nil {
		t.Fatal(err)
	}
	if s := o.next(); s.Phase(startup.KernelExec) == nil || s.Phase(startup.Main) == nil {
		t.Errorf("phases %q", names(s))
	}
	o.stop()
	v := testutil.StartTarget(t, path, "serve")
	address := v.WaitLine("")
	o = join(t, v.PID)
	answer(t, "tcp", address)
	v.Stdin.Close()
	if s := o.next(); s.Phase(startup.FirstAccept) == nil || s.Phase(startup.FirstResponse) == nil {
		t.Errorf("phases %q of a process that was joined", names(s))
	}
}
