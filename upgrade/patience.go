package upgrade

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience ends a connection that waits for a request, without losing one that has just
// come. net/http says that a connection is active when it has read a request, not when
// its first byte comes, so that closing an idle one may lose what was read already.
type patience struct {
	conn interface {
		net.Conn
		syscall.Conn
	}

	mu     sync.Mutex
	idle   bool      // it was said to be so, and nothing was read since
	body   bool      // the request that is handled has a body
	fresh  bool      // what was read may have been a handshake alone
	since  time.Time // when it was said to be idle, or last read from
	ending bool

	plain bool    // what is read are requests
	tail  [3]byte // what was read last
	heads int     // ends of headers that were read, but for those of requests that were handled
}

// expect says, before anything was read, that requests come. If they are encrypted, what
// comes first is none.
func (p *patience) expect(encrypted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plain, p.fresh = !encrypted, encrypted
}

// begin says that a request is handled from now on, and whether it has a body.
func (p *patience) begin(body bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.body, p.idle, p.fresh = body, false, false
	p.heads = max(p.heads-1, 0)
}

// rest says that the connection waits for a request from now on.
func (p *patience) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.body {
		// What seemed to be a header may have been of the body.
		p.heads = 0
	}
	p.idle, p.fresh, p.since = true, false, time.Now()
}

// endOfHeader ends a header of HTTP/1. The return before it need not be there.
const endOfHeader = "\n\r\n"

// look counts the headers in what was read, which is not empty. The lock is held.
func (p *patience) look(b []byte) {
	const n = len(endOfHeader)
	if b[0] <= '\r' {
		// One may begin in what was read before.
		around := append(p.tail[1:n:n], b[:min(len(b), n-1)]...)
		p.heads += bytes.Count(around, []byte(endOfHeader))
	}
	p.heads += bytes.Count(b, []byte(endOfHeader))
	last := b[max(len(b)-n, 0):]
	copy(p.tail[:], p.tail[len(last):])
	copy(p.tail[n-len(last):], last)
}

// end makes who waits for a request read the end of the connection, if nothing came
// for that long. It reports whether it does so. Asked again, it does it again: somebody
// else may have changed the deadline.
func (p *patience) end(after time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.idle && !p.fresh || time.Since(p.since) < after {
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
			p.idle, p.since = false, time.Now()
			if p.plain {
				p.look(b[:n])
			}
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

// further reports whether something came behind the header of the request that is
// handled, which is another request if this one has no body.
func (p *patience) further() bool {
	p.mu.Lock()
	behind := p.plain && (p.heads > 0 || string(p.tail[:]) != endOfHeader)
	p.mu.Unlock()
	return behind || p.hasMore()
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
