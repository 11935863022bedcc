package swap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
	"github.com/goshawk-io/goshawk/upgrade/internal/image"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// Engine holds the sockets of a server and runs its versions. It may be used by several
// goroutines.
type Engine struct {
	options  Options
	path     string // of the program
	env      []string
	sockets  []*socket
	folder   string // of its own, for receiver and link
	link     string
	receiver *systemd.Receiver
	manager  *systemd.Notifier
	control  *control.Server // nil for none

	// attempt holds an element while an upgrade goes on, and for ever at the end.
	attempt chan struct{}
	// changed has an element when something is new for Run.
	changed  chan struct{}
	starting sync.Mutex
	working  sync.WaitGroup

	telling sync.Mutex // events are told in order
	history history

	mu       sync.Mutex
	state    upgrade.State
	since    time.Time
	serving  *version // nil before the first
	next     *version // of an upgrade that goes on
	versions map[int]*version
	previous *version
	last     *upgrade.Outcome
	refused  *upgrade.Refusal
	abort    context.CancelCauseFunc
	stopping bool
}

// New opens the sockets. Nothing is started before [Engine.Run]; [Engine.Close] gives
// back what is not run.
func New(o Options) (*Engine, error) {
	o = o.withDefaults()
	e := &Engine{
		options: o, state: upgrade.Warming, since: time.Now(), versions: make(map[int]*version),
		attempt: make(chan struct{}, 1), changed: make(chan struct{}, 1),
	}
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("upgrade: %w", errors.Join(err, e.Close()))
	}
	return e, nil
}

func (e *Engine) open() error {
	err := e.options.check()
	if err != nil {
		return err
	}
	if e.path, err = find(e.options.Command[0]); err != nil {
		return err
	}
	program, err := image.Open(e.path, image.Options{Verify: e.options.Verify})
	if err != nil {
		return err
	}
	if err := program.Close(); err != nil {
		return err
	}
	if e.manager, err = systemd.NewNotifier(os.Environ()); err != nil {
		return err
	}
	if e.sockets, err = openSockets(e.options.Listeners, os.Environ()); err != nil {
		return err
	}
	if e.folder, err = systemd.PrivateFolder("goshawk-run-", os.Getenv); err != nil {
		return err
	}
	if e.receiver, err = systemd.NewReceiver(e.folder); err != nil {
		return err
	}
	var names []string
	for _, s := range e.sockets {
		names = append(names, s.name)
	}
	if e.env, err = systemd.Environment(e.receiver.Environment(os.Environ()), names); err != nil {
		return err
	}
	e.link = filepath.Join(e.folder, "program", filepath.Base(e.path))
	if err := os.Mkdir(filepath.Dir(e.link), 0o700); err != nil {
		return err
	}
	if err := os.Symlink(descriptorPath(firstSocket+len(e.sockets)), e.link); err != nil {
		return err
	}
	e.listenToControl()
	return nil
}

// find returns the absolute path that new versions are started from. A link stays one.
func find(name string) (string, error) {
	if strings.Contains(name, "/") {
		return filepath.Abs(name)
	}
	path, err := exec.LookPath(name)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		if failure, ok := errors.AsType[*exec.Error](err); ok {
			err = failure.Err
		}
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return filepath.Abs(path)
}

func (e *Engine) listenToControl() {
	folder := e.options.ControlFolder
	if folder == upgrade.NoControl {
		return
	}
	if folder == "" {
		folder = control.Folder(os.Geteuid(), os.Getenv)
	}
	server, err := control.Serve(folder, asked{e})
	if err != nil {
		e.options.Log.Warn("nobody can ask this process for upgrades but by signals", "folder", folder, "error", err)
		return
	}
	e.control = server
}

// Close gives everything back that [New] has made. After [Engine.Run] it does nothing.
func (e *Engine) Close() error {
	e.history.finish()
	var errs []error
	if e.control != nil {
		errs = append(errs, e.control.Close())
	}
	if e.receiver != nil {
		errs = append(errs, e.receiver.Close())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	errs = append(errs, closeSockets(e.sockets))
	if e.folder != "" {
		errs = append(errs, os.RemoveAll(e.folder))
	}
	e.control, e.receiver, e.sockets, e.folder = nil, nil, nil, ""
	return errors.Join(errs...)
}

// Run starts the first version and blocks until the server has ended. It returns the
// exit code of the version that served last, and of one that a signal has ended 128 and
// the signal, as shells do; but 0 of one that the SIGTERM has ended that was passed on to
// it, which is how service managers tell a service to end. The error is about what was not
// the server's fault. Run is called once.
//
// While it runs it handles signals: SIGUSR2 upgrades, SIGUSR1 rolls the upgrade back
// that goes on, SIGHUP is passed on. SIGTERM and SIGINT are passed on and end it when the
// server has ended; the second of these kills the server, and so does the end of
// [Options.Drain]. That ctx ends is as SIGTERM.
func (e *Engine) Run(ctx context.Context) (exit int, err error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGUSR1, unix.SIGUSR2, unix.SIGHUP, unix.SIGTERM, unix.SIGINT)
	defer signal.Stop(signals)
	defer func() { err = errors.Join(err, e.Close()) }()
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer e.working.Wait()
	defer cancel()
	e.working.Go(func() { e.hear(inner) })
	e.working.Go(func() { e.keepTime(inner) })
	if e.options.Reap {
		e.working.Go(func() { e.reap(inner) })
	}
	first, err := e.start(inner, 1)
	if err != nil {
		return 0, fmt.Errorf("upgrade: %w", err)
	}
	e.mu.Lock()
	e.serving = first
	e.mu.Unlock()
	e.enter(upgrade.Warming, first, upgrade.Event{})
	ready := make(chan error, 1)
	e.working.Go(func() { ready <- e.awaitReady(inner, first) })
	return e.serve(ctx, inner, signals, ready)
}

