package upgradegrpc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/goshawk-io/goshawk/upgrade"
)

// settle is how long a connection that was accepted last may take until grpc-go has taken
// it up: a goroutine has to be scheduled.
const settle = 200 * time.Millisecond

type server struct {
	server   *grpc.Server
	listener net.Listener
	draining atomic.Bool
}

// Server makes an [upgrade.Server] of s, which serves what l accepts and must not be
// used otherwise.
func Server(s *grpc.Server, l net.Listener) upgrade.Server {
	return &server{server: s, listener: l}
}

// Serve implements [upgrade.Server].
func (s *server) Serve() error {
	err := s.server.Serve(s.listener)
	if s.draining.Load() && (err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, grpc.ErrServerStopped)) {
		return nil
	}
	return fmt.Errorf("serve gRPC on %s: %w", s.listener.Addr(), err)
}

// Drain implements [upgrade.Server].
func (s *server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	// Whether it was closed before is nothing to a drain.
	_ = s.listener.Close()
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.server.GracefulStop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.server.Stop()
	<-done
	return fmt.Errorf("calls of gRPC were cut: %w", context.Cause(ctx))
}
