package sli

import (
	"errors"
	"fmt"
	"time"
)

// Span is an interval of time without its start and with its end: (From, To].
// PromQL's ranges are the same. An event at the very end of a day belongs to
// that day, as does the reading of a counter that was taken then.
type Span struct {
	From, To time.Time
}

// Contains reports whether t is in the span.
func (s Span) Contains(t time.Time) bool { return t.After(s.From) && !t.After(s.To) }

// Length returns how long the span is, at most 292 years.
func (s Span) Length() time.Duration { return s.To.Sub(s.From) }

// day is a day of 24 hours. Those of a calendar may be longer or shorter.
const day = 24 * time.Hour

// Window is the time that an objective is about: the last 30 days, or this
// calendar month. Make one by [Rolling] or [Calendar]; the zero value is no
// window, and an [Objective] with it has the last 30 days.
type Window struct {
	rolling time.Duration

	start        time.Time
	months, days int
}

// Rolling returns the window that ends now and is as long as length.
func Rolling(length time.Duration) Window { return Window{rolling: length} }

// Calendar returns the window of the current one of a row of periods: the first
// begins at start, each has so many calendar months or days (one of the two is
// 0), counted in start's time zone. A period of a month that lacks the start's
// day begins on its last day. Days and months are as long as the clocks of the
// place make them.
//
// OpenSLO's calendar windows map to it: 1M is Calendar(start, 1, 0), 1Q is
// (start, 3, 0), 1Y is (start, 12, 0), 2w is (start, 0, 14).
func Calendar(start time.Time, months, days int) Window {
	return Window{start: start, months: months, days: days}
}

// IsZero reports whether w is the zero value.
func (w Window) IsZero() bool {
	return w.rolling == 0 && w.months == 0 && w.days == 0 && w.start.IsZero()
}

// IsCalendar reports whether [Calendar] made w.
func (w Window) IsCalendar() bool { return w.rolling == 0 && !w.IsZero() }

// Validate returns what is wrong with the window, nil when nothing is.
func (w Window) Validate() error {
	switch {
	case w.IsZero():
		return errors.New("sli: no window")
	case w.rolling < 0:
		return fmt.Errorf("sli: window of %v: must be above 0", w.rolling)
	case w.rolling > 0:
		return nil
	}
	if _, ok := nanos(w.start); !ok {
		return fmt.Errorf("sli: calendar window from %v: must be of the years 1970 to 2261", w.start)
	}
	if w.months < 0 || w.days < 0 || (w.months == 0) == (w.days == 0) || w.months > 1200 || w.days > 36500 {
		return fmt.Errorf("sli: calendar window of %d months and %d days: must be one of them, above 0, a century at most", w.months, w.days)
	}
	return nil
}

// Length returns how long the window is; a month of a calendar counts as 30
// days, a day as 24 hours.
func (w Window) Length() time.Duration {
	if w.rolling != 0 {
		return w.rolling
	}
	return time.Duration(w.months)*30*day + time.Duration(w.days)*day
}

// Span returns the window as it is at now: it ends now, and begins its length
// before or with the current period. At the instant at which a period ends the
// window is all of it.
func (w Window) Span(now time.Time) Span {
	return Span{w.Period(now).From, now}
}

// Period is Span, but ends when the calendar's period does, in the future
// mostly. For a rolling window they are the same. An invalid window has a span
// of no length.
func (w Window) Period(now time.Time) Span {
	if w.Validate() != nil {
		return Span{now, now}
	}
	if w.rolling != 0 {
		return Span{now.Add(-w.rolling), now}
	}
	// A guess of the period's number, corrected by the calendar itself.
	n := int(now.Sub(w.start) / w.Length())
	for !w.bound(n).Before(now) {
		n--
	}
	for w.bound(n + 1).Before(now) {
		n++
	}
	return Span{w.bound(n), w.bound(n + 1)}
}

// bound returns when period n begins.
func (w Window) bound(n int) time.Time {
	y, m, d := w.start.Date()
	if w.months > 0 {
		m += time.Month(n * w.months)
		d = min(d, time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day())
	}
	d += n * w.days
	hour, minute, second := w.start.Clock()
	return time.Date(y, m, d, hour, minute, second, w.start.Nanosecond(), w.start.Location())
}

// String returns the window in words: "30d", "calendar 1M from 2026-01-01".
func (w Window) String() string {
	switch {
	case w.IsZero():
		return "none"
	case w.months > 0:
		return fmt.Sprintf("calendar %dM from %s", w.months, w.start.Format(time.DateOnly))
	case w.IsCalendar():
		return fmt.Sprintf("calendar %dd from %s", w.days, w.start.Format(time.DateOnly))
	}
	return spell(w.rolling)
}

// spell writes a duration in the one unit that it is a multiple of: 30d, 6h,
// 5m, 90s.
func spell(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= unit.length && d%unit.length == 0 {
			return fmt.Sprintf("%d%s", d/unit.length, unit.name)
		}
	}
	return d.String()
}
