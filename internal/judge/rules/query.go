package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// tileLength is how long the pieces are that a long window of a query is made of.
const tileLength = 5 * time.Minute

// query is what an indicator asks a server: the expressions of one that is not
// counted by Goshawk.
type query struct {
	objective.Query
}

// part is the expression of the good or of the bad events.
func (q *query) part() string {
	if q.Good != "" {
		return q.Good
	}
	return q.Bad
}

// badShare is the expression of the share of bad events.
func (q *query) badShare() string {
	switch {
	case q.Ratio != "":
		return q.Ratio
	case q.Good != "":
		return "1 - (\n" + indent(q.Good) + "\n) / (\n" + indent(q.Total) + "\n)"
	}
	return "(\n" + indent(q.Bad) + "\n) / (\n" + indent(q.Total) + "\n)"
}

// newQuery finds out what kind of query it is.
func (s *sheet) newQuery(given *objective.Query) source {
	q := &query{*given}
	s.keep(q.By)
	if q.Ratio != "" {
		return s.newRatio(q.badShare())
	}
	part, total := parseTemplate(q.part()), parseTemplate(q.Total)
	switch {
	case part.plain() && total.plain():
		return s.newCounters(q)
	case part.fixed() || total.fixed():
		s.warn("the query has a range of its own instead of {{.window}}: each window takes its place")
	case part.plain() != total.plain():
		s.warn("only one of the two queries has {{.window}}: their ratio may make no sense")
	}
	part, total = part.open(), total.open()
	if part.perWindow() == 0 || total.perWindow() == 0 {
		s.warn("how many events the query counts cannot be told from it, as it is not made of rate or increase: alerts have no lower bound against low traffic, and each moment weighs the same in the budget")
		return s.newRatio(q.badShare())
	}
	return &windowed{sheet: s, query: q, part: part, total: total}
}

// newCounters is for queries of bare counters.
func (s *sheet) newCounters(q *query) source {
	var rules []Rule
	growths := make([]string, 2)
	for i, expr := range []string{q.part(), q.Total} {
		x, ok := bareSelector(expr)
		if !ok {
			which := []string{"part", "total"}[i]
			name := "slo:sli_events:counter"
			rules = append(rules, Rule{Record: name, Expr: wrap(s.sum()+" ", expr), Labels: with(s.labels, resultLabel, which)})
			x = s.own(name, resultLabel, which)
			s.warn("the query adds counters up before they are looked at, so that the restart of one looks like that of all: write a selector, or rate(…[{{.window}}])")
		}
		growths[i] = s.counterGrowth(x)
	}
	rules = append(rules, s.pair(growthName+text(s.interval), q, growths[0], growths[1], with(s.labels))...)
	return &growth{sheet: s, rules: rules, clamp: true}
}

// keep makes the series of a query keep labels: each set of their values has a
// budget of its own.
func (s *sheet) keep(names []string) {
	if len(names) > 0 && s.slo.Slice.Width > 0 {
		s.warn("slices are of all %s together, not of each", strings.Join(names, ", "))
		return
	}
	for _, name := range names {
		if l := labelName(name); l != name || reserved(name) {
			s.warn("label %q is none of Prometheus: the query is not told apart by it", name)
		} else if !slices.Contains(s.by, l) {
			s.by = append(s.by, l)
			delete(s.labels, l)
		}
	}
}

// sum adds series up, but for the labels that they keep.
func (s *sheet) sum() string { return s.aggregate("sum") }

// mean is the mean of series, but for the labels that they keep.
func (s *sheet) mean() string { return s.aggregate("avg") }

func (s *sheet) aggregate(function string) string {
	if len(s.by) == 0 {
		return function
	}
	return function + " by (" + strings.Join(s.by, ", ") + ")"
}

// each are the labels that tell the budgets of the objective apart.
func (s *sheet) each() string {
	return strings.Join(append([]string{idLabel}, s.by...), ", ")
}

