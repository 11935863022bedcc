package startup

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// judge sets the verdict and its reason.
func (c *Comparison) judge(old, new *sideRuns) {
	if len(old.whole) > 0 && new.failed() {
		c.Verdict = VerdictWorse
		c.Reason = fmt.Sprintf("all %d new runs failed before main.main", len(new.all))
		if len(new.all) == 1 {
			c.Reason = "the new run failed before main.main"
		}
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
		c.Verdict, c.Reason = VerdictWorse, list(slower)
	case c.unclear != "":
		c.Verdict, c.Reason = NoVerdict, c.unclear
	case len(faster) > 0:
		c.Verdict, c.Reason = VerdictBetter, list(faster)
	case few:
		c.Verdict = NoVerdict
		c.Reason = fmt.Sprintf("too few runs: %d old and %d new, and at least %d of each are needed for a difference like this", c.Old.Runs, c.New.Runs, minRuns)
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
			return fmt.Sprintf("the CPU quota throttled %s for more than %s of the time up to main.main", ofRuns(side.Throttled, side.Runs, side.name), percent(maxThrottled))
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

// list says what the first few changes are.
func list(deltas []Delta) string {
	const most = 4
	var texts []string
	for i := range deltas[:min(len(deltas), most)] {
		texts = append(texts, deltas[i].text())
	}
	if more := len(deltas) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

// text says what has changed. A package and a phase may have one name: main.
func (d *Delta) text() string {
	what := d.Name
	switch {
	case d.Package:
		what = "the init of " + d.Name
	case d.Name == FirstListen:
		what = "exec to the first listen"
	case d.Name == totalName:
		what = "exec to main.main"
	}
	switch {
	case d.Old.N == 0:
		return fmt.Sprintf("%s takes %s, and was not there before", what, short(d.New.Median))
	case d.New.N == 0:
		return fmt.Sprintf("%s, which took %s, is gone", what, short(d.Old.Median))
	}
	return fmt.Sprintf("%s takes %s instead of %s", what, short(d.New.Median), short(d.Old.Median))
}

// ofRuns names n of all runs of a side ("old", "new" or, where there is one,
// none).
func ofRuns(n, all int, side string) string {
	run := strings.TrimSpace(side + " run")
	return fmt.Sprintf("%d of %s", n, counted(uint64(all), run, run+"s"))
}

// counted returns a number with the singular or the plural of what it counts.
func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatUint(n, 10) + " " + many
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
