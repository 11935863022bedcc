package main

import (
	"strings"
	"testing"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

const wrkSaid = `Running 3s test @ http://127.0.0.1:34267/hello/x
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.58ms    4.92ms  49.23ms   95.55%
    Req/Sec    28.34k     6.73k   37.69k    62.50%
  Latency Distribution
     50%  365.00us
     75%    1.10ms
     90%    2.20ms
     99%   13.20ms
  90360 requests in 3.21s, 10.77MB read
Requests/sec:  28180.06
Transfer/sec:      3.36MB
`

func TestReadWrk(t *testing.T) {
	got, err := readWrk(wrkSaid)
	want := wrkResult{requests: 90360, rate: 28180.06, p50: 365 * time.Microsecond, p99: 13200 * time.Microsecond}
	if err != nil || got != want {
		t.Errorf("readWrk = %+v, %v, want %+v", got, err, want)
	}
}

func TestReadWrkRefuses(t *testing.T) {
	tests := []struct{ name, said string }{
		{"a connection that failed", wrkSaid + "  Socket errors: connect 0, read 3, write 0, timeout 0\n"},
		{"another status", wrkSaid + "  Non-2xx or 3xx responses: 7\n"},
		{"no rate", strings.Replace(wrkSaid, "Requests/sec", "Bytes/sec", 1)},
		{"nothing", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := readWrk(tt.said); err == nil {
				t.Errorf("readWrk = %+v, want an error", got)
			}
		})
	}
}

const metricsSaid = `# HELP x y
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_count{error_type="",http_route="/a/{id}",service="webserver"} 7
http_server_request_duration_seconds_count{error_type="panic",http_route="/a/{id}",service="webserver"} 2
http_server_request_duration_seconds_count{error_type="",http_route="/b c",service="webserver"} 1e+06
http_server_request_duration_seconds_count{error_type="",http_route="/a/{id}",service="shop"} 5
http_server_request_duration_seconds_sum{error_type="",http_route="/a/{id}",service="webserver"} 0.25
goshawk_probe_events_lost_total{probe="exec"} 100
goshawk_probe_events_lost_total{probe="http"} 3
goshawk_sink_events_dropped_total{sink="store"} 4
`

func TestMetrics(t *testing.T) {
	m, err := readMetrics(strings.NewReader(metricsSaid))
	if err != nil {
		t.Fatal(err)
	}
	routes := m.byRoute("webserver")
	tests := []struct {
		name      string
		got, want int
	}{
		{"requests are those of one service", m.requests("webserver"), 1_000_009},
		{"requests of a service that is not there", m.requests("server"), 0},
		{"a route has all outcomes", routes["/a/{id}"], 9},
		{"a route with a space", routes["/b c"], 1_000_000},
		{"losses are those of the http probe and of sinks", m.lost(), 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %d, want %d", tt.got, tt.want)
			}
		})
	}
}

func TestServerSpans(t *testing.T) {
	span := func(kind trace.Span_SpanKind) *trace.Span {
		return &trace.Span{TraceId: make([]byte, 16), Name: "GET /", Kind: kind, StartTimeUnixNano: 1}
	}
	server, internal := span(trace.Span_SPAN_KIND_SERVER), span(trace.Span_SPAN_KIND_INTERNAL)
	request := &coltrace.ExportTraceServiceRequest{ResourceSpans: []*trace.ResourceSpans{
		{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{server, internal}}, {Spans: []*trace.Span{server}}}},
		{ScopeSpans: []*trace.ScopeSpans{{Spans: []*trace.Span{internal, server}}}},
		{},
	}}
	body, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := serverSpans(body); n != 3 || err != nil {
		t.Errorf("serverSpans = %d, %v, want 3", n, err)
	}
	if n, err := serverSpans(body[:len(body)-1]); err == nil {
		t.Errorf("serverSpans of a body without its end = %d, want an error", n)
	}
}

func TestWebSeriesComparesWithItsNeighbours(t *testing.T) {
	var s webSeries
	s.add(webOutcome{wrkResult: wrkResult{rate: 90}, serverMicros: 25},
		webOutcome{wrkResult: wrkResult{rate: 80}, serverMicros: 20},
		webOutcome{wrkResult: wrkResult{rate: 120}, serverMicros: 22})
	if added, ratio := s.added.median(), s.throughput.median(); added != 4 || ratio != 0.9 {
		t.Errorf("added %v us, ratio %v, want 4 and 0.9", added, ratio)
	}
}
