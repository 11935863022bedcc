package upgrade

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/exitcode"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// SupervisorVariable is the environment variable that tells a program which process
// supervises it; each new version has it, too.
const SupervisorVariable = "GOSHAWK_UPGRADE_SUPERVISOR"

// SuperviseOptions configures [Supervise]. The zero value works.
type SuperviseOptions struct {
	// Command is the program that is supervised, which uses this package, and its
	// arguments; nil means this program as it was started.
	Command []string
	// Env is its environment; nil means that of this process.
	Env []string
	// Log hears what goes on; nil discards it.
	Log *slog.Logger
}

// Supervised reports whether this process is supervised by another one, or follows one
// that is: whether a program that was told to supervise itself has done so already.
func Supervised() bool {
	value, ok := os.LookupEnv(SupervisorVariable)
	if !ok {
		return false
	}
	// What such a program starts inherits the variable as well.
	_, follows := os.LookupEnv(variable)
	return follows || value == strconv.Itoa(os.Getppid())
}

// Supervise starts a program that uses this package, and stays its parent through all
// upgrades: for containers, whose first process must not end, and for the foreground. It
// blocks until no version is left, and returns the exit code of the one that served
// last, 128 and the signal if a signal has ended it, but 0 if that is the SIGTERM that was
// passed on. A program that offers this calls it before it does anything else:
//
//	if *supervise && !upgrade.Supervised() {
//		exit, err := upgrade.Supervise(ctx, upgrade.SuperviseOptions{})
//		...
//		os.Exit(exit)
//	}
//
// SIGUSR1, SIGUSR2 and SIGHUP are passed on to the version that serves, once it is
// ready; SIGTERM and SIGINT at once, and from the second on to those that drain, too. That
// ctx ends is as SIGTERM. It tells the service manager what that version tells, and
// passes on the sockets of systemd.
//
// All descendants whose parents have ended become children of this process, which clears
// them away. It must start no others.
func Supervise(ctx context.Context, o SuperviseOptions) (exit int, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	s := &supervisor{log: o.Log, replaced: make(map[int]*os.Process), wait: func(status *unix.WaitStatus) (int, error) {
		return unix.Wait4(-1, status, unix.WNOHANG, nil)
	}}
	if s.manager, err = systemd.NewNotifier(os.Environ()); err != nil {
		return 0, fmt.Errorf("supervise: %w", err)
	}
	folder, err := systemd.PrivateFolder("goshawk-supervise-", os.Getenv)
	if err != nil {
		return 0, fmt.Errorf("supervise: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	receiver, err := systemd.NewReceiver(folder)
	if err != nil {
		return 0, fmt.Errorf("supervise: %w", err)
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	signals, ended := make(chan os.Signal, 16), make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGUSR1, unix.SIGUSR2, unix.SIGHUP, unix.SIGTERM, unix.SIGINT)
	defer signal.Stop(signals)
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 0, fmt.Errorf("supervise: get the children of others: %w", err)
	}
	if err := s.start(o, receiver); err != nil {
		return 0, fmt.Errorf("supervise: %w", err)
	}
	hearing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	messages, heard := make(chan systemd.Message), make(chan struct{})
	go func() {
		defer close(heard)
		s.hear(hearing, receiver, messages)
	}()
	s.run(ctx, ended, signals, messages)
	s.lastMessages(receiver, messages)
	cancel()
	<-heard
	return s.exitCode(), nil
}

// supervisor is the parent of all versions. It belongs to one goroutine.
type supervisor struct {
	log     *slog.Logger
	manager *systemd.Notifier
	// wait is wait4 for any child, without waiting.
	wait func(*unix.WaitStatus) (int, error)
	// serving is the version that serves, or will: what no other has replaced. It is
	// presumed to until it says so itself, if the one before has ended without a word.
	serving  *os.Process
	presumed bool
	ready    bool
	waiting  []os.Signal // for the version to be ready
	// replaced are the versions that drain.
	replaced map[int]*os.Process
	// ending is the last signal to end that has come, of so many.
	ending  os.Signal
	endings int
	// exit is that of the version that served last, if known is set, and drained
	// that of the one that ended last of the others.
	exit, drained int
	known         bool
	// presumedExit and presumedKnown are those of the one that is presumed to serve.
	presumedExit  int
	presumedKnown bool
}

// start starts the first version.
func (s *supervisor) start(o SuperviseOptions, receiver *systemd.Receiver) error {
	command, path := o.Command, ""
	var err error
	if len(command) == 0 {
		command = os.Args
		path, err = thisProgram()
	} else {
		path, err = commandPath(command[0])
	}
	if err != nil {
		return err
	}
	passed, err := systemd.Listeners(os.Environ())
	if err != nil {
		return err
	}
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	var names []string
	for _, p := range passed {
		f := os.NewFile(uintptr(p.FD), p.Name)
		defer f.Close()
		files, names = append(files, f), append(names, p.Name)
	}
	own := slices.DeleteFunc(slices.Clone(o.Env), func(pair string) bool { return strings.HasPrefix(pair, SupervisorVariable+"=") })
	env, err := systemd.Environment(receiver.Environment(own), names)
	if err != nil {
		return err
	}
	for _, pair := range o.Env {
		if strings.HasPrefix(pair, "WATCHDOG_USEC=") && s.manager.Active() {
			// The version that serves is the one that has to be well.
			env = append(env, pair)
		}
	}
	self := os.Getpid()
	env = append(systemd.WithPID(env, self), SupervisorVariable+"="+strconv.Itoa(self))
	// It leads a group of its own: what a terminal sends to all comes to this process, which
	// passes it on to the one that it is for.
	s.serving, err = os.StartProcess(path, command, &os.ProcAttr{Env: env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true}})
	if failure, ok := errors.AsType[*os.PathError](err); ok {
		err = fmt.Errorf("%s: %w", path, failure.Err)
	}
	return err
}

