package upgrade_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

const (
	// superviseVariable is the plan of the server that is supervised. Its name ends as that
	// of the plan, so that a rig ends this process, too.
	superviseVariable = "SUPERVISE_" + planVariable
	// exitVariable is the file to which a supervisor writes its end.
	exitVariable = "SUPERVISE_TEST_EXIT"
	// scriptVariable is a shell script to supervise instead of a server.
	scriptVariable = "SUPERVISE_TEST_SCRIPT"
)

// TestSupervise_asProcess is the supervisor of other tests.
func TestSupervise_asProcess(t *testing.T) {
	file, ok := os.LookupEnv(exitVariable)
	if !ok {
		return
	}
	o := upgrade.SuperviseOptions{Command: []string{os.Args[0]}, Env: append(os.Environ(), planVariable+"="+os.Getenv(superviseVariable))}
	if script := os.Getenv(scriptVariable); script != "" {
		o.Command, o.Env = []string{"sh", "-c", script}, nil
	}
	exit, err := upgrade.Supervise(context.Background(), o)
	if err := os.WriteFile(file, fmt.Append(nil, exit, " ", err), 0o600); err != nil {
		panic(err)
	}
	os.Exit(0)
}

// supervised is a server with its supervisor.
type supervised struct {
	*rig
	exit string
}

// newSupervised starts a supervisor whose server follows a plan.
func newSupervised(t *testing.T, p plan, env ...string) *supervised {
	t.Helper()
	s := &supervised{exit: filepath.Join(t.TempDir(), "exit")}
	// The plan is for the server alone.
	first := exec.Command("sh", "-c", `export `+superviseVariable+`="$`+planVariable+`"; unset `+planVariable+`; exec "$0" -test.run='^TestSupervise_asProcess$'`, os.Args[0])
	first.Env = append(append(os.Environ(), exitVariable+"="+s.exit), env...)
	s.rig = startRig(t, p, first)
	return s
}

// tell sends a signal to the supervisor.
func (s *supervised) tell(sig unix.Signal) {
	s.t.Helper()
	if err := s.first.Process.Signal(sig); err != nil {
		s.t.Error(err)
	}
}

// ends waits for the end of the supervisor, and checks with which exit code.
func (s *supervised) ends(want string) {
	s.t.Helper()
	if got := awaitFile(s.t, s.exit); got != want {
		s.t.Errorf("it ends with %q, want %q\n%s", got, want, s.log)
	}
}

func awaitFile(t testing.TB, path string) string {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil && len(text) > 0 {
			return string(text)
		}
	}
	t.Fatalf("%s is not written", path)
	return ""
}

func TestSupervise_staysTheParent(t *testing.T) {
	t.Parallel()
	s := newSupervised(t, quick())
	s.adopted(s.serving())
	for n := range 2 {
		s.tell(unix.SIGUSR2)
		o := s.outcome(n)
		if o.Outcome != upgrade.Committed {
			t.Fatalf("%+v", o)
		}
		s.entered(n+2, upgrade.Running)
		s.adopted(o.PID)
		s.answers(o.PID)
	}
	s.tell(unix.SIGTERM)
	s.entered(3, upgrade.Drained)
	s.ends("0 <nil>")
}

func TestSupervise_passesSignalsOn(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Probation = time.Hour
	s := newSupervised(t, p)
	first := s.serving()
	s.tell(unix.SIGUSR2)
	s.entered(2, upgrade.Probation)
	s.tell(unix.SIGUSR1)
	if o := s.outcome(0); o.Outcome != upgrade.RolledBack {
		t.Errorf("%+v", o)
	}
	s.answers(first)
	s.tell(unix.SIGINT)
	s.ends("0 <nil>")
}

// TestSupervise_theOldProcessIsKilled has the new version serve, which the supervisor
// finds by itself.
func TestSupervise_theOldProcessIsKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []upgrade.State{upgrade.Warming, upgrade.Probation} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			p := quick()
			p.Probation = time.Hour
			s := newSupervised(t, p)
			first := s.serving()
			if at == upgrade.Warming {
				s.harm("wait warm")
			}
			s.tell(unix.SIGUSR2)
			if at == upgrade.Warming {
				s.entered(1, at)
			} else {
				s.entered(2, at)
			}
			if err := unix.Kill(first, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			s.harm("")
			e := s.entered(2, upgrade.Running)
			s.answers(e.PID)
			s.tell(unix.SIGTERM)
			s.entered(2, upgrade.Drained)
			s.ends("0 <nil>")
		})
	}
}

