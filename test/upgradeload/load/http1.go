package load

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxAnswer bounds the body of an answer, in bytes.
const maxAnswer = 256

// http1 is a connection of HTTP/1.1 at a time.
type http1 struct {
	address string
	timeout time.Duration
	secure  *tls.Config
	each    bool // a connection for each request
	counts  *tally

	conn net.Conn
	raw  syscall.RawConn // of the socket below TLS
	in   *bufio.Reader
	out  []byte
	pid  int // of the last answer on this connection, 0 for none
}

// exchange implements client.
func (c *http1) exchange(id int) (int, error) {
	deadline := time.Now().Add(c.timeout)
	if c.conn != nil && c.ended() {
		c.counts.idle.Add(1)
		c.close()
	}
	if c.conn == nil {
		if err := c.dial(deadline); err != nil {
			return 0, err
		}
	}
	last, err := c.send(id, deadline)
	if err != nil {
		c.close()
		return 0, err
	}
	pid := c.pid
	if last || c.each {
		c.close()
	}
	return pid, nil
}

// send exchanges a request on the connection that is open, and reports whether it was
// the last one of it.
func (c *http1) send(id int, deadline time.Time) (last bool, err error) {
	lost := func(kind LossKind, err error) (bool, error) {
		return false, &Loss{Kind: kind, PID: c.pid, Cause: err}
	}
	if err := c.conn.SetDeadline(deadline); err != nil {
		return lost(Other, err)
	}
	body := strconv.Itoa(id)
	header := ""
	if c.each {
		header = "Connection: close\r\n"
	}
	c.out = fmt.Appendf(c.out[:0], "POST / HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %d\r\n\r\n%s", c.address, header, len(body), body)
	if _, err := c.conn.Write(c.out); err != nil {
		return lost(broken(err, c.pid != 0), fmt.Errorf("send: %w", err))
	}
	if _, err := c.in.Peek(1); err != nil {
		return lost(broken(err, c.pid != 0), fmt.Errorf("receive: %w", err))
	}
	// From here on the server has begun to answer.
	within := func(err error) (bool, error) {
		kind := broken(err, true)
		if kind == Other {
			// A header that is cut reads as one that is malformed, before the end.
			_, end := c.in.Peek(1)
			if kind = WrongAnswer; end != nil {
				kind = broken(end, true)
			}
		}
		if kind == EOFReused || kind == ResetReused {
			kind = Cut
		}
		return lost(kind, fmt.Errorf("receive: %w", err))
	}
	answer, err := http.ReadResponse(c.in, &http.Request{Method: http.MethodPost})
	if err != nil {
		return within(err)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return within(err)
	}
	pid, err := check(answer.StatusCode, string(text), id)
	if err != nil {
		return lost(WrongAnswer, err)
	}
	c.pid = pid
	return answer.Close, nil
}

// check returns the process of an answer of status 200 with the body "PID ID".
func check(status int, text string, id int) (int, error) {
	if status != http.StatusOK {
		return 0, fmt.Errorf("status %d: %q", status, text)
	}
	process, number, _ := strings.Cut(text, " ")
	pid, err := strconv.Atoi(process)
	if err != nil || pid <= 0 || number != strconv.Itoa(id) {
		return 0, fmt.Errorf("body %q is no answer to request %d", text, id)
	}
	return pid, nil
}

func (c *http1) dial(deadline time.Time) error {
	c.counts.dials.Add(1)
	c.pid = 0
	conn, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", c.address)
	if err != nil {
		return &Loss{Kind: connecting(err), Cause: err}
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return &Loss{Kind: Other, Cause: errors.Join(fmt.Errorf("connection to %s: has no descriptor", c.address), conn.Close())}
	}
	if c.raw, err = socket.SyscallConn(); err != nil {
		return &Loss{Kind: Other, Cause: errors.Join(err, conn.Close())}
	}
	if c.secure != nil {
		over := tls.Client(conn, c.secure)
		err := conn.SetDeadline(deadline)
		if err == nil {
			err = over.Handshake()
		}
		if err != nil {
			kind := Handshake
			if timedOut(err) {
				kind = Timeout
			}
			return &Loss{Kind: kind, Cause: errors.Join(fmt.Errorf("handshake: %w", err), conn.Close())}
		}
		if over.ConnectionState().DidResume {
			c.counts.resumed.Add(1)
		}
		conn = over
	}
	c.conn, c.in = conn, bufio.NewReaderSize(conn, 4<<10)
	return nil
}

// ended reports whether the server has closed the connection since the last answer.
// Anything that can be read now is its end: a server sends session tickets before its
// first answer.
func (c *http1) ended() bool {
	ended := true
	err := c.raw.Control(func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		ended = !errors.Is(err, unix.EAGAIN)
	})
	return err != nil || ended || c.in.Buffered() > 0
}

// close implements client.
func (c *http1) close() {
	if c.conn != nil {
		// The server may have closed it first, which is no error of the request.
		_ = c.conn.Close()
		c.conn = nil
	}
}
