package otlp

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestExporter_sendsSpans(t *testing.T) {
	for _, tt := range []struct {
		protocol string
		listen   func(*testing.T) (*collector, string)
	}{
		{"http/protobuf", newHTTPCollector},
		{"grpc", newGRPCCollector},
	} {
		for _, compression := range []string{"none", "gzip"} {
			t.Run(tt.protocol+" "+compression, func(t *testing.T) {
				c, url := tt.listen(t)
				useEndpoint(t, url, tt.protocol, "OTEL_EXPORTER_OTLP_HEADERS=x-test=a%20b",
					"OTEL_EXPORTER_OTLP_COMPRESSION="+compression, "OTEL_RESOURCE_ATTRIBUTES=service.name=mine,team=eu")
				e := start(t, Options{})
				started := newQuery(9)
				started.Phase = model.PhaseStart
				spanless := newQuery(8)
				spanless.Schema = &model.Schema{Probe: "spanless"}
				for _, event := range []*model.Event{newQuery(1), started, spanless, newQuery(2)} {
					e.Consume(event)
				}
				shutdown(t, e)
				if got := c.spanIDs(); !bytes.Equal(got, []byte{1, 2}) {
					t.Errorf("got spans %v, want 1 and 2", got)
				}
				if got, want := e.Stats(), (Stats{Exported: 2}); got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				if slices.ContainsFunc(c.headers, func(h string) bool { return h != "a b" }) {
					t.Errorf("got headers %q, want a b", c.headers)
				}
				const want = `resource service.name="shop" host.name="node-1" os.type="linux" team="eu"`
				if text := string(renderSpans(c.spans)); !strings.Contains(text, want) {
					t.Errorf("got\n%swant the line %s", text, want)
				}
			})
		}
	}
}

func TestExporter_sendsWithoutShutdown(t *testing.T) {
	c, url := newHTTPCollector(t)
	useEndpoint(t, url, "")
	e := start(t, Options{BatchSize: 2})
	var want []byte
	for n := range byte(9) {
		e.Consume(newQuery(n + 1))
		want = append(want, n+1)
	}
	eventually(t, "all spans", func() bool { return bytes.Equal(c.spanIDs(), want) })
}

func TestExporter_copiesBorrowedEvents(t *testing.T) {
	c, url := newHTTPCollector(t)
	useEndpoint(t, url, "")
	e := start(t, Options{BatchDelay: time.Hour})
	text := []byte("select 1")
	event := newQuery(1)
	for n := range byte(3) {
		copy(text, "select "+string('1'+n))
		event.Reset(querySchema())
		event.Values[0] = model.StringValue(string(text))
		event.TraceID, event.SpanID = model.TraceID{1}, model.SpanID{7: n + 1}
		event.Stack = append(event.Stack, model.Frame{Func: "main.f" + string('1'+n)})
		e.Consume(event)
	}
	shutdown(t, e)
	rendered := string(renderSpans(c.spans))
	for _, want := range []string{`span "select 1"`, `span "select 2"`, `span "select 3"`, "main.f1", "main.f2", "main.f3"} {
		if !strings.Contains(rendered, want) {
			t.Errorf("%s is not in\n%s", want, rendered)
		}
	}
}