func TestSupervise_endsAsTheServerDoes(t *testing.T) {
	t.Parallel()
	s := newSupervised(t, quick())
	if err := unix.Kill(s.serving(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.ends("137 <nil>")
}

// TestSupervise_whoTookOverDies has the new version die as a child of the old one, which
// still drains: the supervisor ends after both.
func TestSupervise_whoTookOverDies(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Drain = time.Hour
	s := newSupervised(t, p)
	busy := s.hold(s.serving())
	s.tell(unix.SIGUSR2)
	o := s.outcome(0)
	s.entered(2, upgrade.Running)
	if err := unix.Kill(o.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.clearedAway(o.PID)
	busy.finish(t)
	s.ends("1 <nil>")
}

// clearedAway waits until the parent of a process has heard of its end.
func (s *supervised) clearedAway(pid int) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if state, _ := stateOf(pid); state == "" {
			return
		}
	}
	s.t.Fatalf("%d is not cleared away", pid)
}

// TestSupervise_clearsAway has a script leave orphans.
func TestSupervise_clearsAway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	exit, orphansEnd, scriptEnds := filepath.Join(dir, "exit"), filepath.Join(dir, "orphans"), filepath.Join(dir, "script")
	c := exec.Command(os.Args[0], "-test.run=^TestSupervise_asProcess$")
	// The inner shells end at once, and leave their children to the supervisor.
	wait := func(file string) string { return "while ! test -e " + file + "; do sleep 0.02; done; " }
	c.Env = append(os.Environ(), exitVariable+"="+exit, scriptVariable+"="+
		"for i in 1 2 3; do sh -c 'sh -c \""+wait(orphansEnd)+"exit 3\" & exit 0'; done; "+wait(scriptEnds)+"exit 6")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	await := func(n int) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			all := childrenOf(t, c.Process.Pid)
			if len(all) == n {
				return
			}
			if time.Now().After(end) {
				t.Errorf("its children are %v, want %d", all, n)
				return
			}
		}
	}
	await(4)
	write := func(path string) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
	write(orphansEnd)
	await(1)
	write(scriptEnds)
	if got := awaitFile(t, exit); got != "6 <nil>" {
		t.Errorf("it ends with %q", got)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSupervise_tellsTheServiceManager(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "manager")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	s := newSupervised(t, quick(), "NOTIFY_SOCKET="+path)
	s.tell(unix.SIGUSR2)
	s.entered(2, upgrade.Running)
	s.gone(s.all()[0].PID)
	s.tell(unix.SIGTERM)
	s.ends("0 <nil>")
	if err := manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var heard []string
	for b := make([]byte, 4096); len(heard) == 0 || heard[len(heard)-1] != "EXTEND_TIMEOUT_USEC=15000000"; {
		n, err := manager.Read(b)
		if err != nil {
			t.Fatalf("%v after %q", err, heard)
		}
		heard = append(heard, string(b[:n]))
	}
	// The main process is the supervisor, whichever serves.
	if all := strings.Join(heard, " "); !strings.HasPrefix(all, "READY=1") || !strings.Contains(all, "STOPPING=1") || strings.Contains(all, "MAINPID") {
		t.Errorf("it hears %q", heard)
	}
}

func TestSupervise_whatCannotBeStarted(t *testing.T) {
	for _, test := range []struct{ name, says string }{
		{"./no-such-program", "no such file"},
		{"no-such-program-anywhere", "no-such-program-anywhere: executable file not found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// It gets the orphans of the other tests meanwhile, and clears none away.
			_, err := upgrade.Supervise(t.Context(), upgrade.SuperviseOptions{Command: []string{test.name}})
			if restore := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0); restore != nil {
				t.Error(restore)
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Error(err)
			}
		})
	}
}

func TestSupervised(t *testing.T) {
	for _, test := range []struct {
		name, value, fd string
		want            bool
	}{
		{"by nobody", "", "", false},
		{"by the parent", strconv.Itoa(os.Getppid()), "", true},
		{"by an ancestor of what started this one", "1234567", "", false},
		{"as the process before", "1234567", "3", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for name, value := range map[string]string{upgrade.SupervisorVariable: test.value, "GOSHAWK_UPGRADE_FD": test.fd} {
				t.Setenv(name, value)
				if value == "" {
					os.Unsetenv(name)
				}
			}
			if got := upgrade.Supervised(); got != test.want {
				t.Error(got)
			}
		})
	}
}

// adopted waits until a process is a child of the supervisor.
func (s *supervised) adopted(pid int) {
	s.t.Helper()
	parent := 0
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, parent = stateOf(pid); parent == s.first.Process.Pid {
			return
		}
	}
	s.t.Errorf("the parent of %d is %d", pid, parent)
}

// stateOf returns the state of a process and its parent, "" and 0 if it is gone.
func stateOf(pid int) (state string, parent int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		fmt.Sscan(string(text[strings.LastIndexByte(string(text), ')')+1:]), &state, &parent)
	}
	return state, parent
}

// childrenOf returns the state of each child of a process.
func childrenOf(t *testing.T, pid int) map[int]string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	list := map[int]string{}
	for _, f := range files {
		child, _ := strconv.Atoi(filepath.Base(f))
		if state, parent := stateOf(child); parent == pid {
			list[child] = state
		}
	}
	return list
}
