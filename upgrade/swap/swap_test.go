package swap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

func TestUpgrade_theNewVersionServes(t *testing.T) {
	t.Parallel()
	r := newRig(t, options(t))
	old := r.running(1)
	r.answers(old.PID)
	for n := range 2 {
		o, err := r.upgrade()
		if err != nil || o.Outcome != upgrade.Committed || o.Generation != n+2 || o.Started <= 0 || o.Ready < o.Started || o.Passive < o.Ready || o.Ended < o.Passive {
			t.Fatalf("%+v %v", o, err)
		}
		if e := r.drained(old.PID); e.Reason != "" {
			t.Errorf("the old process: %+v", e)
		}
		r.answers(o.PID)
		s := r.engine.Status()
		if s.PID != o.PID || s.PreviousPID != old.PID || s.PreviousAlive || s.State != upgrade.Running || s.Generation != n+2 || s.SupervisorPID != os.Getpid() || s.Last == nil || s.Last.PID != o.PID {
			t.Errorf("%+v", s)
		}
		// It is known by the name of its program, and not by that of a descriptor.
		if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", o.PID)); err != nil || string(name) != "server\n" {
			t.Errorf("its name is %q, %v", name, err)
		}
		if files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", o.PID)); err != nil || len(files) > 12 {
			t.Errorf("it has %d descriptors, %v", len(files), err)
		}
		old = r.running(n + 2)
	}
	var states []upgrade.State
	for _, e := range r.events {
		if e.State != upgrade.Drained {
			states = append(states, e.State)
		}
	}
	one := "spawning warming both_accept probation committed running"
	if got, want := fmt.Sprint(states), "[warming running "+one+" "+one+"]"; got != want {
		t.Errorf("states %s, want %s", got, want)
	}
}