// serve handles what happens until the server has ended.
func (e *Engine) serve(ctx, inner context.Context, signals <-chan os.Signal, ready <-chan error) (int, error) {
	for {
		serving, upgrading := e.current()
		died := serving.died
		if upgrading {
			// The new version may take over.
			died = nil
		}
		select {
		case <-ctx.Done():
			return e.stop(unix.SIGTERM, signals), nil
		case <-died:
			if now, upgrading := e.current(); upgrading || now != serving {
				continue // another version was started meanwhile
			}
			e.enter(upgrade.Draining, serving, upgrade.Event{Reason: fmt.Sprintf("process %d ended by itself: %s", serving.pid, serving.how())})
			return e.stop(nil, signals), nil
		case <-e.changed:
		case err := <-ready:
			switch {
			case err == nil:
				e.enter(upgrade.Running, serving, upgrade.Event{})
				e.tellManager("READY", func() error { return e.manager.Ready(0) })
			case !serving.isDead():
				serving.kill()
				e.stop(nil, signals)
				return 0, fmt.Errorf("upgrade: %w", err)
			}
		case s := <-signals:
			if s == unix.SIGTERM || s == unix.SIGINT {
				return e.stop(s, signals), nil
			}
			e.handle(inner, s)
		}
	}
}

// handle does what a signal asks for that does not end the server.
func (e *Engine) handle(ctx context.Context, s os.Signal) {
	switch s {
	case unix.SIGUSR2:
		e.working.Go(func() {
			// What comes of it is an event, or was refused and logged.
			_, _ = e.Upgrade(ctx)
		})
	case unix.SIGUSR1:
		if !e.Abort("aborted by SIGUSR1") {
			e.options.Log.Info("no upgrade goes on that could be aborted")
		}
	default:
		e.mu.Lock()
		list := []*version{e.serving, e.next}
		e.mu.Unlock()
		for _, v := range list {
			if v == nil {
				continue
			}
			if err := v.signal(s); err != nil {
				e.options.Log.Warn("a signal is not passed on", "signal", s, "pid", v.pid, "error", err)
			}
		}
	}
}

// current returns the version that serves, and whether an upgrade goes on.
func (e *Engine) current() (*version, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.serving, e.abort != nil
}

// notice makes Run look at what has changed.
func (e *Engine) notice() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// stop waits until all versions have ended, after it has passed a signal on to the one
// that serves, unless s is nil. It returns the exit code of that version.
func (e *Engine) stop(s os.Signal, signals <-chan os.Signal) int {
	e.mu.Lock()
	e.stopping = true
	e.mu.Unlock()
	e.Abort("this process ends")
	// Nothing is started from here on.
	e.attempt <- struct{}{}
	serving, _ := e.current()
	reason := ""
	if sig, ok := s.(unix.Signal); ok {
		reason = unix.SignalName(sig)
	}
	if !serving.isDead() {
		e.enter(upgrade.Draining, serving, upgrade.Event{Reason: reason})
	}
	e.tellManager("STOPPING", e.manager.Stopping)
	var late <-chan time.Time
	if s != nil {
		if err := serving.signal(s); err != nil {
			e.options.Log.Warn("a signal is not passed on", "signal", s, "pid", serving.pid, "error", err)
		}
		timer := time.NewTimer(e.options.Drain)
		defer timer.Stop()
		late = timer.C
	}
	for reason = ""; len(e.alive()) > 0; {
		select {
		case <-e.changed:
		case <-late:
			if !serving.isDead() {
				reason = e.tooLate() + ": "
				serving.kill()
			}
		case again := <-signals:
			if again == unix.SIGTERM || again == unix.SIGINT {
				for _, v := range e.alive() {
					v.kill()
				}
			}
		}
	}
	e.enter(upgrade.Drained, serving, upgrade.Event{Reason: reason + serving.how()})
	return serving.exitCode(s)
}

// tooLate is why a version was killed that was told to end.
func (e *Engine) tooLate() string {
	return fmt.Sprintf("it had not ended within %v, and was killed", e.options.Drain)
}

// alive returns the versions that have not ended.
func (e *Engine) alive() []*version {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []*version
	for _, v := range e.versions {
		list = append(list, v)
	}
	return list
}

// keepTime tells the watchdog of the service manager that this process is well.
func (e *Engine) keepTime(ctx context.Context) {
	every, err := systemd.WatchdogInterval(os.Environ())
	if err != nil {
		e.options.Log.Warn("the watchdog of the service manager is not told", "error", err)
	}
	if err != nil || every <= 0 {
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			e.tellManager("WATCHDOG", e.manager.Watchdog)
		}
	}
}

func (e *Engine) tellManager(what string, tell func() error) {
	if err := tell(); err != nil {
		e.options.Log.Warn("the service manager does not hear", "message", what, "error", err)
	}
}
