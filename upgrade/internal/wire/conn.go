package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// resets bounds how often a connection is said to be reset before its end is believed.
const resets = 3

// Conn is an end of a pair of sockets. It may be used by several goroutines, of which
// one receives.
type Conn struct {
	socket *net.UnixConn
	buffer []byte

	sending sync.Mutex
}

// Pair returns both ends: one to talk by, the other as a descriptor for another
// process, which belongs to the caller. Neither is inherited by itself.
func Pair() (*Conn, int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("make a pair of sockets: %w", err)
	}
	c, err := New(fds[0])
	if err != nil {
		return nil, 0, errors.Join(err, unix.Close(fds[1]))
	}
	return c, fds[1], nil
}

// New returns the end that a descriptor is. It takes the descriptor over.
func New(fd int) (*Conn, error) {
	f := os.NewFile(uintptr(fd), "upgrade")
	if f == nil {
		return nil, fmt.Errorf("descriptor %d: is none", fd)
	}
	defer f.Close()
	unix.CloseOnExec(fd)
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", fd, err)
	}
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("descriptor %d: is no unix socket", fd), c.Close())
	}
	return &Conn{socket: socket, buffer: make([]byte, MaxPacket+1)}, nil
}

// Send sends a message. It does not block for longer than a second.
func (c *Conn) Send(m Message) error {
	if m.Kind == Hello || m.Kind == Started {
		m.Version = Version
	}
	packet, err := m.encode()
	if err != nil {
		return fmt.Errorf("say %s: %w", m.Kind, err)
	}
	c.sending.Lock()
	defer c.sending.Unlock()
	err = c.socket.SetWriteDeadline(time.Now().Add(time.Second))
	if err == nil {
		_, err = c.socket.Write(packet)
	}
	if err != nil {
		return fmt.Errorf("say %s: %w", m.Kind, err)
	}
	return nil
}

// Receive waits for the next message. The error is [io.EOF] when the other process is
// gone.
func (c *Conn) Receive() (*Message, error) {
	n, err := c.socket.Read(c.buffer)
	// One that ends without having read all is told of first, before what it has said.
	for range resets {
		if !errors.Is(err, unix.ECONNRESET) {
			break
		}
		n, err = c.socket.Read(c.buffer)
	}
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET):
		return nil, io.EOF
	case err != nil:
		return nil, fmt.Errorf("hear the other process: %w", err)
	case n == 0:
		return nil, io.EOF
	case n > MaxPacket:
		return nil, fmt.Errorf("hear the other process: a message of more than %d bytes", MaxPacket)
	}
	m, err := parse(c.buffer[:n])
	if err != nil {
		return nil, fmt.Errorf("hear the other process: %w", err)
	}
	return m, nil
}

// SetReceiveDeadline makes [Conn.Receive] fail after it; the zero time is none.
func (c *Conn) SetReceiveDeadline(t time.Time) error { return c.socket.SetReadDeadline(t) }

// Close closes this end.
func (c *Conn) Close() error { return c.socket.Close() }
