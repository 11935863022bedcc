package http

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
)

// TestLimits_countExactly compares how many requests the programs counted past
// each limit with how long each of the requests took.
func TestLimits_countExactly(t *testing.T) {
	limits := []time.Duration{20 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, time.Millisecond, time.Hour}
	l := startLive(t, everything(), limits...)
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	(&generator{t: t, v: v, left: 5000, seen: map[completion]uint64{}}).run()
	l.stop()
	var requests uint64
	for _, n := range l.tallies {
		requests += n
	}
	if uint64(len(l.events)) != requests {
		t.Fatalf("%d requests are told, %d counted", len(l.events), requests)
	}
	differ := make(map[uint64]bool)
	for _, limit := range limits {
		var want uint64
		for _, e := range l.events {
			if e.Duration > limit {
				want++
			}
		}
		if got := l.over[limit]; got != want {
			t.Errorf("%d of %d requests were counted past %s, %d took longer", got, requests, limit, want)
		}
		differ[want] = true
	}
	if len(differ) < 3 {
		t.Errorf("the limits do not tell requests apart: %v", l.over)
	}
}

// TestLimits_thatChange reads what the programs counted while limits change: what
// is of two limits is told for neither.
func TestLimits_thatChange(t *testing.T) {
	c := newCounting(t)
	process := self(t)
	key := textSeries(process.ID.PID)
	c.learn(routed(key, "/a"), process)
	other := key
	other.Status = 404
	c.learn(routed(other, "/a"), process)
	var now [probe.MaxLimits]time.Duration
	c.host.Limits = func() [probe.MaxLimits]time.Duration { return now }
	set := func(k bpfSeriesKey, requests, first, second uint32) {
		total := bpfTally{}
		total.Buckets[9], total.Over[0], total.Over[1] = requests, first, second
		if err := c.maps["series"].Put(k, total); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"no limits", func() { set(key, 10, 0, 0) }, "10"},
		{"the first reading with one is of before too", func() { now[0] = 5; set(key, 20, 4, 0) }, "10"},
		{"a limit", func() { set(key, 30, 7, 0) }, "10 5ns:3"},
		{"a series that is new", func() { set(other, 3, 2, 0) }, "3 5ns:2"},
		{"a second limit", func() { now[1] = 9; set(key, 40, 8, 1) }, "10 5ns:1"},
		{"a series that did not grow meanwhile", func() { set(other, 5, 3, 1) }, "2 5ns:1 9ns:1"},
		{"both", func() { set(key, 50, 10, 2) }, "10 5ns:2 9ns:1"},
		{"while the first changes", func() { now[0] = 0; set(key, 60, 12, 3) }, "10 9ns:1"},
		{"after it has changed", func() { now[0] = 6; set(key, 70, 13, 4) }, "10 9ns:1"},
		{"the new one", func() { set(key, 80, 18, 4) }, "10 6ns:5 9ns:0"},
		{"it wraps", func() { set(key, 90, 17, 4) }, "10 6ns:4294967295 9ns:0"},
	} {
		step.do()
		var got []string
		c.now = c.now.Add(time.Second)
		c.emit(c.now, false, func(e *model.Event) {
			line := fmt.Sprint(e.Tally.Count)
			for _, o := range e.Clone().Tally.Over {
				line += fmt.Sprintf(" %s:%d", o.Limit, o.Count)
			}
			got = append(got, line)
		})
		if !slices.Equal(got, []string{step.want}) {
			t.Errorf("%s: %q, want %q", step.name, strings.Join(got, "; "), step.want)
		}
	}
}