// commandPath finds a program as a shell does.
func commandPath(name string) (string, error) {
	if strings.Contains(name, "/") {
		return filepath.Abs(name)
	}
	path, err := exec.LookPath(name)
	if failure, ok := errors.AsType[*exec.Error](err); ok {
		err = fmt.Errorf("%s: %w", name, failure.Err)
	}
	return path, err
}

// thisProgram returns a path of the program that this process runs.
func thisProgram() (string, error) {
	const self = "/proc/self/exe"
	path, err := ownProgram(os.Args[0])
	if err != nil {
		return "", err
	}
	running, err := os.Stat(self)
	if err != nil {
		return "", err
	}
	// By its path the process has the name of the program.
	if there, err := os.Stat(path); err == nil && os.SameFile(there, running) {
		return path, nil
	}
	return self, nil
}

// hear passes on what versions tell, until ctx ends.
func (s *supervisor) hear(ctx context.Context, from *systemd.Receiver, to chan<- systemd.Message) {
	for {
		m, err := from.Receive(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, systemd.ErrMessage):
			s.log.Warn("a process says what is not understood", "error", err)
			continue
		case err != nil:
			s.log.Error("which version serves is not heard any more", "error", err)
			return
		}
		select {
		case to <- m:
		case <-ctx.Done():
			return
		}
	}
}

// run passes signals and messages on until no version is left.
func (s *supervisor) run(ctx context.Context, ended, signals <-chan os.Signal, messages <-chan systemd.Message) {
	over := ctx.Done()
	for {
		select {
		case <-over:
			over = nil
			s.end(unix.SIGTERM)
		case m := <-messages:
			s.told(m)
		case <-ended:
			if s.reap() {
				return
			}
		case sig := <-signals:
			// What is for one that has ended would be lost.
			if s.reap() {
				return
			}
			switch {
			case sig == unix.SIGTERM || sig == unix.SIGINT:
				s.end(sig)
			case s.ready:
				s.send(sig)
			default:
				// Before, it would kill the process.
				s.waiting = append(s.waiting, sig)
			}
		}
	}
}

// send sends a signal to the version that serves.
func (s *supervisor) send(sig os.Signal) {
	to := s.serving
	if gone(to) {
		// One that drains is all that is left.
		for _, p := range s.replaced {
			to = p
		}
	}
	if err := to.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.log.Warn("a signal is not passed on", "signal", sig, "pid", to.Pid, "error", err)
	}
}

// end tells versions to end.
func (s *supervisor) end(sig os.Signal) {
	s.ending, s.endings = sig, s.endings+1
	s.send(sig)
	if s.endings == 1 {
		return
	}
	for pid, p := range s.replaced {
		if err := p.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			s.log.Warn("a signal is not passed on", "signal", sig, "pid", pid, "error", err)
		}
	}
}

func gone(p *os.Process) bool { return errors.Is(p.Signal(unix.Signal(0)), os.ErrProcessDone) }

// told does what a message is for.
func (s *supervisor) told(m systemd.Message) {
	switch pid, err := m.MainPID(); {
	case err != nil:
		s.log.Warn("a process says what is not understood", "pid", m.PID, "error", err)
	case pid == 0 || s.replaced[pid] != nil:
	case pid == s.serving.Pid:
		s.confirm()
	case m.PID == s.serving.Pid && (descends(pid) || !exists(pid)), m.PID == pid && isVersion(pid) && descends(pid):
		s.replace(pid)
		s.confirm()
	default:
		s.log.Debug("a process that is no version says that it serves", "pid", m.PID)
	}
	if m.PID != s.serving.Pid {
		return
	}
	if m.Is("READY") {
		s.ready = true
		for _, sig := range s.waiting {
			s.send(sig)
		}
		s.waiting = nil
		s.tell("READY", func() error { return s.manager.Ready(0) })
	}
	for _, f := range []struct {
		what string
		tell func() error
	}{{"RELOADING", s.manager.Reloading}, {"STOPPING", s.manager.Stopping}, {"WATCHDOG", s.manager.Watchdog}} {
		if m.Is(f.what) {
			s.tell(f.what, f.tell)
		}
	}
	if more, err := m.ExtendTimeout(); err != nil {
		s.log.Warn("a process says what is not understood", "pid", m.PID, "error", err)
	} else if more > 0 {
		s.tell("EXTEND_TIMEOUT_USEC", func() error { return s.manager.ExtendTimeout(more) })
	}
	if text, ok := m.Fields["STATUS"]; ok {
		s.tell("STATUS", func() error { return s.manager.Status(text) })
	}
}