func TestExporter_dropsWhatHasNoIDs(t *testing.T) {
	c, url := newHTTPCollector(t)
	useEndpoint(t, url, "")
	e := start(t, Options{})
	noTrace, noSpan := newQuery(1), newQuery(2)
	noTrace.TraceID = model.TraceID{}
	noSpan.SpanID = model.SpanID{}
	for _, event := range []*model.Event{noTrace, noSpan, newQuery(3)} {
		e.Consume(event)
	}
	shutdown(t, e)
	if got := c.spanIDs(); !bytes.Equal(got, []byte{3}) {
		t.Errorf("got spans %v, want 3", got)
	}
	if got, want := e.Stats(), (Stats{Exported: 1, Dropped: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestExporter_dropsAfterShutdown(t *testing.T) {
	_, url := newHTTPCollector(t)
	useEndpoint(t, url, "")
	e := start(t, Options{})
	shutdown(t, e)
	e.Consume(newQuery(1))
	shutdown(t, e)
	if got, want := e.Stats(), (Stats{Dropped: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestExporter_offDoesNothing(t *testing.T) {
	useEndpoint(t, "", "")
	e := start(t, Options{})
	e.Consume(newQuery(1))
	shutdown(t, e)
	if got := e.Stats(); got != (Stats{}) {
		t.Errorf("got %+v", got)
	}
}

func TestStart_refusesMalformedEndpoints(t *testing.T) {
	useEndpoint(t, "localhost:4318", "")
	if _, err := Start(t.Context(), Options{}); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT") {
		t.Errorf("got %v", err)
	}
}

// TestExporter_boundsWhatWaits has an endpoint that accepts and never answers.
func TestExporter_boundsWhatWaits(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			useEndpoint(t, newHole(t), protocol, "OTEL_EXPORTER_OTLP_TIMEOUT=3600000")
			e := start(t, Options{QueueSize: 4, BatchSize: 2})
			const events, atMostKept = 500, 4 + 2
			for range events {
				e.Consume(newQuery(1))
			}
			if got := e.Stats(); got.Dropped < events-atMostKept || got.Exported != 0 {
				t.Errorf("got %+v, want at least %d dropped", got, events-atMostKept)
			}
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			if err := e.Shutdown(ended); err == nil {
				t.Error("no error for what was not sent")
			}
			if got := e.Stats(); got.Dropped != events || got.Exported != 0 {
				t.Errorf("after shutdown: got %+v, want all %d dropped", got, events)
			}
		})
	}
}

func TestExporter_logsAnEndpointThatIsDownOnce(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			var log logBuffer
			useEndpoint(t, "http://"+freeAddress(t), protocol)
			e := start(t, Options{Log: log.logger(), BatchSize: 1, RetryFor: time.Millisecond})
			for range 5 {
				e.Consume(newQuery(1))
			}
			eventually(t, "5 failed batches", func() bool { return e.Stats().FailedBatches == 5 })
			if got, want := e.Stats(), (Stats{Dropped: 5, FailedBatches: 5}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if n := log.count("OTLP export of traces fails"); n != 1 {
				t.Errorf("logged %d times, want once", n)
			}
		})
	}
}

func TestExporter_shutdownDoesNotWaitForARetry(t *testing.T) {
	var log logBuffer
	useEndpoint(t, "http://"+freeAddress(t), "")
	e := start(t, Options{Log: log.logger(), RetryWait: time.Hour, RetryFor: 2 * time.Hour})
	e.Consume(newQuery(1))
	eventually(t, "the failure in the log", func() bool { return log.count("OTLP export of traces fails") == 1 })
	shutdown(t, e)
	if got, want := e.Stats(), (Stats{Dropped: 1, FailedBatches: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestExporter_outlastsARestart(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			var log logBuffer
			address := freeAddress(t)
			useEndpoint(t, "http://"+address, protocol)
			e := start(t, Options{Log: log.logger(), RetryFor: time.Hour})
			e.Consume(newQuery(1))
			if protocol == "http/protobuf" { // the gRPC client has its own retries first
				eventually(t, "the failure in the log", func() bool { return log.count("OTLP export of traces fails") == 1 })
			}
			c := &collector{}
			listener, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			serve(t, c, protocol, listener)
			eventually(t, "the span", func() bool { return bytes.Equal(c.spanIDs(), []byte{1}) })
			eventually(t, "the count", func() bool { return e.Stats() == Stats{Exported: 1} })
			if protocol == "http/protobuf" {
				eventually(t, "the recovery in the log", func() bool { return log.count("OTLP export of traces works again") == 1 })
			}
		})
	}
}

func TestExporter_answers(t *testing.T) {
	refuse := func(code int, retryAfter string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(code)
		}
	}
	partial := func(rejected int64, message string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			data, _ := proto.Marshal(&coltracepb.ExportTraceServiceResponse{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
				RejectedSpans: rejected, ErrorMessage: message,
			}})
			w.Write(data)
		}
	}
	for _, tt := range []struct {
		name     string
		first    func(http.ResponseWriter)
		requests int
		want     Stats // of a batch of 3
		logged   string
	}{
		{"429 is tried again", refuse(429, ""), 2, Stats{Exported: 3}, ""},
		{"503 is tried again after Retry-After", refuse(503, "0"), 2, Stats{Exported: 3}, ""},
		{"a Retry-After past the limit gives up", refuse(429, "86400"), 1, Stats{Dropped: 3, FailedBatches: 1}, "retry"},
		{"503 until tomorrow gives up", refuse(503, "86400"), 1, Stats{Dropped: 3, FailedBatches: 1}, "retry"},
		{"400 is final", refuse(400, ""), 1, Stats{Dropped: 3, FailedBatches: 1}, "400 Bad Request"},
		{"a part is rejected", partial(2, "too (very) old"), 1, Stats{Exported: 1, Dropped: 2, FailedBatches: 1}, "too (very) old"},
		{"a warning rejects nothing", partial(0, "slow down"), 1, Stats{Exported: 3}, "slow down"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log logBuffer
			c, url := newHTTPCollector(t)
			c.answer = func(n int, w http.ResponseWriter) bool {
				if n > 1 {
					return false
				}
				tt.first(w)
				return true
			}
			useEndpoint(t, url, "")
			e := start(t, Options{Log: log.logger(), BatchSize: 3, BatchDelay: time.Hour})
			for n := range byte(3) {
				e.Consume(newQuery(n + 1))
			}
			eventually(t, "the outcome", func() bool { s := e.Stats(); return s.Exported+s.Dropped == 3 })
			shutdown(t, e)
			if got := e.Stats(); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
			if got := c.requestCount(); got != tt.requests {
				t.Errorf("got %d requests, want %d", got, tt.requests)
			}
			if n := log.count("level=WARN"); (tt.logged != "") != (n == 1) || log.count(tt.logged) == 0 && tt.logged != "" {
				t.Errorf("logged %q, want %q in it", log.text.String(), tt.logged)
			}
		})
	}
}

