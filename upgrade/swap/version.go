package swap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/internal/exitcode"
	"github.com/goshawk-io/goshawk/upgrade/internal/image"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// firstSocket is the descriptor of the first socket.
const firstSocket = 3

// version is one process of the server.
type version struct {
	pid, generation int
	process         *os.Process
	since           time.Time // it was ready
	// said is closed when it has said that it is ready.
	said    chan struct{}
	sayOnce sync.Once
	// more is the end of the time that it last asked for to become ready, nil for none.
	more atomic.Pointer[time.Time]
	// died is closed when it has ended, state and err say how.
	died  chan struct{}
	state *os.ProcessState
	err   error
}

// start starts the program that lies at the path now. It returns when the program is
// executed; what has come so far when ctx ends is killed.
func (e *Engine) start(ctx context.Context, generation int) (*version, error) {
	program, err := image.Open(e.path, image.Options{Verify: e.options.Verify})
	if err != nil {
		return nil, err
	}
	defer program.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	files := []*os.File{e.options.Stdin, e.options.Stdout, e.options.Stderr}
	for _, s := range e.sockets {
		files = append(files, s.file)
	}
	fd := len(files)
	files = append(files, program.File(), w)
	args := append(append([]string{}, e.options.Shim...), strconv.Itoa(fd), e.link)
	v, err := e.spawn(generation, append(args, e.options.Command...), files)
	// Without the end of this process the other one is the end of what is told.
	_ = w.Close()
	if err != nil {
		return nil, fmt.Errorf("%s: start it: %w", e.path, err)
	}
	err = executed(ctx, r, e.options.Timeout)
	if err == nil {
		// Nobody has checked what was written meanwhile.
		err = program.Changed()
	}
	if err != nil {
		v.kill()
		<-v.died
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	return v, nil
}

// spawn starts the shim. The process leads a group of its own, so that what a terminal
// sends to all comes to this process alone, which passes it on.
func (e *Engine) spawn(generation int, args []string, files []*os.File) (*version, error) {
	// Nothing is cleared away or heard before it is known to be a version.
	e.starting.Lock()
	defer e.starting.Unlock()
	process, err := os.StartProcess(shimProgram(args[0]), args, &os.ProcAttr{
		Env: e.env, Files: files, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return nil, err
	}
	v := &version{pid: process.Pid, generation: generation, process: process, said: make(chan struct{}), died: make(chan struct{})}
	e.mu.Lock()
	e.versions[v.pid] = v
	e.mu.Unlock()
	e.working.Go(func() { e.wait(v) })
	return v, nil
}

// shimProgram returns this very program where the shim is called like it, whatever file
// has its name by now.
func shimProgram(name string) string {
	if name == os.Args[0] {
		return "/proc/self/exe"
	}
	return name
}

// executed waits until the shim has executed the program, and returns what it says else.
func executed(ctx context.Context, r *os.File, timeout time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("it is not executed within %v", timeout))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	text, err := io.ReadAll(io.LimitReader(r, 4096))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return context.Cause(ctx)
	case err != nil:
		return err
	case len(text) > 0:
		return errors.New(string(text))
	}
	return nil
}

// wait waits for the end of a version.
func (e *Engine) wait(v *version) {
	v.state, v.err = v.process.Wait()
	e.mu.Lock()
	delete(e.versions, v.pid)
	e.mu.Unlock()
	close(v.died)
	e.notice()
}

func (v *version) isDead() bool {
	select {
	case <-v.died:
		return true
	default:
		return false
	}
}

// signal sends a signal to the process alone, if it is there.
func (v *version) signal(s os.Signal) error {
	err := v.process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// kill ends the process with all of its group.
func (v *version) kill() {
	if v.isDead() {
		return
	}
	// One of the two reaches it: it may have left its group.
	_ = unix.Kill(-v.pid, unix.SIGKILL)
	_ = v.process.Kill()
}

// how says how the process has ended.
func (v *version) how() string {
	<-v.died
	if v.err != nil {
		return v.err.Error()
	}
	return v.state.String()
}

// exitCode returns that of the process; passed is the signal to end that was passed on
// to it, nil for none.
func (v *version) exitCode(passed os.Signal) int {
	<-v.died
	if v.state == nil {
		return 1
	}
	if status, ok := v.state.Sys().(syscall.WaitStatus); ok {
		return exitcode.Of(unix.WaitStatus(status), passed)
	}
	return v.state.ExitCode()
}

// ErrNotReady is that of a version that should say when it is ready, and did not in time.
var ErrNotReady = errors.New("did not say that it is ready (READY=1)")

// awaitReady waits until a version is ready.
func (e *Engine) awaitReady(ctx context.Context, v *version) error {
	began, patience := time.Now(), e.options.Ready
	if e.options.Notify {
		patience = e.options.Timeout
	}
	end := began.Add(patience)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-v.died:
			return fmt.Errorf("the new process %d ended before it was ready: %s", v.pid, v.how())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-v.said:
			v.since = time.Now()
			return nil
		case <-timer.C:
		}
		more := v.more.Swap(nil)
		switch {
		case !e.options.Notify:
			v.since = time.Now()
			return nil
		case more != nil && more.After(end) && more.After(time.Now()):
			end = *more
			timer.Reset(time.Until(end))
		default:
			return fmt.Errorf("the new process %d %w within %v", v.pid, ErrNotReady, end.Sub(began).Round(time.Millisecond))
		}
	}
}

// hear takes in what versions say, until ctx ends.
func (e *Engine) hear(ctx context.Context) {
	for ctx.Err() == nil {
		m, err := e.receiver.Receive(ctx)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return
		case errors.Is(err, systemd.ErrMessage):
			e.options.Log.Warn("a process says what is not understood", "error", err)
			continue
		default:
			e.options.Log.Warn("nobody can say that it is ready", "error", err)
			return
		}
		// One that is just being started may be as fast as that it is noted.
		e.starting.Lock()
		v := e.versionOf(m.PID)
		e.starting.Unlock()
		if v == nil {
			e.options.Log.Debug("a process that is no version of the server says something", "pid", m.PID)
			continue
		}
		e.heard(v, m)
	}
}

// heard does what a version asks for, and passes on to the service manager what it has to
// say of the server.
func (e *Engine) heard(v *version, m systemd.Message) {
	if m.Is("READY") {
		v.sayOnce.Do(func() { close(v.said) })
	}
	e.mu.Lock()
	// The first one may say something before it is known that it was executed.
	serves, starts := v == e.serving || e.serving == nil, e.state == upgrade.Warming
	e.mu.Unlock()
	switch d, err := m.ExtendTimeout(); {
	case err != nil:
		e.options.Log.Warn("a process says what is not understood", "pid", m.PID, "error", err)
	case d > 0:
		v.more.Store(new(time.Now().Add(d)))
		if serves && starts {
			e.tellManager("EXTEND_TIMEOUT_USEC", func() error { return e.manager.ExtendTimeout(d) })
		}
	}
	if text, ok := m.Fields["STATUS"]; ok && serves {
		e.tellManager("STATUS", func() error { return e.manager.Status(text) })
	}
}

// maxDepth bounds how far up a process is followed to the version that it belongs to.
const maxDepth = 32

// versionOf returns the version that a process is, or descends from; nil for none.
func (e *Engine) versionOf(pid int) *version {
	for range maxDepth {
		e.mu.Lock()
		v := e.versions[pid]
		e.mu.Unlock()
		if v != nil {
			return v
		}
		parent, err := parentOf(pid)
		if err != nil || parent <= 1 {
			return nil
		}
		pid = parent
	}
	return nil
}

// parentOf returns the parent of a process.
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
