package rules

import (
	"fmt"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// exactUntil is the length of windows all of whose readings are looked at when
// there is none from before them. For longer ones there are copies, every
// tileLength.
const exactUntil = 6 * time.Hour

const copyName = "slo:sli_events:reading"

// direct is a source of counters that never start again: a window is the
// difference of its last reading and the last one before it. An objective has
// several counters after its service got another name: all of them count on, so that
// the highest is the one of now.
type direct struct {
	*sheet
	counter string
}

func (d *direct) counted() bool   { return true }
func (d *direct) prepare() []Rule { return nil }

func (d *direct) tiles() []Rule {
	return []Rule{{Record: copyName, Expr: least(fmt.Sprintf("min_over_time(%s[%s])", d.counter, text(memory))), Labels: with(d.labels)}}
}

func (d *direct) window(w time.Duration) []Rule {
	return []Rule{{Record: countName + text(w), Expr: d.expr(w), Labels: with(d.labels, windowLabel, text(w))}}
}

func (d *direct) period(w sli.Window, labels map[string]string) []Rule {
	return []Rule{{Record: countName + windowName(w), Expr: d.expr(w.Length()), Labels: with(labels, windowLabel, windowName(w))}}
}

// each keeps of counters what tells good from bad, least of readings that are
// looked for the first one.
func each(expr string) string  { return "max by (" + resultLabel + ") (" + expr + ")" }
func least(expr string) string { return "min by (" + resultLabel + ") (" + expr + ")" }

// expr counts a window. Where nothing was read in the hour before it, the counter
// is younger, or nobody counted then: the first reading in the window is the least.
// A copy is the least of an hour, and so in such a window of none before it.
func (d *direct) expr(w time.Duration) string {
	x := d.counter
	base := "(\n    " + each(fmt.Sprintf("last_over_time(%s[%s] offset %s)", x, text(memory), text(w)))
	first := fmt.Sprintf("min_over_time(%s[%s])", x, text(w))
	if w > exactUntil {
		first = "min_over_time(" + d.own(copyName) + "[" + text(w) + "]) or " + fmt.Sprintf("min_over_time(%s[%s])", x, text(memory))
	}
	base += "\n  or\n    " + least(first) + "\n)"
	expr := each(x) + "\n- " + base
	for _, e := range d.exclusions() {
		expr += "\n- " + d.excluded(base, e)
	}
	return expr
}

// excluded counts what is both in a window, of which base is the count before it,
// and in an exclusion: the counter at the earlier of its end and now, less the
// counter at the later of its begin and the window's.
func (d *direct) excluded(base string, e objective.Exclusion) string {
	from, to := stamp(e.From), stamp(e.To)
	atEnd := each(fmt.Sprintf("last_over_time(%s[%s] @ %s)", d.counter, text(e.To.Sub(e.From).Truncate(time.Second)+memory), to))
	atBegin := each(fmt.Sprintf("last_over_time(%s[%s] @ %s)", d.counter, text(memory), from))
	return fmt.Sprintf(`clamp_min(
    (%[1]s or %[3]s)
    - ((%[2]s > %[3]s) or %[3]s),
    0)
  * on () group_left () (vector(time()) > bool %[4]s)`, atEnd, atBegin, base, from)
}

// stamp writes an instant for the @ of the query language.
func stamp(t time.Time) string { return number(float64(t.UnixMilli()) / 1000) }
