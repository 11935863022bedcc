package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// patience bounds how long a test waits for what must happen.
const patience = 30 * time.Second

// eventually waits until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// useEndpoint sets the variables that lead to an endpoint, and none else of
// OpenTelemetry's.
func useEndpoint(t *testing.T, url, protocol string, more ...string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
	for _, entry := range more {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

// logBuffer is a log that a test reads while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// start starts an exporter that hurries, and shuts it down with the test.
func start(t *testing.T, o Options) *Exporter {
	t.Helper()
	if o.BatchDelay == 0 {
		o.BatchDelay = time.Millisecond
	}
	if o.RetryWait == 0 {
		o.RetryWait = time.Millisecond
	}
	o.Host, o.Version = "node-1", "v1.2.3"
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		e.Shutdown(ended)
	})
	return e
}

// shutdown lets e send all that it has.
func shutdown(t *testing.T, e *Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.Shutdown(ctx); err != nil {
		t.Fatalf("shutdown: %v", err)
	}
}

// collector is an endpoint that keeps what it was sent.
type collector struct {
	mu       sync.Mutex
	requests int // of traces, refused ones too
	spans    []*tracepb.ResourceSpans
	metrics  []*metricspb.ResourceMetrics
	headers  []string // x-test of each request
	// answer, if set, answers the HTTP request number n of traces, from 1;
	// true means that it did.
	answer func(n int, w http.ResponseWriter) bool
}

// newHTTPCollector returns a collector and its URL.
func newHTTPCollector(t *testing.T) (*collector, string) {
	c := &collector{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, server.URL
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, r.Header.Get("x-test"))
	switch r.URL.Path {
	case "/v1/traces":
		c.requests++
		if c.answer != nil && c.answer(c.requests, w) {
			return
		}
		var request coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(data, &request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.spans = append(c.spans, request.ResourceSpans...)
	case "/v1/metrics":
		var request colmetricspb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(data, &request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.metrics = append(c.metrics, request.ResourceMetrics...)
	default:
		http.NotFound(w, r)
	}
}

// serve answers OTLP at a listener until the test ends.
func serve(t *testing.T, c *collector, protocol string, listener net.Listener) {
	if protocol == "grpc" {
		server := grpc.NewServer()
		coltracepb.RegisterTraceServiceServer(server, traceService{c: c})
		colmetricspb.RegisterMetricsServiceServer(server, metricService{c: c})
		go server.Serve(listener)
		t.Cleanup(server.Stop)
		return
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: c}}
	server.Start()
	t.Cleanup(server.Close)
}

// gRPC services, two types because both methods are called Export.
type (
	traceService struct {
		coltracepb.UnimplementedTraceServiceServer
		c *collector
	}
	metricService struct {
		colmetricspb.UnimplementedMetricsServiceServer
		c *collector
	}
)

func newGRPCCollector(t *testing.T) (*collector, string) {
	c := &collector{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, c, "grpc", listener)
	return c, "http://" + listener.Addr().String()
}

func (s traceService) Export(ctx context.Context, r *coltracepb.ExportTraceServiceRequest) (*coltracepb.ExportTraceServiceResponse, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.requests++
	s.c.spans = append(s.c.spans, r.ResourceSpans...)
	s.c.headers = append(s.c.headers, grpcHeader(ctx))
	return &coltracepb.ExportTraceServiceResponse{}, nil
}

func (s metricService) Export(ctx context.Context, r *colmetricspb.ExportMetricsServiceRequest) (*colmetricspb.ExportMetricsServiceResponse, error) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.c.metrics = append(s.c.metrics, r.ResourceMetrics...)
	s.c.headers = append(s.c.headers, grpcHeader(ctx))
	return &colmetricspb.ExportMetricsServiceResponse{}, nil
}

func grpcHeader(ctx context.Context) string {
	values, _ := metadata.FromIncomingContext(ctx)
	return strings.Join(values.Get("x-test"), ",")
}

// spanIDs returns the last byte of the ids of all spans, in their order.
func (c *collector) spanIDs() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []byte
	for _, r := range c.spans {
		for _, scope := range r.ScopeSpans {
			for _, s := range scope.Spans {
				ids = append(ids, s.SpanId[7])
			}
		}
	}
	return ids
}

func (c *collector) requestCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests
}

// newHole returns the URL of a listener that accepts and never answers.
func newHole(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		var accepted []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			accepted = append(accepted, conn)
		}
		for _, conn := range accepted {
			conn.Close()
		}
	})
	t.Cleanup(func() {
		listener.Close()
		accepting.Wait()
	})
	return "http://" + listener.Addr().String()
}

// freeAddress returns an address where nothing listens.
func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
