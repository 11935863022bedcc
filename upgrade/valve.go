package upgrade

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// valve is what accepting from a socket can be stopped and begun with, while the
// socket stays open.
type valve struct {
	// interrupt makes what waits on the socket return, or lets it wait again.
	interrupt func(deadline time.Time) error

	mu     sync.Mutex
	shut   bool
	closed bool
	change chan struct{} // closed at the next change
	open   atomic.Int64  // connections
}

func newValve(interrupt func(time.Time) error) *valve {
	return &valve{interrupt: interrupt, shut: true, change: make(chan struct{})}
}

// set opens or shuts the valve. When it returns nobody waits on a socket that is shut.
func (v *valve) set(shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed || v.shut == shut {
		return
	}
	v.shut = shut
	deadline := time.Time{}
	if shut {
		deadline = time.Unix(1, 0)
	}
	// A socket that was closed in the meantime says so to who accepts.
	_ = v.interrupt(deadline)
	close(v.change)
	v.change = make(chan struct{})
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

// wait blocks while the valve is shut.
func (v *valve) wait() error {
	for {
		v.mu.Lock()
		shut, closed, change := v.shut, v.closed, v.change
		v.mu.Unlock()
		switch {
		case closed:
			return net.ErrClosed
		case !shut:
			return nil
		}
		<-change
	}
}

// isShut reports whether who was interrupted should wait.
func (v *valve) isShut() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.shut && !v.closed
}
