package swap

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
)

// remembered is how many events are remembered for who asks later.
const remembered = 256

// history keeps the events. It may be used by several goroutines.
type history struct {
	mu   sync.Mutex
	all  []upgrade.Event
	lost int           // were forgotten
	news chan struct{} // closed at the next event, or when there is none any more
	done bool          // there will be none
}

func (h *history) add(e upgrade.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == remembered {
		h.all, h.lost = append(h.all[:0:0], h.all[1:]...), h.lost+1
	}
	h.all = append(h.all, e)
	h.tell()
}

func (h *history) tell() {
	if h.news != nil {
		close(h.news)
		h.news = nil
	}
}

// finish says that there will be no further event.
func (h *history) finish() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = true
	h.tell()
}

// from returns the events from the n-th on that are remembered, the number of the next
// one, and what is closed when there is one; nil if there will be none.
func (h *history) from(n int) ([]upgrade.Event, int, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, next := append([]upgrade.Event(nil), h.all[max(n-h.lost, 0):]...), h.lost+len(h.all)
	if h.done {
		return list, next, nil
	}
	if h.news == nil {
		h.news = make(chan struct{})
	}
	return list, next, h.news
}

// enter changes the state and tells of it, as an event of a version.
func (e *Engine) enter(to upgrade.State, of *version, event upgrade.Event) {
	e.telling.Lock()
	defer e.telling.Unlock()
	e.mu.Lock()
	event.From, event.State = e.state, to
	e.state, e.since = to, time.Now()
	e.mu.Unlock()
	e.add(of, event)
}

// tell tells of a version that is not the one that the state is of.
func (e *Engine) tell(of *version, event upgrade.Event) {
	e.telling.Lock()
	defer e.telling.Unlock()
	e.add(of, event)
}

func (e *Engine) add(of *version, event upgrade.Event) {
	event.Time, event.PID, event.Generation = time.Now(), of.pid, of.generation
	e.options.Log.Info("upgrade", "state", event.State, "from", event.From, "pid", event.PID, "generation", event.Generation, "peer", event.Peer, "reason", event.Reason)
	e.history.add(event)
	if e.options.Events != nil {
		e.options.Events(event)
	}
}

// Status returns how the server stands.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{SupervisorPID: os.Getpid(), Status: upgrade.Status{
		State: e.state, Since: e.since, Program: e.path, Listeners: describe(e.sockets),
	}}
	if e.serving != nil {
		s.PID, s.Generation = e.serving.pid, e.serving.generation
	}
	if e.next != nil {
		s.NextPID = e.next.pid
	}
	if e.previous != nil {
		s.PreviousPID, s.PreviousAlive = e.previous.pid, !e.previous.isDead()
	}
	if e.last != nil {
		last := *e.last
		s.Last = &last
	}
	if e.refused != nil {
		refused := *e.refused
		s.Refused = &refused
	}
	return s
}

// asked answers those who ask from outside.
type asked struct{ *Engine }

var _ control.Handler = asked{}

func (a asked) Status() any { return a.Engine.Status() }
func (a asked) Abort() bool { return a.Engine.Abort("aborted by the operator") }

func (a asked) Upgrade(ctx context.Context) (any, error) {
	outcome, err := a.Engine.Upgrade(ctx)
	return outcome, err
}

func (a asked) Events(ctx context.Context, tell func(any) error) error {
	for next := 0; ; {
		var list []upgrade.Event
		var news <-chan struct{}
		list, next, news = a.history.from(next)
		for _, e := range list {
			if err := tell(e); err != nil {
				return err
			}
		}
		if news == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}
