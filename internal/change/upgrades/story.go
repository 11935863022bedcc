package upgrades

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/upgrade"
)

// story makes events of what one process tells. It belongs to one goroutine.
type story struct {
	process Process
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

// parts emits the parts that an upgrade has gone through; the last one is that in which
// it ended.
func (s *story) parts(o *upgrade.Outcome, trace model.TraceID, parent model.SpanID) {
	if o.PID == 0 {
		return
	}
	from := time.Duration(0)
	for _, p := range []struct {
		kind string
		to   time.Duration
	}{{KindSpawn, o.Started}, {KindWarm, o.Ready}, {KindHandOver, o.Passive}, {KindProbation, 0}} {
		to := p.to
		if to == 0 {
			to = o.Ended
		}
		part := s.event(p.kind, o.Began.Add(from), to-from, o.Generation)
		_, span := s.newIDs()
		part.TraceID, part.SpanID, part.ParentSpanID = trace, span, parent
		s.emit(&part)
		if p.to == 0 {
			return
		}
		from = to
	}
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
