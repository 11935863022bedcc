package upgrade

import (
	"context"
	"encoding/json"
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
	timeout *silence
	// back is the event of being Running again.
	back Event
	// offered is set once the new process was told that it takes over.
	offered bool
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
//
// A process that was stopped (SIGSTOP, a frozen container) while it watched a new one
// does not hold the silence of that time against it: it goes on where it was. Until then
// the new one serves, and stays in probation.
func (u *Upgrader) Upgrade(ctx context.Context) (Outcome, error) {
	select {
	case u.attempt <- struct{}{}:
	default:
		return Outcome{}, u.refuse(errors.New("another upgrade goes on"))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := u.mayBegin(cancel); err != nil {
		<-u.attempt
		return Outcome{}, u.refuse(err)
	}
	a := &attempt{Upgrader: u, outcome: Outcome{Outcome: Running, Generation: u.generation + 1, Began: time.Now()}}
	err := a.run(ctx)
	u.mu.Lock()
	u.last, u.abort = a.result(), nil
	if err != nil {
		u.nextPID = 0
	}
	u.mu.Unlock()
	// Who hears that this process runs may ask for the next one.
	<-u.attempt
	u.enter(Running, a.back, Spawning, RolledBack)
	if err != nil {
		return a.outcome, fmt.Errorf("upgrade: %w", err)
	}
	return a.outcome, nil
}

// refuse notes that an upgrade cannot begin, and why.
func (u *Upgrader) refuse(why error) error {
	u.options.Log.Warn("an upgrade is refused", "reason", why)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refused = &Refusal{Time: time.Now(), Reason: why.Error()}
	return fmt.Errorf("upgrade: %w: %w", ErrBusy, why)
}

// mayBegin says why no upgrade can begin now. If one can, abort ends it from now on.
func (u *Upgrader) mayBegin(abort context.CancelCauseFunc) error {
	if n := u.older(); n+2 > u.options.Generations {
		return fmt.Errorf("%d processes serve or drain already, and there may be %d in all", n+1, u.options.Generations)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.ending:
		return errors.New("this process ends")
	case u.state != Running:
		return fmt.Errorf("this process is in state %s", u.state)
	}
	u.abort = abort
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
	a.timeout = newSilence(a.options.Timeout)
	defer a.timeout.stop()
	if err := a.spawn(ctx); err != nil {
		a.inherit()
		a.outcome.Reason, a.outcome.Ended = err.Error(), a.passed()
		a.back = Event{Reason: err.Error(), Outcome: a.result()}
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

// spawn starts the new process from its file.
func (a *attempt) spawn(ctx context.Context) error {
	opened := make(chan *image.Image, 1)
	err := a.guarded(ctx, "check the program", func() (err error) {
		var p *image.Image
		defer func() { opened <- p }()
		p, err = image.Open(a.origin.program, image.Options{Verify: a.options.Verify})
		return err
	})
	if err != nil {
		go func() {
			// It may take its time to find out.
			if p := <-opened; p != nil {
				p.Close()
			}
		}()
		return err
	}
	program := <-opened
	defer program.Close()
	memory, err := a.pack(ctx, true)
	if err != nil {
		return err
	}
	// It may be what is left of the service, should the new version not pass.
	previous, err := image.Running()
	if err != nil {
		a.options.Log.Warn("this program cannot be started again", "error", err)
	} else {
		defer previous.Close()
	}
	if err := a.start(program, memory, previous); err != nil {
		return err
	}
	a.timeout.reset()
	if err := program.Changed(); err != nil {
		// It runs what nobody has checked.
		return errors.Join(err, a.kill())
	}
	return nil
}

// start starts the new process. Memory is what is handed over, which is closed, and
// previous the program of this process; both may be nil.
func (a *attempt) start(program *image.Image, memory *os.File, previous *image.Image) error {
	a.sockets.lending.Lock()
	defer a.sockets.lending.Unlock()
	fds, told := a.sockets.forNext(firstFree)
	hello := wire.Message{
		Kind: wire.Hello, PID: os.Getpid(), Program: a.origin.program, Generation: a.outcome.Generation, Ancestors: a.older(),
	}
	for _, s := range told {
		hello.Sockets = append(hello.Sockets, wire.Socket{FD: s.fd, Name: s.name, Network: s.network, Address: s.address, Lent: s.lent})
	}
	if memory != nil {
		defer memory.Close()
		hello.State = firstFree + len(fds)
		fds = append(fds, memory.Fd())
	}
	if previous != nil {
		hello.Previous = firstFree + len(fds)
		fds = append(fds, previous.File().Fd())
	}
	// One that was rolled back before would else see to a successor beside the new one, if
	// this process were killed. Until here it shall.
	a.disinherit()
	var err error
	if a.next, err = a.origin.start(started{image: program, hello: hello, sockets: fds}); err != nil {
		return err
	}
	a.outcome.PID = a.next.process.Pid
	a.mu.Lock()
	a.nextPID = a.outcome.PID
	a.mu.Unlock()
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
		case <-a.timeout.timer.C:
			if a.timeout.over(messages) {
				return fmt.Errorf("the new process %d did not %s within %v", a.outcome.PID, what, a.timeout.after)
			}
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

// lastWords is how long the end of what a dead process has said is waited for.
const lastWords = 100 * time.Millisecond

// death says why the new process ended. What it said itself is worth most.
func (a *attempt) death() error {
	end := time.NewTimer(lastWords)
	defer end.Stop()
	for {
		select {
		case m, ok := <-a.next.messages:
			if ok && m.Kind == wire.Failed {
				return errFailed{m.Reason}
			}
			if ok {
				continue
			}
		case <-end.C:
		}
		return fmt.Errorf("the new process %d ended: %s", a.outcome.PID, a.next.how)
	}
}

// probation lets the new process alone accept, and watches it.
func (a *attempt) probation(ctx context.Context) error {
	a.enter(BothAccept, Event{})
	a.sockets.set(true)
	a.outcome.Passive = a.passed()
	a.enter(Probation, Event{})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	beat := newSilence(a.options.Heartbeat)
	defer beat.stop()
	end := time.NewTimer(max(a.options.Probation, 0))
	defer end.Stop()
	passed := make(chan error, 1)
	messages := a.next.messages
	over, well := false, false
	for {
		select {
		case <-a.next.died:
			return a.death()
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-beat.timer.C:
			if beat.over(messages) {
				return fmt.Errorf("the new process %d hangs: it has said nothing for %v", a.outcome.PID, a.options.Heartbeat)
			}
			continue
		case m, ok := <-messages:
			switch {
			case !ok:
				messages = nil
				continue
			case m.Kind == wire.Failed:
				return errFailed{m.Reason}
			case m.Kind != wire.Beat:
				continue
			}
			beat.reset()
			if well {
				continue
			}
			well = true
		case <-end.C:
			over = true
		case err := <-passed:
			return err
		}
		// One that has not yet said that it is well has not proved anything.
		if over && well {
			go func() { passed <- a.ask(ctx) }()
		}
	}
}

// ask asks the gate.
func (a *attempt) ask(ctx context.Context) error {
	if a.options.Gate == nil {
		return nil
	}
	since := a.outcome.Began.Add(a.outcome.Ready)
	candidate := Candidate{PID: a.outcome.PID, Generation: a.outcome.Generation, Since: since}
	if err := a.guarded(ctx, "gate", func() error { return a.options.Gate(ctx, candidate) }); err != nil {
		return fmt.Errorf("the gate refuses the new process %d: %w", a.outcome.PID, err)
	}
	return nil
}

// commit gives the service to the new process. Whoever of the two lives decides what
// happens when the answer is late: this one takes back what it has offered.
func (a *attempt) commit() error {
	a.outcome.Outcome, a.outcome.Ended = Committed, a.passed()
	told, err := json.Marshal(a.outcome)
	if err != nil {
		return fmt.Errorf("tell the outcome: %w", err)
	}
	if err := a.next.conn.Send(wire.Message{Kind: wire.Commit, Outcome: told}); err != nil {
		return fmt.Errorf("tell the new process %d that it takes over: %w", a.outcome.PID, err)
	}
	a.offered = true
	a.timeout.restart(a.options.Heartbeat)
	if err := a.await(context.Background(), wire.Committed, "take over"); err != nil {
		return err
	}
	a.outcome.Ended = a.passed()
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
	a.inherit()
	a.back = Event{Peer: a.outcome.PID}
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

// silence is a timer for how long a new process says nothing.
type silence struct {
	timer *time.Timer
	after time.Duration
	due   time.Time
}

func newSilence(after time.Duration) *silence {
	return &silence{timer: time.NewTimer(after), after: after, due: time.Now().Add(after)}
}

func (s *silence) stop() { s.timer.Stop() }

// reset begins anew.
func (s *silence) reset() { s.restart(s.after) }

// restart begins anew with another duration.
func (s *silence) restart(after time.Duration) {
	s.after, s.due = after, time.Now().Add(after)
	s.timer.Reset(after)
}

// over reports, when the timer has fired, whether it was for a silence. It is not if
// something was said that was not heard yet, or if this process did not run itself;
// then the timer begins anew.
func (s *silence) over(messages chan *wire.Message) bool {
	if len(messages) == 0 && time.Since(s.due) < s.after/4 {
		return true
	}
	s.reset()
	return false
}
