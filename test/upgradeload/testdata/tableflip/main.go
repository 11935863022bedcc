// Command tableflip is the server of test/upgradeload/server with the library
// github.com/cloudflare/tableflip, as that library's example for net/http shows it:
// after an upgrade the old process calls Shutdown. It takes the same flags and prints
// the same lines. The documentation of test/upgradeload says how it is built.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"
	"google.golang.org/grpc"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

type line struct {
	PID    int     `json:"pid"`
	Event  string  `json:"event"`
	MS     float64 `json:"ms,omitempty"`
	Reason string  `json:"reason,omitempty"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to listen on")
	protocol := flag.String("protocol", "http", "http, tls, h2, h2c or grpc")
	certificate := flag.String("certificate", "", "`file` of the certificate for TLS")
	key := flag.String("key", "", "`file` of its key")
	delay := flag.Duration("delay", 2*time.Millisecond, "how long a request takes")
	flag.Parse()
	out := json.NewEncoder(os.Stdout)

	upg, err := tableflip.New(tableflip.Options{})
	if err != nil {
		panic(err)
	}
	defer upg.Stop()

	go func() {
		sig := make(chan os.Signal, 1)
		signal.Notify(sig, syscall.SIGUSR2)
		for range sig {
			began := time.Now()
			err := upg.Upgrade()
			said := line{PID: os.Getpid(), Event: "upgraded", MS: float64(time.Since(began)) / 1e6}
			if err != nil {
				said.Event, said.Reason = "failed", err.Error()
			}
			out.Encode(said)
		}
	}()
	go func() {
		sig := make(chan os.Signal, 1)
		signal.Notify(sig, syscall.SIGTERM)
		<-sig
		upg.Stop()
	}()

	ln, err := upg.Listen("tcp", *listen)
	if err != nil {
		log.Fatalln("Can't listen:", err)
	}
	serve, shutdown, err := server(*protocol, *certificate, *key, *delay)
	if err != nil {
		log.Fatalln("Can't serve:", err)
	}
	go func() {
		if err := serve(ln); err != nil && err != http.ErrServerClosed {
			log.Println("Server:", err)
		}
	}()
	if err := upg.Ready(); err != nil {
		panic(err)
	}
	out.Encode(line{PID: os.Getpid(), Event: "serving"})
	<-upg.Exit()

	time.AfterFunc(30*time.Second, func() {
		log.Println("Graceful shutdown timed out")
		os.Exit(1)
	})
	shutdown()
}

func server(protocol, certificate, key string, delay time.Duration) (serve func(net.Listener) error, shutdown func(), err error) {
	if protocol == "grpc" {
		s := grpc.NewServer()
		health.RegisterHealthServer(s, &checker{delay: delay})
		return s.Serve, s.GracefulStop, nil
	}
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		time.Sleep(delay)
		fmt.Fprintf(w, "%d %s", os.Getpid(), body)
	})}
	stop := func() { s.Shutdown(context.Background()) }
	switch protocol {
	case "http":
		s.Protocols.SetHTTP1(true)
		return s.Serve, stop, nil
	case "h2c":
		s.Protocols.SetUnencryptedHTTP2(true)
		return s.Serve, stop, nil
	case "tls", "h2":
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, nil, err
		}
		s.Protocols.SetHTTP1(protocol == "tls")
		s.Protocols.SetHTTP2(protocol == "h2")
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		return func(ln net.Listener) error { return s.ServeTLS(ln, "", "") }, stop, nil
	}
	return nil, nil, fmt.Errorf("protocol %q: is none of http, tls, h2, h2c and grpc", protocol)
}

type checker struct {
	health.UnimplementedHealthServer
	delay time.Duration
}

func (c *checker) Check(ctx context.Context, r *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	time.Sleep(c.delay)
	err := grpc.SetHeader(ctx, metadata.Pairs("pid", strconv.Itoa(os.Getpid()), "id", r.GetService()))
	return &health.HealthCheckResponse{Status: health.HealthCheckResponse_SERVING}, err
}
