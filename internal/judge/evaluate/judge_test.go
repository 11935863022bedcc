package evaluate

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// log are events by their time.
type log map[time.Time]sli.Counts

var errBroken = errors.New("broken")

func (l log) Growth(_ context.Context, name string, from, to time.Time) (sli.Counts, error) {
	if name == "broken" {
		return sli.Counts{}, errBroken
	}
	var all sli.Counts
	for at, c := range l {
		if at.After(from) && !at.After(to) {
			all = all.Plus(c)
		}
	}
	return all, nil
}

func TestEvaluate(t *testing.T) {
	const day = 24 * time.Hour
	slo := objective.SLO{Name: "a", Target: 0.99, Windows: []sli.Window{sli.Rolling(30 * day), sli.Rolling(day)}}
	kept := log{at.Add(-time.Minute): {Good: 970, Bad: 30}, at.Add(-2 * day): {Good: 9000}}
	state := Evaluate(t.Context(), at, &slo, kept)
	if state.Err != nil || len(state.Statuses) != 2 {
		t.Fatalf("state %+v", state)
	}
	if s := state.Statuses[0]; s.Counts != (sli.Counts{Good: 9970, Bad: 30}) || s.Verdict != sli.OK || len(s.Alerts) == 0 {
		t.Errorf("30 days: %+v", s)
	}
	if s := state.Statuses[1]; s.Counts != (sli.Counts{Good: 970, Bad: 30}) || s.Verdict != sli.Exhausted || len(s.Alerts) != 0 {
		t.Errorf("a day: %+v", s)
	}
	slo.Name = "broken"
	if state := Evaluate(t.Context(), at, &slo, kept); !errors.Is(state.Err, errBroken) || state.Statuses != nil || !strings.Contains(state.Err.Error(), "broken over 30d") {
		t.Errorf("state %+v", state)
	}
}

// TestEvaluate_exclusionsCorrectThePast compares with the events of which each is
// asked whether it is excluded.
func TestEvaluate_exclusionsCorrectThePast(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		kept := make(log)
		for range random.IntN(60) {
			kept[at.Add(-time.Duration(random.IntN(100))*time.Minute)] = sli.Counts{Good: random.Uint64N(5), Bad: random.Uint64N(5)}
		}
		slo := objective.SLO{Name: "a", Target: 0.9, Windows: []sli.Window{sli.Rolling(time.Hour)}, Alerts: []objective.Alert{}}
		for range random.IntN(5) {
			from := at.Add(-time.Duration(random.IntN(100)) * time.Minute)
			x := objective.Exclusion{From: from, To: from.Add(time.Duration(random.IntN(30)) * time.Minute)}
			if random.IntN(4) == 0 {
				x.Select = attribute("http.route", "/a")
			}
			slo.Exclusions = append(slo.Exclusions, x)
		}
		var want sli.Counts
		for when, c := range kept {
			counts := when.After(at.Add(-time.Hour))
			for _, x := range slo.Exclusions {
				counts = counts && !(x.Select.IsZero() && when.After(x.From) && !when.After(x.To))
			}
			if counts {
				want = want.Plus(c)
			}
		}
		if got := Evaluate(t.Context(), at, &slo, kept).Statuses[0].Counts; got != want {
			t.Fatalf("%+v with exclusions %+v, want %+v", got, slo.Exclusions, want)
		}
	}
}
