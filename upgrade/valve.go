package upgrade

import (
	"net"
	"os"
	"sync"
	"time"
)

// valve is what accepting from a socket can be stopped and begun with, while the
// socket stays open. It knows the connections that were accepted.
type valve struct {
	// interrupt makes what waits on the socket return after a time, the zero one for
	// never. It does not block.
	interrupt func(deadline time.Time) error

	mu     sync.Mutex
	shut   bool
	closed bool
	// deadline is the one that the program itself has set, zero for none.
	deadline time.Time
	change   chan struct{} // closed at the next change

	counting sync.Mutex
	conns    map[net.Conn]struct{}
}

func newValve(interrupt func(time.Time) error) *valve {
	return &valve{interrupt: interrupt, shut: true, change: make(chan struct{}), conns: make(map[net.Conn]struct{})}
}

// tell has all who wait look again. The lock is held.
func (v *valve) tell() {
	close(v.change)
	v.change = make(chan struct{})
}

// set opens or shuts the valve. When it returns nobody waits on a socket that is shut.
func (v *valve) set(shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed || v.shut == shut {
		return
	}
	v.shut = shut
	deadline := v.deadline
	if shut {
		deadline = time.Unix(1, 0)
	}
	// A socket that was closed in the meantime says so to who accepts.
	_ = v.interrupt(deadline)
	v.tell()
}

// setDeadline sets until when the program waits, whether the valve is shut or not.
func (v *valve) setDeadline(t time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return net.ErrClosed
	}
	v.deadline = t
	v.tell()
	if v.shut {
		return nil
	}
	return v.interrupt(t)
}

// late reports whether the program itself waits no longer.
func (v *valve) late() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return !v.deadline.IsZero() && !time.Now().Before(v.deadline)
}

// close ends all waiting.
func (v *valve) close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	v.closed = true
	close(v.change)
}

// wait blocks while the valve is shut, until the program's deadline.
func (v *valve) wait() error {
	for {
		v.mu.Lock()
		shut, closed, change, deadline := v.shut, v.closed, v.change, v.deadline
		v.mu.Unlock()
		switch {
		case closed:
			return net.ErrClosed
		case !shut:
			return nil
		case deadline.IsZero():
			<-change
			continue
		}
		timer := time.NewTimer(time.Until(deadline))
		select {
		case <-change:
			timer.Stop()
		case <-timer.C:
			return os.ErrDeadlineExceeded
		}
	}
}

// count adds a connection.
func (v *valve) count(c net.Conn) {
	v.counting.Lock()
	defer v.counting.Unlock()
	v.conns[c] = struct{}{}
}

// forget removes a connection. It may be called again.
func (v *valve) forget(c net.Conn) {
	v.counting.Lock()
	defer v.counting.Unlock()
	delete(v.conns, c)
}

// open returns how many connections are open.
func (v *valve) open() int {
	v.counting.Lock()
	defer v.counting.Unlock()
	return len(v.conns)
}

// cut closes all connections and returns how many it were.
func (v *valve) cut() int {
	v.counting.Lock()
	var all []net.Conn
	for c := range v.conns {
		all = append(all, c)
	}
	v.counting.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
	return len(all)
}
