package startup

import "time"

// Verdict is what a comparison comes to.
type Verdict string

// The verdicts.
const (
	VerdictSame   Verdict = "same"
	VerdictWorse  Verdict = "worse"
	VerdictBetter Verdict = "better"
	NoVerdict     Verdict = "no_verdict"
)

// Comparison is what has changed between two sets of runs.
type Comparison struct {
	// Verdict is VerdictWorse when anything that weighs is significantly slower,
	// VerdictBetter when something is faster and nothing slower.
	Verdict Verdict
	// Reason is a sentence that says why.
	Reason string
	// Old and New are the two sides.
	Old, New Side
	// Total is the time from exec to main.main.
	Total Delta
	// Phases and Packages are those that both sides have, in the order of the
	// new side's. Instants are left out, but for first_listen, whose times are
	// from exec on. Packages that one side alone has follow where they weigh: on
	// the other side they took no time, in no run.
	Phases, Packages []Delta
	// Added are packages that only the new side has, Vanished those that only the
	// old one has.
	Added, Vanished []PackageSpread
	// Shift is the median of how many times as long packages take on the new
	// side, 0 when too few are long enough to tell. A shift that most share says
	// something about the machine or the build, and nothing about any of them.
	Shift float64
	// Machine is the part of Shift that those phases have too in which the program
	// has no part: 1 for none, more when the new side's machine was slower.
	Machine float64
	// Notes are sentences about what a reader must know: another program, another
	// Go version, runs left out, phases that only one side has.
	Notes []string
	// unclear says why the times to the first listen cannot be compared, although
	// those to main.main can; it is empty when they can.
	unclear string
}

// Side is one of two sets of runs.
type Side struct {
	// Command and GoVersion are those of the first run.
	Command   []string
	GoVersion string
	// Runs is how many were compared, Left how many were not, because they did
	// not reach main.main, records were lost, or they were starved or throttled
	// and enough others were not.
	Runs, Left int
	// RunDelayShare is the median share of the time up to main.main that a run
	// wanted a CPU, and had none. A program that waits more does not have less of
	// it, as it has of [Summary.RunDelayShare]. Throttled is how many runs were
	// throttled for more than 5 % of exec to main.main.
	RunDelayShare float64
	Throttled     int
}

// Delta is how one interval has changed, in own time: see [Usage.Own].
type Delta struct {
	// Name is the phase or package, "total" for all up to main.main; Within is a
	// phase's.
	Name, Within string
	// Package says that it is the init of a package, else it is a phase.
	Package bool
	// Old and New are own times.
	Old, New Spread
	// Change is the difference of the medians, MinChange of the minima; positive
	// when the new side is slower.
	Change, MinChange time.Duration
	// P is the probability of ranks as far apart as these between runs of one
	// and the same program (Mann and Whitney's U, two-sided), not corrected for
	// the number of comparisons; 1 when it was not computed, since there are too few
	// runs or the change is too small to count.
	P float64
	// Significant says that this is a change and no chance: see [Compare].
	Significant bool
	// Weighs says that the verdict depends on it.
	Weighs bool
}

// Slower reports whether it is significantly slower.
func (d *Delta) Slower() bool { return d.Significant && d.Change > 0 }

// Faster reports whether it is significantly faster.
func (d *Delta) Faster() bool { return d.Significant && d.Change < 0 }

// The rules of [Compare].
const (
	// minRuns is how many runs of each side a verdict takes, minApart how many
	// when the two sides are far apart.
	minRuns, minApart = 5, 3
	// alpha is how probable a single false difference may be.
	alpha = 0.01
	// apartRanges is how many times the range of the runs the gap between the
	// sides must be to be far with fewer than minRuns; with as many it is once.
	apartRanges = 3
	// maxDelayDiffers is by how much the shares of run delay may differ.
	maxDelayDiffers = 0.10
	// maxThrottled is up to which share of its time a run is not called throttled,
	// maxThrottledRuns which share of the runs may be.
	maxThrottled, maxThrottledRuns = 0.05, 0.25
	// maxContention is the share of the time that a run wanted a CPU and had none
	// from which on it is left out, if enough others are not.
	maxContention = 0.30
	// minShifted is how many packages it takes to see a shift common to them,
	// leastShifted how long each must take, and maxShift how large a shift of the
	// machine may be.
	minShifted, leastShifted = 8, 5 * time.Microsecond
	maxShift                 = 1.25
)

// gate is how large a difference must be to be one: more than share of the
// smaller side, and more than least.
type gate struct {
	share float64
	least time.Duration
}

// phaseGate and packageGate are the smallest differences that count: those of the
// clock, of the probe itself and of the layout of code are below.
func phaseGate() gate   { return gate{0.05, 200 * time.Microsecond} }
func packageGate() gate { return gate{0.20, 50 * time.Microsecond} }

// largeGate is what a difference must pass to count with less evidence: without
// correction for the number of comparisons, or with fewer than minRuns runs.
func largeGate() gate { return gate{0.50, time.Millisecond} }

