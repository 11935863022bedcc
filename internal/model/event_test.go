package model

import (
	"testing"
	"time"
)

func tally(s *Schema, durations *Distribution) *Event {
	e := new(Event)
	e.Reset(s)
	e.Phase, e.Tally = PhaseTally, &Tally{Count: 3, Durations: durations}
	return e
}

func TestEvent_countsByTallyOrByItself(t *testing.T) {
	single, tallied := &Schema{Probe: "exec"}, &Schema{Probe: "http", Tallied: true}
	for _, tt := range []struct {
		name   string
		schema *Schema
		phase  Phase
		want   bool
	}{
		{"an event that ended", single, PhaseEnd, true},
		{"a start", single, PhaseStart, false},
		{"what goes on", single, PhaseUnfinished, false},
		{"a tally of a schema that has none", single, PhaseTally, false},
		{"an event of a tallied schema", tallied, PhaseEnd, false},
		{"a start of a tallied schema", tallied, PhaseStart, false},
		{"a tally", tallied, PhaseTally, true},
	} {
		e := tally(tt.schema, nil)
		e.Phase = tt.phase
		if e.Counts() != tt.want {
			t.Errorf("%s: counts %t, want %t", tt.name, e.Counts(), tt.want)
		}
	}
	none := tally(tallied, nil)
	none.Tally = nil
	if none.Counts() {
		t.Error("a tally that has none counts")
	}
}

func TestEvent_clonesItsTally(t *testing.T) {
	var d Distribution
	d.Add(time.Second)
	e := tally(&Schema{Probe: "http"}, &d)
	c := e.Clone()
	before := c.Bytes()
	d.Add(time.Millisecond)
	e.Tally.Count = 9
	if c.Tally.Count != 3 || c.Tally.Durations.Count() != 1 {
		t.Errorf("the clone changed: %d, %d durations", c.Tally.Count, c.Tally.Durations.Count())
	}
	if e.Bytes() <= before {
		t.Errorf("%d bytes with two buckets, %d with one", e.Bytes(), before)
	}
	if c = tally(e.Schema, nil).Clone(); c.Tally == nil || c.Tally.Durations != nil {
		t.Errorf("the clone of a tally without durations is %+v", c.Tally)
	}
}

func TestEvent_standsForItselfAtLeast(t *testing.T) {
	for weight, want := range map[uint64]uint64{0: 1, 1: 1, 20: 20} {
		if got := (&Event{Weight: weight}).StandsFor(); got != want {
			t.Errorf("weight %d stands for %d, want %d", weight, got, want)
		}
	}
}

func TestSpan_hasTheKindOfTheRole(t *testing.T) {
	s := &Schema{Fields: []Field{{Key: "role", Kind: KindString}}}
	for _, tt := range []struct {
		name string
		span Span
		role Value
		want SpanKind
	}{
		{"the field has the text", Span{Kind: SpanServer, ClientWhen: Match{"role", "client"}}, StringValue("client"), SpanClient},
		{"it has another", Span{Kind: SpanServer, ClientWhen: Match{"role", "client"}}, StringValue("server"), SpanServer},
		{"it is not set", Span{Kind: SpanServer, ClientWhen: Match{"role", ""}}, Value{}, SpanServer},
		{"there is no such field", Span{Kind: SpanServer, ClientWhen: Match{"rule", "client"}}, StringValue("client"), SpanServer},
		{"there is no exception", Span{Kind: SpanInternal}, StringValue("client"), SpanInternal},
	} {
		e := &Event{Schema: s, Values: []Value{tt.role}}
		if got := tt.span.KindOf(e); got != tt.want {
			t.Errorf("%s: kind %d, want %d", tt.name, got, tt.want)
		}
	}
}
