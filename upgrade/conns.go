package upgrade

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// connServer is a [Server] of connections of any protocol.
type connServer struct {
	listener net.Listener
	handle   func(context.Context, net.Conn)

	drain   context.CancelFunc
	ctx     context.Context
	serving sync.WaitGroup // the accepting and the connections
	mu      sync.Mutex
	drained bool
	conns   map[net.Conn]struct{}
}

// Conns makes a [Server] that calls handle for each connection, in a goroutine of its
// own, and closes the connection afterwards. The context of handle ends when the server
// drains: handle should then come to its end. What is open at the end of the drain is
// closed.
func Conns(l net.Listener, handle func(context.Context, net.Conn)) Server {
	s := &connServer{listener: l, handle: handle, conns: make(map[net.Conn]struct{})}
	s.ctx, s.drain = context.WithCancel(context.Background())
	return s
}

// Serve implements [Server].
func (s *connServer) Serve() error {
	s.mu.Lock()
	if s.drained {
		s.mu.Unlock()
		return nil
	}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	var pause time.Duration
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
			pause = 0
		case s.ctx.Err() != nil && errors.Is(err, net.ErrClosed):
			return nil
		case passes(err):
			pause = min(max(2*pause, acceptPause), acceptPauseMax)
			select {
			case <-s.ctx.Done():
			case <-time.After(pause):
			}
			continue
		default:
			return fmt.Errorf("accept on %s: %w", s.listener.Addr(), err)
		}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.serving.Go(func() {
			defer s.end(c)
			s.handle(s.ctx, c)
		})
	}
}

// How long accepting pauses when it failed in a way that passes, at first and at most.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// passes reports whether accepting fails because something is short, or because of the
// one connection: the next one may be accepted.
func passes(err error) bool {
	return slices.ContainsFunc([]error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED, unix.ECONNRESET, unix.EINTR},
		func(passing error) bool { return errors.Is(err, passing) })
}

func (s *connServer) end(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Drain implements [Server].
func (s *connServer) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.drained = true
	s.mu.Unlock()
	s.drain()
	_ = s.listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serving.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	n := len(s.conns)
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	return fmt.Errorf("%d connections were cut: %w", n, context.Cause(ctx))
}
