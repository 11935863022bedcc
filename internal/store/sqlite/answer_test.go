package sqlite

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/query"
)

func TestEvents_goOnWhereASearchWasCutOff(t *testing.T) {
	c, l := newClock(), newLoad()
	s := openStore(t, t.TempDir(), Options{Now: c.now, EventsPerSecond: -1, scan: 2000, chunk: 100})
	want := map[int32]bool{}
	for i := range 3000 {
		c.advance(500 * time.Millisecond) // some hours
		e := l.event(c.now())
		if i%250 == 0 {
			e.Values[e.Schema.Index("process.working_directory")] = model.StringValue("/rare")
			want[e.PID] = true
		}
		s.Add(e)
	}
	for name, q := range map[string]model.Query{
		"a text":                        {Text: "/RARE"},
		"a value that no index has":     {Where: []model.Match{{Key: "process.working_directory", Value: "/rare"}}},
		"a text, the slowest first":     {Text: "/rare", Order: model.SlowestFirst},
		"a text, in pages that are cut": {Text: "/rare", Limit: 2},
	} {
		t.Run(name, func(t *testing.T) {
			found, cut, pages := map[int32]bool{}, 0, 0
			for {
				page, err := s.Events(context.Background(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range page.Incomplete {
					if !strings.Contains(text, "cut off at") {
						t.Error(text)
					}
					cut++
				}
				for _, r := range page.Records {
					if found[r.Event.PID] {
						t.Fatalf("event %d is found twice", r.Event.PID)
					}
					found[r.Event.PID] = true
				}
				if pages++; page.Next == "" || pages > 6000 {
					break
				}
				q.After = page.Next
			}
			if len(found) != len(want) || cut < 5 || pages < cut {
				t.Errorf("%d found of %d, on %d pages, %d of them cut off", len(found), len(want), pages, cut)
			}
		})
	}
}

func TestEvents_ofManySourcesAreCutOffButGoOn(t *testing.T) {
	c, l := newClock(), newLoad()
	s := openStore(t, t.TempDir(), Options{Now: c.now, scan: 1, chunk: 5})
	for i := range 600 {
		c.advance(time.Millisecond)
		e := l.event(c.now())
		e.Service = fmt.Sprint("service", i%60)
		s.Add(e)
	}
	q, n := model.Query{PID: 1300}, 0
	for pages := 0; pages < 5000; pages++ {
		page, err := s.Events(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Records)
		if page.Next == "" {
			if n != 1 {
				t.Errorf("%d events, want 1", n)
			}
			return
		}
		if page.Next == q.After {
			t.Fatal("a page leads to itself")
		}
		q.After = page.Next
	}
	t.Error("the pages have no end")
}

func TestStore_sumsUpWhatItLeftOut(t *testing.T) {
	c, l := newClock(), newLoad()
	s := openStore(t, t.TempDir(), Options{Now: c.now, EventsPerSecond: 20, Burst: 100, Rand: rand.NewPCG(1, 1)})
	const n = 10_000
	failed := 0
	for i := range n {
		c.advance(time.Millisecond)
		e := l.event(c.now())
		if e.Failure().IsSet() {
			failed++
		}
		s.Add(e)
		if i%500 == 499 {
			settle(t, s)
		}
	}
	records, _ := all(t, s)
	weights, failures := 0.0, 0
	for _, r := range records {
		weights += r.Weight
		if r.Event.Failure().IsSet() {
			failures++
			if r.Weight != 1 {
				t.Errorf("an event that failed has weight %v", r.Weight)
			}
		}
	}
	stats := s.Stats()
	if math.Abs(weights-n) > 1e-6*n || failures != failed || len(records) > 1500 || stats.Kept != uint64(len(records)) || stats.Kept+stats.LeftOut != n {
		t.Errorf("%d records of weight %v, %d of %d that failed; %+v", len(records), weights, failures, failed, stats)
	}
	rollups, err := s.Rollups(context.Background(), model.RollupQuery{})
	total := uint64(0)
	for _, r := range rollups.Items {
		total += r.Count
	}
	if err != nil || total != n {
		t.Errorf("%d events are counted, %v; want %d", total, err, n)
	}
}

func TestPartsOf_coversAllOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const short = int64(model.RollupStep)
	for range 2000 {
		from := int64(r.IntN(300)-50) * short
		to := from + int64(r.IntN(200))*short
		step := []int64{0, short, 3 * short, 6 * short, 60 * short, 120 * short, 66 * short}[r.IntN(7)]
		parts := partsOf(from, to, step)
		slices.SortFunc(parts, func(a, b part) int { return int(a.from - b.from) })
		at := from
		for _, p := range parts {
			length := spans()[p.span]
			if p.from != at || p.to <= p.from || p.from%length != 0 || p.to%length != 0 || step%length != 0 {
				t.Fatalf("%d to %d by %d: %+v", from, to, step, parts)
			}
			at = p.to
		}
		if at != max(from, to) {
			t.Fatalf("%d to %d by %d: %+v", from, to, step, parts)
		}
	}
	if got := partsOf(math.MinInt64, math.MaxInt64, 0); len(got) != 1 || got[0] != (part{2, math.MinInt64, math.MaxInt64}) {
		t.Errorf("all of the time: %+v", got)
	}
}

func TestQuestion_closesFilesThatAreNotRead(t *testing.T) {
	c, l := newClock(), newLoad()
	s := openStore(t, t.TempDir(), Options{Now: c.now})
	const hours = 2 * maxHandles
	for range hours {
		s.Add(l.event(c.now()))
		settle(t, s)
		c.advance(time.Hour)
	}
	if records, lacks := all(t, s); len(records) != hours || len(lacks) > 0 {
		t.Errorf("%d events, %q", len(records), lacks)
	}
	opened := 0
	for _, f := range s.files {
		if f.handle != nil {
			opened++
		}
	}
	if opened != maxHandles {
		t.Errorf("%d files are open, want %d", opened, maxHandles)
	}
}

func TestPosition_ofAFileIsInItsName(t *testing.T) {
	a, _ := parseFileName("events-20261121T23-2.db")
	b, _ := parseFileName("events-20261122T00-1.db")
	if a.sequence() >= b.sequence() {
		t.Errorf("%d is not before %d", a.sequence(), b.sequence())
	}
	if p := query.First(); p.File <= b.sequence() {
		t.Errorf("%+v is not before file %d", p, b.sequence())
	}
}
