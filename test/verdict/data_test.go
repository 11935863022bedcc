package verdict

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// data makes up the series that the queries of an objective ask for.
type data struct {
	random    *rand.Rand
	allowance float64
	// part and rest are what is counted: the bad events and the others, or the good
	// ones and the others; total is there when it is a metric of its own.
	part, rest, total *series.Sample
	partIsGood        bool
	// gauge is there instead of them when the objective is of one.
	gauge *series.Sample

	left   int // how many more scrapes it goes on like this
	rate   float64
	share  float64
	hidden bool
}

// newData finds out what an objective counts.
func newData(slo *objective.SLO, random *rand.Rand) (*data, error) {
	q := slo.Indicator.Query
	d := &data{random: random, allowance: slo.Objectives()[0].Allowance(), partIsGood: q.Good != ""}
	expr := q.Bad + q.Good
	if strings.Contains(expr, "histogram_fraction") {
		return nil, errors.New("it is of a native histogram")
	}
	part, err := selectorOf(expr)
	if err != nil {
		return nil, err
	}
	total, err := selectorOf(q.Total)
	if err != nil {
		return nil, err
	}
	if strings.Contains(expr, "sum_over_time") {
		d.gauge, err = sampleOf(part, nil, nil, q.By)
		return d, err
	}
	if part.Name == total.Name {
		if d.part, err = sampleOf(part, total, nil, q.By); err != nil {
			return nil, err
		}
		d.rest, err = sampleOf(total, nil, part, q.By)
		return d, err
	}
	if d.part, err = sampleOf(part, nil, nil, q.By); err != nil {
		return nil, err
	}
	d.total, err = sampleOf(total, nil, nil, q.By)
	return d, err
}

// selectorOf returns the selector of an expression.
func selectorOf(expr string) (*parser.VectorSelector, error) {
	parsed, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(expr, "{{.window}}", "5m"))
	if err != nil {
		return nil, err
	}
	var found *parser.VectorSelector
	parser.Inspect(parsed, func(n parser.Node, _ []parser.Node) error {
		if s, ok := n.(*parser.VectorSelector); ok {
			found = s
		}
		return nil
	})
	if found == nil {
		return nil, fmt.Errorf("%s selects nothing", expr)
	}
	return found, nil
}

// sampleOf makes up a series that a selector chooses, also another if there is one,
// and not a third.
func sampleOf(selector, also, not *parser.VectorSelector, by []string) (*series.Sample, error) {
	all := slices.Clone(selector.LabelMatchers)
	if also != nil {
		all = append(all, also.LabelMatchers...)
	}
	names := slices.Clone(by)
	for _, m := range all {
		names = append(names, m.Name)
	}
	differs := not == nil
	if not != nil {
		for _, m := range not.LabelMatchers {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	s := &series.Sample{Metric: selector.Name}
	for _, name := range slices.Compact(names) {
		if name == model.MetricNameLabel {
			continue
		}
		value, chosen, ok := valueOf(name, all, not)
		if !ok {
			return nil, fmt.Errorf("no value of %s is found for %s", name, selector)
		}
		differs = differs || chosen
		s.Labels = append(s.Labels, series.Label{Name: name, Value: value})
	}
	if !differs {
		return nil, fmt.Errorf("%s chooses nothing else than %s", selector, not)
	}
	return s, nil
}

// valueOf finds a value that all matchers of a label let through, and if that can be
// one of not does not: chosen is whether it is so.
func valueOf(name string, all []*promlabels.Matcher, not *parser.VectorSelector) (value string, chosen, ok bool) {
	candidates := []string{"x", "200", "500", "ok", "/api/x", "GET"}
	var refuse []*promlabels.Matcher
	if not != nil {
		for _, m := range not.LabelMatchers {
			if m.Name == name && name != model.MetricNameLabel {
				refuse = append(refuse, m)
			}
		}
	}
	for _, m := range slices.Concat(all, refuse) {
		if m.Name == name {
			for alternative := range strings.SplitSeq(m.Value, "|") {
				candidates = append(candidates, alternative, strings.ReplaceAll(alternative, ".", "0"))
			}
		}
	}
	fits := func(v string) bool {
		return v != "" && !slices.ContainsFunc(all, func(m *promlabels.Matcher) bool { return m.Name == name && !m.Matches(v) })
	}
	for _, v := range candidates {
		if fits(v) && slices.ContainsFunc(refuse, func(m *promlabels.Matcher) bool { return !m.Matches(v) }) {
			return v, true, true
		}
	}
	i := slices.IndexFunc(candidates, fits)
	if i < 0 {
		return "", false, false
	}
	return candidates[i], false, true
}

// next returns the samples of the next scrape, none when it fails.
func (d *data) next() []series.Sample {
	r := d.random
	if d.left--; d.left < 0 {
		d.left = 10 + r.IntN(300)
		d.rate = []float64{0, 0.1, 2, 50, 50, 5000, 5000}[r.IntN(7)]
		a := d.allowance
		d.share = min([]float64{0, 0, a / 2, a, 1.5 * a, 3 * a, 8 * a, 16 * a, 1}[r.IntN(9)], 1)
		d.hidden = false
		switch r.IntN(12) {
		case 0:
			d.hidden, d.left = true, 2+r.IntN(20)
		case 1:
			// The process starts again.
			for _, s := range []*series.Sample{d.part, d.rest, d.total} {
				if s != nil {
					s.Value = 0
				}
			}
		}
	}
	if d.gauge != nil {
		d.gauge.Value = 1
		if r.Float64() < d.share {
			d.gauge.Value = 0
		}
		return d.heard(d.gauge)
	}
	events := math.Floor(d.rate*2*r.Float64() + r.Float64())
	bad := min(math.Floor(events*d.share+r.Float64()), events)
	part := bad
	if d.partIsGood {
		part = events - bad
	}
	d.part.Value += part
	if d.total != nil {
		d.total.Value += events
		return d.heard(d.part, d.total)
	}
	d.rest.Value += events - part
	return d.heard(d.part, d.rest)
}

func (d *data) heard(all ...*series.Sample) []series.Sample {
	if d.hidden {
		return nil
	}
	out := make([]series.Sample, len(all))
	for i, s := range all {
		out[i] = *s
	}
	return out
}
