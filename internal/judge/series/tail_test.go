package series

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// follower reads as one does who wants each sample once.
type follower struct {
	e     *Engine
	until int64
	seen  map[uint64]int64
	got   map[string][]Number
}

func newFollower(e *Engine) *follower {
	return &follower{e: e, seen: map[uint64]int64{}, got: map[string][]Number{}}
}

// read reads what is new.
func (f *follower) read(ctx context.Context) error {
	stored, newest, err := f.e.Tail(ctx, Span{
		After: max(0, f.until-Lateness.Milliseconds()),
		Seen:  func(id uint64) (int64, bool) { at, ok := f.seen[id]; return at, ok },
	})
	if err != nil {
		return err
	}
	for _, s := range stored {
		f.got[s.Name.String()] = append(f.got[s.Name.String()], s.Numbers...)
		f.seen[s.ID] = s.Numbers[len(s.Numbers)-1].At
	}
	f.until = max(f.until, newest)
	return nil
}

// all returns all that is stored, by series.
func all(t testing.TB, e *Engine) map[string][]Number {
	t.Helper()
	stored, _, err := e.Tail(t.Context(), Span{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]Number{}
	for _, s := range stored {
		got[s.Name.String()] = s.Numbers
	}
	return got
}

// wantSame compares bit by bit: the ends of series are NaN.
func wantSame(t testing.TB, got, want map[string][]Number) {
	t.Helper()
	same := func(a, b Number) bool { return a.At == b.At && math.Float64bits(a.Value) == math.Float64bits(b.Value) }
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.EqualFunc(got[name], want[name], same) {
			t.Errorf("%s: got %d samples, %d are stored\n got  %v\n want %v", name, len(got[name]), len(want[name]), got[name], want[name])
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("%s: got, but not stored", name)
		}
	}
}

