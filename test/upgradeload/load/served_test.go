package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"

	"google.golang.org/grpc"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// TestRun_servers has servers of net/http and grpc-go answer each kind.
func TestRun_servers(t *testing.T) {
	secure, authority := secured(t)
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			if kind == GRPC {
				s := grpc.NewServer()
				health.RegisterHealthServer(s, checker{})
				go func() { served <- s.Serve(listener) }()
				t.Cleanup(s.Stop)
			} else {
				s := &http.Server{Handler: http.HandlerFunc(echo), Protocols: new(http.Protocols), TLSConfig: secure.Clone()}
				s.Protocols.SetHTTP1(kind != H2 && kind != H2C)
				s.Protocols.SetHTTP2(kind == H2)
				s.Protocols.SetUnencryptedHTTP2(kind == H2C)
				go func() {
					if kind == TLS || kind == TLSNew || kind == H2 {
						served <- s.ServeTLS(listener, "", "")
						return
					}
					served <- s.Serve(listener)
				}()
				t.Cleanup(func() { s.Close() })
			}
			o := sending(kind, listener.Addr().String(), 40, 16)
			o.Roots = authority.Roots
			r := checkRun(t, o, 40, losses{})
			if got := r.Processes()[os.Getpid()]; got != 40 {
				t.Errorf("this process gave %d answers, want 40", got)
			}
			if r.Resent != 0 || r.IdleClosed != 0 {
				t.Errorf("%d were sent again and %d connections ended, want none", r.Resent, r.IdleClosed)
			}
			select {
			case err := <-served:
				t.Errorf("the server ended: %v", err)
			default:
			}
		})
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(w, "%d %s", os.Getpid(), body)
}

type checker struct {
	health.UnimplementedHealthServer
}

func (checker) Check(ctx context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	err := grpc.SetHeader(ctx, metadata.Pairs("pid", strconv.Itoa(os.Getpid()), "id", r.GetService()))
	return &health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING}, err
}
