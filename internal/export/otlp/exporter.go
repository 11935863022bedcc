package otlp

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The values that a zero option stands for.
const (
	DefaultQueueSize  = 2048
	DefaultQueueBytes = 16 << 20
	DefaultBatchSize  = 512
	DefaultBatchDelay = time.Second
	DefaultRetryWait  = 5 * time.Second
	DefaultRetryFor   = time.Minute
)

// maxBatchBytes keeps a batch below the 4 MiB that gRPC servers accept in one
// message, with room for what the estimate leaves out.
const maxBatchBytes = 1 << 20

// Options configures an [Exporter]. The zero value works.
type Options struct {
	// Getenv returns environment variables; nil means [os.Getenv]. It decides
	// what is exported, by which protocol and with which resource. The clients
	// read where to and how (endpoint, headers, timeouts, TLS) from the
	// process's environment, whatever Getenv says.
	Getenv func(string) string
	// Log takes changes of state and warnings about variables; nil discards
	// them.
	Log *slog.Logger
	// Gatherer gives the metrics; nil exports none.
	Gatherer prometheus.Gatherer
	// Schemas describe the metrics that the gatherer has from events. They go
	// out under their OpenTelemetry name and unit, by service; all others go
	// out as they are.
	Schemas []*model.Schema
	// Judge gives the metrics of objectives, which replace those of the gatherer; nil
	// gives none. Series tells since when their events are counted; nil is since they
	// were exported first.
	Judge  Judge
	Series Series
	// Version is Goshawk's version.
	Version string
	// Host is the value of host.name; empty means [os.Hostname].
	Host string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// QueueSize is how many events wait at most, and QueueBytes how many bytes
	// they take, about.
	QueueSize, QueueBytes int
	// BatchSize is how many spans are sent at once, at most.
	BatchSize int
	// BatchDelay is how long an event waits for others.
	BatchDelay time.Duration
	// RetryWait is the first wait before a failed request is sent again; it
	// grows by half each time. RetryFor is how long a batch is tried.
	RetryWait, RetryFor time.Duration
}

func (o Options) withDefaults() Options {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Host == "" {
		// A host that does not know its name goes without.
		o.Host, _ = os.Hostname()
	}
	o.QueueSize = orDefault(o.QueueSize, DefaultQueueSize)
	o.QueueBytes = orDefault(o.QueueBytes, DefaultQueueBytes)
	o.BatchSize = orDefault(o.BatchSize, DefaultBatchSize)
	o.BatchDelay = orDefault(o.BatchDelay, DefaultBatchDelay)
	o.RetryWait = orDefault(o.RetryWait, DefaultRetryWait)
	o.RetryFor = orDefault(o.RetryFor, DefaultRetryFor)
	return o
}

func orDefault[N int | time.Duration](n, value N) N {
	if n <= 0 {
		return value
	}
	return n
}

// Exporter sends events and metrics to an OTLP endpoint. Its methods may be
// called from any goroutine.
type Exporter struct {
	traces   *traces  // nil when traces are off
	metrics  *metrics // nil when metrics are off
	stats    counters
	shutdown sync.Once
}

// Start begins to export what the environment asks for; see [Enabled]. An
// Exporter with nothing to do is no error. Start does not wait for the
// endpoint, and fails for a malformed one. ctx bounds Start alone.
func Start(ctx context.Context, options Options) (*Exporter, error) {
	o := options.withDefaults()
	fromEnv, err := ResourceAttributes(o.Getenv)
	if err != nil {
		o.Log.Warn("resource attributes are ignored", "error", err)
	}
	r := newResources(o.Host, runtime.GOOS, o.Version, fromEnv, o.Getenv("OTEL_SERVICE_NAME"))
	forTraces, forMetrics := readSignal(o.Getenv, o.Log, "traces"), readSignal(o.Getenv, o.Log, "metrics")
	forMetrics.on = forMetrics.on && (o.Gatherer != nil || o.Judge != nil)
	for _, s := range []signal{forTraces, forMetrics} {
		if !s.on {
			continue
		}
		if err := s.check(); err != nil {
			return nil, err
		}
	}
	e := &Exporter{}
	if forMetrics.on {
		if e.metrics, err = startMetrics(ctx, forMetrics, r, o, &e.stats); err != nil {
			return nil, err
		}
	}
	if forTraces.on {
		if e.traces, err = startTraces(ctx, forTraces, r, o, &e.stats); err != nil {
			return nil, errors.Join(err, e.Shutdown(ctx))
		}
	}
	return e, nil
}

// Consume takes an event to send it as a span, if its schema has one and it is
// neither the announcement of a start nor a tally. The event is borrowed: Consume copies what it
// keeps. It never blocks: an event that does not fit into the queue, has no
// ids or comes after Shutdown is dropped and counted.
func (e *Exporter) Consume(event *model.Event) {
	if e.traces != nil {
		e.traces.consume(event)
	}
}

// Stats are counts since the start.
type Stats struct {
	// Exported counts the spans that the endpoint took.
	Exported uint64
	// Dropped counts the spans that were not sent or that the endpoint
	// refused.
	Dropped uint64
	// FailedBatches counts the requests that lost spans after all retries.
	FailedBatches uint64
	// FailedMetrics counts the exports of metrics that failed. Metrics are
	// cumulative: the next export makes up for it.
	FailedMetrics uint64
}

// Stats returns the counts so far.
func (e *Exporter) Stats() Stats {
	return Stats{
		Exported:      e.stats.exported.Load(),
		Dropped:       e.stats.dropped.Load(),
		FailedBatches: e.stats.failedBatches.Load(),
		FailedMetrics: e.stats.failedMetrics.Load(),
	}
}

// Shutdown sends what waits and the metrics once more, and ends all goroutines
// of the Exporter. It returns when that is done or, with an error, soon after
// ctx has ended; what was not sent by then is dropped. Only the first call
// does anything.
func (e *Exporter) Shutdown(ctx context.Context) error {
	var traceErr, metricErr error
	e.shutdown.Do(func() {
		var both sync.WaitGroup
		if e.traces != nil {
			both.Go(func() { traceErr = e.traces.shutdown(ctx) })
		}
		if e.metrics != nil {
			both.Go(func() { metricErr = e.metrics.shutdown(ctx) })
		}
		both.Wait()
	})
	return errors.Join(traceErr, metricErr)
}
