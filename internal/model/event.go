package model

import (
	"slices"
	"strings"
	"time"
)

// TraceID is a W3C trace id; the zero value means none.
type TraceID [16]byte

// SpanID is a W3C span id; the zero value means none.
type SpanID [8]byte

// Phase says whether an event reports that something ended or began.
type Phase uint8

const (
	// PhaseEnd is the default: the event is complete.
	PhaseEnd Phase = iota
	// PhaseStart announces something that goes on; most fields are unset.
	PhaseStart
	// PhaseUnfinished reports something that goes on when the observer stops,
	// and that ended events refer to.
	PhaseUnfinished
	// PhaseTally is no single event but counts many: see [Tally].
	PhaseTally
)

// Tally counts the events of one kind that ended between an event's Time and
// its End, whether or not they were emitted one by one. The event that carries
// it has PhaseTally, and of its Values only those that are labels, groups, the
// failure or the When of a metric.
//
// A probe whose schema is Tallied counts by tallies alone: what its events are
// is a sample.
type Tally struct {
	// Count is how many there were.
	Count uint64
	// Durations distributes how long they took; nil when that is not known. It
	// is borrowed, like the event.
	Durations *Distribution
	// Over says how many took longer than each of some limits. A limit that is
	// not there was not known all of the time.
	Over []Over
}

// Over is how many events of a [Tally] took longer than Limit.
type Over struct {
	Limit time.Duration
	Count uint64
}

// Frame is one call of a stack.
type Frame struct {
	// Func is the function's full name, "net/http.(*conn).serve".
	Func string
	// File is the source file as the compiler recorded it; -trimpath makes it
	// relative to the module.
	File string
	// Line is the line in File, 0 when unknown.
	Line int
}

// Severity grades a finding.
type Severity uint8

// The severities, mildest first.
const (
	SeverityInfo Severity = iota
	SeverityWarn
	SeverityError
)

// String returns the severity as the contract spells it.
func (s Severity) String() string {
	switch s {
	case SeverityWarn:
		return "warn"
	case SeverityError:
		return "error"
	}
	return "info"
}

// Finding is a judgement that a probe makes about one event.
type Finding struct {
	// Rule is the finding's stable name, "killed-without-grace".
	Rule string
	// Severity grades it.
	Severity Severity
	// Evidence says what was observed, with numbers.
	Evidence string
	// Remedy says what to do about it.
	Remedy string
}

// Event is one thing that happened, as a row of its probe's [Schema].
//
// An event handed to a callback is borrowed: it and every text in it are valid
// until the callback returns. [Event.Clone] makes a copy to keep.
type Event struct {
	// Schema describes Values. It is shared and never nil.
	Schema *Schema
	// Phase tells a start from an end.
	Phase Phase
	// Tally is what an event of PhaseTally counts; nil for any other.
	Tally *Tally
	// Weight is how many events of a tallied schema this one stands for, itself
	// included; 0 means 1.
	Weight uint64
	// Time is when it began.
	Time time.Time
	// Duration is how long it took; negative when that is not known.
	Duration time.Duration
	// PID is the process it is about.
	PID int32
	// Service is the service that caused it, empty when none is known.
	Service string
	// ContainerID is the container of the process, empty outside of one.
	ContainerID string
	// PodUID is the Kubernetes pod of the process, empty outside of one.
	PodUID string
	// GoroutineID is the goroutine that caused it, 0 when unknown.
	GoroutineID uint64
	// TraceID, SpanID and ParentSpanID place it in a trace.
	TraceID      TraceID
	SpanID       SpanID
	ParentSpanID SpanID
	// Requested says that a request caused it, whose trace TraceID is.
	Requested bool
	// Stack is the call stack that caused it, innermost first.
	Stack []Frame
	// Findings are what the probe has to say about it.
	Findings []Finding
	// Values are the fields, indexed like Schema.Fields.
	Values []Value
}

// Reset empties e for an event of schema s, keeping its memory.
func (e *Event) Reset(s *Schema) {
	values := e.Values
	if cap(values) < len(s.Fields) {
		values = make([]Value, len(s.Fields))
	}
	values = values[:len(s.Fields)]
	clear(values)
	*e = Event{
		Schema:   s,
		Duration: -1,
		Stack:    e.Stack[:0],
		Findings: e.Findings[:0],
		Values:   values,
	}
}

// Get returns the value of the field named key, unset when the schema has no
// such field.
func (e *Event) Get(key string) Value {
	if i := e.Schema.Index(key); i >= 0 {
		return e.Values[i]
	}
	return Value{}
}

// Counts reports whether metrics and rollups add e up: a tally where the
// schema is Tallied, else an event that ended.
func (e *Event) Counts() bool {
	if e.Schema.Tallied {
		return e.Phase == PhaseTally && e.Tally != nil
	}
	return e.Phase == PhaseEnd
}

// StandsFor returns how many events e stands for, itself included: its Weight,
// or 1.
func (e *Event) StandsFor() uint64 { return max(e.Weight, 1) }

// Failure returns how what the event reports failed, unset when it did not.
func (e *Event) Failure() Value { return e.Get(e.Schema.Failure) }

// Bytes returns about how much memory a clone of e takes.
func (e *Event) Bytes() int {
	const frame, finding, value = 40, 64, 40
	n := 256 + len(e.Stack)*frame + len(e.Findings)*finding + len(e.Values)*value
	for i := range e.Values {
		n += len(e.Values[i].str)
	}
	if e.Tally != nil && e.Tally.Durations != nil {
		n += e.Tally.Durations.bytes()
	}
	return n
}

// Clone returns a copy of e that shares nothing with a reader's buffer.
// Frames are immutable and shared.
func (e *Event) Clone() *Event {
	c := *e
	c.Stack = append([]Frame(nil), e.Stack...)
	c.Findings = append([]Finding(nil), e.Findings...)
	c.Values = append([]Value(nil), e.Values...)
	for i := range c.Values {
		c.Values[i].str = strings.Clone(c.Values[i].str)
	}
	if e.Tally != nil {
		c.Tally = &Tally{Count: e.Tally.Count, Over: slices.Clone(e.Tally.Over)}
		if e.Tally.Durations != nil {
			c.Tally.Durations = e.Tally.Durations.Clone()
		}
	}
	return &c
}
