package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"

	"google.golang.org/grpc"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/upgradegrpc"
)

// rpcServer answers calls of the health service.
func rpcServer(delay time.Duration, ln net.Listener) upgrade.Server {
	s := grpc.NewServer()
	health.RegisterHealthServer(s, &checker{delay: delay})
	return upgradegrpc.Server(s, ln)
}

// checker says in the header which process answered, and the service that was asked for.
type checker struct {
	health.UnimplementedHealthServer
	delay time.Duration
}

// Check implements [health.HealthServer].
func (c *checker) Check(ctx context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	time.Sleep(c.delay)
	err := grpc.SetHeader(ctx, metadata.Pairs("pid", strconv.Itoa(os.Getpid()), "id", r.GetService()))
	return &health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING}, err
}
