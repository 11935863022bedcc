package upgradegrpc

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/goshawk-io/goshawk/upgrade"
)

// slow answers when it is let.
type slow struct {
	grpc_health_v1.UnimplementedHealthServer
	begun, let chan struct{}
}

func (s *slow) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	s.begun <- struct{}{}
	select {
	case <-s.let:
	case <-ctx.Done():
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func serve(t *testing.T) (upgrade.Server, *slow, grpc_health_v1.HealthClient, <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &slow{begun: make(chan struct{}, 1), let: make(chan struct{})}
	g := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(g, s)
	server := Server(g, l)
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return server, s, grpc_health_v1.NewHealthClient(conn), served
}

// TestDrain_callsEnd has a call go on while the server drains: it is answered.
func TestDrain_callsEnd(t *testing.T) {
	server, s, client, served := serve(t)
	var calling sync.WaitGroup
	var answer *grpc_health_v1.HealthCheckResponse
	var failure error
	calling.Go(func() { answer, failure = client.Check(t.Context(), new(grpc_health_v1.HealthCheckRequest)) })
	<-s.begun
	drained := make(chan error, 1)
	go func() { drained <- server.Drain(t.Context()) }()
	if err := <-served; err != nil {
		t.Error(err)
	}
	close(s.let)
	calling.Wait()
	if failure != nil || answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", answer, failure)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// TestDrain_hasADeadline has a call that does not end: it is cut, and that is said.
func TestDrain_hasADeadline(t *testing.T) {
	server, s, client, served := serve(t)
	failed := make(chan error, 1)
	go func() {
		_, err := client.Check(t.Context(), new(grpc_health_v1.HealthCheckRequest))
		failed <- err
	}()
	<-s.begun
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := server.Drain(ctx); err == nil {
		t.Error("the drain says that nothing was cut")
	}
	if err := <-failed; status.Code(err) != codes.Unavailable {
		t.Errorf("the call that was cut: %v", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestServe_saysWhatFailed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := Server(grpc.NewServer(), l).Serve(); err == nil {
		t.Error("a listener that is closed is served")
	}
}
