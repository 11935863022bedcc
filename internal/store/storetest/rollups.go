package storetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func (m *maker) rollupQuery() model.RollupQuery {
	q := model.RollupQuery{By: model.RollupBy(m.IntN(2))}
	if m.maybe(0.3) {
		q.Probe = m.pick("command", "peer", "none")
	}
	if m.maybe(0.3) {
		q.Service = m.pick("shop", "cart", "none")
	}
	if m.maybe(0.4) {
		q.From = m.time()
	}
	if m.maybe(0.4) {
		q.To = m.time()
	}
	q.Step = []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 70 * time.Second, 10 * time.Minute, time.Hour}[m.IntN(7)]
	return q
}

func differRollups(t *testing.T, s Store) {
	m := newMaker(20)
	var all naive
	for range 3 {
		more := m.events(300)
		addAll(s, more)
		all = append(all, more...)
		for range 30 {
			sameRollups(t, s, all, m.rollupQuery())
		}
	}
}

func sameRollups(t *testing.T, s Store, all naive, q model.RollupQuery) {
	t.Helper()
	got, err := s.Rollups(context.Background(), q)
	if err != nil || len(got.Incomplete) > 0 {
		t.Fatalf("Rollups(%+v): %v, %q", q, err, got.Incomplete)
	}
	want := all.rollups(q)
	if len(got.Items) != len(want) {
		t.Fatalf("Rollups(%+v): %d items, want %d", q, len(got.Items), len(want))
	}
	var last time.Time
	for i := range got.Items {
		r := &got.Items[i]
		if r.Time.Before(last) {
			t.Fatalf("Rollups(%+v): item %d is not in order", q, i)
		}
		last = r.Time
		w := want[rollupName(r)]
		if w == nil {
			t.Fatalf("Rollups(%+v): has what it should not: %+v", q, *r)
		}
		if rollupText(r) != rollupText(w) {
			t.Fatalf("Rollups(%+v):\n%s, want\n%s", q, rollupText(r), rollupText(w))
		}
	}
}

func rollupText(r *model.Rollup) string {
	b, _ := r.Durations.AppendBinary(nil)
	return fmt.Sprintf("%v %q %q %q %t count %d failed %d findings %d durations %x", r.Time.UTC(), r.Probe, r.Service, r.Group, r.Group == nil, r.Count, r.Failed, r.Findings, bytes.Clone(b))
}

func manyGroups(t *testing.T, s Store) {
	const groups = 700
	schema := commandSchema()
	for range 2 {
		for i := range groups {
			e := new(model.Event)
			e.Reset(schema)
			e.Time, e.Duration, e.Service = base(), time.Second, "shop"
			e.Values[0] = model.StringValue(fmt.Sprint("name", i))
			s.Add(e)
		}
	}
	got, err := s.Rollups(context.Background(), model.RollupQuery{By: model.ByGroup})
	if err != nil {
		t.Fatal(err)
	}
	var total, rest uint64
	for _, r := range got.Items {
		total += r.Count
		if r.Group == nil {
			t.Errorf("a group is nil: %+v", r)
		}
		if len(r.Group) == 0 {
			rest += r.Count
		}
	}
	if total != 2*groups || rest == 0 || len(got.Items) > 300 {
		t.Errorf("%d groups with %d events, %d in the rest; want no more than 300 with %d", len(got.Items), total, rest, 2*groups)
	}
}
