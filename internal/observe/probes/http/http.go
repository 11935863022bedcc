package http

import (
	"math"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// Spec returns the http probe.
func Spec() *probe.Spec {
	return &probe.Spec{
		Name:    "http",
		Summary: "HTTP requests that Go programs serve and make: rate, errors, duration by route, and what each caused",
		Needs: []probe.Need{
			{What: "privilege", Check: platform.CheckPrivilege, Hint: "run as root, or grant CAP_BPF and CAP_PERFMON"},
			{What: "kernel BTF", Check: platform.CheckBTF, Hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF"},
			{What: "a kernel of 5.17 or later", Check: func() error { return platform.CheckKernel(5, 17) }, Hint: "bpf_loop came with Linux 5.17"},
		},
		Functions: &probe.Functions{
			Any:    []string{serve, clientCall, streamServe},
			Points: points(),
			Layout: layoutOf,
			Wanted: wanted,
			Forget: forget,
		},
		Tune:       tune,
		Schema:     Schema(),
		Load:       loadBpf,
		Shared:     []string{"layouts", "requests", "errands", "finished"},
		NewDecoder: newDecoder,
	}
}

// The functions that make a program one that serves or makes requests.
const (
	serve       = "net/http.serverHandler.ServeHTTP"
	streamServe = "golang.org/x/net/http2.(*serverConn).runHandler"
	clientCall  = "net/http.(*Transport).roundTrip"
)

// spawn starts the goroutine of a go statement.
const spawn = "runtime.newproc.func1"

// connection serves one request of HTTP/1 after the other.
const connection = "net/http.(*conn).serve"

func points() []probe.FunctionPoint {
	const (
		served  = "requests that the program serves"
		panics  = "requests that end by a panic"
		routes  = "routes of this router; paths are reduced to templates instead"
		copies  = "routes of requests that a middleware copies before http.ServeMux sees them"
		calls   = "requests that the program makes"
		links   = "what goroutines do that a request started"
		spans   = "which spans of its own the program has: what it does may be in two traces"
		streams = "requests of HTTP/2 by golang.org/x/net"
	)
	return []probe.FunctionPoint{
		{Program: "http_serve", Function: serve, Missing: served, Inlined: []probe.FunctionPoint{
			{Program: "http_serve_inlined", Function: connection, Where: probe.AtCalls, Callee: "net/http.(*Request).expectsContinue", Missing: served},
		}},
		{Program: "http_finish", Function: "net/http.(*response).finishRequest", Missing: served, Inlined: []probe.FunctionPoint{
			{Program: "http_finish", Function: connection, Where: probe.AtCalls, Callee: "net/http.(*response).shouldReuseConnection", Missing: served},
		}},
		{Program: "http_conn_end", Function: "net/http.(*conn).serve.func1", Missing: panics},
		{Program: "http_finish_stream", Function: "net/http.(*http2responseWriter).handlerDone", Missing: "requests of HTTP/2"},
		{Program: "http_stream_panic", Function: "net/http.(*http2serverConn).runHandler.func1", Where: probe.AtCalls, Callee: "runtime.gorecover", Missing: panics},
		{Program: "http_serve_stream", Function: streamServe, Missing: streams},
		{Program: "http_finish_xstream", Function: "golang.org/x/net/http2.(*responseWriter).handlerDone", Missing: streams},
		{Program: "http_stream_panic", Function: "golang.org/x/net/http2.(*serverConn).runHandler.func1", Where: probe.AtCalls, Callee: "runtime.gorecover", Missing: panics},
		{Program: "http_hijack", Function: "net/http.(*response).Hijack", Missing: "that a connection was taken over"},
		{Program: "http_panic", Function: "runtime.gopanic", Missing: "panics"},
		{Program: "http_spawn", Function: spawn, Where: probe.AtCalls, Callee: "runtime.runqput", Missing: links, Inlined: []probe.FunctionPoint{
			{Program: "http_spawned", Function: spawn, Where: probe.AtCalls, Callee: "runtime.wakep", Missing: links},
		}},
		{Program: muxProgram, Function: "net/http.(*ServeMux).ServeHTTP", Missing: copies},
		{Program: "http_route_chi", Function: "github.com/go-chi/chi/v5.(*node).FindRoute", Missing: routes},
		{Program: "http_route_gin", Function: "github.com/gin-gonic/gin.(*Engine).handleHTTPRequest", Missing: routes},
		{Program: "http_route_echo", Function: "github.com/labstack/echo/v4.(*Router).Find", Missing: routes},
		{Program: "http_route_gorilla", Function: "github.com/gorilla/mux.routeRegexpGroup.setMatch", Missing: routes},
		{Program: "http_span_begin", Function: "go.opentelemetry.io/otel/sdk/trace.(*recordingSpan).runtimeTrace", Missing: spans},
		{Program: "http_span_end", Function: "go.opentelemetry.io/otel/sdk/trace.(*recordingSpan).End", Missing: spans},
		{Program: "http_switch", Function: "runtime.execute", Missing: "trace contexts for other agents", Publishes: true},
		{Program: "http_call", Function: clientCall, Missing: calls},
		{Program: "http_reply", Function: clientCall, Where: probe.AtReturns, Missing: calls},
	}
}

// The defaults of the settings.
const (
	perSecond       = 10
	failedPerSecond = 100
	routes          = 200
	slowDefault     = 500 * time.Millisecond
)

// tune translates settings for the programs.
func tune(s probe.Settings) map[string]uint64 {
	interval := func(rate, standard float64) uint64 {
		switch {
		case rate < 0:
			return math.MaxInt64
		case rate == 0:
			rate = standard
		}
		return uint64(float64(time.Second) / rate)
	}
	slow := slowDefault
	own := uint64(1)
	if s.Slow > 0 {
		slow, own = s.Slow, 0
	}
	limit := uint64(routes)
	if s.Routes > 0 {
		limit = uint64(s.Routes)
	}
	return map[string]uint64{
		"sample_interval": interval(s.PerSecond, perSecond), "failed_interval": interval(s.FailedPerSecond, failedPerSecond),
		"linked_interval": interval(s.FailedPerSecond, failedPerSecond),
		"slow_default":    uint64(slow), "slow_own": own, "template_limit": limit,
	}
}
