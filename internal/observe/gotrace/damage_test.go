package gotrace

import (
	"math"
	"strings"
	"testing"
)

func TestTake_refusesTimesThatNoClockShows(t *testing.T) {
	for _, c := range []struct {
		name  string
		times []int64
		want  string
	}{
		{"104 days", []int64{1000, 1000 + maxTrace}, ""},
		{"a time before the last one", []int64{1000, 2000, 0, math.MinInt64}, ""},
		{"longer than that", []int64{1000, 1001 + maxTrace}, "is 2501h"},
		{"as late as it may begin", []int64{latest, latest + 5}, ""},
		{"the end of time", []int64{latest, math.MaxInt64}, "after the first one"},
		{"begins too late", []int64{latest + 1}, "the first event is at"},
		{"begins before the clock", []int64{-1}, "the first event is at"},
		{"what comes after is not taken", []int64{1, math.MaxInt64, 2}, "after the first one"},
	} {
		a := newAnalyser()
		a.generation()
		var err error
		for _, at := range c.times {
			var part chunk
			part.reset()
			part.put(opTick, at)
			err = a.take(&part)
		}
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if r := a.finish(); r.Duration < 0 || r.Duration > maxTrace+10 {
			t.Errorf("%s: the trace lasts %d ns", c.name, r.Duration)
		}
	}
}
