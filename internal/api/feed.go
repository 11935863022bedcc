package api

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// The bounds of a feed for which none are given.
const (
	DefaultListeners  = 64
	DefaultQueue      = 512
	defaultQueueBytes = 4 << 20
)

// FeedOptions configures a feed. Only Filter must be set.
type FeedOptions struct {
	// Filter returns what says whether a query selects an event, whatever its
	// page.
	Filter func(model.Query) (func(*model.Event) bool, error)
	// Listeners bounds how many listen at a time; 0 means [DefaultListeners].
	Listeners int
	// Queue bounds the events that wait for one listener; 0 means
	// [DefaultQueue].
	Queue int
}

// Feed hands events to all who listen. A listener that is slow loses events
// and is told how many; it never holds up another, nor the caller of Add.
type Feed struct {
	options FeedOptions

	mu        sync.Mutex
	listeners map[*listener]struct{}
	closed    bool
	done      chan struct{}
	count     atomic.Int32
	dropped   atomic.Uint64
}

// listener is one who listens.
type listener struct {
	wants   func(*model.Event) bool
	queue   chan message
	bytes   atomic.Int64 // of the messages in queue
	dropped atomic.Uint64
}

// message is an event on its way. All listeners share data.
type message struct {
	id   model.EventID
	data []byte
}

// NewFeed returns a feed that nobody listens to.
func NewFeed(o FeedOptions) *Feed {
	if o.Listeners <= 0 {
		o.Listeners = DefaultListeners
	}
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	return &Feed{options: o, listeners: make(map[*listener]struct{}), done: make(chan struct{})}
}

// Wanted reports whether anybody listens. It does not block.
func (f *Feed) Wanted() bool { return f.count.Load() > 0 }

// Dropped returns how many messages did not fit the queues of listeners.
func (f *Feed) Dropped() uint64 { return f.dropped.Load() }

// Add hands e to those who want it. It is written as JSON once, however many
// these are. Add does not wait for them. A tally is no event to be handed on.
func (f *Feed) Add(e *model.Event) {
	if e.Phase == model.PhaseTally || !f.Wanted() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var m message
	for l := range f.listeners {
		if !l.wants(e) {
			continue
		}
		if m.data == nil {
			m = message{e.ID(), v1.AppendRecord(nil, model.Record{Event: e, Weight: float64(e.StandsFor())})}
		}
		if !l.put(m) {
			f.dropped.Add(1)
		}
	}
}

func (l *listener) put(m message) bool {
	n := int64(len(m.data))
	// An empty queue takes any event, however large.
	if waiting := l.bytes.Add(n) - n; waiting == 0 || waiting+n <= defaultQueueBytes {
		select {
		case l.queue <- m:
			return true
		default:
		}
	}
	l.bytes.Add(-n)
	l.dropped.Add(1)
	return false
}

// Close ends all listening. It may be called more than once.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.closed = true
		close(f.done)
	}
}

var (
	errFeedClosed = errors.New("the agent ends")
	errFeedFull   = errors.New("too many listen")
)

// listen adds a listener; the caller must call leave.
func (f *Feed) listen(q model.Query) (l *listener, leave func(), err error) {
	wants, err := f.options.Filter(q)
	if err != nil {
		return nil, nil, err
	}
	l = &listener{wants: wants, queue: make(chan message, f.options.Queue)}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		return nil, nil, errFeedClosed
	case len(f.listeners) >= f.options.Listeners:
		return nil, nil, fmt.Errorf("%w: %d", errFeedFull, len(f.listeners))
	}
	f.listeners[l] = struct{}{}
	f.count.Add(1)
	return l, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, l)
		f.count.Add(-1)
	}, nil
}
