package sqlite

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func requestSchema() *model.Schema {
	return &model.Schema{
		Probe: "http", Tallied: true, Failure: "error.type", Groups: []string{"http.route"},
		Fields: []model.Field{{Key: "http.route", Kind: model.KindString}, {Key: "error.type", Kind: model.KindString}},
	}
}

func requestTally(s *model.Schema, service, route string, second time.Time, durations *model.Distribution) *model.Event {
	e := new(model.Event)
	e.Reset(s)
	e.Phase, e.Service, e.Time, e.Duration = model.PhaseTally, service, second, time.Second
	e.Values[0] = model.StringValue(route)
	e.Tally = &model.Tally{Count: durations.Count(), Durations: durations}
	return e
}

// latencies returns n durations as those of requests are.
func latencies(seed uint64, n int) *model.Distribution {
	random, d := rand.New(rand.NewPCG(seed, 2)), new(model.Distribution)
	for range n {
		d.Add(time.Duration(math.Exp(random.NormFloat64()) * 2e6))
	}
	return d
}

// TestStore_countsTalliesExactly writes tallies over three hours, from one run
// to the next.
func TestStore_countsTalliesExactly(t *testing.T) {
	dir, c, schema := t.TempDir(), newClock(), requestSchema()
	c.ns.Store(c.now().Truncate(time.Hour).UnixNano())
	d, want := latencies(1, 1000), uint64(0)
	for range 3 {
		s := openStore(t, dir, Options{Now: c.now, Burst: 1, EventsPerSecond: 0.001})
		for range 600 {
			s.Add(requestTally(schema, "shop", "/", c.now(), d))
			e := requestTally(schema, "shop", "/", c.now(), d)
			e.Phase, e.Tally, e.Weight = model.PhaseEnd, nil, 50
			s.Add(e)
			want += 1000
			c.advance(6 * time.Second)
		}
		for _, q := range []model.RollupQuery{{}, {By: model.ByGroup, Step: 10 * time.Minute}, {Step: model.RollupStep}} {
			got, err := s.Rollups(context.Background(), q)
			if err != nil || len(got.Incomplete) > 0 {
				t.Fatalf("%v, %q", err, got.Incomplete)
			}
			count, durations := uint64(0), model.Distribution{}
			for _, r := range got.Items {
				count += r.Count
				durations.Merge(&r.Durations)
			}
			if count != want || durations.Count() != want || durations.Sum() != want/1000*d.Sum() {
				t.Errorf("%+v counts %d, %d durations of %d ns; want %d of %d ns", q, count, durations.Count(), durations.Sum(), want, want/1000*d.Sum())
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStore_weightsOfSampledEventsAddUp adds events that stand for others, more
// than the budget takes.
func TestStore_weightsOfSampledEventsAddUp(t *testing.T) {
	c, schema := newClock(), requestSchema()
	s := openStore(t, filepath.Join(t.TempDir(), "data"), Options{Now: c.now, EventsPerSecond: 20, Burst: 100, Rand: rand.NewPCG(1, 1)})
	want := 0.0
	for second := range 60 {
		for i := range 200 {
			e := requestTally(schema, "shop", fmt.Sprint("/", i%3), c.now(), new(model.Distribution))
			e.Phase, e.Tally, e.Duration = model.PhaseEnd, nil, time.Millisecond
			e.PID, e.Weight = int32(second*200+i), 50
			want += 50
			s.Add(e)
		}
		settle(t, s)
		c.advance(time.Second)
	}
	records, _ := all(t, s)
	got := 0.0
	for _, r := range records {
		if got += r.Weight; r.Event.Weight != 50 || r.Weight < 50 {
			t.Fatalf("an event stands for %d, its record for %v", r.Event.Weight, r.Weight)
		}
	}
	if math.Abs(got-want) > 1e-6*want || len(records) > 2000 {
		t.Errorf("%d records stand for %v events, want %v", len(records), got, want)
	}
}

// BenchmarkTallies adds those of 1,000 groups for each second, and waits until
// they are written: each second, as when somebody asks, or when they are due.
func BenchmarkTallies(b *testing.B) {
	for _, every := range []int{1, 5} {
		b.Run(fmt.Sprintf("written each %d s", every), func(b *testing.B) { benchmarkTallies(b, every) })
	}
}

func benchmarkTallies(b *testing.B, every int) {
	const services, routes = 50, 20
	c, schema := newClock(), requestSchema()
	s := openStore(b, b.TempDir(), Options{Now: c.now, tick: time.Hour})
	var durations []*model.Distribution
	for i := range routes {
		durations = append(durations, latencies(uint64(i), 1000))
	}
	n, begin := 0, cpuTime(b)
	for b.Loop() {
		for range every {
			for i := range services {
				for j := range routes {
					s.Add(requestTally(schema, fmt.Sprint("service", i), fmt.Sprint("/route/", j), c.now(), durations[j]))
					n++
				}
			}
			c.advance(time.Second)
		}
		settle(b, s)
	}
	b.ReportMetric(float64((cpuTime(b)-begin).Nanoseconds())/1e3/float64(n), "cpu-us/tally")
	b.ReportMetric(float64(bytesIn(b, s.dir))/float64(n), "B/tally")
}

// TestStore_hasTalliesInItsAnswersBeforeTheyAreDue lets the writer pass by
// tallies that wait.
func TestStore_hasTalliesInItsAnswersBeforeTheyAreDue(t *testing.T) {
	c, schema := newClock(), requestSchema()
	s := openStore(t, t.TempDir(), Options{Now: c.now, tick: time.Millisecond})
	d := latencies(1, 10)
	count := func() (n uint64) {
		got, err := s.Rollups(context.Background(), model.RollupQuery{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got.Items {
			n += r.Count
		}
		return n
	}
	// seen waits until the writer has seen what was added, and returns how many
	// sums of tallies wait then.
	seen := func() int {
		for {
			s.mu.Lock()
			tried, n := s.pending.tried == s.pending.added, s.pending.tallies.Len()
			s.mu.Unlock()
			if tried {
				return n
			}
			time.Sleep(time.Millisecond)
		}
	}
	// The first ones are due at once.
	s.Add(requestTally(schema, "shop", "/", c.now(), d))
	if got := count(); got != 10 {
		t.Fatalf("%d are counted, want 10", got)
	}
	for i := range uint64(3) {
		s.Add(requestTally(schema, "shop", "/", c.now(), d))
		if n := seen(); n != 1 {
			t.Fatalf("%d sums of tallies wait, want 1", n)
		}
		if got := count(); got != 10*(i+2) {
			t.Fatalf("%d are counted, want %d", got, 10*(i+2))
		}
	}
	s.Add(requestTally(schema, "shop", "/", c.now(), d))
	c.advance(talliesEvery)
	for seen() != 0 {
		time.Sleep(time.Millisecond)
	}
	if got := count(); got != 50 {
		t.Errorf("%d are counted, want 50", got)
	}
}
