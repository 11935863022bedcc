package rules

import (
	"fmt"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// Before slices of time are judged, events are recorded under these names.
const (
	sliceGrowthName = "slo:slice_events:growth"
	sliceRatioName  = "slo:slice_error:ratio"
)

// newSlices returns a source that counts slices of time of a query: at the first
// evaluation after the end of each one it records whether it was good. From then
// on slices are counted like events.
func (s *sheet) newSlices(from source) source {
	width, target := s.slo.Slice.Width, s.slo.Slice.Target
	if width%s.interval != 0 || s.interval < 5*time.Second {
		s.warn("slices of %s are evaluated every %s: Prometheus may not read counters as often", text(width), text(s.interval))
	}
	g := &growth{sheet: s}
	var bad string
	switch from := from.(type) {
	case *growth:
		for _, r := range from.rules {
			g.rules = append(g.rules, ofSlices(r))
		}
		events := s.own(sliceGrowthName + text(s.interval))
		sum := "sum_over_time(" + events + since(width) + ")"
		good := "sum_over_time(" + s.own(sliceGrowthName+text(s.interval), resultLabel, "good") + since(width) + ")"
		bad = fmt.Sprintf("sum(%s)\n/ (sum(%s) > 0)\n< %s", good, sum, number(target))
	case *windowed:
		name := sliceGrowthName + text(width)
		g.rules = from.record(name, width, with(s.labels))
		bad = fmt.Sprintf("sum(%s)\n/ (sum(%s) > 0)\n< %s", s.own(name, resultLabel, "good"), s.own(name), number(target))
	case *ratio:
		g.rules = append(from.prepare(), Rule{Record: sliceRatioName, Expr: from.over(width), Labels: with(s.labels)})
		bad = fmt.Sprintf("1 - sum(%s) < %s", s.own(sliceRatioName), number(target))
	}
	name := growthName + text(s.interval)
	g.rules = append(g.rules,
		Rule{
			Record: name, Labels: with(s.labels, resultLabel, "bad"),
			Expr: "(\n" + indent("vector(1) and on () (\n"+indent(bad)+"\n)\nor vector(0)") + "\n)" + s.atEnd(),
			Comment: fmt.Sprintf("Slices of %s that were bad: 1 when less than %s of the events of the slice that has\njust ended were good. One without events is good.",
				text(width), number(target)),
		},
		Rule{
			Record: name, Labels: with(s.labels, resultLabel, "good"),
			Expr: "1 - sum(" + s.own(name, resultLabel, "bad") + ")",
		})
	return g
}

// atEnd keeps what it follows at the first evaluation after a slice has ended.
func (s *sheet) atEnd() string {
	if s.slo.Slice.Width == s.interval {
		return ""
	}
	return fmt.Sprintf("\nand on () (vector(time()) %% %s < %s)", number(s.slo.Slice.Width.Seconds()), number(s.interval.Seconds()))
}

// tooShort reports windows that have no whole slice.
func (s *sheet) tooShort(w time.Duration) bool {
	return s.slo.Slice.Width > 0 && w < s.slo.Slice.Width
}

// windowName is how a window of an objective is called in series: 30d, or 1M for
// a calendar's month.
func windowName(w sli.Window) string {
	if months := monthsOf(w); months > 0 {
		return fmt.Sprintf("%dM", months)
	}
	return text(w.Length())
}

// ofSlices returns a rule that records events under the names for what is judged
// by slices.
func ofSlices(r Rule) Rule {
	names := strings.NewReplacer("slo:sli_events:", "slo:slice_events:")
	r.Record, r.Expr = names.Replace(r.Record), names.Replace(r.Expr)
	return r
}