// load connects again and again while something happens.
func (r *rig) load(during func()) {
	r.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	var mu sync.Mutex
	answered := 0
	address := r.address(0)
	for range 2 {
		working.Go(func() {
			for ctx.Err() == nil {
				_, err := ask("tcp", address)
				mu.Lock()
				answered++
				// One that dies drops what it has accepted; nobody is refused.
				if errors.Is(err, unix.ECONNREFUSED) {
					r.t.Errorf("a connection is refused: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	during()
	stop()
	working.Wait()
	if answered == 0 {
		r.t.Error("nothing was answered")
	}
}

func TestUpgrade_whatDoesNotProveItself(t *testing.T) {
	t.Parallel()
	refused := errors.New("the objective is not kept")
	for name, test := range map[string]struct {
		harm   string
		change func(*swap.Options)
		during func(*rig)
		reason string
	}{
		"it ends at once":          {harm: "exit 3", reason: "ended before it was ready: exit status 3"},
		"it ends in its probation": {change: long, during: sendAt(upgrade.Probation, unix.SIGHUP), reason: "ended in its probation: exit status 42"},
		"it does not say that it is ready": {
			harm: "mute", reason: "did not say that it is ready (READY=1) within 20ms",
			// It has all the time to be started.
			during: func(r *rig) { r.at(upgrade.Warming, func() { r.engine.SetTimeout(20 * time.Millisecond) }) },
		},
		"the gate refuses": {
			change: func(o *swap.Options) {
				o.Gate = func(context.Context, upgrade.Candidate) error { return refused }
			},
			reason: "the objective is not kept",
		},
		"it ends while the gate is asked": {
			change: func(o *swap.Options) {
				o.Gate = func(ctx context.Context, next upgrade.Candidate) error {
					_ = unix.Kill(next.PID, unix.SIGHUP)
					<-ctx.Done()
					return context.Cause(ctx)
				}
			},
			reason: "ended in its probation: exit status 42",
		},
		"it is aborted before it is ready": {harm: "mute", during: abortAt(upgrade.Warming), reason: "aborted by the test"},
		"it is aborted in its probation":   {change: long, during: abortAt(upgrade.Probation), reason: "aborted by the test"},
		"it is killed in its probation":    {change: long, during: sendAt(upgrade.Probation, unix.SIGKILL), reason: "signal: killed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			if test.change != nil {
				test.change(&o)
			}
			r := newRig(t, o)
			old := r.running(1)
			r.harm(test.harm)
			r.load(func() {
				if test.during != nil {
					test.during(r)
				}
				outcome, err := r.upgrade()
				if !errors.Is(err, upgrade.ErrRolledBack) || outcome.Outcome != upgrade.RolledBack || !strings.Contains(outcome.Reason, test.reason) {
					t.Errorf("%+v, %v; want %s", outcome, err, test.reason)
				}
			})
			s := r.engine.Status()
			if s.State != upgrade.Running || s.PID != old.PID || s.NextPID != 0 {
				t.Errorf("afterwards: %+v", s)
			}
			r.await("the old one runs", func(e upgrade.Event) bool {
				return e.State == upgrade.Running && e.From == upgrade.RolledBack && e.PID == old.PID
			})
		})
	}
}

// long makes a probation that no test waits for.
func long(o *swap.Options) { o.Probation = time.Hour }

func abortAt(s upgrade.State) func(*rig) {
	return func(r *rig) { r.at(s, func() { r.engine.Abort("aborted by the test") }) }
}

// sendAt sends a signal to the new process.
func sendAt(s upgrade.State, sig unix.Signal) func(*rig) {
	return func(r *rig) { r.at(s, func() { _ = unix.Kill(r.engine.Status().NextPID, sig) }) }
}

func TestUpgrade_whatCannotBeStarted(t *testing.T) {
	t.Parallel()
	r := newRig(t, options(t))
	old := r.running(1)
	self, err := os.Readlink(r.program)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		text   string
		mode   os.FileMode
		reason string
	}{
		{"missing", "", 0, "no such file"},
		{"a script", "#!/bin/sh\n", 0o755, "a script"},
		{"cut short", string(whole[:len(whole)/2]), 0o755, "truncated"},
		{"not executable", string(whole), 0o644, "not executable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.Remove(r.program); err != nil {
				t.Fatal(err)
			}
			if test.mode != 0 {
				if err := os.WriteFile(r.program, []byte(test.text), test.mode); err != nil {
					t.Fatal(err)
				}
			} else {
				defer os.WriteFile(r.program, nil, 0o600)
			}
			outcome, err := r.upgrade()
			if err == nil || errors.Is(err, upgrade.ErrRolledBack) || outcome.Outcome != upgrade.Running || !strings.Contains(outcome.Reason, test.reason) || swap.Hint(err) == "" {
				t.Errorf("%+v, %v", outcome, err)
			}
			r.answers(old.PID)
		})
	}
}

func TestUpgrade_isRefusedWhileAnotherGoesOn(t *testing.T) {
	t.Parallel()
	o := options(t)
	long(&o)
	r := newRig(t, o)
	if _, err := r.upgrade(); !errors.Is(err, upgrade.ErrBusy) {
		t.Errorf("before it runs: %v", err)
	}
	r.running(1)
	first := make(chan error, 1)
	go func() {
		_, err := r.upgrade()
		first <- err
	}()
	r.await("it is in probation", func(e upgrade.Event) bool { return e.State == upgrade.Probation })
	if o, err := r.upgrade(); !errors.Is(err, upgrade.ErrBusy) || o.Outcome != "" {
		t.Errorf("%+v %v", o, err)
	}
	if s := r.engine.Status(); s.Refused == nil || !strings.Contains(s.Refused.Reason, "another upgrade goes on") || s.Refused.Time.Before(s.Since) {
		t.Errorf("refused: %+v", s.Refused)
	}
	if !r.engine.Abort("enough") {
		t.Error("nothing to abort")
	}
	if err := <-first; !errors.Is(err, upgrade.ErrRolledBack) {
		t.Error(err)
	}
	if r.engine.Abort("again") {
		t.Error("something to abort")
	}
}

func TestUpgrade_isRefusedWhileTooManyEnd(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Generations, o.Drain = 2, time.Hour
	write(t, o.Command[2], "stubborn")
	r := newRig(t, o)
	stubborn := r.running(1)
	r.harm("")
	if _, err := r.upgrade(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.upgrade(); !errors.Is(err, upgrade.ErrBusy) || !strings.Contains(err.Error(), "2 processes serve or drain already, and there may be 2 in all") {
		t.Error(err)
	}
	if err := unix.Kill(stubborn.PID, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	r.drained(stubborn.PID)
	if _, err := r.upgrade(); err != nil {
		t.Error(err)
	}
}

// TestUpgrade_whenItIsReady has versions that say so themselves, by a child, or not at
// all.
func TestUpgrade_whenItIsReady(t *testing.T) {
	t.Parallel()
	const lives = 50 * time.Millisecond
	for _, test := range []struct {
		name, harm string
		change     func(*swap.Options)
		atLeast    time.Duration
	}{
		{"it says so", "", func(*swap.Options) {}, 0},
		{"something that it has started says so", "child", func(*swap.Options) {}, 0},
		{"it says so before it has lived for so long", "", func(o *swap.Options) { o.Notify, o.Ready = false, o.Timeout }, 0},
		{"it has lived for so long", "mute", func(o *swap.Options) { o.Notify, o.Ready = false, lives }, lives},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			test.change(&o)
			write(t, o.Command[2], test.harm)
			r := newRig(t, o)
			r.running(1)
			outcome, err := r.upgrade()
			if err != nil || outcome.Ready-outcome.Started < test.atLeast || outcome.Ready >= patience {
				t.Errorf("%+v %v", outcome, err)
			}
		})
	}
}

// TestUpgrade_asksForMoreTime has a new version that takes longer than it may, and says so.
func TestUpgrade_asksForMoreTime(t *testing.T) {
	t.Parallel()
	r := newRig(t, options(t))
	r.running(1)
	pipe := filepath.Join(t.TempDir(), "pipe")
	for _, path := range []string{pipe, pipe + "-further"} {
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.harm("slow " + pipe)
	const timeout = time.Millisecond
	r.at(upgrade.Warming, func() {
		letGo(t, pipe) // it has asked
		r.engine.SetTimeout(timeout)
		time.AfterFunc(50*timeout, func() { letGo(t, pipe+"-further") })
	})
	if o, err := r.upgrade(); err != nil || o.Ready-o.Started < 50*timeout {
		t.Errorf("%+v %v", o, err)
	}
}

func TestUpgrade_whoDoesNotEndIsKilled(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.Drain = 100 * time.Millisecond
	write(t, o.Command[2], "stubborn")
	r := newRig(t, o)
	old := r.running(1)
	r.harm("")
	if _, err := r.upgrade(); err != nil {
		t.Fatal(err)
	}
	if e := r.drained(old.PID); e.Reason != "it had not ended within 100ms, and was killed" {
		t.Errorf("%+v", e)
	}
}

// TestUpgrade_theOldProcessIsKilled kills the old process while the new one is not yet
// accepted: it is all that is left.
func TestUpgrade_theOldProcessIsKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []upgrade.State{upgrade.Warming, upgrade.Probation} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			o := options(t)
			long(&o)
			r := newRig(t, o)
			old := r.running(1)
			// The new process is not ready before the old one is gone.
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := unix.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			if at == upgrade.Warming {
				r.harm("held " + pipe)
			}
			r.at(at, func() {
				if err := unix.Kill(old.PID, unix.SIGKILL); err != nil {
					t.Error(err)
				}
				if at == upgrade.Warming {
					letGo(t, pipe)
				}
			})
			outcome, err := r.upgrade()
			if err != nil || outcome.Outcome != upgrade.Committed || !strings.Contains(outcome.Reason, "signal: killed") {
				t.Fatalf("%+v %v", outcome, err)
			}
			r.answers(outcome.PID)
			s := r.engine.Status()
			if s.PID != outcome.PID || s.State != upgrade.Running {
				t.Errorf("%+v", s)
			}
		})
	}
}

