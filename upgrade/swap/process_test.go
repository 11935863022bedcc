package swap_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

// engineProcess is an engine as a process of its own.
type engineProcess struct {
	t      *testing.T
	cmd    *exec.Cmd
	events chan upgrade.Event // closed at its end
}

func startEngine(t *testing.T, o swap.Options, env ...string) *engineProcess {
	t.Helper()
	text, err := json.Marshal(plan{
		Command: o.Command, Shim: o.Shim, Listeners: o.Listeners, Notify: o.Notify, Reap: o.Reap,
		Ready: o.Ready, Timeout: o.Timeout, Probation: o.Probation, Drain: o.Drain, ControlFolder: o.ControlFolder,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := &engineProcess{t: t, cmd: exec.Command(os.Args[0], asEngine, string(text)), events: make(chan upgrade.Event, 1000)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e upgrade.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				fmt.Fprintf(os.Stderr, "%s\n", lines.Bytes())
				continue
			}
			p.events <- e
		}
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		for range p.events {
		}
		_ = p.cmd.Wait()
	})
	return p
}

// await waits for the next event of a kind.
func (p *engineProcess) await(what string, is func(upgrade.Event) bool) upgrade.Event {
	p.t.Helper()
	end := time.After(patience)
	for {
		select {
		case e, ok := <-p.events:
			if !ok {
				p.t.Fatalf("it has ended: %s", what)
			}
			if is(e) {
				return e
			}
		case <-end:
			p.t.Fatalf("waiting in vain: %s", what)
		}
	}
}

func (p *engineProcess) running() upgrade.Event {
	p.t.Helper()
	return p.await("it runs", func(e upgrade.Event) bool { return e.State == upgrade.Running })
}

func (p *engineProcess) signal(s unix.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Error(err)
	}
}

// exit waits for the end and returns the exit code.
func (p *engineProcess) exit() int {
	p.t.Helper()
	for range p.events {
	}
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func TestSignals(t *testing.T) {
	t.Parallel()
	o := options(t)
	p := startEngine(t, o)
	first := p.running()
	p.signal(unix.SIGUSR2)
	second := p.running()
	if second.PID == first.PID || second.Generation != 2 {
		t.Errorf("%+v after %+v", second, first)
	}
	p.signal(unix.SIGUSR1) // nothing goes on
	p.signal(unix.SIGHUP)  // is passed on, and ends this server
	if code := p.exit(); code != 42 {
		t.Errorf("exit code %d", code)
	}
}

func TestSignals_abort(t *testing.T) {
	t.Parallel()
	o := options(t)
	long(&o)
	p := startEngine(t, o)
	first := p.running()
	p.signal(unix.SIGUSR2)
	p.await("probation", func(e upgrade.Event) bool { return e.State == upgrade.Probation })
	p.signal(unix.SIGUSR1)
	e := p.await("rolled back", func(e upgrade.Event) bool { return e.Outcome != nil })
	if e.Outcome.Outcome != upgrade.RolledBack || e.Outcome.Reason != "aborted by SIGUSR1" {
		t.Errorf("%+v", e.Outcome)
	}
	if again := p.running(); again.PID != first.PID {
		t.Errorf("%+v", again)
	}
	p.signal(unix.SIGINT)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSignals_theSecondOneKills(t *testing.T) {
	t.Parallel()
	o := options(t)
	write(t, o.Command[2], "stubborn")
	p := startEngine(t, o)
	p.running()
	p.signal(unix.SIGTERM)
	p.await("it is told to end", func(e upgrade.Event) bool { return e.State == upgrade.Draining })
	p.signal(unix.SIGTERM)
	if code := p.exit(); code != 128+9 {
		t.Errorf("exit code %d", code)
	}
}

// TestSignals_whileItIsStarted has a new version that is never executed.
func TestSignals_whileItIsStarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shim, held := filepath.Join(dir, "shim"), filepath.Join(dir, "held")
	write(t, shim, `test -e `+held+` && exec sleep 3600; exec "$@"`)
	o := options(t)
	o.Shim, o.Timeout = append([]string{"/bin/sh", shim}, o.Shim...), time.Hour
	p := startEngine(t, o)
	p.running()
	write(t, held, "")
	p.signal(unix.SIGUSR2)
	p.await("it is started", func(e upgrade.Event) bool { return e.State == upgrade.Spawning })
	p.signal(unix.SIGTERM)
	e := p.await("that was all", func(e upgrade.Event) bool { return e.Outcome != nil })
	if e.Outcome.Outcome != upgrade.Running || !strings.HasSuffix(e.Outcome.Reason, ": this process ends") {
		t.Errorf("%+v", e.Outcome)
	}
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSignals_withoutAHandler has a server that the signals end which it is passed.
func TestSignals_withoutAHandler(t *testing.T) {
	t.Parallel()
	for s, exit := range map[unix.Signal]int{unix.SIGTERM: 0, unix.SIGINT: 128 + 2} {
		o := options(t)
		write(t, o.Command[2], "careless")
		p := startEngine(t, o)
		p.running()
		p.signal(s)
		if code := p.exit(); code != exit {
			t.Errorf("%v: exit code %d, want %d", s, code, exit)
		}
	}
}

// TestReap leaves orphans to an engine, which clears them away and keeps the versions.
func TestReap(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Reap = true
	write(t, o.Command[2], "orphan")
	p := startEngine(t, o)
	p.running()
	p.signal(unix.SIGUSR2)
	last := p.running()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		children := childrenOf(t, p.cmd.Process.Pid)
		if len(children) == 1 && children[last.PID] != "Z" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("children %v, want %d alone", children, last.PID)
		}
	}
	p.signal(unix.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// childrenOf returns the state of each child of a process.
func childrenOf(t *testing.T, pid int) map[int]string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	list := map[int]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var child, parent int
		var state string
		fmt.Sscan(string(text), &child)
		fmt.Sscan(string(text[strings.LastIndexByte(string(text), ')')+1:]), &state, &parent)
		if parent == pid {
			list[child] = state
		}
	}
	return list
}

// TestNotify has an engine that tells its own manager how the server does.
func TestNotify(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	manager, pipe := filepath.Join(dir, "manager"), filepath.Join(dir, "pipe")
	socket, err := listenManager(manager)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	hears := func(want ...string) {
		t.Helper()
		for _, text := range want {
			if got := receive(t, socket); got != text {
				t.Errorf("the manager hears %q, want %q", got, text)
			}
		}
	}
	for _, path := range []string{pipe, pipe + "-further"} {
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := options(t)
	write(t, o.Command[2], "slow "+pipe)
	p := startEngine(t, o, "NOTIFY_SOCKET="+manager)
	letGo(t, pipe)
	hears("EXTEND_TIMEOUT_USEC=3600000000")
	letGo(t, pipe+"-further")
	hears("STATUS=it is well", "READY=1")
	p.running()
	// The service has started: its next versions are not those of the manager.
	write(t, o.Command[2], "")
	p.signal(unix.SIGUSR2)
	p.running()
	p.signal(unix.SIGTERM)
	hears("STOPPING=1")
	if code := p.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func listenManager(path string) (*net.UnixConn, error) {
	return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
}

func receive(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}
