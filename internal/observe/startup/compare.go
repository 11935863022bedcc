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
	// from exec on.
	Phases, Packages []Delta
	// Added are packages that only the new side has, Vanished those that only the
	// old one has.
	Added, Vanished []PackageSpread
	// Shift is the median of how many times as long packages take on the new
	// side, 0 when too few are long enough to tell. A shift that most share says
	// something about the machine or the build, and nothing about any of them.
	Shift float64
	// Notes are sentences about what a reader must know: another program, another
	// Go version, runs left out, phases that only one side has.
	Notes []string
}

// Side is one of two sets of runs.
type Side struct {
	// Command and GoVersion are those of the first run.
	Command   []string
	GoVersion string
	// Runs is how many were compared, Left how many were not, because they did
	// not reach main.main or records were lost.
	Runs, Left int
	// RunDelayShare is the median of [Summary.RunDelayShare]. Throttled is how
	// many runs were throttled for more than 5 % of exec to main.main.
	RunDelayShare float64
	Throttled     int
}

// Delta is how one interval has changed, in own time: see [Usage.Own].
type Delta struct {
	// Name is the phase or package, "total" for all up to main.main; Within is a
	// phase's.
	Name, Within string
	// Old and New are own times.
	Old, New Spread
	// Change is the difference of the medians, MinChange of the minima; positive
	// when the new side is slower.
	Change, MinChange time.Duration
	// P is the probability of ranks as far apart as these between runs of one
	// and the same program (Mann and Whitney's U, two-sided), not corrected for
	// the number of comparisons; 1 when it was not computed.
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

// Compare compares
func Compare(old, new []*Start) *Comparison { return &Comparison{Verdict: NoVerdict} }