func TestExporter_logsThatTheQueueIsFullOnce(t *testing.T) {
	var log logBuffer
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	useEndpoint(t, server.URL, "")
	e := start(t, Options{Log: log.logger(), QueueSize: 2, BatchSize: 1})
	for range 50 {
		e.Consume(newQuery(1))
	}
	close(release)
	eventually(t, "the warning", func() bool { return log.count("OTLP export drops spans") == 1 })
	e.Consume(newQuery(1))
	eventually(t, "the end of it", func() bool { return log.count("OTLP export drops no more spans") == 1 })
	shutdown(t, e)
	if got := e.Stats(); got.Exported+got.Dropped != 51 || got.FailedBatches != 0 {
		t.Errorf("got %+v, want 51 spans in all", got)
	}
}

func TestExporter_isSafeForConcurrentUse(t *testing.T) {
	c, url := newHTTPCollector(t)
	useEndpoint(t, url, "")
	e := start(t, Options{BatchSize: 7, Log: (&logBuffer{}).logger()})
	const workers, each = 4, 200
	done := make(chan struct{})
	for range workers {
		go func() {
			for range each {
				e.Consume(newQuery(1))
				e.Stats()
			}
			done <- struct{}{}
		}()
	}
	for range workers {
		<-done
	}
	shutdown(t, e)
	if got, want := e.Stats(), (Stats{Exported: workers * each}); got != want || len(c.spanIDs()) != workers*each {
		t.Errorf("got %+v and %d spans, want %+v", got, len(c.spanIDs()), want)
	}
}

func TestMetrics(t *testing.T) {
	for _, tt := range []struct {
		protocol string
		listen   func(*testing.T) (*collector, string)
	}{
		{"http/protobuf", newHTTPCollector},
		{"grpc", newGRPCCollector},
	} {
		t.Run(tt.protocol, func(t *testing.T) {
			c, url := tt.listen(t)
			useEndpoint(t, url, tt.protocol, "OTEL_TRACES_EXPORTER=none", "OTEL_SERVICE_NAME=agent", "OTEL_RESOURCE_ATTRIBUTES=team=eu")
			e := start(t, Options{Gatherer: newRegistry(), Schemas: []*model.Schema{metricSchema()}})
			e.Consume(newQuery(1))
			shutdown(t, e)
			testutil.Golden(t, "metrics.txt", renderMetrics(c.metrics))
			if got := e.Stats(); got != (Stats{}) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestMetrics_logAnEndpointThatIsDownOnce(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			var log logBuffer
			useEndpoint(t, "http://"+freeAddress(t), protocol, "OTEL_TRACES_EXPORTER=none", "OTEL_METRIC_EXPORT_INTERVAL=5")
			e := start(t, Options{Log: log.logger(), Gatherer: newRegistry(), RetryFor: time.Millisecond})
			eventually(t, "3 failed exports", func() bool { return e.Stats().FailedMetrics >= 3 })
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			e.Shutdown(ended)
			if n := log.count("level=WARN"); n != 1 {
				t.Errorf("logged %d times, want once:\n%s", n, log.text.String())
			}
		})
	}
}

func TestMetrics_shutdownDoesNotBlameTheEndpoint(t *testing.T) {
	var log logBuffer
	arrived := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the server sees a client go only when the body is read
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	useEndpoint(t, server.URL, "", "OTEL_TRACES_EXPORTER=none", "OTEL_METRIC_EXPORT_INTERVAL=5")
	e := start(t, Options{Log: log.logger(), Gatherer: newRegistry()})
	<-arrived
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	e.Shutdown(ended)
	if log.count("level=WARN") != 0 {
		t.Errorf("logged %s", log.text.String())
	}
}
