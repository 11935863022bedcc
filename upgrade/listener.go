package upgrade

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// listener accepts from a socket while its valve is open. It counts what it has
// accepted before anybody knows of it, so that a drain misses no connection.
type listener struct {
	net.Listener
	valve *valve
}

// Accept implements [net.Listener].
func (l *listener) Accept() (net.Conn, error) {
	for {
		if err := l.valve.wait(); err != nil {
			return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: err}
		}
		c, err := l.Listener.Accept()
		if err == nil {
			return l.valve.counted(c), nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
}

// Close stops accepting for good in this process. The socket itself stays open for the
// process that comes next.
func (l *listener) Close() error {
	l.valve.close()
	return l.Listener.Close()
}

// counted returns a connection that is counted until it is closed. It keeps the methods
// of its type, by which net/http sends files without reading them.
func (v *valve) counted(c net.Conn) net.Conn {
	v.open.Add(1)
	done := sync.OnceFunc(func() { v.open.Add(-1) })
	switch c := c.(type) {
	case *net.TCPConn:
		return &tcpConn{TCPConn: c, done: done, patience: patience{conn: c, idle: true, since: time.Now()}}
	case *net.UnixConn:
		return &unixConn{UnixConn: c, done: done, patience: patience{conn: c, idle: true, since: time.Now()}}
	}
	return &otherConn{c, done}
}

type tcpConn struct {
	*net.TCPConn
	patience
	done func()
}

func (c *tcpConn) Read(p []byte) (int, error) { return c.read(p) }

func (c *tcpConn) Close() error {
	defer c.done()
	return c.TCPConn.Close()
}

type unixConn struct {
	*net.UnixConn
	patience
	done func()
}

func (c *unixConn) Read(p []byte) (int, error) { return c.read(p) }

func (c *unixConn) Close() error {
	defer c.done()
	return c.UnixConn.Close()
}

type otherConn struct {
	net.Conn
	done func()
}

func (c *otherConn) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// patience ends a connection that waits for a request, without losing one that has just
// come. net/http says that a connection is active when it has read a request, not when
// its first byte comes, so that closing an idle one may lose what was read already.
type patience struct {
	conn interface {
		net.Conn
		syscall.Conn
	}

	mu     sync.Mutex
	idle   bool // nothing was read since it was said to be idle
	since  time.Time
	ending bool
}

// rest says that the connection waits for a request from now on.
func (p *patience) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle, p.since = true, time.Now()
}

// end makes who waits for a request read the end of the connection, if nothing came
// for that long. It reports whether it does so.
func (p *patience) end(after time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.idle || p.ending || time.Since(p.since) < after {
		return false
	}
	p.ending = true
	return p.conn.SetReadDeadline(time.Unix(1, 0)) == nil
}

// read reads from the connection.
func (p *patience) read(b []byte) (int, error) {
	for {
		n, err := p.conn.Read(b)
		p.mu.Lock()
		if n > 0 {
			p.idle = false
		}
		ending := p.ending
		p.ending = false
		p.mu.Unlock()
		if !ending {
			return n, err
		}
		// What has come in the last moment is served: the one who reads decides.
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !p.hasMore() {
			return 0, io.EOF
		}
		if err := p.conn.SetReadDeadline(time.Time{}); err != nil {
			return n, err
		}
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// hasMore reports whether something has come that was not read yet.
func (p *patience) hasMore() bool {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return false
	}
	more := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		more = err == nil && n > 0
	})
	return err == nil && more
}

// packetConn reads from a socket while its valve is open.
type packetConn struct {
	net.PacketConn
	valve *valve
}

// ReadFrom implements [net.PacketConn].
func (c *packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		if err := c.valve.wait(); err != nil {
			return 0, nil, &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Addr: c.LocalAddr(), Err: err}
		}
		n, from, err := c.PacketConn.ReadFrom(p)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || !c.valve.isShut() {
			return n, from, err
		}
	}
}

// Close stops reading for good in this process.
func (c *packetConn) Close() error {
	c.valve.close()
	return c.PacketConn.Close()
}
