package upgrades

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/upgrade"
)

// story makes events of what one process tells. It belongs to one goroutine.
type story struct {
	// process is that of which the events are: the one that tells, or the version it
	// tells of.
	process Process
	// version returns another process of the host by its number, if it is known; nil for
	// a process that tells of itself alone.
	version func(pid int) (Process, bool)
	schema  *model.Schema
	newIDs  func() (model.TraceID, model.SpanID)
	emit    func(*model.Event)

	// What is known of the upgrade that the process has committed, or of its end.
	trace     model.TraceID
	span      model.SpanID
	drainFrom time.Time
}

// hear takes one change of state in.
func (s *story) hear(e *upgrade.Event) {
	if s.version != nil && e.PID != int(s.process.PID) {
		if p, ok := s.version(e.PID); ok {
			s.process = p
		} else if e.PID > 0 {
			// It has ended before anybody saw it: a version of the same server.
			s.process.PID = int32(e.PID)
		}
	}
	if e.Outcome != nil {
		s.ended(e)
	}
	switch e.State {
	case upgrade.Committed, upgrade.Draining:
		s.drainFrom = e.Time
		if e.State == upgrade.Draining {
			s.trace, s.span = model.TraceID{}, model.SpanID{}
		}
	case upgrade.Drained:
		s.drained(e)
	}
}

// event returns an event of this process.
func (s *story) event(kind string, began time.Time, took time.Duration, generation int) model.Event {
	var e model.Event
	e.Reset(s.schema)
	e.Time, e.Duration = began, max(took, 0)
	e.PID, e.Service, e.ContainerID, e.PodUID = s.process.PID, s.process.Service, s.process.ContainerID, s.process.PodUID
	e.Values[fieldKind] = model.StringValue(kind)
	e.Values[fieldGeneration] = model.IntValue(int64(generation))
	e.Values[fieldPID] = model.IntValue(int64(s.process.PID))
	return e
}

// ended emits an upgrade, and its parts.
func (s *story) ended(e *upgrade.Event) {
	o := e.Outcome
	trace, span := s.newIDs()
	root := s.event(KindUpgrade, o.Began, o.Ended, o.Generation)
	root.TraceID, root.SpanID = trace, span
	root.Values[fieldOutcome] = model.StringValue(string(o.Outcome))
	if o.PID > 0 {
		root.Values[fieldNextPID] = model.IntValue(int64(o.PID))
	}
	for _, v := range []struct {
		field int
		value time.Duration
	}{{fieldStarted, o.Started}, {fieldReady, o.Ready}, {fieldPassive, o.Passive}, {fieldResumed, o.Resumed}} {
		if v.value > 0 {
			root.Values[v.field] = model.DurationValue(v.value)
		}
	}
	root.Values[fieldOpen] = model.IntValue(int64(e.Connections))
	switch o.Outcome {
	case upgrade.RolledBack:
		root.Values[fieldFailure] = model.StringValue("rolled_back")
	case upgrade.Running:
		root.Values[fieldFailure] = model.StringValue("not_started")
	}
	if o.Reason != "" {
		root.Values[fieldReason] = model.StringValue(o.Reason)
	}
	s.emit(&root)
	s.parts(o, trace, span)
	if o.Outcome == upgrade.Committed {
		s.trace, s.span = trace, span
	}
}

// parts emits the parts that an upgrade has gone through.
func (s *story) parts(o *upgrade.Outcome, trace model.TraceID, parent model.SpanID) {
	if o.PID == 0 {
		return
	}
	for _, p := range Parts(o.Started, o.Ready, o.Passive, o.Ended) {
		part := s.event(p.Kind, o.Began.Add(p.From), p.To-p.From, o.Generation)
		_, span := s.newIDs()
		part.TraceID, part.SpanID, part.ParentSpanID = trace, span, parent
		s.emit(&part)
	}
}

// Part is one of those that an upgrade goes through, from and until a time since its begin.
type Part struct {
	Kind     string
	From, To time.Duration
}

// Parts returns those of an upgrade that started a process, in their order: without a gap,
// and none of negative length. The last one is that in which it ended. The arguments are the
// times of an [upgrade.Outcome], 0 for what was not reached.
func Parts(started, ready, passive, ended time.Duration) []Part {
	if passive == 0 || passive >= ended {
		// Both accepted until the end, as where the server knows nothing of upgrades.
		passive = ready
	}
	var list []Part
	from := time.Duration(0)
	for _, p := range []struct {
		kind string
		to   time.Duration
	}{{KindSpawn, started}, {KindWarm, ready}, {KindHandOver, passive}, {KindProbation, 0}} {
		if p.kind == KindHandOver && p.to > 0 && p.to == ready {
			continue
		}
		to := min(max(p.to, from), max(ended, from))
		if p.to == 0 {
			to = max(ended, from)
		}
		list = append(list, Part{p.kind, from, to})
		if p.to == 0 {
			break
		}
		from = to
	}
	return list
}

// drained emits the end of a process.
func (s *story) drained(e *upgrade.Event) {
	from := s.drainFrom
	if from.IsZero() {
		from = e.Time
	}
	drain := s.event(KindDrain, from, e.Time.Sub(from), e.Generation)
	trace, span := s.newIDs()
	drain.TraceID, drain.SpanID = trace, span
	if s.span != (model.SpanID{}) {
		drain.TraceID, drain.ParentSpanID = s.trace, s.span
	}
	drain.Values[fieldOpen] = model.IntValue(int64(e.Connections))
	if e.Reason != "" {
		drain.Values[fieldFailure] = model.StringValue("connections_cut")
		drain.Values[fieldReason] = model.StringValue(e.Reason)
	}
	s.emit(&drain)
}
