package otlp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/goshawk-io/goshawk/internal/model"
)

// maxRetryWait bounds the time between two attempts to send a batch.
const maxRetryWait = 30 * time.Second

// traces sends events as spans, from a goroutine of its own.
type traces struct {
	client    otlptrace.Client
	converter converter
	queue     *queue
	now       func() time.Time
	// delay is how long an event waits for others.
	delay time.Duration
	// retryWait is the first wait before a batch is sent again, retryFor how
	// long it is tried.
	retryWait, retryFor time.Duration

	endpoint *health
	overflow *health
	// overflowed is the counter of that name when overflow was last reported.
	overflowed uint64
	stats      *counters

	stop chan struct{} // closed when no more events come
	done chan struct{} // closed when the goroutine has ended
	// cancel ends what is under way.
	cancel context.CancelFunc
}

// counters are what [Stats] reads.
type counters struct {
	exported, dropped, failedBatches, failedMetrics atomic.Uint64
	// overflowed counts those of dropped that did not fit into the queue.
	overflowed atomic.Uint64
}

func newTraceClient(s signal, o Options) otlptrace.Client {
	if s.grpc {
		return otlptracegrpc.NewClient(otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{
			Enabled: true, InitialInterval: o.RetryWait, MaxInterval: maxRetryWait, MaxElapsedTime: o.RetryFor,
		}))
	}
	return otlptracehttp.NewClient(otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: o.RetryWait, MaxInterval: maxRetryWait, MaxElapsedTime: o.RetryFor,
	}))
}

func startTraces(ctx context.Context, s signal, r resources, o Options, stats *counters) (*traces, error) {
	t := &traces{
		client:    newTraceClient(s, o),
		converter: converter{resources: r, version: o.Version},
		queue:     newQueue(o.QueueSize, o.QueueBytes, o.BatchSize, maxBatchBytes),
		now:       o.Now,
		delay:     o.BatchDelay,
		retryWait: o.RetryWait,
		retryFor:  o.RetryFor,
		endpoint:  exportHealth(o.Log, s),
		overflow:  &health{log: o.Log, bad: "OTLP export drops spans", good: "OTLP export drops no more spans"},
		stats:     stats,
		stop:      make(chan struct{}),
		done:      make(chan struct{}),
	}
	if err := t.client.Start(ctx); err != nil {
		return nil, fmt.Errorf("start OTLP export of traces to %s: %w", s, err)
	}
	ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go t.run(ctx)
	return t, nil
}

// consume takes a borrowed event. It does not block.
func (t *traces) consume(e *model.Event) {
	if e.Schema.Span == nil || e.Phase != model.PhaseEnd && e.Phase != model.PhaseUnfinished {
		return
	}
	if e.TraceID == (model.TraceID{}) || e.SpanID == (model.SpanID{}) {
		t.stats.dropped.Add(1)
		return
	}
	size := itemSize(e)
	if t.queue.hasRoom(size) && t.queue.put(item{event: e.Clone(), end: t.end(e), size: size}) {
		return
	}
	t.stats.dropped.Add(1)
	t.stats.overflowed.Add(1)
}

// end returns when the span of e ends: now for what goes on.
func (t *traces) end(e *model.Event) time.Time {
	switch {
	case e.Phase == model.PhaseUnfinished:
		return t.now()
	case e.Duration > 0:
		return e.Time.Add(e.Duration)
	}
	return e.Time
}

func (t *traces) run(ctx context.Context) {
	defer close(t.done)
	for {
		select {
		case <-t.queue.some:
		case <-t.stop:
			t.sendAll(ctx)
			return
		}
		wait := time.NewTimer(t.delay)
		select {
		case <-wait.C:
		case <-t.queue.ready:
		case <-t.stop:
		}
		wait.Stop()
		t.sendReady(ctx)
	}
}

// sendReady sends a batch, and others as long as they are complete.
func (t *traces) sendReady(ctx context.Context) {
	for more := true; more; {
		var batch []item
		batch, more = t.queue.take()
		t.send(ctx, batch)
	}
	if !t.queue.isEmpty() {
		signalOnce(t.queue.some)
	}
	var err error
	total := t.stats.overflowed.Load()
	if n := total - t.overflowed; n > 0 {
		err = fmt.Errorf("the queue was full: %d spans were dropped", n)
	}
	t.overflowed = total
	t.overflow.report(err)
}

// sendAll empties the queue. What is left when ctx ends is dropped.
func (t *traces) sendAll(ctx context.Context) {
	for {
		batch, _ := t.queue.take()
		if len(batch) == 0 {
			return
		}
		t.send(ctx, batch)
	}
}

// send sends one batch and counts what became of it.
func (t *traces) send(ctx context.Context, batch []item) {
	if len(batch) == 0 {
		return
	}
	n := uint64(len(batch))
	if ctx.Err() != nil {
		t.stats.dropped.Add(n)
		t.stats.failedBatches.Add(1)
		return
	}
	err := t.upload(ctx, t.converter.spans(batch))
	rejected := uint64(0)
	if err != nil {
		rejected = n
		if some, ok := partiallyRejected(err); ok {
			rejected = min(some, n)
		}
	}
	t.stats.exported.Add(n - rejected)
	t.stats.dropped.Add(rejected)
	if rejected > 0 {
		t.stats.failedBatches.Add(1)
	}
	t.endpoint.report(err)
}

// upload sends spans until the endpoint takes or refuses them. The clients try
// again when an endpoint asks for it; an endpoint that is not there at all,
// while a collector restarts, is tried here.
func (t *traces) upload(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	started := time.Now()
	for wait := t.retryWait; ; wait = min(wait*3/2, maxRetryWait) {
		err := t.client.UploadTraces(ctx, spans)
		if err == nil || !isUnreachable(err) || ctx.Err() != nil || time.Since(started)+wait > t.retryFor {
			return err
		}
		select {
		case <-t.stop:
			return err
		default:
		}
		t.endpoint.report(err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-t.stop: // the last attempt
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// isUnreachable reports that nothing listened at the endpoint.
func isUnreachable(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || status.Code(err) == codes.Unavailable
}

// partiallyRejected returns how many spans an endpoint refused of a batch that
// it otherwise took. The type of that error is internal to the clients.
func partiallyRejected(err error) (n uint64, ok bool) {
	_, message, found := strings.Cut(err.Error(), "OTLP partial success: ")
	at := strings.LastIndex(message, "(")
	if !found || at < 0 {
		return 0, false
	}
	_, scanErr := fmt.Sscanf(message[at:], "(%d spans rejected)", &n)
	return n, scanErr == nil
}

// shutdown sends what waits, until ctx ends.
func (t *traces) shutdown(ctx context.Context) error {
	t.queue.close()
	close(t.stop)
	var err error
	select {
	case <-t.done:
	case <-ctx.Done():
		t.cancel()
		<-t.done
		err = fmt.Errorf("OTLP export of traces: not everything was sent: %w", ctx.Err())
	}
	t.cancel()
	// What was sent is sent; a stop that was cut short says nothing more.
	_ = t.client.Stop(ctx)
	return err
}
