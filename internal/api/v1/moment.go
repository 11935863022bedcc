package v1

import (
	"errors"
	"math"
	"strings"
	"time"
)

// Moment is a point in time: a fixed one, or one that moves with the clock, so
// that a link to "the last hour" stays one. At most one field is set; the zero
// value is no time at all.
type Moment struct {
	// At is the fixed time, in UTC.
	At time.Time
	// Ago is how long before now it is.
	Ago time.Duration
}

// ParseMoment reads an RFC 3339 time, or a duration before now such as "-1h".
// The error completes the sentence "the value ...".
func ParseMoment(s string) (Moment, error) {
	if strings.HasPrefix(s, "-") {
		d, err := time.ParseDuration(s)
		switch {
		case err != nil || d == math.MinInt64:
			return Moment{}, errors.New("is neither a time nor a duration before now")
		case d == 0:
			return Moment{}, errors.New("is now")
		}
		return Moment{Ago: -d}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	switch {
	case err != nil:
		return Moment{}, errors.New("is neither a time nor a duration before now")
	case t.UTC().Year() < 1970 || t.UTC().Year() > 2261:
		return Moment{}, errors.New("is a time before 1970 or after 2261")
	}
	return Moment{At: t.UTC()}, nil
}

// IsZero reports whether m is no time.
func (m Moment) IsZero() bool { return m == Moment{} }

// Resolve returns the time that m means as of now; the zero time when m is
// none.
func (m Moment) Resolve(now time.Time) time.Time {
	if m.Ago != 0 {
		return now.Add(-m.Ago)
	}
	return m.At
}

// String renders m as [ParseMoment] reads it; the empty string when m is none.
func (m Moment) String() string {
	switch {
	case m.Ago != 0:
		return "-" + formatDuration(m.Ago)
	case m.At.IsZero():
		return ""
	}
	return m.At.UTC().Format(time.RFC3339Nano)
}

// formatDuration renders d without units that are zero: 1h, not 1h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
