package upgrade

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// TestSupervisor_holdsSignalsBack sends a signal to a version that does not say yet that
// it is ready: the signal would end it.
func TestSupervisor_holdsSignalsBack(t *testing.T) {
	c := exec.Command("sleep", "1000")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s := &supervisor{
		log: slog.New(slog.DiscardHandler), manager: new(systemd.Notifier), serving: c.Process, replaced: make(map[int]*os.Process),
		// The children of this process are those of other tests.
		wait: func(*unix.WaitStatus) (int, error) { return 0, unix.ECHILD },
	}
	ended, signals, messages := make(chan os.Signal), make(chan os.Signal), make(chan systemd.Message)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(context.Background(), ended, signals, messages)
	}()
	signals <- unix.SIGUSR1
	// Another process cannot release it.
	messages <- systemd.Message{PID: 1, Fields: map[string]string{"READY": "1", "MAINPID": strconv.Itoa(os.Getpid())}}
	messages <- systemd.Message{PID: c.Process.Pid, Fields: map[string]string{"STATUS": "soon"}}
	if !slices.Equal(s.waiting, []os.Signal{unix.SIGUSR1}) {
		t.Errorf("held back: %v", s.waiting)
	}
	messages <- systemd.Message{PID: c.Process.Pid, Fields: map[string]string{"READY": "1"}}
	_ = c.Wait()
	if got := c.ProcessState.String(); got != "signal: user defined signal 1" {
		t.Errorf("it ended by: %s", got)
	}
	// It was this test that has heard of its end.
	ended <- unix.SIGCHLD
	<-done
	if code := s.exitCode(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// sleeper is a process that a supervisor in a test takes for a version.
func sleeper(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "1000")
	c.Env = append(os.Environ(), env...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c
}

// newSupervisor supervises some processes, of which the first one serves. The other
// children of this process are those of other tests.
func newSupervisor(all ...*exec.Cmd) *supervisor {
	return &supervisor{
		log: slog.New(slog.DiscardHandler), manager: new(systemd.Notifier), serving: all[0].Process, ready: true, replaced: make(map[int]*os.Process),
		wait: func(status *unix.WaitStatus) (int, error) {
			for _, c := range all {
				if pid, err := unix.Wait4(c.Process.Pid, status, unix.WNOHANG, nil); pid > 0 && err == nil {
					return pid, nil
				}
			}
			return 0, nil
		},
	}
}

// died waits for the end of a process, of which its parent does not hear yet.
func died(t *testing.T, pid int) {
	t.Helper()
	for {
		switch err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err {
		case nil:
			return
		case unix.EINTR:
		default:
			t.Fatal(err)
		}
	}
}

// TestSupervisor_endsWhicheverServes has a signal to end come when the version that serves
// has just been killed, or be what ends it without a word to the next one: the next one,
// which finds out that it serves, gets it. What it ends with is the service's, if it has
// come so far.
func TestSupervisor_endsWhicheverServes(t *testing.T) {
	for _, test := range []struct {
		name              string
		killed, confirmed bool
		want              int
	}{
		{"killed, the next one does not serve yet", true, false, 137},
		{"killed, the next one serves", true, true, 0},
		{"ended by the signal, the next one does not serve yet", false, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			before, next := sleeper(t), sleeper(t, variable+"=3")
			s := newSupervisor(before, next)
			ended, signals, messages := make(chan os.Signal), make(chan os.Signal), make(chan systemd.Message)
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.run(context.Background(), ended, signals, messages)
			}()
			if test.killed {
				if err := before.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				died(t, before.Process.Pid)
			}
			if test.confirmed {
				ended <- unix.SIGCHLD
				messages <- systemd.Message{PID: next.Process.Pid, Fields: map[string]string{"MAINPID": strconv.Itoa(next.Process.Pid)}}
			}
			signals <- unix.SIGTERM
			if !test.killed {
				died(t, before.Process.Pid)
				ended <- unix.SIGCHLD
			}
			died(t, next.Process.Pid)
			ended <- unix.SIGCHLD
			<-done
			if code := s.exitCode(); code != test.want {
				t.Errorf("exit code %d, want %d", code, test.want)
			}
		})
	}
}

// TestSupervisor_theNextOneIsGoneAlready has a version say that another one serves, which has
// ended by then: how is not known.
func TestSupervisor_theNextOneIsGoneAlready(t *testing.T) {
	before, next := sleeper(t), sleeper(t)
	s := newSupervisor(before)
	if err := next.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = next.Wait()
	s.told(systemd.Message{PID: before.Process.Pid, Fields: map[string]string{"MAINPID": strconv.Itoa(next.Process.Pid)}})
	if err := before.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	died(t, before.Process.Pid)
	if !s.reap() || s.exitCode() != 1 {
		t.Errorf("exit code %d", s.exitCode())
	}
}

func TestOwnSockets(t *testing.T) {
	parent := strconv.Itoa(os.Getppid())
	for _, test := range []struct {
		name string
		env  []string
		want string
	}{
		{"passed to the supervisor", []string{SupervisorVariable + "=" + parent, "LISTEN_PID=" + parent, "LISTEN_FDS=1"}, "LISTEN_PID=" + strconv.Itoa(os.Getpid())},
		{"passed to another one", []string{SupervisorVariable + "=" + parent, "LISTEN_PID=7", "LISTEN_FDS=1"}, "LISTEN_PID=7"},
		{"of a supervisor that is not the parent", []string{SupervisorVariable + "=7", "LISTEN_PID=7", "LISTEN_FDS=1"}, "LISTEN_PID=7"},
		{"not supervised", []string{"LISTEN_PID=" + parent}, "LISTEN_PID=" + parent},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ownSockets(test.env); !slices.Contains(got, test.want) {
				t.Error(got)
			}
		})
	}
}
