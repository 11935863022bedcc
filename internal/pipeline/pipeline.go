package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// DefaultQueue and DefaultQueueBytes bound a queue for which no bounds are
// given: some seconds of ordinary events, or of ones with long arguments.
const (
	DefaultQueue      = 8192
	DefaultQueueBytes = 32 << 20
)

// tallyShare is the part of a queue that only tallies may fill: one stands for
// many events, and what it counts is in no other.
const tallyShare = 4

// DefaultDrain is how long queues may drain at the end.
const DefaultDrain = 4 * time.Second

// Source produces events until ctx is done, and returns nil after what was
// under way has been emitted. Events are borrowed.
type Source func(ctx context.Context, emit func(*model.Event)) error

// Options configures a pipeline. The zero value works.
type Options struct {
	// Drain bounds the time that queued sinks have when the sources have
	// ended; 0 means [DefaultDrain].
	Drain time.Duration
}

// Pipeline connects sources to sinks. Build it completely before Run.
type Pipeline struct {
	options Options
	sources []namedSource
	direct  []func(*model.Event)
	queued  []*queuedSink
}

type namedSource struct {
	name string
	run  Source
}

// New returns an empty pipeline.
func New(options Options) *Pipeline {
	if options.Drain == 0 {
		options.Drain = DefaultDrain
	}
	return &Pipeline{options: options}
}

// AddSource adds a source, which name tells in errors.
func (p *Pipeline) AddSource(name string, run Source) {
	p.sources = append(p.sources, namedSource{name, run})
}

// AddDirect adds a sink that is called on the goroutine of the source. The
// event is borrowed.
func (p *Pipeline) AddDirect(consume func(*model.Event)) {
	p.direct = append(p.direct, consume)
}

// Queued is a sink with a queue before it. Only Name and Consume must be set.
type Queued struct {
	// Name tells the sink in statistics and errors.
	Name string
	// Length bounds the queue in events, Bytes in the memory that they take,
	// about; 0 means [DefaultQueue] and [DefaultQueueBytes]. A quarter more of
	// both is there for tallies only.
	Length, Bytes int
	// Accept is asked first, on the source's goroutine, whether the sink wants
	// the event at all.
	Accept func(*model.Event) bool
	// Consume is called on a goroutine of its own, one event at a time. The
	// event is shared with other sinks and must not be changed.
	Consume func(*model.Event)
	// Idle is called on that goroutine when the queue has become empty, and at
	// the end: what Consume buffered can be written.
	Idle func()
}

// AddQueued adds a queued sink.
func (p *Pipeline) AddQueued(sink Queued) {
	if sink.Length <= 0 {
		sink.Length = DefaultQueue
	}
	if sink.Bytes <= 0 {
		sink.Bytes = DefaultQueueBytes
	}
	p.queued = append(p.queued, &queuedSink{Queued: sink, queue: make(chan *model.Event, sink.Length+sink.Length/tallyShare+1)})
}

// QueueStats is the state of one queued sink.
type QueueStats struct {
	// Sink is the sink's name.
	Sink string
	// In counts the events that entered the queue, Dropped those that did not
	// fit.
	In, Dropped uint64
	// Waiting is the number of events in the queue.
	Waiting int
}

// Stats returns the state of each queue, in the order of addition. It may be
// called at any time.
func (p *Pipeline) Stats() []QueueStats {
	stats := make([]QueueStats, len(p.queued))
	for i, q := range p.queued {
		stats[i] = QueueStats{Sink: q.Name, In: q.in.Load(), Dropped: q.dropped.Load(), Waiting: len(q.queue)}
	}
	return stats
}

// Run runs all sources and sinks until every source has returned and the
// queues are empty. A source that fails ends alone: its error is part of the
// result, and the others go on.
func (p *Pipeline) Run(ctx context.Context) error {
	var sinks sync.WaitGroup
	for _, q := range p.queued {
		sinks.Go(q.run)
	}
	errs := make([]error, len(p.sources))
	var sources sync.WaitGroup
	for i, s := range p.sources {
		sources.Go(func() {
			if err := s.run(ctx, p.emit); err != nil {
				errs[i] = fmt.Errorf("%s: %w", s.name, err)
			}
		})
	}
	sources.Wait()
	for _, q := range p.queued {
		close(q.queue)
	}
	drained := make(chan struct{})
	go func() {
		sinks.Wait()
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(p.options.Drain):
		for _, q := range p.queued {
			if n := len(q.queue); n > 0 {
				errs = append(errs, fmt.Errorf("sink %s: %d events left after %s", q.Name, n, p.options.Drain))
			}
		}
	}
	return errors.Join(errs...)
}

func (p *Pipeline) emit(e *model.Event) {
	for _, consume := range p.direct {
		consume(e)
	}
	var shared *model.Event
	for _, q := range p.queued {
		if q.Accept != nil && !q.Accept(e) {
			continue
		}
		if shared == nil {
			shared = e.Clone()
		}
		q.put(shared)
	}
}

type queuedSink struct {
	Queued
	queue   chan *model.Event
	bytes   atomic.Int64 // of the events in the queue
	in      atomic.Uint64
	dropped atomic.Uint64
}

func (q *queuedSink) put(e *model.Event) {
	n := int64(e.Bytes())
	length, bytes := q.Length, int64(q.Bytes)
	if e.Phase == model.PhaseTally {
		length, bytes = cap(q.queue), bytes+bytes/tallyShare
	}
	// A queue that is empty takes any event, however large.
	if waiting := q.bytes.Add(n) - n; waiting > 0 && waiting+n > bytes || len(q.queue) >= length {
		q.bytes.Add(-n)
		q.dropped.Add(1)
		return
	}
	select {
	case q.queue <- e:
		q.in.Add(1)
	default:
		q.bytes.Add(-n)
		q.dropped.Add(1)
	}
}

func (q *queuedSink) run() {
	for e := range q.queue {
		q.Consume(e)
		q.bytes.Add(-int64(e.Bytes()))
		if q.Idle != nil && len(q.queue) == 0 {
			q.Idle()
		}
	}
}
