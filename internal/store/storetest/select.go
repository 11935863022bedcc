package storetest

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// texts returns the JSON of records, sorted: what is the same in any order.
func texts(records []model.Record) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = string(v1.AppendRecord(nil, r))
	}
	slices.Sort(list)
	return list
}

func asRecords(events []*model.Event) []model.Record {
	records := make([]model.Record, len(events))
	for i, e := range events {
		records[i] = model.Record{Event: e, Weight: float64(max(e.Weight, 1))}
	}
	return records
}

// sameAnswer compares an answer with the events that it must have. Those that
// the order does not tell apart may come in any.
func sameAnswer(t *testing.T, q model.Query, got []model.Record, want []*model.Event) {
	t.Helper()
	if diff := compareTexts(texts(got), texts(asRecords(want))); diff != "" {
		t.Fatalf("%+v: %s", q, diff)
	}
	key := func(r model.Record) int64 {
		if q.Order == model.SlowestFirst {
			return int64(max(r.Event.Duration, -1))
		}
		return r.Event.End().UnixNano()
	}
	if !slices.IsSortedFunc(got, func(a, b model.Record) int { return cmp.Compare(key(b), key(a)) }) {
		t.Fatalf("%+v: the answer is not in order", q)
	}
}

func compareTexts(got, want []string) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got) || i < len(want) && got[i] > want[i]:
			return "the answer lacks " + want[i]
		case i >= len(want) || got[i] < want[i]:
			return "the answer has what it should not: " + got[i]
		}
	}
	return ""
}

func addAll(s Store, events []*model.Event) {
	for _, e := range events {
		s.Add(e)
	}
}

func differ(t *testing.T, s Store) {
	m := newMaker(1)
	var all naive
	for range 3 {
		more := m.events(200)
		addAll(s, more)
		all = append(all, more...)
		for range 35 {
			q := m.query()
			sameAnswer(t, q, ask(t, s, q), all.events(q))
		}
	}
}

