package storetest

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// requestSchema is of a probe that emits some events and counts all of them.
func requestSchema() *model.Schema {
	return &model.Schema{
		Probe: "request", Tallied: true, Failure: "error.type",
		Groups: []string{"route", "status", "error.type"},
		Fields: []model.Field{
			{Key: "route", Kind: model.KindString}, {Key: "status", Kind: model.KindInt},
			{Key: "error.type", Kind: model.KindString}, {Key: "path", Kind: model.KindString},
		},
		Metrics: []model.Metric{{Name: "requests", Kind: model.Histogram, When: "route", Equals: "/orders/{id}"}},
		Span:    &model.Span{Kind: model.SpanServer, Name: "route", Names: []string{"path"}, ClientWhen: model.Match{Key: "route", Value: "none"}},
	}
}

// request returns an event of a few groups.
func (m *maker) request(s *model.Schema) *model.Event {
	e := new(model.Event)
	e.Reset(s)
	e.Service, e.PID = m.pick("shop", "cart", ""), int32(1+m.IntN(5))
	e.Time = base().Add(time.Duration(m.Int64N(int64(5 * time.Minute))))
	e.Duration = time.Duration(m.Int64N(int64(3 * time.Second)))
	e.Values[0] = model.StringValue(m.pick("/orders/{id}", "/größe", "/bad\xff"))
	e.Values[1] = model.IntValue(int64(200 + 100*m.IntN(4)))
	if m.maybe(0.2) {
		e.Values[2] = model.StringValue(m.pick("500", "timeout", ""))
	}
	return e
}

// sampled returns an event that stands for some.
func (m *maker) sampled(s *model.Schema) *model.Event {
	e := m.request(s)
	e.Values[3] = model.StringValue(fmt.Sprint("/orders/", m.IntN(1000)))
	e.Weight = uint64(m.IntN(4)) * uint64(m.IntN(50))
	if m.maybe(0.2) {
		e.Findings = []model.Finding{{Rule: "panic", Severity: model.SeverityError, Evidence: "index out of range"}}
	}
	return e
}

// tally returns the tally of a second; where it begins is no full one.
func (m *maker) tally(s *model.Schema) *model.Event {
	e := m.request(s)
	e.Phase, e.Duration = model.PhaseTally, time.Second
	e.Tally = &model.Tally{Durations: new(model.Distribution)}
	for range m.IntN(30) {
		// The middle of a bucket, so that it is the same one by one.
		e.Tally.Durations.Add(time.Duration(1<<(13+m.IntN(20))) * 17 / 16)
	}
	e.Tally.Count = e.Tally.Durations.Count() + uint64(1+m.IntN(2))
	return e
}

// tallied adds tallies and samples, among the events of other schemas.
func tallied(t *testing.T, s Store) {
	m := newMaker(30)
	schema := requestSchema()
	var all naive
	for range 3 {
		var more naive
		for range 200 {
			more = append(more, m.sampled(schema), m.tally(schema), m.event())
		}
		addAll(s, more)
		all = append(all, more...)
		for _, q := range []model.Query{
			{}, {Probe: "request"}, {Probe: "request", Failed: true, Order: model.SlowestFirst}, {Rule: "panic"},
			{Service: "cart", Where: []model.Match{{Key: "route", Value: "/größe"}}}, {Text: "orders/7"}, {MinDuration: time.Second, Limit: 7},
		} {
			sameAnswer(t, q, ask(t, s, q), all.events(q))
		}
		for range 20 {
			q := m.rollupQuery()
			if m.maybe(0.5) {
				q.Probe = "request"
			}
			sameRollups(t, s, all, q)
		}
	}
}

func tallySteps(t *testing.T, s Store) {
	m, schema := newMaker(31), requestSchema()
	add := func(begin, length time.Duration, count uint64) {
		e := m.tally(schema)
		e.Service, e.Values = "shop", make([]model.Value, len(schema.Fields))
		e.Time, e.Duration = base().Add(begin), length
		e.Tally = &model.Tally{Count: count}
		s.Add(e)
	}
	add(9*time.Second, time.Second, 1)           // ends where the next step begins
	add(9400*time.Millisecond, time.Second, 10)  // most of it is in this step
	add(9600*time.Millisecond, time.Second, 100) // most of it is in the next
	add(10*time.Second, time.Second, 1000)
	add(20*time.Second, -1, 10_000) // of no known length
	add(30*time.Second, time.Second, 0)
	got, err := s.Rollups(context.Background(), model.RollupQuery{Step: model.RollupStep})
	if err != nil {
		t.Fatal(err)
	}
	counts := ""
	for _, r := range got.Items {
		counts += fmt.Sprintf("%v:%d/%d ", r.Time.Sub(base()), r.Count, r.Durations.Count())
	}
	if want := "0s:11/0 10s:1100/0 20s:10000/0 "; counts != want {
		t.Errorf("counts %s, want %s", counts, want)
	}
}

func manyTallies(t *testing.T, s Store) {
	const groups = 700
	m, schema := newMaker(32), requestSchema()
	want := uint64(0)
	for range 2 {
		for i := range groups {
			e := m.tally(schema)
			e.Service, e.Time = "shop", base()
			e.Values[0] = model.StringValue(fmt.Sprint("/", i))
			want += e.Tally.Count
			s.Add(e)
		}
	}
	got, err := s.Rollups(context.Background(), model.RollupQuery{By: model.ByGroup})
	if err != nil {
		t.Fatal(err)
	}
	var total, rest uint64
	for _, r := range got.Items {
		if total += r.Count; len(r.Group) == 0 {
			rest += r.Count
		}
	}
	if total != want || rest == 0 || len(got.Items) > 300 {
		t.Errorf("%d groups count %d, %d in the rest; want no more than 300 with %d", len(got.Items), total, rest, want)
	}
}

func strayTally(t *testing.T, s Store) {
	m, schema := newMaker(33), requestSchema()
	stray := m.tally(schema)
	schema.Tallied = false
	none := m.tally(requestSchema())
	none.Tally = nil
	for _, e := range []*model.Event{stray, none} {
		s.Add(e)
	}
	if got := ask(t, s, model.Query{}); len(got) > 0 {
		t.Errorf("%d events are kept, want none", len(got))
	}
	if got, err := s.Rollups(context.Background(), model.RollupQuery{}); err != nil || len(got.Items) > 0 {
		t.Errorf("rollups %v, %v, want none", got, err)
	}
}

// weighted also checks that the schema comes back whole.
func weighted(t *testing.T, s Store) {
	m, schema := newMaker(34), requestSchema()
	for i, weight := range []uint64{0, 1, 2, 1000, math.MaxInt64} {
		e := m.request(schema)
		e.PID, e.Weight = int32(i+1), weight
		s.Add(e)
		got, ok, err := s.Event(context.Background(), e.ID())
		if err != nil || !ok || got.Event.StandsFor() != e.StandsFor() || got.Weight != float64(e.StandsFor()) {
			t.Errorf("weight %d: %+v, %t, %v", weight, got, ok, err)
		}
		page := ask(t, s, model.Query{PID: e.PID})
		if len(page) != 1 || page[0].Event.StandsFor() != e.StandsFor() || page[0].Weight != float64(e.StandsFor()) {
			t.Errorf("weight %d: the page has %+v", weight, page)
		}
		if got := page[0].Event.Schema; got != schema {
			t.Errorf("the event has the schema %+v, want %+v", got, schema)
		}
	}
}
