package upgrade

import (
	"errors"
	"net"
	"os"
	"time"
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
	var counted net.Conn
	switch c := c.(type) {
	case *net.TCPConn:
		counted = &tcpConn{TCPConn: c, valve: v, patience: patience{conn: c, idle: true, since: time.Now()}}
	case *net.UnixConn:
		counted = &unixConn{UnixConn: c, valve: v, patience: patience{conn: c, idle: true, since: time.Now()}}
	default:
		counted = &otherConn{c, v}
	}
	v.count(counted)
	return counted
}

type tcpConn struct {
	*net.TCPConn
	patience
	valve *valve
}

func (c *tcpConn) Read(p []byte) (int, error) { return c.read(p) }

func (c *tcpConn) Close() error {
	defer c.valve.forget(c)
	return c.TCPConn.Close()
}

type unixConn struct {
	*net.UnixConn
	patience
	valve *valve
}

func (c *unixConn) Read(p []byte) (int, error) { return c.read(p) }

func (c *unixConn) Close() error {
	defer c.valve.forget(c)
	return c.UnixConn.Close()
}

type otherConn struct {
	net.Conn
	valve *valve
}

func (c *otherConn) Close() error {
	defer c.valve.forget(c)
	return c.Conn.Close()
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
		// The valve may have been opened again before this is looked at.
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || c.valve.late() {
			return n, from, err
		}
	}
}

// SetReadDeadline implements [net.PacketConn].
func (c *packetConn) SetReadDeadline(t time.Time) error { return c.valve.setDeadline(t) }

// SetDeadline implements [net.PacketConn].
func (c *packetConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close stops reading for good in this process.
func (c *packetConn) Close() error {
	c.valve.close()
	return c.PacketConn.Close()
}
