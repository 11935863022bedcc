package rules

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// A calendar's period has no fixed length, and the query language no window that
// begins with the month. What can be written is which period an instant is in: its
// number modulo 3. So every step is recorded once more under that number, and the
// sum of those with the number of now, over the longest that a period can be, is
// of this period alone: the last one with its number ended two periods ago.

// calendar is the number of a period as arithmetic on UTC.
type calendar struct {
	// months or days is how long a period is.
	months int
	days   time.Duration
	// shift is how much later than the first of a month, or than a multiple of
	// days since 1970, periods begin; first is the number of the month.
	shift time.Duration
	first int
	// longest is how long a period can be.
	longest time.Duration
	// off is how far the arithmetic is from the calendar at most, as where clocks
	// are put forward.
	off time.Duration
}

// monthsOf returns how many months a period has, 0 for one of days.
func monthsOf(w sli.Window) int {
	var n int
	if _, err := fmt.Sscanf(w.String(), "calendar %dM", &n); err != nil {
		return 0
	}
	return n
}

// checkedPeriods is for how many periods the arithmetic is compared with the
// calendar.
const checkedPeriods = 200

func calendarOf(w sli.Window) calendar {
	// Any time will do; the answer does not depend on it but for off.
	begin := w.Period(time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)).From
	c := calendar{months: monthsOf(w)}
	if c.months > 0 {
		first := time.Date(begin.Year(), begin.Month(), 1, 0, 0, 0, 0, time.UTC)
		c.shift = begin.Sub(first)
		c.first = first.Year()*12 + int(first.Month()) - 1
	} else {
		c.days = w.Length()
		c.shift = time.Duration(begin.UnixNano() % int64(3*c.days))
	}
	for n := range checkedPeriods {
		p := w.Period(begin.Add(time.Nanosecond))
		c.longest = max(c.longest, p.Length())
		c.off = max(c.off, begin.Sub(c.bound(w, n)).Abs())
		begin = p.To
	}
	return c
}

// bound returns when period n begins by the arithmetic.
func (c calendar) bound(w sli.Window, n int) time.Time {
	if c.months > 0 {
		return time.Date(c.first/12, time.Month(c.first%12+1+n*c.months), 1, 0, 0, 0, 0, time.UTC).Add(c.shift)
	}
	begin := w.Period(time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC)).From
	return begin.Add(time.Duration(n) * c.days)
}

// expr writes the number of the period that now is in, modulo 3. The instant at
// which a period ends belongs to it.
func (c calendar) expr() string {
	shift := c.shift + time.Millisecond
	if c.months == 0 {
		return fmt.Sprintf("floor((vector(time()) - %s) / %s) %% 3", number(shift.Seconds()), number(c.days.Seconds()))
	}
	now := fmt.Sprintf("vector(time() - %s)", number(shift.Seconds()))
	if shift < 0 {
		now = fmt.Sprintf("vector(time() + %s)", number(-shift.Seconds()))
	}
	month := fmt.Sprintf("year(%[1]s) * 12 + month(%[1]s)", now)
	if c.months == 1 {
		return fmt.Sprintf("month(%s) %% 3", now)
	}
	return fmt.Sprintf("floor((%s - %d) / %d) %% 3", month, 1+c.first%(3*c.months), c.months)
}

// maxOff is how far the arithmetic may be off: the hour of a clock that is put
// forward and back.
const maxOff = 2 * time.Hour

// thirds returns the rules that record a series by the number of the period, for
// each calendar window.
func (s *sheet) thirds(series string) []Rule {
	var rules []Rule
	for _, w := range s.slo.Windows {
		if !w.IsCalendar() || !s.expressible(w) {
			continue
		}
		number := calendarOf(w).expr()
		for n := range 3 {
			rules = append(rules, Rule{
				Record: thirdName(series, w), Labels: with(s.labels, thirdLabel, fmt.Sprint(n)),
				Expr: s.own(series) + " and on () (" + number + fmt.Sprintf(" == %d)", n),
			})
		}
		rules[len(rules)-3].Comment = fmt.Sprintf("Steps by the period that they are in, %s: the number of the period modulo 3.", w)
	}
	return rules
}

func thirdName(series string, w sli.Window) string { return series + "_by_" + windowName(w) }

// expressible reports whether the query language can tell the periods apart.
func (s *sheet) expressible(w sli.Window) bool { return calendarOf(w).off <= maxOff }

// overPeriod aggregates a series over the window of the objective.
func (s *sheet) overPeriod(function, series string, w sli.Window) string {
	if !w.IsCalendar() {
		return function + "(" + s.own(series) + since(w.Length()) + ")"
	}
	c := calendarOf(w)
	longest := time.Duration(math.Ceil(c.longest.Hours())) * time.Hour
	parts := make([]string, 3)
	for n := range parts {
		parts[n] = fmt.Sprintf("(%s(%s%s) and on () (%s == %d))", function,
			s.own(thirdName(series, w), thirdLabel, fmt.Sprint(n)), since(longest), c.expr(), n)
	}
	return "sum without (" + thirdLabel + ") (\n" + indent(strings.Join(parts, "\nor\n")) + "\n)"
}

// explainCalendar says what a calendar window is like in rules.
func (s *sheet) explainCalendar(w sli.Window) {
	c := calendarOf(w)
	switch {
	case c.off > maxOff:
		s.warn("window %s: the query language cannot tell its periods apart, as they do not begin at the same day of each month: its budget has no series", w)
	case c.off > 0:
		s.warn("window %s: rules count in UTC, so that its periods begin up to %s early or late where clocks are put forward and back", w, text(c.off))
	}
}
