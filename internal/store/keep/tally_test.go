package keep

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func tallied() *model.Schema {
	s := schema()
	s.Probe, s.Tallied = "http", true
	return s
}

// tally returns a tally of n events, of durations as those of requests are.
func tally(s *model.Schema, name string, n int) *model.Event {
	random := rand.New(rand.NewPCG(1, 2))
	e := event(s, 1, name, time.Second)
	e.Phase, e.Tally = model.PhaseTally, &model.Tally{Count: uint64(n), Durations: new(model.Distribution)}
	for range n {
		e.Tally.Durations.Add(time.Duration(math.Exp(random.NormFloat64()) * 2e6))
	}
	return e
}

func TestSums_countTalliesAndNotTheirEvents(t *testing.T) {
	sch, groups, sums := tallied(), new(Groups), new(Sums)
	add := func(e *model.Event) { sums.Add(e, groups.Of(e)) }
	failed := tally(sch, "/", 3)
	failed.Values[2] = model.StringValue("500")
	unknown := tally(sch, "/", 0)
	unknown.Tally = &model.Tally{Count: 10}
	for _, e := range []*model.Event{tally(sch, "/", 100), failed, unknown, tally(sch, "/none", 0)} {
		add(e)
	}
	for range 50 {
		add(event(sch, 1, "/", time.Second))
		add(event(sch, 1, "/sampled", time.Second))
	}
	found := event(sch, 1, "/", time.Second)
	found.Weight, found.Findings = 20, []model.Finding{{Rule: "panic"}}
	found.Values[2] = model.StringValue("500")
	add(found)
	got := sums.Take()
	if len(got) != 1 {
		t.Fatalf("%d sums, want one: what nobody counted is none", len(got))
	}
	if r := got[0].Rollup; r.Count != 113 || r.Failed != 3 || r.Findings != 1 || r.Durations.Count() != 103 {
		t.Errorf("count %d, failed %d, findings %d, %d durations; want 113, 3, 1, 103", r.Count, r.Failed, r.Findings, r.Durations.Count())
	}
}

// TestSample_weighsWhatWasSampledBefore draws from events that stand for others
// already, of different numbers in one group.
func TestSample_weighsWhatWasSampledBefore(t *testing.T) {
	const events, runs = 900, 200
	for _, groups := range []int{1, 3, 60} { // the last are pooled
		t.Run(fmt.Sprintf("%d groups", groups), func(t *testing.T) {
			sch, source := tallied(), rand.NewPCG(3, 4)
			sums, truth := map[uint64]float64{}, map[uint64]float64{}
			for range runs {
				s, g := NewSample(Options{EventsPerSecond: 1, Burst: 45, Rand: source}, start()), new(Groups)
				for i := range events {
					e := event(sch, i, fmt.Sprint(i%groups), -1)
					e.Weight = []uint64{0, 20, 100}[i/groups%3]
					truth[e.Weight] += float64(e.StandsFor())
					if i%100 == 99 {
						e.Values[2] = model.StringValue("500")
					}
					s.Add(e, g.Of(e))
				}
				for _, k := range s.Take(start()) {
					own := float64(k.Event.StandsFor())
					if k.Weight < own || k.Event.Failure().IsSet() && k.Weight != own {
						t.Fatalf("an event that stood for %v has weight %v (failed %t)", own, k.Weight, k.Event.Failure().IsSet())
					}
					sums[k.Event.Weight] += k.Weight
				}
			}
			for weight, want := range truth {
				if got := sums[weight]; math.Abs(got-want) > 0.08*want {
					t.Errorf("those of weight %d sum up to %.0f, want about %.0f", weight, got, want)
				}
			}
		})
	}
}

func TestSlowness_learnsWithTheWeight(t *testing.T) {
	var s slowness
	// Of the events that are emitted half are long, of those that they stand
	// for one in 1,000.
	for range 2 * slowAfter {
		s.add(time.Second, 1)
		s.add(time.Millisecond, 999)
	}
	if !s.add(time.Second, 1) || s.add(time.Millisecond, 999) {
		t.Errorf("the threshold is %v, want one between a millisecond and a second", s.threshold)
	}
}

func BenchmarkSums(b *testing.B) {
	for _, n := range []int{1, 100, 20_000} {
		b.Run(fmt.Sprintf("a tally of %d", n), func(b *testing.B) { benchmarkSums(b, tally(tallied(), "/orders/{id}", n)) })
	}
	b.Run("an event", func(b *testing.B) { benchmarkSums(b, event(schema(), 1, "/orders/{id}", time.Millisecond)) })
}

func benchmarkSums(b *testing.B, e *model.Event) {
	groups, sums := new(Groups), new(Sums)
	b.ReportAllocs()
	for b.Loop() {
		sums.Add(e, groups.Of(e))
	}
}
