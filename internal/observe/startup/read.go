package startup

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The bounds of a [Reader].
const (
	// maxOpen is how many starts are open at once; the one that nothing has come
	// of for longest makes room.
	maxOpen = 32
	// maxPartBytes is for the phases and packages of one start, maxCallBytes for
	// its system calls: these are many, and may not push out those.
	maxPartBytes = 2 << 20
	maxCallBytes = 2 << 20
	// maxDone is how many completed starts are remembered, to refuse what comes
	// late.
	maxDone = 64
	// maxDuration bounds what an event may say, so that sums do not overflow.
	maxDuration = 1 << 50 * time.Nanosecond
)

var errNoStart = errors.New("no start among the events")

// Reader puts starts together from the events of the startup probe. Those of one
// start come in any order, but the start's own comes last: that completes it.
//
// It is bounded: 32 starts are open at once, each with 2 MiB of phases and
// packages and as much of system calls; what goes beyond is counted in
// [Start.Lost]. Events of other probes, and what comes after its start was
// complete, are ignored. A Reader is for one goroutine.
type Reader struct {
	open map[model.TraceID]*gathered
	// clock counts events, to tell which open start is the oldest.
	clock uint64
	done  []model.TraceID // a ring, at next
	next  int
}

// gathered is what has come of a start.
type gathered struct {
	touched    uint64
	parts      []part
	calls      []call
	partBytes  int
	callBytes  int
	overflowed uint64
}

// part is a phase or a package.
type part struct {
	span      model.SpanID
	isPackage bool
	at        time.Time
	hasBegin  bool
	Phase
}

type call struct {
	span, parent model.SpanID
	at           time.Time
	hasBegin     bool
	Call
}

// NewReader returns a Reader that has read nothing.
func NewReader() *Reader {
	return &Reader{open: make(map[model.TraceID]*gathered)}
}

// Add takes an event, which it only borrows. It returns the start that the event
// completes, which is the caller's, or nil.
func (r *Reader) Add(e *model.Event) *Start {
	kind := kindOf(e)
	if kind == "" || slices.Contains(r.done, e.TraceID) {
		return nil
	}
	r.clock++
	g := r.open[e.TraceID]
	if kind == KindStart {
		delete(r.open, e.TraceID)
		r.forget(e.TraceID)
		if g == nil {
			g = &gathered{}
		}
		return g.complete(e)
	}
	if g == nil {
		if len(r.open) >= maxOpen {
			r.evict()
		}
		g = &gathered{}
		r.open[e.TraceID] = g
	}
	g.touched = r.clock
	g.add(e, kind)
	return nil
}

// forget remembers that a start is complete.
func (r *Reader) forget(id model.TraceID) {
	if len(r.done) < maxDone {
		r.done = append(r.done, id)
		return
	}
	r.done[r.next] = id
	r.next = (r.next + 1) % maxDone
}

func (r *Reader) evict() {
	var oldest model.TraceID
	least := r.clock
	for id, g := range r.open {
		if g.touched < least {
			oldest, least = id, g.touched
		}
	}
	delete(r.open, oldest)
}

// Read puts a start together from its events, in any order: those of one trace.
// Of several starts it takes the earliest, with the events of the same trace. It
// fails when there is none.
func Read(events []*model.Event) (*Start, error) {
	var start *model.Event
	for _, e := range events {
		if kindOf(e) == KindStart && (start == nil || e.Time.Before(start.Time)) {
			start = e
		}
	}
	if start == nil {
		return nil, errNoStart
	}
	g := &gathered{}
	for _, e := range events {
		if kind := kindOf(e); kind != "" && kind != KindStart && e.TraceID == start.TraceID {
			g.add(e, kind)
		}
	}
	return g.complete(start), nil
}

// kindOf returns what an event of the startup probe is about, empty for others
// and for what is no end.
func kindOf(e *model.Event) string {
	if e == nil || e.Schema == nil || e.Phase == model.PhaseStart || e.Phase == model.PhaseTally {
		return ""
	}
	switch kind := e.Get(KeyKind).Str(); kind {
	case KindStart:
		return KindStart
	case KindPhase:
		return KindPhase
	case KindPackage:
		return KindPackage
	case KindSyscall:
		return KindSyscall
	}
	return ""
}

func (g *gathered) add(e *model.Event, kind string) {
	const partCost, callCost = 320, 160 // of the structs, about
	if kind == KindSyscall {
		cost := callCost + len(e.Get(KeyName).Str()) + len(e.Get(KeyOperand).Str())
		if g.callBytes += cost; g.callBytes > maxCallBytes {
			g.callBytes -= cost
			g.overflowed++
			return
		}
		g.calls = append(g.calls, readCall(e))
		return
	}
	cost := partCost + len(e.Get(KeyName).Str()) + len(e.Get(KeyWithin).Str()) + len(e.Get(KeyAddress).Str())
	if g.partBytes += cost; g.partBytes > maxPartBytes {
		g.partBytes -= cost
		g.overflowed++
		return
	}
	g.parts = append(g.parts, part{
		span: e.SpanID, isPackage: kind == KindPackage, at: e.Time, hasBegin: e.Get(KeyBegin).IsSet(),
		Phase: Phase{
			Name:    strings.Clone(e.Get(KeyName).Str()),
			Within:  strings.Clone(e.Get(KeyWithin).Str()),
			Address: strings.Clone(e.Get(KeyAddress).Str()),
			Usage:   readUsage(e),
		},
	})
}

func readCall(e *model.Event) call {
	begin := e.Get(KeyBegin)
	return call{
		span: e.SpanID, parent: e.ParentSpanID, at: e.Time, hasBegin: begin.IsSet(),
		Call: Call{
			Name:     strings.Clone(e.Get(KeyName).Str()),
			Operand:  strings.Clone(e.Get(KeyOperand).Str()),
			Begin:    offset(begin.Duration()),
			Duration: length(e.Duration),
			Result:   e.Get(KeyResult).Int(),
			Count:    count(e.Get(KeyCallCount)),
		},
	}
}

func readUsage(e *model.Event) Usage {
	return Usage{
		Begin:       offset(e.Get(KeyBegin).Duration()),
		Duration:    length(e.Duration),
		Unknown:     !e.Get(KeyCPU).IsSet(),
		CPU:         length(e.Get(KeyCPU).Duration()),
		RunDelay:    length(e.Get(KeyRunDelay).Duration()),
		OffCPU:      length(e.Get(KeyOffCPU).Duration()),
		Throttled:   length(e.Get(KeyThrottled).Duration()),
		Syscalls:    count(e.Get(KeySyscalls)),
		SyscallTime: length(e.Get(KeySyscallTime).Duration()),
		HasSyscalls: e.Get(KeySyscalls).IsSet(),
		Observed:    length(e.Get(KeyObserved).Duration()),
		MinorFaults: count(e.Get(KeyMinorFaults)),
		MajorFaults: count(e.Get(KeyMajorFaults)),
	}
}

func offset(d time.Duration) time.Duration { return min(max(d, -maxDuration), maxDuration) }

func length(d time.Duration) time.Duration { return min(max(d, 0), maxDuration) }

func count(v model.Value) uint64 { return uint64(max(v.Int(), 0)) }