// Compare compares two sets of runs, of which it takes those that reached
// main.main and are complete. Of these it leaves out the ones that wanted a CPU
// and had none for more than 30 % of that time, or were throttled for more than
// 5 %, if at least five others remain of both sides. All differences are of own
// time ([Usage.Own]): time that the machine was busy is nobody's.
//
// A difference is significant when it is large enough, and no chance. Large
// enough is one of more than 5 % and 0.2 ms for a phase or the total, 20 % and
// 0.05 ms for a package, of the median and of the minimum alike: what disturbs a
// run makes it longer, so what changed in the program shows in both. It is no
// chance when Mann and Whitney's test, which assumes nothing of how durations
// are distributed, says p < 0.01, corrected by Holm's procedure for the number
// of phases or packages long enough to differ at all, or without correction when
// the difference is more than 50 % and 1 ms; or when the gap between the slowest
// run of the one side and the fastest of the other is larger than the range of
// the runs of either (of five and five normally distributed runs that happens
// once in 30,000 times). With three or four runs the gap must be three times the
// range, and the difference more than 50 % and 1 ms.
//
// A machine is not always as fast, even where no run waits for a CPU: caches and
// cores are shared. So what all packages share (Shift) is not counted for any of
// them, and what the kernel's exec and the runtime's own phases share with them
// (Machine) not for the other phases and the total.
//
// A package that one side alone has is significantly slower, or faster when it is
// gone, if it took more than 0.05 ms in each of at least five runs, and the other
// side has as many: whether an init runs is no chance.
//
// The verdict is NoVerdict when fewer than five runs of a side are left and
// nothing is far apart; when the median shares of run delay differ by more than
// 10 points of 100; when more than a quarter of a side's runs were throttled;
// and when Machine says that one side's was slower by more than a quarter. Else
// it is VerdictWorse when the total, a phase up to first_listen or a package is
// significantly slower. What comes after main.main or the first listen, and
// kernel_exec, is compared and does not weigh. It is also VerdictWorse when all
// new runs failed before main.main, and the old ones did not.
//
// From main.main on a program has many threads, which may be ready because others
// keep the CPUs busy or because they do so among themselves, and nothing tells
// the one from the other. So where run delay or throttling up to the first listen
// differ as they may not up to main.main, the time to there weighs only if the
// CPUs had for one side more than 50 % and 1 ms more to do than the other took by
// the clock. If not, and nothing else is slower, the verdict is NoVerdict.
//
// Sides of different programs, arguments or Go versions are compared all the
// same, and Notes says so.
func Compare(old, new []*Start) *Comparison {
	before, after := newRuns(old, "old"), newRuns(new, "new")
	leaveOutBusy(before, after)
	c := &Comparison{Old: before.side(), New: after.side()}
	if len(before.all) > 0 && len(after.all) > 0 {
		c.Notes = differences(before.all[0], after.all[0], "of the old runs", "of the new ones")
	}
	c.Notes = append(append(c.Notes, before.notes()...), after.notes()...)
	c.comparePackages(before, after)
	c.comparePhases(before, after)
	c.judge(before, after)
	return c
}

// sideRuns is one side of a comparison.
type sideRuns struct {
	name                   string
	all, whole             []*Start
	unfinished, incomplete int
	busy                   int // starved or throttled, and left out
}

func newRuns(starts []*Start, name string) *sideRuns {
	r := &sideRuns{name: name, all: withoutNil(starts)}
	r.whole, r.unfinished, r.incomplete = usable(r.all)
	return r
}

// leaveOutBusy leaves out the runs that the machine disturbed most, if enough
// others remain.
func leaveOutBusy(old, new *sideRuns) {
	a, b := old.calm(), new.calm()
	if min(len(a), len(b)) < minRuns {
		return
	}
	old.busy, new.busy = len(old.whole)-len(a), len(new.whole)-len(b)
	old.whole, new.whole = a, b
}

func (r *sideRuns) calm() []*Start {
	var calm []*Start
	for _, s := range r.whole {
		u, _ := s.ToMain()
		if _, throttled := u.shares(); throttled <= maxThrottled && u.contention() <= maxContention {
			calm = append(calm, s)
		}
	}
	return calm
}

func (r *sideRuns) notes() []string {
	notes := leftOut(r.name, len(r.all), r.unfinished, r.incomplete)
	if r.busy > 0 {
		notes = append(notes, "left out: "+ofRuns(r.busy, len(r.all), r.name)+", because the program was starved or throttled")
	}
	return notes
}

func (r *sideRuns) side() Side {
	s := Side{Runs: len(r.whole), Left: r.unfinished + r.incomplete + r.busy}
	if len(r.all) > 0 {
		s.Command, s.GoVersion = r.all[0].Command, r.all[0].GoVersion
	}
	var delays []float64
	for _, start := range r.whole {
		u, _ := start.ToMain()
		_, throttled := u.shares()
		delays = append(delays, u.contention())
		if throttled > maxThrottled {
			s.Throttled++
		}
	}
	s.RunDelayShare = medianOf(delays)
	return s
}

// failed reports whether all runs ended before main.main, and in failure.
func (r *sideRuns) failed() bool {
	for _, s := range r.all {
		if s.Phase(Main) != nil || !s.Exit.failed() {
			return false
		}
	}
	return len(r.all) > 0
}
