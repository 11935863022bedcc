package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// memory is how far back the last reading of a counter is looked for.
const memory = time.Hour

// growth is a source that records at each evaluation what was counted since the
// one before; a window is the sum of these steps. Steps follow each other without
// a gap, so that nothing is extrapolated, and they add up over counters that come,
// go and start again.
type growth struct {
	*sheet
	rules []Rule
	// clamp marks counts that are a difference, which may be off by what was read
	// at different times.
	clamp bool
}

func (g *growth) counted() bool { return true }
func (g *growth) tiles() []Rule { return nil }

func (g *growth) prepare() []Rule { return append(slices.Clip(g.rules), g.thirds(g.steps())...) }

func (g *growth) steps() string { return growthName + text(g.interval) }

func (g *growth) window(w time.Duration) []Rule {
	expr := "sum_over_time(" + g.own(g.steps()) + since(w) + ")"
	return []Rule{{Record: countName + text(w), Expr: g.clamped(expr), Labels: with(g.labels, windowLabel, text(w))}}
}

func (g *growth) period(w sli.Window, labels map[string]string) []Rule {
	return []Rule{{
		Record: countName + windowName(w), Labels: with(labels, windowLabel, windowName(w)),
		Expr: g.clamped(g.overPeriod("sum_over_time", g.steps(), w)),
	}}
}

func (g *growth) clamped(expr string) string {
	if g.clamp {
		return "clamp_min(" + expr + ", 0)"
	}
	return expr
}

// lastReading is what a counter said before the last evaluation.
func lastReading(x string, interval time.Duration) string {
	return fmt.Sprintf("last_over_time(%s[%s] offset %s)", x, text(memory), text(interval))
}

// ownGrowth records how much Goshawk's own pair of counters grew. Both start again
// together, so that both have when one of them is below its last reading. What has
// no last reading is where counting starts: with its first one in an engine that has
// all of them.
func (s *sheet) ownGrowth(x string) []Rule {
	last := lastReading(x, s.interval)
	if s.options.ResetFree {
		last = fmt.Sprintf("(%s or min_over_time(%s[%s]))", last, x, text(s.interval))
	}
	expr := fmt.Sprintf(`sum by (%[1]s) (
    (%[2]s - %[3]s unless ignoring (%[1]s) (%[2]s < %[3]s))
  or
    (%[2]s and ignoring (%[1]s) (%[2]s < %[3]s))
)`, resultLabel, x, last)
	for _, e := range s.exclusions() {
		expr = fmt.Sprintf("(\n%s\n)\nunless on () (vector(time()) > %s < %s)", indent(expr),
			stamp(e.From), stamp(e.To.Add(s.interval)))
	}
	return []Rule{{
		Record: growthName + text(s.interval), Expr: expr, Labels: with(s.labels),
		Comment: fmt.Sprintf("What was counted in the last %s. After a restart of whoever counts it is what the\ncounter says since; the gap to the last reading may be %s.", text(s.interval), text(memory)),
	}}
}

// counterGrowth sums how much the counters that a selector chooses grew.
func (s *sheet) counterGrowth(x string) string {
	last := lastReading(x, s.interval)
	return fmt.Sprintf("%[3]s (\n    (%[1]s - %[2]s >= 0)\n  or\n    (%[1]s < %[2]s)\n)", x, last, s.sum())
}

// pair returns the rules that record, under a name, the total of events, and the
// good and bad of them, when one of the two is known. A counter of errors that
// does not exist until the first error counts as 0.
func (s *sheet) pair(suffix string, q *query, part, total string, labels map[string]string) []Rule {
	totalName, name := strings.Replace(suffix, "events:", "events:total_", 1), suffix
	all := s.sum() + " (" + s.own(totalName) + ")"
	known, other := "bad", "good"
	if q.Good != "" {
		known, other = other, known
	}
	return []Rule{
		{Record: totalName, Expr: total, Labels: labels},
		{
			Record: name, Labels: with(labels, resultLabel, known),
			Expr: "(\n" + indent(part) + "\n  or 0 * " + all + "\n) and " + all,
		},
		{
			Record: name, Labels: with(labels, resultLabel, other),
			Expr: all + " - " + s.sum() + " (" + s.own(name, resultLabel, known) + ")",
		},
	}
}