// windowed is a source of queries that are written for any window.
type windowed struct {
	*sheet
	query       *query
	part, total template
}

func (w *windowed) counted() bool   { return true }
func (w *windowed) prepare() []Rule { return nil }

func (w *windowed) window(length time.Duration) []Rule {
	return w.record(countName+text(length), length, with(w.labels, windowLabel, text(length)))
}

func (w *windowed) record(name string, length time.Duration, labels map[string]string) []Rule {
	return w.pair(name, w.query, w.part.count(w.sum(), length), w.total.count(w.sum(), length), labels)
}

func (w *windowed) tiles() []Rule {
	name := growthName + text(tileLength)
	rules := w.record(name, tileLength, with(w.labels))
	return append(rules, w.thirds(name)...)
}

func (w *windowed) period(window sli.Window, labels map[string]string) []Rule {
	return []Rule{{
		Record: countName + windowName(window), Labels: with(labels, windowLabel, windowName(window)),
		Expr: "clamp_min(" + w.overPeriod("sum_over_time", growthName+text(tileLength), window) + ", 0)",
	}}
}

// ratio is a source that knows the share of bad events alone.
type ratio struct {
	*sheet
	expr template
}

func (s *sheet) newRatio(expr string) source {
	r := &ratio{s, parseTemplate(expr)}
	if r.expr.fixed() {
		s.warn("the query has a range of its own instead of {{.window}}: each window takes its place")
		r.expr = r.expr.open()
	}
	s.warn("a ratio does not say of how many events: alerts have no lower bound against low traffic, and each moment weighs the same in the budget")
	return r
}

const instantName = "slo:sli_error:ratio_instant"

func (r *ratio) counted() bool { return false }
func (r *ratio) tiles() []Rule { return nil }

func (r *ratio) prepare() []Rule {
	if !r.expr.plain() {
		return nil
	}
	instant := Rule{Record: instantName, Expr: wrap(r.mean()+" ", r.expr.text), Labels: with(r.labels)}
	return append([]Rule{instant}, r.thirds(instantName)...)
}

// series is what a period is the mean of.
func (r *ratio) series() string {
	if r.expr.plain() {
		return instantName
	}
	return ratioName + text(r.shortest())
}

func (r *ratio) window(w time.Duration) []Rule {
	rules := []Rule{{Record: ratioName + text(w), Expr: r.over(w), Labels: with(r.labels, windowLabel, text(w))}}
	if r.series() == ratioName+text(w) {
		rules = append(rules, r.thirds(r.series())...)
	}
	return rules
}

// over is the share of bad events in a window.
func (r *ratio) over(w time.Duration) string {
	if r.expr.plain() {
		return "avg_over_time(" + r.own(instantName) + since(w) + ")"
	}
	return wrap(r.mean()+" ", r.expr.fill(w))
}

func (r *ratio) period(w sli.Window, labels map[string]string) []Rule {
	return []Rule{{
		Record: ratioName + windowName(w), Labels: with(labels, windowLabel, windowName(w)),
		Expr: r.overPeriod("avg_over_time", r.series(), w),
	}}
}

// template is an expression with ranges.
type template struct {
	text   string
	ranges []span
}

// span is a range of an expression: text[from:to] is what is between its brackets,
// of the argument of a function.
type span struct {
	from, to int
	function string
}

var windowVar = regexp.MustCompile(`\{\{\s*\.window\s*\}\}`)

