// Command otelsdk serves HTTP and traces what it does with OpenTelemetry's SDK.
//
// It prints where it listens. The first part of a path names a scene; the spans
// and the commands of a scene are called after it, "nested/inner". A command is
// /bin/true with its name as the argument. The line "spans" on the standard input
// is answered with the spans that were exported so far, as one JSON array; the
// program ends with its standard input.
//
// go.mod has the newest release of the SDK, old.mod the oldest that is tried.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Span is one that was exported.
type Span struct{ Name, Trace, Span, Parent string }

// memory is an exporter.
type memory struct {
	mu    sync.Mutex
	spans []Span
}

// ExportSpans keeps spans.
func (m *memory) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range spans {
		m.spans = append(m.spans, Span{s.Name(), s.SpanContext().TraceID().String(), s.SpanContext().SpanID().String(), s.Parent().SpanID().String()})
	}
	return nil
}

// Shutdown does nothing.
func (m *memory) Shutdown(context.Context) error { return nil }

// sampler drops spans whose name has "hole" and records those with "recorded"
// only. What is below a span that is not sampled is not either, unless its name
// has "below".
type sampler struct{}

// ShouldSample decides by the name.
func (sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	parent := trace.SpanContextFromContext(p.ParentContext)
	decision := sdk.RecordAndSample
	switch {
	case strings.Contains(p.Name, "/hole"):
		decision = sdk.Drop
	case strings.Contains(p.Name, "/recorded"):
		decision = sdk.RecordOnly
	case parent.IsValid() && !parent.IsSampled() && !strings.Contains(p.Name, "/below"):
		decision = sdk.Drop
	}
	return sdk.SamplingResult{Decision: decision, Tracestate: parent.TraceState()}
}

// Description names the sampler.
func (sampler) Description() string { return "by name" }

func main() {
	exported := &memory{}
	tracer := sdk.NewTracerProvider(sdk.WithSyncer(exported), sdk.WithSampler(sampler{})).Tracer("otelsdk")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	own := "http://" + l.Addr().String()
	serve := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if play, ok := scenes[name]; ok {
			ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			play(&scene{tracer: tracer, name: name, own: own}, ctx)
		}
	})
	routes := http.NewServeMux()
	routes.Handle("/", serve)
	routes.Handle("/timeout", http.TimeoutHandler(serve, time.Hour, ""))
	routes.Handle("/timeout-traced", http.TimeoutHandler(serve, time.Hour, ""))
	go (&http.Server{Handler: routes, ErrorLog: log.New(io.Discard, "", 0)}).Serve(l)
	fmt.Println(l.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		exported.mu.Lock()
		text, err := json.Marshal(exported.spans)
		exported.mu.Unlock()
		check(err)
		fmt.Println(string(text))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// scene is what one request does.
type scene struct {
	tracer    trace.Tracer
	name, own string
}

// span begins a span below the one of ctx.
func (s *scene) span(ctx context.Context, name string) (context.Context, trace.Span) {
	return s.tracer.Start(ctx, s.name+"/"+name)
}

// in runs f in a span.
func (s *scene) in(ctx context.Context, name string, f func(context.Context)) {
	ctx, span := s.span(ctx, name)
	defer span.End()
	f(ctx)
}

// run runs a command.
func (s *scene) run(name string) { check(exec.Command("/bin/true", s.name+"/"+name).Run()) }

// call requests a path of this program.
func (s *scene) call(path string) {
	response, err := http.Get(s.own + path)
	check(err)
	response.Body.Close()
}

// elsewhere runs f on a goroutine of its own and waits for it.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}
