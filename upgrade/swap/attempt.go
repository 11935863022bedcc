package swap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// attempt is one upgrade.
type attempt struct {
	*Engine
	old, new *version // new is nil until it is started
	outcome  upgrade.Outcome
}

// Upgrade starts the new version and blocks until it has taken over, or the old one
// serves alone again. It is what SIGUSR2 does, and errors are as those of
// [upgrade.Upgrader.Upgrade]. When ctx ends the upgrade is rolled back.
func (e *Engine) Upgrade(ctx context.Context) (upgrade.Outcome, error) {
	select {
	case e.attempt <- struct{}{}:
		defer func() { <-e.attempt }()
	default:
		return upgrade.Outcome{}, e.refuse(errors.New("another upgrade goes on, or the server ends"))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a, err := e.begin(cancel)
	if err != nil {
		return upgrade.Outcome{}, e.refuse(err)
	}
	err = a.run(ctx)
	e.mu.Lock()
	e.last, e.abort, e.next = a.result(), nil, nil
	e.mu.Unlock()
	e.notice()
	if err != nil {
		return a.outcome, fmt.Errorf("upgrade: %w", err)
	}
	return a.outcome, nil
}

// refuse notes that an upgrade cannot begin, and why.
func (e *Engine) refuse(why error) error {
	e.options.Log.Warn("an upgrade is refused", "reason", why)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refused = &upgrade.Refusal{Time: time.Now(), Reason: why.Error()}
	return fmt.Errorf("upgrade: %w: %w", upgrade.ErrBusy, why)
}

// begin says why no upgrade can begin now, or marks that one does.
func (e *Engine) begin(cancel context.CancelCauseFunc) (*attempt, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch n := len(e.versions); {
	case e.stopping:
		return nil, errors.New("the server ends")
	case e.state != upgrade.Running || e.serving.isDead():
		return nil, fmt.Errorf("the server is in state %s", e.state)
	case n+1 > e.options.Generations:
		return nil, fmt.Errorf("%d processes serve or drain already, and there may be %d in all", n, e.options.Generations)
	}
	e.abort = cancel
	return &attempt{Engine: e, old: e.serving, outcome: upgrade.Outcome{
		Outcome: upgrade.Running, Generation: e.serving.generation + 1, Began: time.Now(),
	}}, nil
}

// Abort rolls the upgrade back that goes on, and reports whether there is one. It does
// not block.
func (e *Engine) Abort(reason string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.abort == nil {
		return false
	}
	e.abort(errors.New(reason))
	return true
}

func (a *attempt) passed() time.Duration { return time.Since(a.outcome.Began) }

// result returns a copy of the outcome.
func (a *attempt) result() *upgrade.Outcome {
	outcome := a.outcome
	return &outcome
}

// run goes through the states.
func (a *attempt) run(ctx context.Context) error {
	a.enter(upgrade.Spawning, a.old, upgrade.Event{})
	var err error
	if a.new, err = a.start(ctx, a.outcome.Generation); err != nil {
		a.outcome.Reason, a.outcome.Ended = err.Error(), a.passed()
		a.enter(upgrade.Running, a.old, upgrade.Event{Reason: err.Error(), Outcome: a.result()})
		return err
	}
	a.mu.Lock()
	a.next = a.new
	a.mu.Unlock()
	a.outcome.PID, a.outcome.Started = a.new.pid, a.passed()
	a.enter(upgrade.Warming, a.old, upgrade.Event{Peer: a.new.pid})
	if err = a.awaitReady(ctx, a.new); err == nil {
		a.outcome.Ready = a.passed()
		a.enter(upgrade.BothAccept, a.old, upgrade.Event{Peer: a.new.pid})
		a.enter(upgrade.Probation, a.old, upgrade.Event{Peer: a.new.pid})
		err = a.probation(ctx)
	}
	if err == nil && a.new.isDead() {
		err = a.ended()
	}
	switch {
	case err == nil:
		a.commit("")
		return nil
	case a.old.isDead() && !a.new.isDead():
		// It is the only one that is left.
		a.commit(fmt.Sprintf("process %d ended (%s) before this: %v", a.old.pid, a.old.how(), err))
		return nil
	}
	a.rollBack(err)
	return fmt.Errorf("%w: %w", upgrade.ErrRolledBack, err)
}

// errAlone is why a probation has an early end.
var errAlone = errors.New("the old process is gone")

// probation waits until the new process has proved itself.
func (a *attempt) probation(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	end := time.NewTimer(max(a.options.Probation, 0))
	defer end.Stop()
	passed := make(chan error, 1)
	for {
		select {
		case <-a.new.died:
			return a.ended()
		case <-a.old.died:
			return errAlone
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-end.C:
			if a.options.Gate == nil {
				return nil
			}
			a.working.Go(func() {
				passed <- a.options.Gate(ctx, upgrade.Candidate{PID: a.new.pid, Generation: a.new.generation, Since: a.new.since})
			})
		case err := <-passed:
			if err != nil {
				return fmt.Errorf("the gate refuses the new process %d: %w", a.new.pid, err)
			}
			return nil
		}
	}
}

func (a *attempt) ended() error {
	return fmt.Errorf("the new process %d ended in its probation: %s", a.new.pid, a.new.how())
}

// commit gives the service to the new process.
func (a *attempt) commit(reason string) {
	a.mu.Lock()
	a.serving, a.previous = a.new, a.old
	a.mu.Unlock()
	a.outcome.Outcome, a.outcome.Reason = upgrade.Committed, reason
	a.outcome.Passive = a.passed()
	a.outcome.Ended = a.outcome.Passive
	a.mu.Lock()
	a.last = a.result()
	a.mu.Unlock()
	a.enter(upgrade.Committed, a.old, upgrade.Event{Peer: a.new.pid, Reason: reason, Outcome: a.result()})
	a.retire(a.old)
	a.enter(upgrade.Running, a.new, upgrade.Event{Peer: a.old.pid})
}

// rollBack ends the new process; the old one has served all the time.
func (a *attempt) rollBack(reason error) {
	a.outcome.Outcome, a.outcome.Reason, a.outcome.Ended = upgrade.RolledBack, reason.Error(), a.passed()
	a.mu.Lock()
	a.last = a.result()
	a.mu.Unlock()
	a.enter(upgrade.RolledBack, a.old, upgrade.Event{Peer: a.new.pid, Reason: a.outcome.Reason, Outcome: a.result()})
	if !a.new.isDead() {
		a.retire(a.new)
	}
	a.enter(upgrade.Running, a.old, upgrade.Event{Peer: a.new.pid})
}

// retire tells a version to end, and kills it if it does not. It does not block.
func (e *Engine) retire(v *version) {
	if err := v.signal(unix.SIGTERM); err != nil {
		e.options.Log.Warn("a process is not told to end", "pid", v.pid, "error", err)
	}
	e.working.Go(func() {
		timer := time.NewTimer(e.options.Drain)
		defer timer.Stop()
		reason := ""
		select {
		case <-v.died:
		case <-timer.C:
			reason = e.tooLate()
			v.kill()
			<-v.died
		}
		e.tell(v, upgrade.Event{State: upgrade.Drained, From: upgrade.Draining, Reason: reason})
	})
}
