package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/goshawk-io/goshawk/upgrade/internal/image"
	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// attempt is one upgrade, seen by the old process.
type attempt struct {
	*Upgrader
	next    *next
	outcome Outcome
	timeout *time.Timer
}

// errFailed is the reason of the new process itself.
type errFailed struct{ reason string }

func (e errFailed) Error() string { return e.reason }

// Upgrade starts the new version and blocks until it has taken over, or this process
// serves again. It is what SIGUSR2 does. When the error is nil, a new process serves,
// and [Upgrader.Run] drains and returns. It wraps [ErrBusy] when nothing can be started
// now, and [ErrRolledBack] when the new process did not pass, whose reason is in the
// outcome; other errors are those of starting it. In none of these cases was a
// connection refused. When ctx ends the upgrade is rolled back.
func (u *Upgrader) Upgrade(ctx context.Context) (Outcome, error) {
	select {
	case u.attempt <- struct{}{}:
		defer func() { <-u.attempt }()
	default:
		return Outcome{}, fmt.Errorf("upgrade: %w: another upgrade goes on", ErrBusy)
	}
	if err := u.mayBegin(); err != nil {
		return Outcome{}, fmt.Errorf("upgrade: %w: %w", ErrBusy, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	u.mu.Lock()
	u.abort = cancel
	u.mu.Unlock()
	a := &attempt{Upgrader: u, outcome: Outcome{Outcome: Running, Generation: u.generation + 1, Began: time.Now()}}
	err := a.run(ctx)
	u.mu.Lock()
	u.last, u.abort = &a.outcome, nil
	u.mu.Unlock()
	if err != nil {
		return a.outcome, fmt.Errorf("upgrade: %w", err)
	}
	return a.outcome, nil
}

// mayBegin says why no upgrade can begin now.
func (u *Upgrader) mayBegin() error {
	if !u.is(Running) {
		u.mu.Lock()
		defer u.mu.Unlock()
		return fmt.Errorf("this process is in state %s", u.state)
	}
	if n := u.older(); n+2 > u.options.Generations {
		return fmt.Errorf("%d older processes still drain, and there may be %d in all", n, u.options.Generations)
	}
	return nil
}

// Abort rolls the upgrade back that goes on, if there is one. It does not block.
func (u *Upgrader) Abort(reason string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.abort == nil {
		return false
	}
	u.abort(errors.New(reason))
	return true
}

func (a *attempt) passed() time.Duration { return time.Since(a.outcome.Began) }

// run goes through the states.
func (a *attempt) run(ctx context.Context) error {
	a.enter(Spawning, Event{})
	a.timeout = time.NewTimer(a.options.Timeout)
	defer a.timeout.Stop()
	if err := a.spawn(); err != nil {
		a.outcome.Reason, a.outcome.Ended = err.Error(), a.passed()
		a.enter(Running, Event{Reason: err.Error(), Outcome: a.result()})
		return err
	}
	err := a.warm(ctx)
	if err == nil {
		err = a.probation(ctx)
	}
	if err == nil {
		err = a.commit()
	}
	if err != nil {
		a.rollBack(err)
		return fmt.Errorf("%w: %w", ErrRolledBack, err)
	}
	return nil
}

// spawn starts the new process.
func (a *attempt) spawn() error {
	program, err := image.Open(a.origin.program, image.Options{Verify: a.options.Verify})
	if err != nil {
		return err
	}
	defer program.Close()
	fds, told := a.sockets.forNext(firstFree)
	hello := wire.Message{
		Kind: wire.Hello, PID: os.Getpid(), Program: a.origin.program, Generation: a.outcome.Generation, Ancestors: a.older(),
	}
	for _, s := range told {
		hello.Sockets = append(hello.Sockets, wire.Socket{FD: s.fd, Name: s.name, Network: s.network, Address: s.address})
	}
	memory, err := a.pack()
	if err != nil {
		return err
	}
	if memory != nil {
		defer memory.Close()
		hello.State = firstFree + len(fds)
		fds = append(fds, memory.Fd())
	}
	if a.next, err = a.origin.start(started{image: program, hello: hello, sockets: fds}); err != nil {
		return err
	}
	a.outcome.PID = a.next.process.Pid
	a.mu.Lock()
	a.nextPID = a.outcome.PID
	a.mu.Unlock()
	if err := program.Changed(); err != nil {
		// It runs what nobody has checked.
		return errors.Join(err, a.kill())
	}
	return nil
}

// warm waits until the new process accepts.
func (a *attempt) warm(ctx context.Context) error {
	if err := a.await(ctx, wire.Started, "run its first code"); err != nil {
		return err
	}
	a.outcome.Started = a.passed()
	a.enter(Warming, Event{})
	if err := a.await(ctx, wire.Ready, "accept"); err != nil {
		return err
	}
	a.outcome.Ready = a.passed()
	return nil
}

// await waits until the new process says that it has come so far.
func (a *attempt) await(ctx context.Context, kind wire.Kind, what string) error {
	messages := a.next.messages
	for {
		select {
		case <-a.next.died:
			return a.death()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-a.timeout.C:
			return fmt.Errorf("the new process %d did not %s within %v", a.outcome.PID, what, a.options.Timeout)
		case m, ok := <-messages:
			switch {
			case !ok:
				// It has ended, or will not be understood any more.
				messages = nil
			case m.Kind == wire.Failed:
				return errFailed{m.Reason}
			case m.Kind == kind:
				return nil
			}
		}
	}
}

func (a *attempt) death() error {
	return fmt.Errorf("the new process %d ended: %s", a.outcome.PID, a.next.how)
}

// probation lets the new process alone accept, and watches it.
func (a *attempt) probation(ctx context.Context) error {
	a.enter(BothAccept, Event{})
	a.sockets.set(true)
	a.outcome.Passive = a.passed()
	a.enter(Probation, Event{})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	beat := time.NewTimer(a.options.Heartbeat)
	defer beat.Stop()
	end := time.NewTimer(max(a.options.Probation, 0))
	defer end.Stop()
	passed := make(chan error, 1)
	messages := a.next.messages
	for {
		select {
		case <-a.next.died:
			return a.death()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-beat.C:
			return fmt.Errorf("the new process %d hangs: it has said nothing for %v", a.outcome.PID, a.options.Heartbeat)
		case m, ok := <-messages:
			switch {
			case !ok:
				messages = nil
			case m.Kind == wire.Failed:
				return errFailed{m.Reason}
			case m.Kind == wire.Beat:
				beat.Reset(a.options.Heartbeat)
			}
		case <-end.C:
			go func() { passed <- a.ask(ctx) }()
		case err := <-passed:
			return err
		}
	}
}

// ask asks the gate.
func (a *attempt) ask(ctx context.Context) error {
	if a.options.Gate == nil {
		return nil
	}
	since := a.outcome.Began.Add(a.outcome.Ready)
	if err := a.options.Gate(ctx, Candidate{PID: a.outcome.PID, Generation: a.outcome.Generation, Since: since}); err != nil {
		return fmt.Errorf("the gate refuses the new process %d: %w", a.outcome.PID, err)
	}
	return nil
}

// commit gives the service to the new process.
func (a *attempt) commit() error {
	if err := a.next.conn.Send(wire.Message{Kind: wire.Commit}); err != nil {
		return fmt.Errorf("tell the new process %d that it takes over: %w", a.outcome.PID, err)
	}
	a.timeout.Reset(a.options.Heartbeat)
	if err := a.await(context.Background(), wire.Committed, "take over"); err != nil {
		return err
	}
	a.outcome.Outcome, a.outcome.Ended = Committed, a.passed()
	a.mu.Lock()
	a.last, a.successor = a.result(), a.next
	a.mu.Unlock()
	a.tellOlder()
	a.tellManager("MAINPID", func() error { return a.manager.MainPID(a.outcome.PID) })
	a.enter(Committed, Event{Outcome: a.result()})
	close(a.succeeded)
	return nil
}

// result returns a copy of the outcome.
func (a *attempt) result() *Outcome {
	outcome := a.outcome
	return &outcome
}

// rollBack makes this process accept again, and the new one end.
func (a *attempt) rollBack(reason error) {
	noticed := time.Now()
	a.sockets.set(false)
	a.outcome.Resumed = time.Since(noticed)
	a.outcome.Outcome, a.outcome.Reason, a.outcome.Ended = RolledBack, reason.Error(), a.passed()
	a.mu.Lock()
	a.last = a.result()
	a.mu.Unlock()
	a.enter(RolledBack, Event{Reason: a.outcome.Reason, Outcome: a.result()})
	a.dismiss(reason.Error())
	a.mu.Lock()
	a.nextPID = 0
	a.mu.Unlock()
	a.enter(Running, Event{Peer: a.outcome.PID})
}

// dismiss has the new process drain, and kills it if it does not end.
func (a *attempt) dismiss(reason string) {
	if err := a.next.conn.Send(wire.Message{Kind: wire.Rollback, Reason: reason}); err != nil {
		a.options.Log.Debug("the new process does not hear that it is rolled back", "pid", a.outcome.PID, "error", err)
	}
	next, log, patience := a.next, a.options.Log, a.options.Drain+a.options.Heartbeat
	go func() {
		defer next.close()
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-next.died:
			return
		case <-timer.C:
		}
		log.Warn("the new process that was rolled back does not end: it is killed", "pid", next.process.Pid)
		if err := next.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			log.Warn("the new process cannot be killed", "pid", next.process.Pid, "error", err)
		}
	}()
}

// kill ends the new process at once.
func (a *attempt) kill() error {
	err := a.next.process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-a.next.died
	return errors.Join(err, a.next.close())
}
