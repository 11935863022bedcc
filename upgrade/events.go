package upgrade

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/goshawk-io/goshawk/upgrade/control"
)

// remembered is how many events a process remembers for who asks later.
const remembered = 256

// history keeps the events of this process. It may be used by several goroutines.
type history struct {
	mu   sync.Mutex
	all  []Event
	lost int           // were forgotten
	news chan struct{} // closed at the next event, or when there is none any more
	done bool          // there will be none
}

func (h *history) add(e Event) {
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
func (h *history) from(n int) ([]Event, int, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.news == nil {
		h.news = make(chan struct{})
	}
	n = max(n-h.lost, 0)
	if h.done {
		return append([]Event(nil), h.all[n:]...), h.lost + len(h.all), nil
	}
	return append([]Event(nil), h.all[n:]...), h.lost + len(h.all), h.news
}

// asked answers those who ask from outside.
type asked struct{ *Upgrader }

var _ control.Handler = asked{}

func (a asked) Status() any { return a.Upgrader.Status() }
func (a asked) Abort() bool { return a.abortEither("aborted by the operator") }

func (a asked) Upgrade(ctx context.Context) (any, error) {
	outcome, err := a.Upgrader.Upgrade(ctx)
	return outcome, err
}

func (a asked) Events(ctx context.Context, tell func(any) error) error {
	for next := 0; ; {
		var list []Event
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

// listenToControl lets others ask this process, if it can: an upgrade by signal does not
// need it.
func (u *Upgrader) listenToControl() {
	if u.options.ControlFolder == NoControl {
		return
	}
	folder := u.options.ControlFolder
	if folder == "" {
		folder = control.Folder(os.Geteuid(), os.Getenv)
	}
	server, err := control.Serve(folder, asked{u})
	if err != nil {
		u.options.Log.Warn("nobody can ask this process for upgrades but by signals", "folder", folder, "error", err)
		return
	}
	u.control = server
}

func (u *Upgrader) closeControl() error {
	u.history.finish()
	if u.control == nil {
		return nil
	}
	return u.control.Close()
}

// tellManager tells the service manager something, if there is one.
func (u *Upgrader) tellManager(what string, tell func() error) {
	if err := tell(); err != nil && !errors.Is(err, context.Canceled) {
		u.options.Log.Warn("the service manager does not hear", "message", what, "error", err)
	}
}