// letGo writes to a pipe, once it is read.
func letGo(t *testing.T, pipe string) {
	f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Error(err)
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	o := options(t)
	r := newRig(t, o)
	old := r.running(1)
	dial := func() *control.Client {
		c, err := control.Dial(t.Context(), control.Path(o.ControlFolder, os.Getpid()))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := dial()
	defer c.Close()
	var s swap.Status
	if err := c.Status(t.Context(), &s); err != nil || s.PID != old.PID || s.State != upgrade.Running || s.SupervisorPID != os.Getpid() {
		t.Errorf("%+v %v", s, err)
	}
	if aborted, err := c.Abort(t.Context()); aborted || err != nil {
		t.Errorf("%v %v", aborted, err)
	}
	var outcome upgrade.Outcome
	if err := c.Upgrade(t.Context(), &outcome); err != nil || outcome.Outcome != upgrade.Committed {
		t.Errorf("%+v %v", outcome, err)
	}
	events, enough := dial(), errors.New("enough")
	defer events.Close()
	var states []upgrade.State
	err := events.Events(t.Context(), func(raw json.RawMessage) error {
		var e upgrade.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		if states = append(states, e.State); e.State == upgrade.Running && e.Generation == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || len(states) < 8 {
		t.Errorf("%v, %v", states, err)
	}
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	path := filepath.Join(t.TempDir(), "live.sock")
	live, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for _, test := range []struct {
		name   string
		change func(*swap.Options)
		says   string
	}{
		{"no command", func(o *swap.Options) { o.Command = nil }, "no command"},
		{"no sockets", func(o *swap.Options) { o.Listeners = nil }, "no sockets"},
		{"no shim", func(o *swap.Options) { o.Shim = nil }, "no shim"},
		{"ready too late", func(o *swap.Options) { o.Notify, o.Ready, o.Timeout = false, time.Hour, time.Minute }, "has only 1m0s"},
		{"a negative duration", func(o *swap.Options) { o.Drain = -1 }, "is negative"},
		{"no such program", func(o *swap.Options) { o.Command[0] = "./nothing" }, "nothing: no such file"},
		{"not in PATH", func(o *swap.Options) { o.Command[0] = "no-such-program-anywhere" }, "no-such-program-anywhere: executable file not found"},
		{"an address that is taken", func(o *swap.Options) { o.Listeners[0].Address = taken.Addr().String() }, "listen web: tcp " + taken.Addr().String() + ": bind: address already in use"},
		{"a unix socket that is served", func(o *swap.Options) { o.Listeners[0].Network, o.Listeners[0].Address = "unix", path }, "address already in use"},
		{"an address that is none", func(o *swap.Options) { o.Listeners[0].Address = ":99999" }, "listen web: address 99999: invalid port"},
		{"one name twice", func(o *swap.Options) { o.Listeners = append(o.Listeners, o.Listeners[0]) }, "listen web: there are two of this name"},
		{"an unknown network", func(o *swap.Options) { o.Listeners[0].Network = "ip" }, `"ip" is no network`},
		{"a name of two", func(o *swap.Options) { o.Listeners[0].Name = "a:b" }, "no colon"},
		{"what systemd does not pass", func(o *swap.Options) { o.Listeners[0].Network, o.Listeners[0].Address = "", "" }, "systemd does not pass a socket of this name"},
		{"a program that is not verified", func(o *swap.Options) {
			o.Verify = func(*os.File) error { return errors.New("the signature is another's") }
		}, "the signature is another's"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(t)
			test.change(&o)
			e, err := swap.New(o)
			if err == nil {
				e.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want %s", err, test.says)
			}
		})
	}
}

func TestExec_refuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		says string
	}{
		{nil, "is done for an engine alone"},
		{[]string{"x", "link", "program"}, `"x" is no descriptor`},
		{[]string{"2", "link", "program"}, `"2" is no descriptor`},
		{[]string{"9999", "link", "program"}, "bad file descriptor"},
	} {
		if err := swap.Exec(test.args); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%q: %v", test.args, err)
		}
	}
}
