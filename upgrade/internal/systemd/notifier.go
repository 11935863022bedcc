package systemd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	notifySocket = "NOTIFY_SOCKET"
	watchdogUsec = "WATCHDOG_USEC"
	watchdogPID  = "WATCHDOG_PID"

	extendTimeout = "EXTEND_TIMEOUT_USEC"

	// patience is how long a manager may leave no room for a message.
	patience = 5 * time.Second
	// maxPath bounds the path of a unix socket, in bytes.
	maxPath = 107
	// maxExtension is the most that a message asks for, or grants.
	maxExtension = time.Hour
	// maxStatus bounds what a service says of itself, in bytes, so that the message
	// is not too long.
	maxStatus = 2048
)

// Notifier tells a service manager how this process does. The zero value has none to
// tell and does nothing. It may be used by several goroutines. Its methods wait up to 5
// seconds for a manager that is behind.
type Notifier struct {
	socket string
}

// NewNotifier returns the one for the manager that env, of the form of [os.Environ],
// names: one that does nothing if it names none. The manager need not be there yet.
func NewNotifier(env []string) (*Notifier, error) {
	socket, ok := lookup(env, notifySocket)
	if !ok || socket == "" {
		return &Notifier{}, nil
	}
	switch {
	case socket[0] != '/' && socket[0] != '@' || len(socket) == 1:
		return nil, fmt.Errorf("%s=%q: neither an absolute path nor an abstract socket (@name)", notifySocket, socket)
	case len(socket) > maxPath:
		return nil, fmt.Errorf("%s=%q: %d bytes, a unix socket has at most %d", notifySocket, socket, len(socket), maxPath)
	}
	return &Notifier{socket: socket}, nil
}

// Active is whether there is a manager to tell.
func (n *Notifier) Active() bool { return n.socket != "" }

// Ready says that the service has started, or has ended to reload. A pid that is neither
// 0 nor that of this process is the service's main process from then on.
func (n *Notifier) Ready(pid int) error {
	if pid == 0 || pid == os.Getpid() {
		return n.send("READY=1")
	}
	return n.send("READY=1\nMAINPID=" + strconv.Itoa(pid))
}

// Reloading says that the service begins to reload; [Notifier.Ready] ends that.
func (n *Notifier) Reloading() error {
	if !n.Active() {
		return nil
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(now.Nano()/1000, 10))
}

// Stopping says that the service begins to end.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status says in a line how the service does. Control characters become spaces, and what
// is longer than 2048 bytes is cut.
func (n *Notifier) Status(text string) error {
	if len(text) > maxStatus {
		text = text[:maxStatus]
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	return n.send("STATUS=" + text)
}

// MainPID says which process is the service's main one from now on. The manager must
// accept messages of this process: NotifyAccess=all for one that is not the main one.
func (n *Notifier) MainPID(pid int) error { return n.send("MAINPID=" + strconv.Itoa(pid)) }

// Watchdog says that the service is well; see [WatchdogInterval].
func (n *Notifier) Watchdog() error { return n.send("WATCHDOG=1") }

// ExtendTimeout asks the manager for time: the start, the reload or the end of the service
// that goes on may last for d from now on, if its usual time is over by then. It has to be
// said again before that. d is rounded up to microseconds; more than an hour is an hour, so
// that nobody waits for long for a service that hangs, and what is not above 0 is an error.
func (n *Notifier) ExtendTimeout(d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("ask the service manager for %v more: is not above 0", d)
	}
	usec := (min(d, maxExtension) + time.Microsecond - 1) / time.Microsecond
	return n.send(extendTimeout + "=" + strconv.FormatInt(int64(usec), 10))
}

// Barrier waits until the manager has read all that was sent before, or ctx ends.
func (n *Notifier) Barrier(ctx context.Context) error {
	if !n.Active() {
		return nil
	}
	r, w, err := os.Pipe()
	if err != nil {
		return n.wrap(err)
	}
	defer r.Close()
	err = n.sendWith(ctx, "BARRIER=1", int(w.Fd()))
	if err := errors.Join(err, w.Close()); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	_, err = r.Read(make([]byte, 1))
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return n.wrap(errors.New("it wrote to the barrier instead of closing it"))
	case ctx.Err() != nil:
		return n.wrap(fmt.Errorf("wait until it has read all: %w", context.Cause(ctx)))
	}
	return n.wrap(err)
}

func (n *Notifier) send(message string) error {
	return n.sendWith(context.Background(), message)
}

// sendWith sends a message, and descriptors with it. A socket of its own for each message
// finds a manager that was started anew meanwhile.
func (n *Notifier) sendWith(ctx context.Context, message string, fds ...int) error {
	if !n.Active() {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return n.wrap(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, patience, os.ErrDeadlineExceeded)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	var control []byte
	if len(fds) > 0 {
		control = unix.UnixRights(fds...)
	}
	err = sendMessage(c, []byte(message), control)
	switch {
	case err != nil && ctx.Err() != nil:
		return n.wrap(fmt.Errorf("it has no room for a message: %w", context.Cause(ctx)))
	case err != nil:
		return n.wrap(err)
	}
	return nil
}

// sendMessage sends one with a control message, which package net does not do for a
// socket of this kind that is connected. It waits until there is room, or the deadline.
func sendMessage(c *net.UnixConn, message, control []byte) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Write(func(fd uintptr) (done bool) {
		for failed = unix.EINTR; failed == unix.EINTR; {
			failed = unix.Sendmsg(int(fd), message, control, nil, unix.MSG_NOSIGNAL)
		}
		return failed != unix.EAGAIN
	})
	return errors.Join(err, os.NewSyscallError("sendmsg", failed))
}

func (n *Notifier) wrap(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("tell the service manager at %s: %w", n.socket, err)
}

// WatchdogInterval returns how often the manager that env names wants to hear from this
// process at least ([Notifier.Watchdog]), 0 for never. Half of it is a good interval.
func WatchdogInterval(env []string) (time.Duration, error) {
	usec, ok := lookup(env, watchdogUsec)
	if !ok {
		return 0, nil
	}
	if pid, ok := lookup(env, watchdogPID); ok {
		switch n, err := number(watchdogPID, pid, 1, math.MaxInt32); {
		case err != nil:
			return 0, err
		case n != uint64(os.Getpid()):
			return 0, nil
		}
	}
	n, err := number(watchdogUsec, usec, 1, math.MaxInt64/uint64(time.Microsecond))
	if err != nil {
		return 0, err
	}
	return time.Duration(n) * time.Microsecond, nil
}