// lastMessages hears what versions have told before they ended.
func (s *supervisor) lastMessages(receiver *systemd.Receiver, messages <-chan systemd.Message) {
	self, err := systemd.NewNotifier(receiver.Environment(nil))
	if err == nil {
		// Behind it there is nothing.
		err = self.Status("all versions have ended")
	}
	if err != nil {
		s.log.Warn("the last messages are not heard", "error", err)
		return
	}
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for {
		select {
		case m := <-messages:
			if m.PID == os.Getpid() {
				return
			}
			s.told(m)
		case <-timer.C:
			return
		}
	}
}

func (s *supervisor) tell(what string, tell func() error) {
	if err := tell(); err != nil {
		s.log.Warn("the service manager does not hear", "message", what, "error", err)
	}
}

// replace makes another version the one that serves.
func (s *supervisor) replace(pid int) {
	next, err := os.FindProcess(pid)
	if err != nil {
		s.log.Warn("a version is not found", "pid", pid, "error", err)
		return
	}
	s.log.Info("another version serves", "pid", pid, "before", s.serving.Pid)
	if gone(s.serving) {
		_ = s.serving.Release()
	} else {
		s.replaced[s.serving.Pid] = s.serving
	}
	s.serving, s.ready, s.presumed, s.presumedKnown = next, true, true, false
	if s.endings > 0 {
		// The one before has got it too late, or not at all.
		s.send(s.ending)
	}
}

// confirm is called when the version that serves says so.
func (s *supervisor) confirm() {
	if s.presumed {
		s.presumed, s.exit, s.known = false, s.presumedExit, s.presumedKnown
	}
}

// reap clears away what has ended, and reports whether no version is left.
func (s *supervisor) reap() bool {
	for {
		var status unix.WaitStatus
		pid, err := s.wait(&status)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || pid <= 0:
			return s.settle()
		}
		if p := s.replaced[pid]; p != nil {
			delete(s.replaced, pid)
			_ = p.Release()
			s.drained = exitcode.Of(status, s.ending)
		}
		if pid == s.serving.Pid {
			if s.presumed {
				s.presumedExit, s.presumedKnown = exitcode.Of(status, s.ending), true
				continue
			}
			s.exit, s.known = exitcode.Of(status, s.ending), true
			s.log.Info("the version that served has ended", "pid", pid, "exit", s.exit)
		}
	}
}

// settle finds the version that serves once the one that did is gone. It reports
// whether no version is left.
func (s *supervisor) settle() bool {
	if !gone(s.serving) {
		return false
	}
	left := false
	for pid, parent := range processes() {
		switch {
		case s.replaced[pid] != nil:
			left = left || !gone(s.replaced[pid])
		case parent == os.Getpid() && isVersion(pid):
			// The one before was killed: this one finds out, and serves.
			s.replace(pid)
			return false
		}
	}
	return !left
}

func (s *supervisor) exitCode() int {
	switch {
	case s.known:
		return s.exit
	case s.endings > 0:
		// It was the child of one that drained, which alone knows how it has ended.
		return s.drained
	}
	return 1
}

// isVersion reports whether a process was started as a new version of a program, or may
// have been: that of a program with capabilities of its own cannot be told.
func isVersion(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	return errors.Is(err, os.ErrPermission) || err == nil && strings.Contains("\x00"+string(text), "\x00"+variable+"=")
}

// processes returns the parent of each process.
func processes() map[int]int {
	list := map[int]int{}
	files, _ := os.ReadDir("/proc")
	for _, f := range files {
		pid, err := strconv.Atoi(f.Name())
		if err != nil {
			continue
		}
		if parent, err := parentOf(pid); err == nil {
			list[pid] = parent
		}
	}
	return list
}

func exists(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

// descends reports whether a process is a descendant of this one.
func descends(pid int) bool {
	const deepest = 64
	for range deepest {
		parent, err := parentOf(pid)
		switch {
		case err != nil || parent <= 0:
			return false
		case parent == os.Getpid():
			return true
		}
		pid = parent
	}
	return false
}

func parentOf(pid int) (int, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The name of the program, in brackets, may have brackets and spaces.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return 0, fmt.Errorf("process %d: %q", pid, text)
	}
	return strconv.Atoi(fields[1])
}

// ownSockets returns env with the sockets that systemd has passed to the supervisor of
// this process announced to this process.
func ownSockets(env []string) []string {
	supervisor := ""
	for _, pair := range env {
		if value, ok := strings.CutPrefix(pair, SupervisorVariable+"="); ok {
			supervisor = value
		}
	}
	if supervisor != "" && slices.Contains(env, "LISTEN_PID="+supervisor) && supervisor == strconv.Itoa(os.Getppid()) {
		return systemd.WithPID(env, os.Getpid())
	}
	return env
}