func pageWhileAdding(t *testing.T, s Store) {
	for _, order := range []model.Order{model.NewestFirst, model.SlowestFirst} {
		m := newMaker(2 + uint64(order))
		all := m.events(150)
		addAll(s, all)
		q := model.Query{Order: order, Limit: 23, PID: 0, To: base().Add(time.Hour)}
		first := ids(asRecords(all))
		before := ids(ask(t, s, q))
		seen := map[string]int{}
		for {
			page, err := s.Events(context.Background(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids(page.Records) {
				seen[id]++
			}
			if page.Next == "" {
				break
			}
			q.After = page.Next
			addAll(s, m.events(5))
		}
		for _, id := range first {
			if seen[id] == 0 {
				t.Fatalf("order %d: event %s is on no page", order, id)
			}
		}
		count := map[string]int{}
		for _, id := range before {
			count[id]++
		}
		later := map[string]int{}
		for _, id := range ids(ask(t, s, model.Query{Limit: 1000})) {
			later[id]++
		}
		for id, n := range seen {
			if n < count[id] || n > later[id] {
				t.Fatalf("order %d: event %s is on the pages %d times; there were %d, then %d", order, id, n, count[id], later[id])
			}
		}
	}
}

func ids(records []model.Record) []string {
	list := make([]string, len(records))
	for i, r := range records {
		list[i] = r.Event.ID().String()
	}
	return list
}

func overlap(t *testing.T, s Store) {
	at := func(seconds int) time.Time { return base().Add(time.Duration(seconds) * time.Second) }
	schema := peerSchema()
	for i, span := range [][2]int{{0, 10}, {5, 15}, {10, 20}, {20, 21}, {0, 30}, {15, 15}} {
		e := new(model.Event)
		e.Reset(schema)
		e.PID, e.Time, e.Duration = int32(i+1), at(span[0]), time.Duration(span[1]-span[0])*time.Second
		s.Add(e)
	}
	open := new(model.Event)
	open.Reset(schema)
	open.PID, open.Time = 7, at(12) // of unknown duration
	s.Add(open)
	tests := []struct {
		name     string
		from, to time.Time
		want     []int32
	}{
		{"no bound selects all", time.Time{}, time.Time{}, []int32{1, 2, 3, 4, 5, 6, 7}},
		{"an end at From is in", at(10), time.Time{}, []int32{1, 2, 3, 4, 5, 6, 7}},
		{"an end before From is out", at(10).Add(1), time.Time{}, []int32{2, 3, 4, 5, 6, 7}},
		{"a begin at To is out", time.Time{}, at(10), []int32{1, 2, 5}},
		{"a begin before To is in", time.Time{}, at(10).Add(1), []int32{1, 2, 3, 5}},
		{"what goes through all of it is in", at(22), at(23), []int32{5}},
		{"what has no duration is in where it began", at(12), at(12).Add(1), []int32{2, 3, 5, 7}},
		{"an empty time selects what goes through", at(17), at(17), []int32{3, 5}},
	}
	for _, tt := range tests {
		for _, order := range []model.Order{model.NewestFirst, model.SlowestFirst} {
			got := []int32{}
			for _, r := range ask(t, s, model.Query{From: tt.from, To: tt.to, Order: order}) {
				got = append(got, r.Event.PID)
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s (order %d): %v, want %v", tt.name, order, got, tt.want)
			}
		}
	}
}

func survive(t *testing.T, s Store) {
	m := newMaker(3)
	var all []*model.Event
	for i, value := range []string{"", "x", "\x00", "a\x00b", "\xff\xfe", "ü\u2028", strings.Repeat("long ", 20_000)} {
		e := m.event()
		e.Reset(m.command)
		e.Time, e.PID, e.Duration = base().Add(time.Duration(i)), math.MaxInt32, time.Duration(i-1)
		e.Service, e.ContainerID, e.PodUID = value, "c", "p"
		e.GoroutineID = math.MaxUint64
		for j := range e.TraceID {
			e.TraceID[j], e.SpanID[j%8], e.ParentSpanID[j%8] = byte(j), 255, byte(i)
		}
		e.Stack = []model.Frame{{Func: value, File: value, Line: -1}, {Func: "f", File: "g", Line: math.MaxInt}}
		e.Findings = []model.Finding{{Rule: "r", Severity: model.SeverityError, Evidence: value, Remedy: value}, {}}
		e.Values[0] = model.StringValue(value)
		e.Values[1] = model.StringsValue(value + "\x00\x00z\x00")
		e.Values[2] = model.IntValue(math.MinInt64 + int64(i))
		e.Values[3] = model.BoolValue(i%2 == 0)
		e.Values[4] = model.DurationValue(math.MaxInt64)
		e.Values[5] = model.TimeValue(time.Unix(int64(i)<<32, 5))
		all = append(all, e)
	}
	bare := new(model.Event)
	bare.Reset(&model.Schema{Probe: "bare"})
	bare.Time = base()
	all = append(all, bare)
	addAll(s, all)
	got := ask(t, s, model.Query{})
	sameAnswer(t, model.Query{}, got, all)
	for _, r := range got {
		if r.Event.Schema != m.command && r.Event.Schema != bare.Schema {
			t.Errorf("event %s has a schema of its own", r.Event.ID())
		}
	}
}

func byID(t *testing.T, s Store) {
	m := newMaker(4)
	all := m.events(300)
	addAll(s, all)
	for _, e := range all {
		got, ok, err := s.Event(context.Background(), e.ID())
		if err != nil || !ok || got.Weight != 1 || got.Event.ID() != e.ID() {
			t.Fatalf("Event(%s): %v, %v, %v", e.ID(), got, ok, err)
		}
	}
	id := all[0].ID()
	for name, id := range map[string]model.EventID{
		"no event":          {},
		"of another probe":  {Probe: "none", Start: id.Start, End: id.End, PID: id.PID},
		"another start":     {Probe: id.Probe, Start: id.Start - 12345, End: id.End, PID: id.PID},
		"another end":       {Probe: id.Probe, Start: id.Start, End: id.End + 12345, PID: id.PID},
		"another process":   {Probe: id.Probe, Start: id.Start, End: id.End, PID: 12345},
		"ends at its begin": {Probe: id.Probe, Start: id.End, End: id.End, PID: 12345},
	} {
		if _, ok, err := s.Event(context.Background(), id); ok || err != nil {
			t.Errorf("%s: %v, %v, want nothing", name, ok, err)
		}
	}
}

func incomplete(t *testing.T, s Store) {
	m := newMaker(5)
	for _, phase := range []model.Phase{model.PhaseStart, model.PhaseUnfinished} {
		e := m.event()
		e.Phase = phase
		s.Add(e)
	}
	if got := ask(t, s, model.Query{}); len(got) > 0 {
		t.Errorf("%d events are kept, want none", len(got))
	}
	if got, err := s.Rollups(context.Background(), model.RollupQuery{}); err != nil || len(got.Items) > 0 {
		t.Errorf("rollups %v, %v, want none", got, err)
	}
}

// late adds events against the order of their ends, over steps and an hour.
func late(t *testing.T, s Store) {
	m := newMaker(6)
	all := m.events(100)
	for i, e := range all {
		e.Time, e.Duration = base().Add(5*time.Minute-time.Duration(i)*6*time.Second), time.Duration(m.IntN(3))*time.Hour
	}
	addAll(s, all)
	for _, q := range []model.Query{{}, {To: base()}, {From: base().Add(time.Hour)}, {Limit: 7}, {Order: model.SlowestFirst, Limit: 9}} {
		sameAnswer(t, q, ask(t, s, q), all.events(q))
	}
	sameRollups(t, s, all, model.RollupQuery{Step: model.RollupStep})
}

func equalEvents(t *testing.T, s Store) {
	e := newMaker(7).event()
	for range 5 {
		s.Add(e.Clone())
	}
	for _, order := range []model.Order{model.NewestFirst, model.SlowestFirst} {
		if got := ask(t, s, model.Query{Order: order, Limit: 2}); len(got) != 5 {
			t.Errorf("order %d: %d events, want 5", order, len(got))
		}
	}
}

func wrongCursor(t *testing.T, s Store) {
	addAll(s, newMaker(8).events(50))
	q := model.Query{Limit: 5}
	page, err := s.Events(context.Background(), q)
	if err != nil || page.Next == "" {
		t.Fatalf("%v, next %q", err, page.Next)
	}
	next := page.Next
	tests := []struct {
		name string
		q    model.Query
	}{
		{"garbage", model.Query{After: "garbage"}},
		{"not of the alphabet", model.Query{After: "???"}},
		{"cut", model.Query{After: next[:len(next)-1]}},
		{"prolonged", model.Query{After: next + "AA"}},
		{"of another order", model.Query{After: next, Order: model.SlowestFirst}},
		{"of another service", model.Query{After: next, Service: "shop"}},
		{"of another time", model.Query{After: next, From: base()}},
		{"of another attribute", model.Query{After: next, Where: []model.Match{{Key: "name", Value: "git"}}}},
	}
	for _, tt := range tests {
		if _, err := s.Events(context.Background(), tt.q); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
	if _, err := s.Events(context.Background(), model.Query{After: next, Limit: 7}); err != nil {
		t.Errorf("the same query with another limit: %v", err)
	}
}

func wrongQuery(t *testing.T, s Store) {
	for _, q := range []model.Query{{Limit: -1}, {Order: 77}} {
		if _, err := s.Events(context.Background(), q); err == nil {
			t.Errorf("Events(%+v): no error", q)
		}
	}
	for _, q := range []model.RollupQuery{{Step: -model.RollupStep}, {Step: time.Second}, {Step: 15 * time.Second}, {By: 77}} {
		if _, err := s.Rollups(context.Background(), q); err == nil {
			t.Errorf("Rollups(%+v): no error", q)
		}
	}
}

func cancelled(t *testing.T, s Store) {
	addAll(s, newMaker(9).events(50))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Events(ctx, model.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Events: %v", err)
	}
	if _, _, err := s.Event(ctx, model.EventID{Probe: "command"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Event: %v", err)
	}
	if _, err := s.Rollups(ctx, model.RollupQuery{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Rollups: %v", err)
	}
	if got := ask(t, s, model.Query{}); len(got) != 50 {
		t.Errorf("%d events after it, want 50", len(got))
	}
}

func readYourWrites(t *testing.T, s Store) {
	m := newMaker(10)
	for i := range 30 {
		e := m.event()
		s.Add(e)
		if _, ok, err := s.Event(context.Background(), e.ID()); !ok || err != nil {
			t.Fatalf("event %d is not there: %v", i, err)
		}
		if got := ask(t, s, model.Query{Limit: 50}); len(got) != i+1 {
			t.Fatalf("%d events, want %d", len(got), i+1)
		}
	}
}

func together(t *testing.T, s Store) {
	const writers, each = 3, 300
	var all sync.WaitGroup
	stop := make(chan struct{})
	for i := range 3 {
		all.Go(func() {
			m := newMaker(uint64(100 + i))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.Events(context.Background(), m.query()); err != nil {
					t.Error(err)
				}
				if _, err := s.Rollups(context.Background(), m.rollupQuery()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var adding sync.WaitGroup
	for i := range writers {
		adding.Go(func() { addAll(s, newMaker(uint64(200+i)).events(each)) })
	}
	adding.Wait()
	close(stop)
	all.Wait()
	if got := ask(t, s, model.Query{Limit: 1000}); len(got) != writers*each {
		t.Errorf("%d events, want %d", len(got), writers*each)
	}
}
