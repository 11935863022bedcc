package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/goshawk-io/goshawk/upgrade/internal/image"
	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// parent is the process that hands over to this one.
type parent struct {
	conn *wire.Conn
	pid  int
	// previous is its program, nil if it is not known or not needed any more. The upgrader's
	// lock is held.
	previous *os.File
	// ancestors is how many processes older than it still drain, and final whether this
	// one is not needed even if the parent ends; the upgrader's lock is held.
	ancestors int
	final     bool
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
		_ = u.parent.conn.Close()
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
			u.offered(m.Outcome)
		case wire.Rollback:
			u.condemn(m.Reason, m.Final)
		case wire.Ancestors:
			u.mu.Lock()
			u.parent.ancestors = m.Ancestors
			u.mu.Unlock()
			u.tellOlder()
		}
	}
}

// offered takes the service over, if this process does not end. Told is how the upgrade
// went, which nobody else knows once the process before has ended.
func (u *Upgrader) offered(told json.RawMessage) {
	var outcome Outcome
	if err := json.Unmarshal(told, &outcome); err == nil {
		u.mu.Lock()
		u.last = &outcome
		u.mu.Unlock()
	}
	answer := wire.Message{Kind: wire.Failed, Reason: "it ends"}
	took := u.takeOver("")
	if took {
		answer = wire.Message{Kind: wire.Committed}
	}
	if err := u.parent.conn.Send(answer); err != nil {
		u.options.Log.Warn("the process before does not hear whether this one has taken over", "error", err)
	}
	// The process before waits for the answer, not for what others have to say.
	if took {
		u.announce()
	}
}

// takeOver ends the probation of this process for good, and reports whether it does.
func (u *Upgrader) takeOver(reason string) bool {
	return u.onProbation() && u.enter(Running, Event{Peer: u.parent.pid, Reason: reason}, Probation)
}

// onProbation reports whether this process is the new one of an upgrade. The old one is
// in the same state, when it has long proved itself.
func (u *Upgrader) onProbation() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.state == Probation && !u.tookOver
}

// orphaned is what this process does when the one before has ended: it is the only one
// that is left, however far it has come. One that was rolled back is not: see outlive.
func (u *Upgrader) orphaned() {
	if !u.condemnedNow() {
		if previous := u.takePrevious(); previous != nil {
			_ = previous.Close()
		}
		if u.takeOver("the process before is gone") {
			u.announce()
		}
		u.mu.Lock()
		tookOver := u.tookOver
		u.mu.Unlock()
		if tookOver {
			if err := u.sockets.settle(); err != nil {
				u.options.Log.Warn("what the process before has listened on stays", "error", err)
			}
		}
	}
	u.tellOlder()
}

// takePrevious returns the program of the process before, which is the caller's then, nil
// if there is none.
func (u *Upgrader) takePrevious() *os.File {
	u.mu.Lock()
	defer u.mu.Unlock()
	previous := u.parent.previous
	u.parent.previous = nil
	return previous
}

// tellOlder tells the process that has taken over how many others there are.
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

// condemn makes this process end, as the one before serves again. Final is whether it is
// not needed even if that ends, too.
func (u *Upgrader) condemn(reason string, final bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parent.final = final
	select {
	case <-u.condemned:
	default:
		u.reason = reason
		close(u.condemned)
	}
}

// older returns how many other processes of the service drain: those before this one,
// and those that were rolled back.
func (u *Upgrader) older() int {
	n := len(u.rolledBack())
	if u.parent == nil || u.parent.isGone() {
		return n
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return n + 1 + u.parent.ancestors
}

// owns reports whether the service is this process's, so that with it the service ends.
func (u *Upgrader) owns() bool {
	if u.parent == nil {
		return true
	}
	if u.condemnedNow() {
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.tookOver || u.parent.isGone()
}

// outlive sees to a successor if the process before, which has rolled this one back and
// serves again, ends without another word while this one drains: then nobody is left who
// accepts. It returns when that is not so until done is closed, or when there is a
// successor, or ctx ends.
func (u *Upgrader) outlive(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-ctx.Done():
		return
	case <-u.parent.gone:
	}
	u.mu.Lock()
	final := u.parent.final
	u.mu.Unlock()
	if final {
		return
	}
	if err := u.revive(ctx); err != nil {
		u.options.Log.Error("the process before is gone, and so is the service", "error", err)
	}
}

// revive starts the program of the process before again. It has the sockets that are
// still open here, and begins without what was handed over to this process: that is the
// version that was not wanted.
func (u *Upgrader) revive(ctx context.Context) error {
	f := u.takePrevious()
	if f == nil {
		return errors.New("its program is not known")
	}
	program, err := image.New(f, "the program of the process before", image.Options{})
	if err != nil {
		return err
	}
	defer program.Close()
	memory, err := u.pack(ctx, false)
	if err != nil {
		u.options.Log.Warn("the program of the process before begins anew", "error", err)
	}
	a := &attempt{Upgrader: u, timeout: newSilence(u.options.Timeout)}
	a.outcome = Outcome{Generation: u.generation + 1, Began: time.Now(), Reason: fmt.Sprintf("the process %d before is gone: its program is started again", u.parent.pid)}
	defer a.timeout.stop()
	u.options.Log.Warn(a.outcome.Reason)
	if err := a.start(program, memory, nil); err != nil {
		return err
	}
	for _, step := range []struct {
		reached wire.Kind
		what    string
		at      *time.Duration
	}{{wire.Started, "run its first code", &a.outcome.Started}, {wire.Ready, "accept", &a.outcome.Ready}} {
		if err := a.await(ctx, step.reached, step.what); ctx.Err() != nil {
			// It takes over when this process is gone.
			return fmt.Errorf("the new process %d is left to itself: %w", a.outcome.PID, err)
		} else if err != nil {
			return errors.Join(err, a.kill())
		}
		*step.at = a.passed()
	}
	return a.commit()
}

// prove tells the process before that this one is well, once that is known, until the
// probation ends.
func (u *Upgrader) prove(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(max(u.options.Heartbeat/4, time.Millisecond))
	defer tick.Stop()
	// One that is asked how it is may take its time, and is heard of meanwhile.
	checked := make(chan error, 1)
	asking, well := true, false
	go func() { checked <- u.check(ctx) }()
	for u.onProbation() && !u.parent.isGone() {
		select {
		case <-ctx.Done():
			return
		case <-u.parent.gone:
			return
		case err := <-checked:
			asking = false
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				u.tellParent(wire.Message{Kind: wire.Failed, Reason: "it says that it is not well: " + err.Error()})
			case !well:
				well = true
				u.tellParent(wire.Message{Kind: wire.Beat})
			}
		case <-tick.C:
			if well {
				u.tellParent(wire.Message{Kind: wire.Beat})
			}
			if !asking {
				asking = true
				go func() { checked <- u.check(ctx) }()
			}
		}
	}
}

// tellParent tells the process before something that it will miss, if it lives.
func (u *Upgrader) tellParent(m wire.Message) {
	if err := u.parent.conn.Send(m); err != nil {
		u.options.Log.Debug("the process before does not hear", "message", m.Kind, "error", err)
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
