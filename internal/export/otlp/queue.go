package otlp

import (
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// item is an event that waits to be sent.
type item struct {
	// event is a copy that the queue owns.
	event *model.Event
	// end is when the span ends.
	end time.Time
	// size estimates the bytes that the event takes here and on the wire.
	size int
}

// itemSize estimates the bytes that e takes. Field keys and ids are covered by
// the constants.
func itemSize(e *model.Event) int {
	const perEvent, perValue, perFrame, perFinding = 256, 64, 16, 128
	n := perEvent + len(e.Service) + len(e.ContainerID) + len(e.PodUID)
	for i := range e.Values {
		if e.Values[i].IsSet() {
			n += perValue + len(e.Values[i].Str())
		}
	}
	for i := range e.Stack {
		n += perFrame + len(e.Stack[i].Func) + len(e.Stack[i].File)
	}
	for i := range e.Findings {
		n += perFinding + len(e.Findings[i].Evidence) + len(e.Findings[i].Remedy)
	}
	return n
}

// queue holds items up to a number and a size. It is safe for concurrent use.
type queue struct {
	maxItems, maxBytes int
	// batch is the number of items, and batchBytes their size, from which they
	// should be sent without waiting for more.
	batch, batchBytes int
	// some is signalled when the queue is no longer empty, ready when a batch
	// is complete. Both may be signalled too often, never too seldom.
	some, ready chan struct{}

	mu     sync.Mutex
	items  []item
	bytes  int
	closed bool
}

func newQueue(maxItems, maxBytes, batch, batchBytes int) *queue {
	return &queue{
		maxItems: maxItems, maxBytes: maxBytes, batch: batch, batchBytes: batchBytes,
		some: make(chan struct{}, 1), ready: make(chan struct{}, 1),
	}
}

// hasRoom reports whether an item of this size could be put.
func (q *queue) hasRoom(size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fits(size)
}

// put adds an item, or reports false when it does not fit.
func (q *queue) put(i item) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.fits(i.size) {
		return false
	}
	q.items = append(q.items, i)
	q.bytes += i.size
	signalOnce(q.some)
	if len(q.items) >= q.batch || q.bytes >= q.batchBytes {
		signalOnce(q.ready)
	}
	return true
}

// fits is called with the lock held.
func (q *queue) fits(size int) bool {
	return !q.closed && len(q.items) < q.maxItems && q.bytes+size <= q.maxBytes
}

// take removes the oldest items, one batch at most, and reports whether what
// is left is a batch again. A single item may be larger than a batch.
func (q *queue) take() (batch []item, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for n < len(q.items) && n < q.batch && (n == 0 || size+q.items[n].size <= q.batchBytes) {
		size += q.items[n].size
		n++
	}
	batch = append(batch, q.items[:n]...)
	rest := copy(q.items, q.items[n:])
	clear(q.items[rest:])
	q.items = q.items[:rest]
	q.bytes -= size
	return batch, rest >= q.batch || q.bytes >= q.batchBytes
}

// isEmpty reports whether nothing waits.
func (q *queue) isEmpty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items) == 0
}

// close refuses all further items.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

func signalOnce(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
