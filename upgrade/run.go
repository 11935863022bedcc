package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// Run serves, makes this process ready, and blocks until all is drained: because a new
// version has taken over (nil), ctx ended or SIGTERM or SIGINT came (nil), the process
// before has rolled back (an error that wraps [ErrRolledBack]), or a server or
// [Options.Warm] failed. A drain that had to cut connections is an error, too. It is
// called once.
//
// A process that was rolled back has to finish what it has begun. Should the one that
// serves in its place be killed meanwhile, it starts the program of that one again, and
// hands the sockets over to it, without what [Options.Handover] would save.
//
// While it runs it handles signals: SIGUSR2 upgrades, SIGUSR1 rolls the upgrade back
// that goes on, SIGHUP calls [Options.Reload], SIGTERM and SIGINT drain; the second of
// these cuts all connections.
func (u *Upgrader) Run(ctx context.Context) error {
	signal.Notify(u.signals, unix.SIGTERM, unix.SIGINT)
	defer signal.Stop(u.signals)
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	// A server that ends says so once.
	failed := make(chan error, len(u.servers))
	for _, s := range u.servers {
		go func() { failed <- s.Serve() }()
	}
	prepared := make(chan error, 1)
	working.Go(func() { prepared <- u.warm(ctx) })
	working.Go(func() { u.keepTime(ctx) })
	why := u.serve(ctx, prepared, failed, &working)
	said := why
	if errors.Is(why, errSignal) {
		why = nil
	}
	return errors.Join(why, u.drain(said))
}

// errSignal is the reason to drain of a process that was told to.
var errSignal = errors.New("it was told to end by a signal")

// serve waits until there is a reason to drain, and returns it if it is an error, or
// errSignal.
func (u *Upgrader) serve(ctx context.Context, prepared, failed <-chan error, working *sync.WaitGroup) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-u.succeeded:
			return nil
		case <-u.condemned:
			u.mu.Lock()
			defer u.mu.Unlock()
			return fmt.Errorf("upgrade: %w: %s", ErrRolledBack, u.reason)
		case err := <-failed:
			if err == nil {
				err = errors.New("a server ended")
			}
			return fmt.Errorf("upgrade: %w", err)
		case err := <-prepared:
			if err != nil {
				return fmt.Errorf("upgrade: get ready: %w", err)
			}
			u.ready(ctx, working)
		case s := <-u.signals:
			switch s {
			case unix.SIGUSR2:
				working.Go(func() {
					if _, err := u.Upgrade(ctx); err != nil && !errors.Is(err, ErrBusy) {
						u.options.Log.Error("no new version", "error", err)
					}
				})
			case unix.SIGUSR1:
				if !u.abortEither("aborted by SIGUSR1") {
					u.options.Log.Info("no upgrade goes on that could be aborted")
				}
			case unix.SIGHUP:
				working.Go(func() { u.reload(ctx) })
			default:
				return errSignal
			}
		}
	}
}

// abortEither rolls back the upgrade that goes on, whichever side of it this process is.
// It reports whether there is one.
func (u *Upgrader) abortEither(reason string) bool {
	switch {
	case u.Abort(reason):
	case u.parent != nil && !u.parent.isGone() && u.is(Probation, Warming):
		if err := u.parent.conn.Send(wire.Message{Kind: wire.Failed, Reason: reason}); err != nil {
			u.options.Log.Warn("the process before does not hear that the upgrade is aborted", "error", err)
			return false
		}
	default:
		return false
	}
	return true
}

func (u *Upgrader) reload(ctx context.Context) {
	if u.options.Reload == nil {
		return
	}
	// The service is not that of a process in probation.
	if u.owns() {
		u.tellManager("RELOADING", u.manager.Reloading)
		defer u.tellManager("READY", func() error { return u.manager.Ready(0) })
	}
	if err := u.options.Reload(ctx); err != nil {
		u.options.Log.Error("the configuration stays as it was", "error", err)
	}
}

func (u *Upgrader) warm(ctx context.Context) error {
	u.load()
	if u.missing != nil {
		u.options.Log.Warn("this process begins anew", "error", u.missing)
	}
	if u.options.Warm == nil {
		return nil
	}
	return u.options.Warm(ctx)
}

// ready makes this process accept.
func (u *Upgrader) ready(ctx context.Context, working *sync.WaitGroup) {
	u.sockets.set(false)
	if u.parent == nil {
		u.enter(Running, Event{})
		u.announce()
		return
	}
	reason := ""
	if u.missing != nil {
		reason = u.missing.Error()
	}
	u.enter(Probation, Event{Peer: u.parent.pid, Reason: reason})
	if u.parent.isGone() {
		u.orphaned()
		return
	}
	if err := u.parent.conn.Send(wire.Message{Kind: wire.Ready}); err != nil {
		u.options.Log.Warn("the process before does not hear that this one is ready", "error", err)
	}
	working.Go(func() { u.prove(ctx) })
	// It may have ended just before the state changed.
	if u.parent.isGone() {
		u.orphaned()
	}
}

// announce tells the outside that this process serves.
func (u *Upgrader) announce() {
	u.tellManager("READY", func() error { return u.manager.Ready(os.Getpid()) })
	if u.parent != nil {
		u.tellManager("MAINPID", func() error { return u.manager.MainPID(os.Getpid()) })
	}
	if u.options.PIDFile == "" {
		return
	}
	if err := writePID(u.options.PIDFile); err != nil {
		u.options.Log.Error("the PID file is not that of this process", "file", u.options.PIDFile, "error", err)
	}
}

