package startup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// judge sets the verdict and its reason.
func (c *Comparison) judge(old, new *sideRuns) {
	if len(old.whole) > 0 && new.failed() {
		c.Verdict = VerdictWorse
		c.Reason = fmt.Sprintf("all %d new runs failed before main.main", len(new.all))
		return
	}
	if reason := c.incomparable(); reason != "" {
		c.Verdict, c.Reason = NoVerdict, reason
		return
	}
	slower, faster := c.changes()
	few := min(c.Old.Runs, c.New.Runs) < minRuns
	switch {
	case len(slower) > 0:
		c.Verdict, c.Reason = VerdictWorse, "slower: "+list(slower)
	case len(faster) > 0:
		c.Verdict, c.Reason = VerdictBetter, "faster: "+list(faster)
	case few:
		c.Verdict = NoVerdict
		c.Reason = fmt.Sprintf("too few runs: %d old and %d new ones, and at least %d of each are needed for a difference like this", c.Old.Runs, c.New.Runs, minRuns)
	default:
		c.Verdict, c.Reason = VerdictSame, "no difference is both large enough and beyond what runs differ by themselves"
	}
}

// incomparable says why the sides cannot be compared, or returns an empty text.
func (c *Comparison) incomparable() string {
	for _, side := range []struct {
		name string
		*Side
	}{{"old", &c.Old}, {"new", &c.New}} {
		if side.Runs == 0 {
			return fmt.Sprintf("no %s run reached main.main with nothing lost", side.name)
		}
		if float64(side.Throttled) > maxThrottledRuns*float64(side.Runs) {
			return fmt.Sprintf("%d of %d %s runs were throttled by their CPU quota for more than %s of their time", side.Throttled, side.Runs, side.name, percent(maxThrottled))
		}
	}
	if d := c.New.RunDelayShare - c.Old.RunDelayShare; max(d, -d) > maxDelayDiffers {
		return fmt.Sprintf("the machine was not equally busy: of the time that it wanted a CPU the median run had none for %s on the old side and %s on the new one", percent(c.Old.RunDelayShare), percent(c.New.RunDelayShare))
	}
	if c.Machine > maxShift || c.Machine < 1/maxShift {
		return fmt.Sprintf("the machine differs: on the new side even what is no program's doing, the kernel's exec and the runtime's phases, takes about %.2f times as long", c.Machine)
	}
	return ""
}

// changes returns what weighs and is significantly slower or faster, the largest
// first.
func (c *Comparison) changes() (slower, faster []Delta) {
	for _, deltas := range [][]Delta{{c.Total}, c.Phases, c.Packages} {
		for _, d := range deltas {
			switch {
			case !d.Weighs:
			case d.Slower():
				slower = append(slower, d)
			case d.Faster():
				faster = append(faster, d)
			}
		}
	}
	for _, deltas := range [][]Delta{slower, faster} {
		slices.SortStableFunc(deltas, func(a, b Delta) int { return cmp.Compare(b.Change.Abs(), a.Change.Abs()) })
	}
	return slower, faster
}

// list names the first few changes.
func list(deltas []Delta) string {
	const most = 4
	var texts []string
	for _, d := range deltas[:min(len(deltas), most)] {
		texts = append(texts, fmt.Sprintf("%s (%s to %s)", d.Name, short(d.Old.Median), short(d.New.Median)))
	}
	text := strings.Join(texts, ", ")
	if more := len(deltas) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// short renders a duration with about three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for limit := time.Microsecond; d.Abs() >= limit && unit < time.Second; limit *= 10 {
		if d.Abs() >= limit {
			unit = limit / 100
		}
	}
	return d.Round(unit).String()
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
