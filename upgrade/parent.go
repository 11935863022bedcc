package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// parent is the process that hands over to this one.
type parent struct {
	conn *wire.Conn
	pid  int
	// ancestors is how many processes older than it still drain; the upgrader's lock
	// is held.
	ancestors int
	gone      chan struct{} // closed when it has ended
}

func (p *parent) isGone() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// hearParent does what the process before decides, until that has ended.
func (u *Upgrader) hearParent() {
	defer func() {
		close(u.parent.gone)
		u.orphaned()
	}()
	for {
		m, err := u.parent.conn.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				u.options.Log.Warn("the process before is not understood", "error", err)
			}
			return
		}
		switch m.Kind {
		case wire.Commit:
			u.takeOver("")
			if err := u.parent.conn.Send(wire.Message{Kind: wire.Committed}); err != nil {
				u.options.Log.Warn("the process before does not hear that this one has taken over", "error", err)
			}
		case wire.Rollback:
			u.condemn(m.Reason)
		case wire.Ancestors:
			u.mu.Lock()
			u.parent.ancestors = m.Ancestors
			u.mu.Unlock()
			u.tellOlder()
		}
	}
}

// takeOver ends the probation of this process for good.
func (u *Upgrader) takeOver(reason string) {
	if !u.is(Probation) {
		return
	}
	u.enter(Running, Event{Peer: u.parent.pid, Reason: reason})
	u.announce()
}

// orphaned is what this process does when the one before has ended: it is the only one
// that is left, however far it has come.
func (u *Upgrader) orphaned() {
	u.takeOver("the process before is gone")
	u.tellOlder()
}

// tellOlder tells the process that has taken over how many older ones there are.
func (u *Upgrader) tellOlder() {
	u.mu.Lock()
	successor := u.successor
	u.mu.Unlock()
	if successor == nil {
		return
	}
	if err := successor.conn.Send(wire.Message{Kind: wire.Ancestors, Ancestors: u.older()}); err != nil {
		u.options.Log.Debug("the process that has taken over does not hear", "error", err)
	}
}

// condemn makes this process end, as the one before serves again.
func (u *Upgrader) condemn(reason string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	select {
	case <-u.condemned:
	default:
		u.reason = reason
		close(u.condemned)
	}
}

// older returns how many processes before this one still drain.
func (u *Upgrader) older() int {
	if u.parent == nil || u.parent.isGone() {
		return 0
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return 1 + u.parent.ancestors
}

// prove tells the process before that this one is well, until the probation ends.
func (u *Upgrader) prove(ctx context.Context) {
	tick := time.NewTicker(max(u.options.Heartbeat/4, time.Millisecond))
	defer tick.Stop()
	for u.is(Probation) && !u.parent.isGone() {
		m := wire.Message{Kind: wire.Beat}
		if err := u.check(ctx); err != nil {
			if ctx.Err() != nil {
				return
			}
			m = wire.Message{Kind: wire.Failed, Reason: "it says that it is not well: " + err.Error()}
		}
		if err := u.parent.conn.Send(m); err != nil {
			// It is gone, or it will ask for the next one in vain and roll back.
			u.options.Log.Debug("the process before does not hear", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-u.parent.gone:
		case <-tick.C:
		}
	}
}

// check asks whether this process is well.
func (u *Upgrader) check(ctx context.Context) error {
	if u.options.Check == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, u.options.Heartbeat, fmt.Errorf("no answer within %v", u.options.Heartbeat))
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- u.options.Check(ctx) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