// writePID replaces a file by one that has the number of this process.
func writePID(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// keepTime does what is to be done from time to time, until ctx ends.
func (u *Upgrader) keepTime(ctx context.Context) {
	var watchdog <-chan time.Time
	switch every, err := systemd.WatchdogInterval(u.origin.env); {
	case err != nil:
		u.options.Log.Warn("the watchdog of the service manager is not told", "error", err)
	case every > 0:
		tick := time.NewTicker(every / 2)
		defer tick.Stop()
		watchdog = tick.C
	}
	tickets := time.NewTicker(time.Hour)
	defer tickets.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-watchdog:
			// The process that is watched is the one that has taken over, or will not.
			if u.owns() && !u.is(Committed) {
				u.tellManager("WATCHDOG", u.manager.Watchdog)
			}
		case now := <-tickets.C:
			u.mu.Lock()
			var err error
			if u.tickets.ring != nil {
				err = u.turnTickets(now)
			}
			u.mu.Unlock()
			if err != nil {
				u.options.Log.Warn("the keys of TLS tickets stay as they are", "error", err)
			}
		}
	}
}

// drain finishes what has begun, and gives everything back. Why is the reason, nil if it is
// no error.
func (u *Upgrader) drain(why error) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), u.options.Drain, fmt.Errorf("it took more than %v", u.options.Drain))
	defer cancel()
	hard, cancelHard := context.WithCancelCause(ctx)
	defer cancelHard(nil)
	done := make(chan struct{})
	defer close(done)
	go hearEnd(u.signals, done, errors.Is(why, errSignal), cancelHard)
	u.endAttempt(hard, why)
	condemned, last := u.condemnedNow(), !u.is(Committed) && u.owns()
	draining := hard
	if !last {
		u.sockets.set(true)
		draining = withReplaced(hard)
	}
	if !u.is(Committed) {
		u.enter(Draining, Event{})
	}
	if last {
		u.tellManager("STOPPING", u.manager.Stopping)
		// It would kill what drains for longer than it waits by itself.
		u.tellManager("EXTEND_TIMEOUT_USEC", func() error { return u.manager.ExtendTimeout(u.options.Drain + lastSteps) })
	}
	close(u.draining)
	var errs []error
	if !condemned {
		// Who connects from now on would wait for nobody.
		errs = append(errs, u.sockets.giveBack(last))
	}
	errs = append(errs, u.finish(draining, condemned))
	reason := ""
	if err := errors.Join(errs...); err != nil {
		reason = err.Error()
	}
	u.enter(Drained, Event{Reason: reason})
	errs = append(errs, u.closeControl(), u.sockets.giveBack(false), u.sockets.close(), u.origin.directory.Close())
	if last && u.options.PIDFile != "" {
		errs = append(errs, removePID(u.options.PIDFile))
	}
	return errors.Join(errs...)
}

// lastSteps is what a process may need beside its drain to end.
const lastSteps = 5 * time.Second

// hearEnd cuts what drains at a signal to end: the second one, of which the first may
// have been the reason to drain.
func hearEnd(signals <-chan os.Signal, done <-chan struct{}, second bool, cut context.CancelCauseFunc) {
	for {
		select {
		case <-done:
			return
		case s := <-signals:
			if s != unix.SIGTERM && s != unix.SIGINT {
				continue
			}
			if second {
				cut(fmt.Errorf("the signal %v came", s))
			}
			second = true
		}
	}
}

// endAttempt ends the upgrade that goes on, on either side: the process after this one is
// rolled back, the one before takes over again at once. No upgrade begins afterwards.
func (u *Upgrader) endAttempt(ctx context.Context, why error) {
	// From here on this process takes nothing over.
	u.mu.Lock()
	u.ending = true
	u.mu.Unlock()
	u.Abort("this process ends")
	if !u.owns() && !u.condemnedNow() {
		reason := "it ends"
		if why != nil {
			reason += ": " + why.Error()
		}
		u.tellParent(wire.Message{Kind: wire.Failed, Reason: reason})
	}
	select {
	case u.attempt <- struct{}{}:
	case <-ctx.Done():
	}
	// Whether there is a successor or not, none of these is to be one.
	u.disinherit()
}

// finish drains the servers, and ends what is open besides. One that is condemned sees to
// a successor meanwhile, should one be needed.
func (u *Upgrader) finish(ctx context.Context, condemned bool) error {
	drained := make(chan struct{})
	var outliving sync.WaitGroup
	if condemned {
		outliving.Go(func() { u.outlive(ctx, drained) })
	}
	var draining sync.WaitGroup
	errs := make([]error, len(u.servers), len(u.servers)+1)
	for i, s := range u.servers {
		draining.Go(func() { errs[i] = s.Drain(ctx) })
	}
	draining.Wait()
	u.rest(ctx)
	if n := u.sockets.cut(); n > 0 {
		errs = append(errs, fmt.Errorf("%d connections that no server has any more were cut: %w", n, context.Cause(ctx)))
	}
	close(drained)
	outliving.Wait()
	return errors.Join(errs...)
}

// removePID removes a file that has the number of this process.
func removePID(path string) error {
	text, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(os.Getpid()) {
		err = os.Remove(path)
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func (u *Upgrader) condemnedNow() bool {
	select {
	case <-u.condemned:
		return true
	default:
		return false
	}
}

// rest waits for connections that belong to no server any more.
func (u *Upgrader) rest(ctx context.Context) {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for u.sockets.connections() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
