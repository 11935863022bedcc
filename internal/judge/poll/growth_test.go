package poll

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/sli"
)

func vector(values map[string]float64) model.Vector {
	var v model.Vector
	for name, value := range values {
		v = append(v, &model.Sample{Metric: model.Metric{"instance": model.LabelValue(name)}, Value: model.SampleValue(value)})
	}
	return v
}

func TestGrowth(t *testing.T) {
	type step struct {
		after  time.Duration
		values map[string]float64
		want   float64
	}
	const second = 30 * time.Second
	for name, steps := range map[string][]step{
		"what was there before is not counted":          {{0, map[string]float64{"a": 1000}, 0}, {second, map[string]float64{"a": 1003}, 3}},
		"one that is new began at nothing":              {{0, map[string]float64{"a": 1}, 0}, {second, map[string]float64{"a": 1, "b": 4}, 4}},
		"one that begins anew":                          {{0, map[string]float64{"a": 100}, 0}, {second, map[string]float64{"a": 7}, 7}},
		"one of two that begins anew hides none":        {{0, map[string]float64{"a": 100, "b": 10}, 0}, {second, map[string]float64{"a": 1, "b": 200}, 191}},
		"one that was away goes on from where it was":   {{0, map[string]float64{"a": 100}, 0}, {second, nil, 0}, {second, map[string]float64{"a": 105}, 5}},
		"one that was away for long is new":             {{0, map[string]float64{"a": 100}, 0}, {2 * remember, nil, 0}, {second, map[string]float64{"a": 105}, 105}},
		"nothing at first, then some":                   {{0, nil, 0}, {second, map[string]float64{"a": 5}, 5}},
		"what is no count is left out":                  {{0, map[string]float64{"a": 1}, 0}, {second, map[string]float64{"a": math.NaN(), "b": math.Inf(1), "c": -3}, 0}, {second, map[string]float64{"a": 3}, 2}},
		"parts of an event, as of a query that divides": {{0, map[string]float64{"a": 1}, 0}, {second, map[string]float64{"a": 1.5}, 0.5}},
	} {
		t.Run(name, func(t *testing.T) {
			var g growth
			at := time.Unix(0, 0)
			for i, s := range steps {
				at = at.Add(s.after)
				if got := g.add(at, vector(s.values), i > 0); got != s.want {
					t.Errorf("step %d: %v, want %v", i, got, s.want)
				}
			}
		})
	}
}

// TestCountersOfUnknownAge has counters come before anybody knows how old they are.
func TestCountersOfUnknownAge(t *testing.T) {
	var g growth
	at := time.Unix(0, 0)
	if got := g.add(at, vector(map[string]float64{"a": 1000}), false); got != 0 {
		t.Errorf("%v events of before", got)
	}
	if got := g.add(at, vector(map[string]float64{"a": 1001, "b": 7}), false); got != 1 {
		t.Errorf("%v events, want 1", got)
	}
}

// TestCountsAddUp has what the queries say, in parts of events, add up to the events
// that were handed on, less than one apart.
func TestCountsAddUp(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, good := range []bool{false, true} {
		task := task{question: rules.Question{Good: good}}
		var part, total float64
		var sum sli.Counts
		for range 10_000 {
			all := 20 * random.Float64()
			some := all * random.Float64()
			part, total = part+some, total+all
			c := task.counts(some, all)
			sum = sum.Plus(c)
		}
		named := sum.Bad
		if good {
			named = sum.Good
		}
		if math.Abs(float64(sum.Good+sum.Bad)-total) > 1 || math.Abs(float64(named)-part) > 2 {
			t.Errorf("good %v: %+v of %v and %v", good, sum, part, total)
		}
	}
}

// TestPartThatIsToldLater has the failures of a moment be known when the requests of
// the next are.
func TestPartThatIsToldLater(t *testing.T) {
	task := task{}
	sum := task.counts(0, 100)
	sum = sum.Plus(task.counts(40, 0))
	if want := (sli.Counts{Good: 100}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
	sum = sum.Plus(task.counts(1, 100))
	if want := (sli.Counts{Good: 159, Bad: 41}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
}

func TestThereIsNeverMoreOfAPart(t *testing.T) {
	task := task{}
	for range 100 {
		if c := task.counts(5, 3); c.Bad > 3 || c.Good+c.Bad != 3 {
			t.Fatalf("%+v", c)
		}
	}
}
