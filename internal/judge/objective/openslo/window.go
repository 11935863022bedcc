package openslo

import (
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/sli"
)

// readWindow reads the timeWindow of an SLO.
func (r *Reader) readWindow(p *promise, v yamldoc.Value) {
	n := 0
	v.Items(draft.MaxList, func(item yamldoc.Value) {
		if n++; n == 2 {
			item.Named().Fail("write the others as an annotation, such as goshawk.io/windows: 7d, 90d", "OpenSLO has one window for an SLO")
		}
		if n == 1 {
			p.windowAt = item
			r.readOneWindow(p, item)
		}
	})
}

func (r *Reader) readOneWindow(p *promise, v yamldoc.Value) {
	var length, start, calendar, rollingAt yamldoc.Value
	rolling, zone := false, "UTC"
	var zoneAt yamldoc.Value
	v.Object([]yamldoc.Field{
		{Name: "duration", Kind: "a length such as 30d", Required: true, Sample: "30d", Read: func(v yamldoc.Value) { length = v }},
		{Name: "isRolling", Kind: "true or false", Read: func(v yamldoc.Value) { rollingAt = v; v.Boolean(&rolling) }},
		{Name: "calendar", Nothing: true, Read: func(v yamldoc.Value) {
			calendar = v
			v.Object([]yamldoc.Field{
				{Name: "startTime", Kind: "a time", Required: true, Sample: "2026-01-01 00:00:00", Read: func(v yamldoc.Value) { start = v }},
				{Name: "timeZone", Kind: "a time zone", Required: true, Sample: "Europe/Berlin", Read: func(v yamldoc.Value) {
					zoneAt = v
					v.Text(&zone, draft.MaxName)
				}},
			})
		}},
	})
	text := ""
	switch {
	case length.IsZero() || !length.Word(&text, draft.MaxName):
	case rolling && !calendar.IsZero():
		rollingAt.Fail("remove calendar, or write isRolling: false", "a window with a calendar does not roll")
	case !rolling && calendar.IsZero():
		v.Missing("calendar", "write when the first period begins, or isRolling: true")
	case rolling:
		readRolling(length, text, &p.window)
	case !start.IsZero():
		location := r.zone(zone)
		if location == nil {
			zoneAt.Fail("write a name such as Europe/Berlin, or UTC", "there is no such time zone")
			return
		}
		if written := ""; start.Word(&written, draft.MaxName) {
			readCalendar(length, text, start, written, location, &p.window)
		}
	}
}

func readRolling(at yamldoc.Value, text string, to *sli.Window) {
	if short, days, months, ok := draft.Shorthand(text); ok {
		*to = sli.Rolling(draft.Rolling(short, days, months))
	} else if length, ok := draft.Length(text); ok {
		*to = sli.Rolling(length)
	} else {
		at.Fail("write a length such as 30d, 4w or 1M", "is not a length of time")
	}
}

// readCalendar reads a calendar window: the length text, written at at, and the
// start of its first period.
func readCalendar(at yamldoc.Value, text string, startAt yamldoc.Value, written string, zone *time.Location, to *sli.Window) {
	short, days, months, ok := draft.Shorthand(text)
	switch {
	case !ok:
		at.Fail("write a length such as 1M, 1w or 1Q", "is not a length of time")
		return
	case short != 0:
		hint := "write 1d or more"
		if strings.HasSuffix(text, "m") {
			hint = "write " + strings.ToUpper(text) + " for months: m is minutes"
		}
		at.Fail(hint, "is less than a day of a calendar")
		return
	}
	start, ok := parseStart(written, zone)
	if !ok {
		startAt.Fail("write a time without a zone, such as 2026-01-01 00:00:00", "has no time that a calendar can start at")
		return
	}
	window := sli.Calendar(start, months, days)
	if err := window.Validate(); err != nil {
		startAt.Fail("write a time from 1970 on", "%s", strings.TrimPrefix(err.Error(), "sli: "))
		return
	}
	*to = window
}

func parseStart(text string, zone *time.Location) (time.Time, bool) {
	for _, layout := range []string{time.DateTime, time.DateOnly, "2006-01-02 15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// readWindows reads the windows of an annotation: "7d, 90d" or
// "1M from 2026-01-01 00:00:00 Europe/Berlin".
func (r *Reader) readWindows(v yamldoc.Value) []sli.Window {
	var windows []sli.Window
	for _, entry := range list(v) {
		length, from, calendar := strings.Cut(entry, " from ")
		window := sli.Window{}
		if !calendar {
			readRolling(v, length, &window)
		} else {
			start, zone := from, "UTC"
			// A zone begins with a letter; no part of a time does.
			if i := strings.LastIndexByte(from, ' '); i >= 0 && i+1 < len(from) && (from[i+1] < '0' || from[i+1] > '9') {
				start, zone = from[:i], from[i+1:]
			}
			if location := r.zone(zone); location == nil {
				v.Fail("write a name such as Europe/Berlin, or UTC", "there is no time zone %s", yamldoc.Show(zone))
			} else {
				readCalendar(v, length, v, start, location, &window)
			}
		}
		if !window.IsZero() {
			windows = append(windows, window)
		}
	}
	return windows
}
