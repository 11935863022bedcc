package upgrade_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
)

func (r *rig) control(pid int) *control.Client {
	r.t.Helper()
	c, err := control.Dial(r.t.Context(), control.Path(r.plan.ControlFolder, pid))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c
}

// TestControl drives a server from outside: one upgrade commits, and two are aborted, by either of
// the processes.
func TestControl(t *testing.T) {
	t.Parallel()
	p := quick()
	p.ControlFolder = t.TempDir() + "/control"
	r := newRig(t, p)
	ctx := t.Context()
	first := r.serving()
	var told []upgrade.Event
	var telling sync.WaitGroup
	listener := r.control(first)
	telling.Go(func() {
		err := listener.Events(ctx, func(raw json.RawMessage) error {
			var e upgrade.Event
			err := json.Unmarshal(raw, &e)
			told = append(told, e)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	c := r.control(first)
	var s upgrade.Status
	if err := c.Status(ctx, &s); err != nil || s.PID != first || s.State != upgrade.Running || s.Generation != 1 || len(s.Listeners) != 1 || s.Last != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if aborted, err := c.Abort(ctx); aborted || err != nil {
		t.Errorf("%v, %v", aborted, err)
	}
	for n, by := range []string{"old", "new"} {
		r.harm("block gate")
		var o upgrade.Outcome
		ended := make(chan error, 1)
		asking := r.control(first)
		go func() { ended <- asking.Upgrade(ctx, &o) }()
		next := r.awaitCandidate(n)
		aborter := r.control(next)
		if by == "old" {
			aborter = r.control(first)
		}
		if err := r.control(first).Upgrade(ctx, new(upgrade.Outcome)); err == nil || !strings.Contains(err.Error(), "another upgrade goes on") {
			t.Errorf("%v", err)
		}
		if aborted, err := aborter.Abort(ctx); !aborted || err != nil {
			t.Errorf("%v, %v", aborted, err)
		}
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "aborted by the operator") || o.Outcome != upgrade.RolledBack || o.PID != next {
			t.Errorf("by the %s process: %+v, %v", by, o, err)
		}
		r.gone(next)
	}
	r.harm("")
	var o upgrade.Outcome
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		// The end of the process that was rolled back is noticed by and by.
		if err := r.control(first).Upgrade(ctx, &o); err == nil || time.Now().After(end) || !strings.Contains(err.Error(), "still drain") {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	if o.Outcome != upgrade.Committed || o.Generation != 2 {
		t.Errorf("%+v", o)
	}
	telling.Wait()
	r.await("the first one has told all", func(e upgrade.Event) bool { return e.PID == first && e.State == upgrade.Drained })
	r.gone(first)
	r.inOrder(first, told)
	if pids, err := control.List(p.ControlFolder); err != nil || !slices.Equal(pids, []int{o.PID}) {
		t.Errorf("%v, %v", pids, err)
	}
	r.entered(2, upgrade.Running)
	if err := r.control(o.PID).Status(ctx, &s); err != nil || s.PID != o.PID || s.PreviousPID != first || s.Generation != 2 ||
		s.Last == nil || s.Last.Outcome != upgrade.Committed || s.Last.PID != o.PID || s.Last.Ready != o.Ready || s.Last.Ended > o.Ended {
		t.Errorf("%+v, %v", s, err)
	}
	r.terminated()
	if left, err := os.ReadDir(p.ControlFolder); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// inOrder checks that a listener was told what the process has told its program, and that
// each state follows the one before.
func (r *rig) inOrder(pid int, told []upgrade.Event) {
	r.t.Helper()
	own := slices.DeleteFunc(r.all(), func(e upgrade.Event) bool { return e.PID != pid })
	same := slices.EqualFunc(told, own, func(a, b upgrade.Event) bool {
		return a.State == b.State && a.From == b.From && a.Time.Equal(b.Time) && (a.Outcome == nil) == (b.Outcome == nil)
	})
	if !same {
		r.t.Errorf("%+v is told; want %+v", told, own)
	}
	from := upgrade.Warming
	for i, e := range own {
		if e.From != from || i > 0 && e.Time.Before(own[i-1].Time) {
			r.t.Errorf("%d: from %s to %s, after %s", i, e.From, e.State, from)
		}
		from = e.State
	}
	if from != upgrade.Drained {
		r.t.Errorf("the last one is %s", from)
	}
}

// TestNew_withoutAControlSocket has a folder that is of no use: the server serves, and can be
// upgraded.
func TestNew_withoutAControlSocket(t *testing.T) {
	t.Parallel()
	p := quick()
	p.ControlFolder = "/dev/null/none"
	r := newRig(t, p)
	r.logged("nobody can ask this process")
	r.upgraded(0)
}

// TestRun_inAProcessOfItsOwn uses the library without another process: with no servers, and with an
// upgrade before its time and after.
func TestRun_inAProcessOfItsOwn(t *testing.T) {
	up, err := upgrade.New(upgrade.Options{ControlFolder: upgrade.NoControl})
	if err != nil {
		t.Fatal(err)
	}
	busy := func(when string) {
		t.Helper()
		if o, err := up.Upgrade(t.Context()); !errors.Is(err, upgrade.ErrBusy) || o.PID != 0 {
			t.Errorf("%s: %+v, %v", when, o, err)
		}
	}
	busy("before it runs")
	if up.Follows() || up.Abort("") {
		t.Error("it takes itself for another")
	}
	l, err := up.Listen("web", "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- up.Run(ctx) }()
	for up.Status().State != upgrade.Running {
		time.Sleep(time.Millisecond)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	// Who accepts without a server is told as well.
	if err := <-accepted; err == nil {
		t.Error("somebody has connected")
	}
	busy("after it has run")
	if _, err := up.Listen("late", "tcp", "127.0.0.1:0"); err == nil {
		t.Error("it listens after it has drained")
	}
	select {
	case <-up.Draining():
	default:
		t.Error("it does not say that it drains")
	}
}

// TestRun_aServerEnds has the program close its listener: the process ends, as one without a
// server is of no use, and says why.
func TestRun_aServerEnds(t *testing.T) {
	up, err := upgrade.New(upgrade.Options{ControlFolder: upgrade.NoControl})
	if err != nil {
		t.Fatal(err)
	}
	l, err := up.Listen("web", "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up.Add(upgrade.HTTP(&http.Server{}, l))
	ended := make(chan error, 1)
	go func() { ended <- up.Run(t.Context()) }()
	for up.Status().State != upgrade.Running {
		time.Sleep(time.Millisecond)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "serve HTTP on 127.0.0.1:") {
			t.Errorf("%v", err)
		}
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}
