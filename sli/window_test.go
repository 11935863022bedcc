package sli_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

func TestWindow_span(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err) // Go brings its own copy of the zones
	}
	utc := func(y int, m time.Month, d, h int) time.Time { return time.Date(y, m, d, h, 0, 0, 0, time.UTC) }
	monthly := sli.Calendar(utc(2026, 1, 1, 0), 1, 0)
	for _, tt := range []struct {
		name     string
		w        sli.Window
		now      time.Time
		from, to time.Time
	}{
		{"rolling", sli.Rolling(time.Hour), utc(2026, 3, 1, 5), utc(2026, 3, 1, 4), utc(2026, 3, 1, 5)},
		{"a month", monthly, utc(2026, 2, 10, 5), utc(2026, 2, 1, 0), utc(2026, 3, 1, 0)},
		{"before the first", monthly, utc(2025, 11, 10, 5), utc(2025, 11, 1, 0), utc(2025, 12, 1, 0)},
		{"at the end of a month it is all of it", monthly, utc(2026, 3, 1, 0), utc(2026, 2, 1, 0), utc(2026, 3, 1, 0)},
		{"at the end of a day too", sli.Calendar(utc(2026, 1, 1, 0), 0, 1), utc(2026, 1, 9, 0), utc(2026, 1, 8, 0), utc(2026, 1, 9, 0)},
		{"a nanosecond later the next begins", monthly, utc(2026, 3, 1, 0).Add(1), utc(2026, 3, 1, 0), utc(2026, 4, 1, 0)},
		{"a month from the 31st", sli.Calendar(utc(2026, 1, 31, 6), 1, 0), utc(2026, 3, 1, 0), utc(2026, 2, 28, 6), utc(2026, 3, 31, 6)},
		{"February of a leap year", sli.Calendar(utc(2024, 1, 31, 0), 1, 0), utc(2024, 3, 1, 0), utc(2024, 2, 29, 0), utc(2024, 3, 31, 0)},
		{"a quarter", sli.Calendar(utc(2020, 1, 1, 0), 3, 0), utc(2026, 11, 21, 0), utc(2026, 10, 1, 0), utc(2027, 1, 1, 0)},
		{"a year", sli.Calendar(utc(2020, 4, 1, 0), 12, 0), utc(2026, 3, 31, 0), utc(2025, 4, 1, 0), utc(2026, 4, 1, 0)},
		{"two weeks", sli.Calendar(utc(2026, 1, 5, 0), 0, 14), utc(2026, 1, 20, 0), utc(2026, 1, 19, 0), utc(2026, 2, 2, 0)},
		{"a day that has 23 hours", sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, berlin), 0, 1), utc(2026, 3, 29, 12), utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)},
		{"a day that has 25 hours", sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, berlin), 0, 1), utc(2026, 10, 25, 12), utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.w.Period(tt.now)
			if !p.From.Equal(tt.from) || !p.To.Equal(tt.to) {
				t.Errorf("period %v to %v, want %v to %v", p.From, p.To, tt.from, tt.to)
			}
			if s := tt.w.Span(tt.now); !s.From.Equal(tt.from) || !s.To.Equal(tt.now) || !p.Contains(tt.now) || p.Contains(p.From) {
				t.Errorf("span %v to %v", s.From, s.To)
			}
		})
	}
}

// TestWindow_periodsFollowEachOther looks at random calendars: the period of a
// time has it, and the next begins where it ends.
func TestWindow_periodsFollowEachOther(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(9, 9))
	for range 5000 {
		start := time.Unix(r.Int64N(9e9)+1, r.Int64N(1e9)).In([]*time.Location{time.UTC, berlin}[r.IntN(2)])
		w := sli.Calendar(start, 1+r.IntN(40), 0)
		if r.IntN(2) == 0 {
			w = sli.Calendar(start, 0, 1+r.IntN(400))
		}
		now := time.Unix(r.Int64N(9e9)+1, r.Int64N(1e9))
		p := w.Period(now)
		next := w.Period(p.To.Add(1))
		if !p.Contains(now) || !next.From.Equal(p.To) || !p.From.Before(p.To) {
			t.Fatalf("%v from %v at %v: %v, then %v", w, start, now, p, next)
		}
		if ratio := float64(p.Length()) / float64(w.Length()); ratio < 0.9 || ratio > 1.1 {
			t.Fatalf("%v from %v at %v: %v long", w, start, now, p.Length())
		}
	}
}

func TestWindow_validateAndString(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		w     sli.Window
		valid bool
		text  string
	}{
		{sli.Window{}, false, "none"},
		{sli.Rolling(0), false, "none"},
		{sli.Rolling(-time.Hour), false, "-1h0m0s"},
		{sli.Rolling(30 * 24 * time.Hour), true, "30d"},
		{sli.Rolling(90 * time.Minute), true, "90m"},
		{sli.Rolling(1500 * time.Millisecond), true, "1.5s"},
		{sli.Rolling(math.MaxInt64), true, "2562047h47m16.854775807s"},
		{sli.Calendar(start, 1, 0), true, "calendar 1M from 2026-01-01"},
		{sli.Calendar(start, 0, 7), true, "calendar 7d from 2026-01-01"},
		{sli.Calendar(start, 0, 0), false, "calendar 0d from 2026-01-01"},
		{sli.Calendar(start, 1, 1), false, "calendar 1M from 2026-01-01"},
		{sli.Calendar(start, -1, 0), false, "calendar 0d from 2026-01-01"},
		{sli.Calendar(start, 1201, 0), false, "calendar 1201M from 2026-01-01"},
		{sli.Calendar(time.Time{}, 1, 0), false, "calendar 1M from 0001-01-01"},
	} {
		if err := tt.w.Validate(); (err == nil) != tt.valid {
			t.Errorf("%v: %v", tt.w, err)
		}
		if got := fmt.Sprint(tt.w); got != tt.text {
			t.Errorf("got %q, want %q", got, tt.text)
		}
		if s := tt.w.Span(start); !tt.valid && s.Length() != 0 {
			t.Errorf("%v has a span of %v", tt.w, s.Length())
		}
	}
}
