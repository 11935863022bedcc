package upgrade_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

func asOp(err error, op **net.OpError) bool { return errors.As(err, op) }

func dialUnix(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
}

// quick is a plan whose probation is short.
func quick() plan {
	return plan{Probation: 200 * time.Millisecond, Heartbeat: 2 * time.Second, Drain: 10 * time.Second, Generations: 10}
}

func TestUpgrade_theNewVersionServes(t *testing.T) {
	t.Parallel()
	r := newRig(t, quick())
	r.answers(r.serving())
	for n := range 3 {
		r.signal(unix.SIGUSR2)
		o := r.outcome(n)
		if o.Outcome != upgrade.Committed || o.Generation != n+2 || o.Started <= 0 || o.Ready < o.Started || o.Passive < o.Ready || o.Ended < o.Passive {
			t.Fatalf("%+v", o)
		}
		e := r.entered(n+2, upgrade.Running)
		if e.PID != o.PID {
			t.Errorf("%d runs, %d was started", e.PID, o.PID)
		}
		r.entered(n+1, upgrade.Drained)
		r.answers(o.PID)
	}
}

// TestUpgrade_whatDoesNotProveItself has a new version come to harm at each point of its
// life until it has proved itself: the old one serves, and no connection is refused.
func TestUpgrade_whatDoesNotProveItself(t *testing.T) {
	t.Parallel()
	// Those that hang are noticed when their time is up.
	mute := []string{"block warm", "stop main", "stop new"}
	hanging := []string{"block check", "stop ready+50ms"}
	for _, harm := range append(append([]string{
		"exit main", "panic main", "kill main", "exit new", "panic new", "kill new", "exit listen", "kill listen",
		"refuse warm", "exit warm", "kill warm", "kill ready+0ms", "panic ready+1ms", "exit ready+20ms", "kill ready+100ms", "exit ready+1s", "kill request", "panic request",
		"refuse check", "panic check", "exit check", "refuse gate",
	}, mute...), hanging...) {
		t.Run(harm, func(t *testing.T) {
			t.Parallel()
			p := quick()
			p.Heartbeat = patience
			switch {
			case slices.Contains(mute, harm):
				p.Timeout = 2 * time.Second
			case slices.Contains(hanging, harm):
				p.Heartbeat = time.Second
			}
			r := newRig(t, p)
			first := r.serving()
			r.harm(harm)
			load := newLoad(r)
			r.signal(unix.SIGUSR2)
			o := r.outcome(0)
			if o.Outcome != upgrade.RolledBack || o.Reason == "" {
				t.Errorf("%+v", o)
			}
			r.await("it runs again", func(e upgrade.Event) bool {
				return e.PID == first && e.State == upgrade.Running && e.From == upgrade.RolledBack
			})
			r.answers(first)
			if answered, refused := load.end(); refused > 0 || answered == 0 {
				t.Errorf("%d answered, %d refused", answered, refused)
			}
			// And then one that is well, unless this machine is slow, too.
			r.harm("")
			for n := 1; ; n++ {
				r.signal(unix.SIGUSR2)
				if o := r.outcome(n); o.Outcome == upgrade.Committed {
					break
				} else if p.Timeout == 0 && p.Heartbeat == patience || n > 10 {
					t.Fatalf("afterwards: %+v", o)
				}
			}
		})
	}
}

// TestUpgrade_theOldProcessIsKilled kills the old process when an upgrade has come so
// far: whatever the new one was told by then, it serves.
func TestUpgrade_theOldProcessIsKilled(t *testing.T) {
	t.Parallel()
	for _, at := range []upgrade.State{upgrade.Spawning, upgrade.Warming, upgrade.BothAccept, upgrade.Probation, upgrade.Committed} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, quick())
			first := r.serving()
			switch at {
			case upgrade.Spawning:
				r.harm("wait main")
			case upgrade.Warming, upgrade.BothAccept, upgrade.Probation:
				r.harm("wait gate")
			}
			r.signal(unix.SIGUSR2)
			r.entered(1, at)
			if at == upgrade.Spawning {
				r.awaitChild(first)
			}
			// One that has committed may have ended by itself.
			if err := unix.Kill(first, unix.SIGKILL); err != nil && at != upgrade.Committed {
				t.Fatal(err)
			}
			r.harm("")
			e := r.entered(2, upgrade.Running)
			r.answers(e.PID)
			// It can be upgraded as any other.
			r.signal(unix.SIGUSR2)
			e = r.entered(3, upgrade.Running)
			r.answers(e.PID)
		})
	}
}

// load connects again and again.
type load struct {
	stop              context.CancelFunc
	working           sync.WaitGroup
	mu                sync.Mutex
	answered, refused int
}

func newLoad(r *rig) *load {
	ctx, stop := context.WithCancel(context.Background())
	l := &load{stop: stop}
	for range 4 {
		l.working.Go(func() {
			c := r.client()
			c.Timeout = 2 * time.Second
			for ctx.Err() == nil {
				l.count(r.get(c, "/"))
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return l
}

func (l *load) count(_ int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		l.answered++
	case refused(err):
		l.refused++
	}
}

// end stops once something was answered, however slow that is.
func (l *load) end() (answered, refused int) {
	for end := time.Now().Add(patience); time.Now().Before(end) && l.none(); time.Sleep(time.Millisecond) {
	}
	l.stop()
	l.working.Wait()
	return l.answered, l.refused
}

func (l *load) none() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answered == 0
}