// TestTail_missesNothing stores samples in all the ways in which they come late,
// and reads after each step.
func TestTail_missesNothing(t *testing.T) {
	w := newWatch()
	e := openTest(t, w, Options{})
	f := newFollower(e)
	random := rand.New(rand.NewPCG(1, 2))
	handles := make([]*Series, 20)
	last := make([]time.Time, len(handles))
	for i := range handles {
		handles[i] = handle(t, e, "metric", Label{"i", fmt.Sprint(i)})
	}
	late := 0
	for range 2000 {
		w.pass(time.Duration(random.IntN(5000)) * time.Millisecond)
		i := random.IntN(len(handles))
		at := w.now().Add(-time.Duration(random.Int64N(int64(Lateness))))
		if random.IntN(2) == 0 {
			at = w.now().Add(-time.Duration(random.IntN(10)) * time.Second)
		}
		if !at.After(last[i]) {
			continue
		}
		b := e.Batch()
		b.Add(handles[i], random.Float64())
		if a, err := b.Commit(t.Context(), at); err != nil || a.Stored == 0 {
			continue // behind a sample that was ahead
		}
		last[i] = at
		if at.UnixMilli() < f.until {
			late++
		}
		if random.IntN(3) == 0 {
			if err := f.read(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	if late < 50 {
		t.Errorf("%d samples were late: the test tests nothing", late)
	}
	wantSame(t, f.got, all(t, e))
}

// TestTail_besideAppendsAndRules reads while samples are committed, rules are
// evaluated by the clock and replaced: those that are removed end their series
// after two intervals, with the time of the removal.
func TestTail_besideAppendsAndRules(t *testing.T) {
	e, err := Open(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, e)
	group := func(names ...string) []RuleGroup {
		var all []RuleGroup
		for _, name := range names {
			all = append(all, RuleGroup{Name: name, Interval: 20 * time.Millisecond, Rules: []Rule{
				{Record: "sum:" + name, Expr: "sum(metric)", Labels: map[string]string{"group": name}},
				{Alert: "Many" + name, Expr: "metric > 10", For: 10 * time.Millisecond},
			}})
		}
		return all
	}
	f := newFollower(e)
	read, stop := context.WithCancel(t.Context())
	var reading, writing sync.WaitGroup
	reading.Go(func() {
		for read.Err() == nil {
			if err := f.read(read); err != nil && read.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	for writer := range 3 {
		s := handle(t, e, "metric", Label{"writer", fmt.Sprint(writer)})
		writing.Go(func() {
			b := e.Batch()
			for i := range 600 {
				b.Add(s, float64(i%40))
				if _, err := b.Commit(t.Context(), time.Now()); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	for _, names := range [][]string{{"a", "b"}, {"b", "c"}, {"c"}, {"a", "c"}, {}} {
		if err := e.SetRules(group(names...)); err != nil {
			t.Fatal(err)
		}
		begun := time.Now().UnixMilli()
		waitFor(t, "each group was evaluated", func() bool {
			now := all(t, e)
			return !slices.ContainsFunc(names, func(name string) bool {
				numbers := now[fmt.Sprintf("sum:%s{group=%q}", name, name)]
				return len(numbers) == 0 || numbers[len(numbers)-1].At <= begun
			})
		})
	}
	writing.Wait()
	isStale := func(numbers []Number) bool {
		return len(numbers) > 0 && math.IsNaN(numbers[len(numbers)-1].Value)
	}
	waitFor(t, "the series of each rule have ended", func() bool {
		now := all(t, e)
		return isStale(now[`sum:a{group="a"}`]) && isStale(now[`sum:b{group="b"}`]) && isStale(now[`sum:c{group="c"}`])
	})
	stop()
	reading.Wait()
	if err := f.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := all(t, e)
	wantSame(t, f.got, want)
	for _, name := range []string{"metric{", "sum:a{", "ALERTS{", "ALERTS_FOR_STATE{"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(s string) bool { return strings.HasPrefix(s, name) }) {
			t.Errorf("nothing is stored of %s...}", name)
		}
	}
}

func TestTail_readsASpan(t *testing.T) {
	e := openTest(t, nil, Options{})
	a, b := handle(t, e, "a"), handle(t, e, "b", Label{"x", "1"})
	h := handle(t, e, "h")
	for i := range 10 {
		batch := e.Batch()
		batch.Add(a, float64(i))
		if i%2 == 0 {
			batch.Add(b, -float64(i))
		}
		batch.AddHistogram(h, &Histogram{Count: 1, Buckets: []Bucket{{1, 1}}})
		if got, err := batch.Commit(t.Context(), begin().Add(time.Duration(i)*time.Second)); err != nil || got.Rejected.Total() > 0 {
			t.Fatal(got, err)
		}
	}
	at := func(i int) int64 { return begin().UnixMilli() + int64(i)*1000 }
	ids := map[string]uint64{}
	everything, newest, err := e.Tail(t.Context(), Span{})
	if err != nil || newest != at(9) {
		t.Fatalf("newest %d, %v; want %d", newest, err, at(9))
	}
	for _, s := range everything {
		ids[s.Metric] = s.ID
	}
	for _, tt := range []struct {
		name string
		span Span
		want map[string][]Number
	}{
		{"after a time, not that time itself", Span{After: at(7)}, map[string][]Number{"a": {{at(8), 8}, {at(9), 9}}, `b{x="1"}`: {{at(8), -8}}}},
		{"until a time, with that time", Span{After: at(2), Until: at(3)}, map[string][]Number{"a": {{at(3), 3}}}},
		{"after all", Span{After: at(9)}, map[string][]Number{}},
		{
			"not what was seen",
			Span{After: at(3), Until: at(6), Seen: func(id uint64) (int64, bool) { return at(5), id == ids["a"] }},
			map[string][]Number{"a": {{at(6), 6}}, `b{x="1"}`: {{at(4), -4}, {at(6), -6}}},
		},
		{"of some metrics", Span{After: at(7), Wanted: func(metric string) bool { return metric == "b" }}, map[string][]Number{`b{x="1"}`: {{at(8), -8}}}},
		{"as many as may be", Span{After: at(7), Limit: 3}, map[string][]Number{"a": {{at(8), 8}, {at(9), 9}}, `b{x="1"}`: {{at(8), -8}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			stored, _, err := e.Tail(t.Context(), tt.span)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string][]Number{}
			for _, s := range stored {
				got[s.Name.String()] = s.Numbers
			}
			wantSame(t, got, tt.want)
		})
	}
	if _, _, err := e.Tail(t.Context(), Span{After: at(7), Limit: 2}); !errors.Is(err, ErrTooMuch) {
		t.Errorf("got %v beyond the limit", err)
	}
}

func TestFirst_isTheFirstOfEachSeries(t *testing.T) {
	w := newWatch()
	dir := t.TempDir()
	e := openTest(t, w, Options{Dir: dir})
	for i := range 3 {
		storeOne(t, e, w.now(), handle(t, e, "a"), float64(i+1))
		w.pass(time.Minute)
		storeOne(t, e, w.now(), handle(t, e, "b", Label{"x", "1"}), float64(10*(i+1)))
	}
	for range 2 { // and after a restart
		first, err := e.First(t.Context(), `{__name__=~"a|b"}`)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string][]Number{}
		for _, s := range first {
			got[s.Name.String()] = s.Numbers
		}
		wantSame(t, got, map[string][]Number{"a": {{begin().UnixMilli(), 1}}, `b{x="1"}`: {{begin().Add(time.Minute).UnixMilli(), 10}}})
		closeTest(t, e)
		e = openTest(t, w, Options{Dir: dir})
	}
	if _, err := e.First(t.Context(), `{`); !errors.Is(err, ErrExpression) {
		t.Errorf("got %v for no selector", err)
	}
}

// BenchmarkTail reads what is new of 1,600 series with an hour of samples.
func BenchmarkTail(b *testing.B) {
	for _, n := range []int{1600, 20000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWatch()
			e := openTest(b, w, Options{})
			batch := e.Batch()
			var handles []*Series
			for i := range n {
				handles = append(handles, handle(b, e, "slo:sli_events:count5m", Label{"i", fmt.Sprint(i)}, Label{"sloth_id", "a-b-c"}, Label{"sloth_service", "shop"}))
			}
			f := newFollower(e)
			step := func(i int) {
				for _, s := range handles {
					batch.Add(s, float64(i))
				}
				if _, err := batch.Commit(b.Context(), w.now()); err != nil {
					b.Fatal(err)
				}
				w.pass(15 * time.Second)
			}
			for i := range 240 {
				step(i)
			}
			if err := f.read(b.Context()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				b.StopTimer()
				step(1)
				clear(f.got)
				b.StartTimer()
				if err := f.read(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
