package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// receiverName is the file of the socket in its folder.
const receiverName = "notify"

// maxDescriptors is the most that the kernel passes with one message.
const maxDescriptors = 253

// Receiver is the socket that a service's processes tell things to.
type Receiver struct {
	path   string
	socket *net.UnixConn

	// receiving is held by the one Receive that goes on, and guards the buffers.
	receiving sync.Mutex
	text      []byte
	control   []byte
}

// NewReceiver makes a socket in a folder, which has to exist and belongs to this process:
// who may enter it, and is this user or root, can send. A socket that a process which is
// gone has left there is replaced; that of one that lives is an error.
func NewReceiver(dir string) (*Receiver, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("socket for notifications in %s: %w", dir, err)
	}
	r := &Receiver{
		path: filepath.Join(dir, receiverName),
		// Of what is too long the kernel keeps one byte too many, which shows it.
		text:    make([]byte, maxMessage+1),
		control: make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(maxDescriptors*4)),
	}
	if len(r.path) > maxPath {
		return nil, fmt.Errorf("socket for notifications %s: %d bytes, a unix socket has at most %d", r.path, len(r.path), maxPath)
	}
	err = removeDead(r.path)
	if err == nil {
		r.socket, err = bind(r.path)
	}
	if err != nil {
		return nil, fmt.Errorf("socket for notifications %s: %w", r.path, err)
	}
	return r, nil
}

func bind(path string) (*net.UnixConn, error) {
	// Before the bind, so that no message is without its sender.
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		return errors.Join(err, os.NewSyscallError("ask for the sender", failed))
	}}
	c, err := config.ListenPacket(context.Background(), "unixgram", path)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err
		}
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, c.Close(), os.Remove(path))
	}
	return c.(*net.UnixConn), nil
}

// removeDead removes a socket to which nobody listens.
func removeDead(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("something else is there")
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	switch {
	case err == nil:
		return errors.Join(errors.New("another process receives there"), c.Close())
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	}
	return err
}

// Environment returns env with this socket, and without a watchdog that another manager
// asked for: for the child whose messages are to come here.
func (r *Receiver) Environment(env []string) []string {
	return append(drop(env, notifySocket, watchdogUsec, watchdogPID), notifySocket+"="+r.path)
}

// Receive waits for the next message. Barriers are answered, and not returned: who
// calls Receive again has read all messages before. An error that wraps [ErrMessage] is
// about one message; the others are about the socket, or are that of ctx.
func (r *Receiver) Receive(ctx context.Context) (Message, error) {
	r.receiving.Lock()
	defer r.receiving.Unlock()
	if err := r.socket.SetReadDeadline(time.Time{}); err != nil {
		return Message{}, fmt.Errorf("receive a notification: %w", err)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		_ = r.socket.SetReadDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-ended // so that it does not end the next Receive
		}
	}()
	for {
		m, err := r.receive()
		switch {
		case err != nil && ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return Message{}, fmt.Errorf("receive a notification: %w", context.Cause(ctx))
		case err != nil:
			return Message{}, fmt.Errorf("receive a notification: %w", err)
		case m.Fields["BARRIER"] == "1" && len(m.Fields) == 1:
			continue
		}
		return m, nil
	}
}

// receive reads one message and closes what descriptors it has.
func (r *Receiver) receive() (Message, error) {
	n, controls, _, _, err := r.socket.ReadMsgUnix(r.text, r.control)
	if err != nil {
		return Message{}, err
	}
	sender, err := readControl(r.control[:controls])
	switch {
	case err != nil:
		return Message{}, fmt.Errorf("%w: %w", ErrMessage, err)
	case sender == nil || sender.Pid <= 0:
		// A process of another pid namespace has no number here.
		return Message{}, fmt.Errorf("%w: its sender is not known", ErrMessage)
	}
	fields, err := parseFields(r.text[:n])
	if err != nil {
		return Message{}, fmt.Errorf("from process %d: %w", sender.Pid, err)
	}
	return Message{PID: int(sender.Pid), UID: int(sender.Uid), Fields: fields}, nil
}

// readControl returns who has sent a message, nil if it does not say, and closes the
// descriptors that came with it.
func readControl(control []byte) (*unix.Ucred, error) {
	list, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	var sender *unix.Ucred
	for _, c := range list {
		if c.Header.Level != unix.SOL_SOCKET {
			continue
		}
		switch c.Header.Type {
		case unix.SCM_CREDENTIALS:
			if len(c.Data) < unix.SizeofUcred {
				return nil, errors.New("half of a sender")
			}
			sender, err = unix.ParseUnixCredentials(&c)
		case unix.SCM_RIGHTS:
			err = closeRights(c)
		}
		if err != nil {
			return nil, err
		}
	}
	return sender, nil
}

func closeRights(c unix.SocketControlMessage) error {
	fds, err := unix.ParseUnixRights(&c)
	if err != nil {
		return err
	}
	for _, fd := range fds {
		// That they are gone is all that matters; what a close says of the file of
		// somebody else does not.
		_ = unix.Close(fd)
	}
	return nil
}

// Close removes the socket. A Receive that goes on fails.
func (r *Receiver) Close() error {
	return errors.Join(os.Remove(r.path), r.socket.Close())
}