// parseTemplate finds the ranges of an expression. What is quoted, or in a
// comment, has none.
func parseTemplate(expr string) template {
	t := template{text: expr}
	calls, word := []string{""}, ""
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case strings.IndexByte("\"'`", c) >= 0:
			i = endOfQuote(expr, i)
		case c == '#':
			i += len(expr[i:]) - len(strings.TrimLeftFunc(expr[i:], func(r rune) bool { return r != '\n' }))
		case c == '(':
			calls = append(calls, word)
		case c == ')' && len(calls) > 1:
			calls = calls[:len(calls)-1]
		case c == '[':
			end := i + 1 + strings.IndexByte(expr[i+1:]+"]", ']')
			t.ranges = append(t.ranges, span{i + 1, end, calls[len(calls)-1]})
			i = end
		}
		if i < len(expr) && isWord(expr[i]) {
			if i == 0 || !isWord(expr[i-1]) {
				word = ""
			}
			word += string(expr[i])
		} else if c != ' ' && c != '\n' && c != '\t' {
			word = ""
		}
	}
	return t
}

func isWord(c byte) bool {
	return c == '_' || c == ':' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// endOfQuote returns where the text ends that is quoted from i on.
func endOfQuote(expr string, i int) int {
	for j := i + 1; j < len(expr); j++ {
		switch {
		case expr[j] == '\\' && expr[i] != '`':
			j++
		case expr[j] == expr[i]:
			return j
		}
	}
	return len(expr)
}

// plain reports whether the expression is of an instant.
func (t template) plain() bool { return len(t.ranges) == 0 && !windowVar.MatchString(t.text) }

// fixed reports whether the expression has ranges, and none is a variable.
func (t template) fixed() bool { return len(t.ranges) > 0 && !windowVar.MatchString(t.text) }

// open puts the variable into the ranges of an expression that has none.
func (t template) open() template {
	if !t.fixed() {
		return t
	}
	out := t.text
	for i := len(t.ranges) - 1; i >= 0; i-- {
		out = out[:t.ranges[i].from] + "{{.window}}" + out[min(t.ranges[i].to, len(out)):]
	}
	return parseTemplate(out)
}

// fill puts a window into the expression.
func (t template) fill(w time.Duration) string {
	return windowVar.ReplaceAllLiteralString(t.text, text(w))
}

// A query's value in a window is the number of events, or events a second.
const (
	perEvent = iota + 1
	perSecond
)

// perWindow returns in what the expression counts, 0 when it does not tell.
func (t template) perWindow() int {
	unit := 0
	for _, r := range t.ranges {
		u := 0
		switch {
		case !windowVar.MatchString(t.text[r.from:min(r.to, len(t.text))]):
		case r.function == "rate" || r.function == "irate":
			u = perSecond
		case r.function == "increase" || r.function == "sum_over_time" || r.function == "count_over_time":
			u = perEvent
		}
		if u == 0 || unit != 0 && u != unit {
			return 0
		}
		unit = u
	}
	return unit
}

// count is how many events the expression counts in a window, added up by sum.
func (t template) count(sum string, w time.Duration) string {
	expr := wrap(sum+" ", t.fill(w))
	if t.perWindow() == perSecond {
		expr += fmt.Sprintf(" * %s", number(w.Seconds()))
	}
	return expr
}

var sumOf = regexp.MustCompile(`(?s)^sum\s*(?:(?:by|without)\s*\([^()]*\)\s*)?\((.*)\)$`)

// bareSelector returns the selector of counters that an expression is, or sums.
func bareSelector(expr string) (x string, ok bool) {
	x = strings.TrimSpace(expr)
	if m := sumOf.FindStringSubmatch(x); m != nil {
		x = strings.TrimSpace(m[1])
	}
	rest := strings.TrimLeftFunc(x, func(r rune) bool { return r < 0x80 && isWord(byte(r)) })
	name := x[:len(x)-len(rest)]
	if rest = strings.TrimSpace(rest); rest == "" {
		return x, name != ""
	}
	if rest[0] != '{' {
		return "", false
	}
	for i := 1; i < len(rest); i++ {
		switch {
		case strings.IndexByte("\"'`", rest[i]) >= 0:
			i = endOfQuote(rest, i)
		case rest[i] == '}':
			return x, i == len(rest)-1
		case rest[i] == '#':
			return "", false
		}
	}
	return "", false
}
