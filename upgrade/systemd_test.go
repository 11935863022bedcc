package upgrade_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// manager stands where systemd does: it passes sockets, and is told how the service does.
type manager struct {
	*rig
	mu   sync.Mutex
	said []systemd.Message
}

// newManager starts a service with three sockets, of which the first is used.
func newManager(t *testing.T, p plan, watchdog string) *manager {
	t.Helper()
	receiver, err := systemd.NewReceiver(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{}
	ctx, cancel := context.WithCancel(context.Background())
	var receiving sync.WaitGroup
	receiving.Go(func() {
		for {
			message, err := receiver.Receive(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			m.mu.Lock()
			m.said = append(m.said, message)
			m.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		cancel()
		receiving.Wait()
		if err := receiver.Close(); err != nil {
			t.Error(err)
		}
	})
	command := exec.Command(os.Args[0])
	names := []string{"web", "web.2", "web"}
	for i, address := range []string{p.Address, filepath.Join(t.TempDir(), "2"), filepath.Join(t.TempDir(), "3")} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		f, err := l.File()
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatalf("%s: %v", names[i], err)
		}
		t.Cleanup(func() { f.Close() })
		command.ExtraFiles = append(command.ExtraFiles, f)
	}
	env, err := systemd.Environment(receiver.Environment(os.Environ()), names)
	if err != nil {
		t.Fatal(err)
	}
	command.Env = append(env, shimVariable+"=1")
	if watchdog != "" {
		command.Env = append(command.Env, "WATCHDOG_USEC="+watchdog)
	}
	m.rig = startRig(t, p, command)
	return m
}

// told returns what a process has said, in its order, but for the watchdog.
func (m *manager) told(pid int) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, message := range m.said {
		if message.PID != pid || message.Is("WATCHDOG") {
			continue
		}
		var fields []string
		for k, v := range message.Fields {
			if k != "MONOTONIC_USEC" {
				fields = append(fields, k+"="+v)
			}
		}
		slices.Sort(fields)
		list = append(list, strings.Join(fields, " "))
	}
	return list
}

// awaitTold waits until a process has said this, and nothing else.
func (m *manager) awaitTold(pid int, want ...string) {
	m.t.Helper()
	var got []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if got = m.told(pid); len(got) >= len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		m.t.Errorf("%d says %q; want %q", pid, got, want)
	}
}

// TestSystemd has a service with sockets of systemd upgraded twice, and then stopped.
func TestSystemd(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Network, p.Address = "unix", filepath.Join(t.TempDir(), "web")
	before := func() os.FileInfo {
		info, err := os.Lstat(p.Address)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	m := newManager(t, p, "")
	socket := before()
	first := m.serving()
	m.awaitTold(first, "READY=1")
	if s := m.about().Status.Listeners; len(s) != 1 || !s[0].Inherited || s[0].Name != "web" {
		t.Errorf("%+v", s)
	}
	m.signal(unix.SIGHUP)
	m.awaitTold(first, "READY=1", "RELOADING=1", "READY=1")
	second := m.upgraded(0).PID
	m.awaitTold(first, "READY=1", "RELOADING=1", "READY=1", "MAINPID="+pidText(second))
	m.awaitTold(second, "READY=1", "MAINPID="+pidText(second))
	m.gone(first)
	// A version that is not wanted has nothing to say, also when it is told to reload and
	// to end.
	m.harm("block gate")
	m.signal(unix.SIGUSR2)
	bad := m.awaitCandidate(1)
	if err := errors.Join(unix.Kill(bad, unix.SIGHUP), unix.Kill(bad, unix.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	m.gone(bad)
	m.awaitTold(bad)
	if o := m.outcome(1); o.Outcome != upgrade.RolledBack {
		t.Errorf("%+v", o)
	}
	m.harm("")
	third := m.upgraded(2).PID
	m.awaitTold(third, "READY=1", "MAINPID="+pidText(third))
	m.terminated()
	m.awaitTold(third, "READY=1", "MAINPID="+pidText(third), "STOPPING=1", "EXTEND_TIMEOUT_USEC=15000000")
	m.awaitTold(second, "READY=1", "MAINPID="+pidText(second), "MAINPID="+pidText(third))
	// The sockets are systemd's, which goes on to listen.
	if !os.SameFile(socket, before()) {
		t.Error("the socket's file is another one")
	}
	c, err := net.Dial("unix", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestSystemd_watchdog has each version that is the service's say that it is well, also while it
// watches the next one.
func TestSystemd_watchdog(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Network, p.Address = "unix", filepath.Join(t.TempDir(), "web")
	m := newManager(t, p, "100000")
	beats := func(pid int) int {
		m.mu.Lock()
		defer m.mu.Unlock()
		n := 0
		for _, message := range m.said {
			if message.PID == pid && message.Is("WATCHDOG") {
				n++
			}
		}
		return n
	}
	more := func(pid int) {
		t.Helper()
		n := beats(pid)
		for end := time.Now().Add(patience); beats(pid) < n+3; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d says nothing", pid)
			}
		}
	}
	for n := range 2 {
		serving := m.serving()
		more(serving)
		m.harm("block gate")
		m.signal(unix.SIGUSR2)
		next := m.awaitCandidate(n)
		more(serving)
		if n := beats(next); n > 0 {
			t.Errorf("one in probation has said %d times that it is well", n)
		}
		m.harm("")
		if n == 0 {
			if err := unix.Kill(serving, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			m.await("it runs", func(e upgrade.Event) bool { return e.PID == next && e.State == upgrade.Running })
		}
	}
}
