package rules

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

// BenchmarkPeriod asks for the budget of 30 days in the ways that there are:
// readings are every 10 s, rules are evaluated every 30 s.
func BenchmarkPeriod(b *testing.B) {
	slo := example("a")
	r := newRig(b, []objective.SLO{slo}, Options{ResetFree: true})
	const span = 30*day + time.Hour
	a := r.db.Appender(context.Background())
	n := 0
	put := func(at time.Time, value float64, pairs ...string) {
		if _, err := a.Append(0, labels.FromStrings(pairs...), at.UnixMilli(), value); err != nil {
			b.Fatal(err)
		}
		if n++; n%10_000 == 0 {
			if err := a.Commit(); err != nil {
				b.Fatal(err)
			}
			a = r.db.Appender(context.Background())
		}
	}
	for at := time.Duration(0); at <= span; at += 10 * time.Second {
		now := begin().Add(at)
		put(now, at.Seconds()*99, "__name__", counterName, "slo", "a", "result", "good")
		put(now, at.Seconds(), "__name__", counterName, "slo", "a", "result", "bad")
		if at%tileLength == 0 {
			put(now, at.Seconds()*99, "__name__", copyName, idLabel, "a", resultLabel, "good")
			put(now, at.Seconds(), "__name__", copyName, idLabel, "a", resultLabel, "bad")
		}
		if at%(30*time.Second) == 0 {
			put(now, 30*99, "__name__", growthName+"30s", idLabel, "a", resultLabel, "good")
			put(now, 30, "__name__", growthName+"30s", idLabel, "a", resultLabel, "bad")
			put(now, 0.01, "__name__", ratioName+"5m", idLabel, "a")
		}
	}
	if err := a.Commit(); err != nil {
		b.Fatal(err)
	}
	now := begin().Add(span)
	direct := newSheet(&slo, Options{ResetFree: true, Interval: defaultInterval}).source
	steps := newSheet(&slo, Options{Interval: defaultInterval}).source
	for _, way := range []struct{ name, expr string }{
		{"direct", direct.period(slo.Windows[0], nil)[0].Expr},
		{"steps", steps.period(slo.Windows[0], nil)[0].Expr},
		{"increase", fmt.Sprintf(`sum by (result) (increase(%s{slo="a"}[30d]))`, counterName)},
		{"mean-of-ratios", `sum_over_time(slo:sli_error:ratio_rate5m{sloth_id="a"}[30d]) / count_over_time(slo:sli_error:ratio_rate5m{sloth_id="a"}[30d])`},
	} {
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				if len(r.all(now, way.expr)) == 0 {
					b.Fatal("no value")
				}
			}
		})
	}
	b.Run("all-fast-rules-direct", func(b *testing.B) { benchmarkRules(b, r, now, Options{ResetFree: true}) })
	b.Run("all-fast-rules-steps", func(b *testing.B) { benchmarkRules(b, r, now, Options{}) })
}

// benchmarkRules asks for all that is asked every 30 s.
func benchmarkRules(b *testing.B, r *rig, now time.Time, o Options) {
	groups, _, err := Groups([]objective.SLO{example("a")}, o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(groups[0].Rules)), "rules")
	for b.Loop() {
		for _, rule := range groups[0].Rules {
			r.all(now, rule.Expr)
		}
	}
}
