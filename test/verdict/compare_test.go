package verdict

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// grainSlot holds what happens within a tenth of a second.
const grainSlot = 100 * time.Millisecond

// epoch is when histories begin for package sli and for the embedded engine.
func epoch() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// figures are what was compared, and how it came out.
type figures struct {
	// states are all comparisons of a state with package sli's of what happened,
	// exact those with package sli's of the readings.
	states, exact int
	// certain are those in which no event was in doubt: they must be the same.
	// differ are others that were not the same.
	certain, differ int
	// verdicts counts the states by their word, firing the alerts that fired.
	verdicts [4]int
	firing   int
	// shares are those compared, doubtful those of them with events in doubt, tight
	// those with a bound below 0.05. nearest is the most of its bound that one was off.
	shares, doubtful, tight int
	nearest                 float64
}

func (f *figures) add(o figures) {
	f.states, f.exact, f.certain, f.differ, f.firing = f.states+o.states, f.exact+o.exact, f.certain+o.certain, f.differ+o.differ, f.firing+o.firing
	f.shares, f.doubtful, f.tight = f.shares+o.shares, f.doubtful+o.doubtful, f.tight+o.tight
	f.nearest = max(f.nearest, o.nearest)
	for i, n := range o.verdicts {
		f.verdicts[i] += n
	}
}

func (f *figures) String() string {
	words := make([]string, len(f.verdicts))
	for i, n := range f.verdicts {
		words[i] = fmt.Sprintf("%s %d", sli.Verdict(i), n)
	}
	return fmt.Sprintf("%d states (%s), %d alerts fire; %d exactly what the readings say; %d certain and the same, %d in doubt of which %d differ; %d shares, %d in doubt, %d by less than 0.05, off by %.3g of the bound at most",
		f.states, strings.Join(words, ", "), f.firing, f.exact, f.certain, f.states-f.certain, f.differ, f.shares, f.doubtful, f.tight, f.nearest)
}

// claim is what a judge says at one time.
type claim struct {
	// windows has, for each window, what was counted and the share of it.
	windows []counted
	// firing are the alerts, in the objective's order.
	firing  []bool
	verdict sli.Verdict
}

type counted struct {
	sli.Counts
	share float64
	known bool
}

// of returns what package sli says of counts.
func of(o sli.Objective, counts []sli.Counts) claim {
	c := claim{}
	for _, n := range counts {
		share, known := n.BadRatio()
		c.windows = append(c.windows, counted{n, share, known})
	}
	statuses := []sli.AlertStatus{
		o.Alert(o.Alerts[0], counts[2], counts[0]),
		o.Alert(o.Alerts[1], counts[3], counts[1]),
	}
	for _, a := range statuses {
		c.firing = append(c.firing, a.Firing)
	}
	c.verdict = o.Judge(counts[4], statuses)
	return c
}

// happened returns what package sli says of what happened.
func happened(status sli.Status) claim {
	c := claim{verdict: status.Verdict}
	counts := []sli.Counts{status.Alerts[0].Short, status.Alerts[1].Short, status.Alerts[0].Long, status.Alerts[1].Long, status.Counts}
	for _, n := range counts {
		share, known := n.BadRatio()
		c.windows = append(c.windows, counted{n, share, known})
	}
	for _, a := range status.Alerts {
		c.firing = append(c.firing, a.Firing)
	}
	return c
}

// exactly compares what a judge says with what it must say: counts to the event,
// shares to 1e-9, alerts and verdict.
func (c claim) exactly(want claim) error {
	for i, w := range want.windows {
		g := c.windows[i]
		if g.Counts != w.Counts || g.known != w.known || !(math.Abs(g.share-w.share) <= 1e-9) {
			return fmt.Errorf("in %v: %+v, share %v %v, and not %+v, %v %v", ms(windows()[i]), g.Counts, g.share, g.known, w.Counts, w.share, w.known)
		}
	}
	return c.sameState(want)
}

func (c claim) sameState(want claim) error {
	if fmt.Sprint(c.firing) != fmt.Sprint(want.firing) || c.verdict != want.verdict {
		return fmt.Errorf("alerts %v and %v, and not %v and %v", c.firing, c.verdict, want.firing, want.verdict)
	}
	return nil
}

// within compares what a judge says with what happened, where so many events of
// each window are in doubt: see the package comment.
func (c claim) within(truth claim, doubt []uint64, f *figures) error {
	f.states++
	f.verdicts[c.verdict]++
	for _, fires := range c.firing {
		if fires {
			f.firing++
		}
	}
	certain := true
	for i, d := range doubt {
		certain = certain && d == 0
		g, w := c.windows[i], truth.windows[i]
		if more, less := g.Total()+d < w.Total(), w.Total()+d < g.Total(); more || less {
			return fmt.Errorf("in %v: %+v counted of %+v with %d in doubt", ms(windows()[i]), g.Counts, w.Counts, d)
		}
		if !g.known || !w.known {
			if g.known != w.known && d == 0 {
				return fmt.Errorf("in %v: share known %v, and not %v", ms(windows()[i]), g.known, w.known)
			}
			continue
		}
		bound := float64(d)*max(w.share, 1-w.share)/float64(g.Total()) + 1e-9
		off := math.Abs(g.share - w.share)
		if !(off <= bound) {
			return fmt.Errorf("in %v: share %v of %+v is off by %v from %v of %+v, by more than %v with %d in doubt", ms(windows()[i]), g.share, g.Counts, off, w.share, w.Counts, bound, d)
		}
		if f.shares++; d > 0 {
			f.doubtful++
			f.nearest = max(f.nearest, off/bound)
			if bound < 0.05 {
				f.tight++
			}
		}
	}
	err := c.sameState(truth)
	if !certain {
		if err != nil {
			f.differ++
		}
		return nil
	}
	f.certain++
	return err
}

// report writes the figures of each kind of agent.
func report(t *testing.T, judge string, all *[kinds]figures) {
	t.Helper()
	var sum figures
	for k := range all {
		t.Logf("%s, %v: %v", judge, kind(k), &all[k])
		sum.add(all[k])
	}
	t.Logf("%s, all: %v", judge, &sum)
	// Histories that decide nothing prove nothing.
	for v, n := range sum.verdicts {
		if n == 0 {
			t.Errorf("%s: no state is %v", judge, sli.Verdict(v))
		}
	}
	if sum.firing == 0 || sum.certain == sum.states || sum.certain == 0 {
		t.Errorf("%s: %d alerts fire, %d of %d states are certain", judge, sum.firing, sum.certain, sum.states)
	}
}
