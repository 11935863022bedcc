package startup

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Spread is how a duration was distributed over several runs.
//
// What disturbs a run only ever adds to it, so Min is the best guess of what the
// program itself needs, and Median is what to expect on this machine. MAD, the
// median of the distances from Median, says how far runs are apart: unlike a
// standard deviation it is not moved by a single outlier, and unlike quartiles it
// means something for five runs (F. R. Hampel, The Influence Curve and Its Role
// in Robust Estimation, JASA 69, 1974). It is not scaled: of normally
// distributed runs it is 0.67 standard deviations.
type Spread struct {
	Min, Median, Max time.Duration
	// MAD is the median absolute deviation from Median.
	MAD time.Duration
	// N is how many runs there were; with 0 all else is 0 too.
	N int
}

// UsageSpread is how one phase or package was over several runs. A name that a
// run has more than once counts once there, with the sum.
type UsageSpread struct {
	// Begin is from the start's exec on, Duration by the clock, and Own without
	// run delay and throttling: see [Usage.Own].
	Begin, Duration, Own Spread
	// CPU, RunDelay, OffCPU, Throttled and SyscallTime are parts of Duration; each
	// is of the runs in which it was measured.
	CPU, RunDelay, OffCPU, Throttled, SyscallTime Spread
	// Syscalls, MinorFaults and MajorFaults are medians over the runs.
	Syscalls, MinorFaults, MajorFaults uint64
	// HasSyscalls says that some run counted system calls.
	HasSyscalls bool
}

// PhaseSpread is one phase over several runs.
type PhaseSpread struct {
	// Name and Within are those of [Phase].
	Name, Within string
	UsageSpread
}

// PackageSpread is one package's init over several runs.
type PackageSpread struct {
	// Name is the package's import path.
	Name string
	UsageSpread
}

// Summary is several runs of one program.
type Summary struct {
	// Command, Exe and GoVersion are those of the first run.
	Command   []string
	Exe       string
	GoVersion string
	// Runs is how many there were.
	Runs int
	// Unfinished is how many of them did not reach main.main, Incomplete in how
	// many records were lost. Neither are in the spreads.
	Unfinished, Incomplete int
	// Total is the time from exec to main.main by the clock, Own the same
	// without run delay and throttling.
	Total, Own Spread
	// Ready is the time from exec to the first listen by the clock; its N is 0
	// for a program that does not listen.
	Ready Spread
	// Phases and Packages are in the order of their median begin.
	Phases   []PhaseSpread
	Packages []PackageSpread
	// RunDelayShare and ThrottledShare say of each run, in their order, which
	// share of the time from exec to main.main (or, of an unfinished one, to its
	// end) it was ready and not running, throttling not counted, and which it
	// was throttled.
	RunDelayShare, ThrottledShare []float64
	// Notes are sentences about what a reader must know: runs left out, runs of
	// another program.
	Notes []string
}

// Summarise takes several runs of one program together. It skips nil, and does
// not fail: a summary of no runs is empty.
func Summarise(starts []*Start) *Summary {
	all := withoutNil(starts)
	if len(all) == 0 {
		return &Summary{}
	}
	sum := &Summary{Command: all[0].Command, Exe: all[0].Exe, GoVersion: all[0].GoVersion, Runs: len(all)}
	for _, s := range all {
		u, _ := s.ToMain()
		starved, throttled := u.shares()
		sum.RunDelayShare = append(sum.RunDelayShare, starved)
		sum.ThrottledShare = append(sum.ThrottledShare, throttled)
	}
	whole, unfinished, incomplete := usable(all)
	sum.Unfinished, sum.Incomplete = unfinished, incomplete
	total := totals(whole)
	sum.Total = total.spread(byClock)
	sum.Own = total.spread((*Usage).Own)
	ready := readies(whole)
	sum.Ready = ready.spread(byClock)
	for _, p := range phaseSeries(whole) {
		sum.Phases = append(sum.Phases, PhaseSpread{Name: p.name, Within: p.within, UsageSpread: p.usage()})
	}
	for _, p := range packageSeries(whole) {
		sum.Packages = append(sum.Packages, PackageSpread{Name: p.name, UsageSpread: p.usage()})
	}
	sum.Notes = append(leftOut("", len(all), unfinished, incomplete), mixed(all)...)
	return sum
}

func withoutNil(starts []*Start) []*Start {
	return slices.DeleteFunc(slices.Clone(starts), func(s *Start) bool { return s == nil })
}

// usable returns the starts that reached main.main, and nothing of which is
// missing: where a record is, the interval before it is told too long.
func usable(starts []*Start) (whole []*Start, unfinished, incomplete int) {
	for _, s := range starts {
		switch _, reached := s.ToMain(); {
		case !reached:
			unfinished++
		case s.Lost > 0:
			incomplete++
		default:
			whole = append(whole, s)
		}
	}
	return whole, unfinished, incomplete
}

// leftOut says which runs of a side ("old", "new" or none) do not count.
func leftOut(side string, runs, unfinished, incomplete int) []string {
	var notes []string
	if unfinished > 0 {
		notes = append(notes, "left out: "+ofRuns(unfinished, runs, side)+", because main.main was not reached, or the way there not seen from exec on")
	}
	if incomplete > 0 {
		notes = append(notes, "left out: "+ofRuns(incomplete, runs, side)+", because records were lost")
	}
	return notes
}

// mixed says in what runs differ that should be of one program.
func mixed(starts []*Start) []string {
	var notes []string
	for _, s := range starts[1:] {
		for _, note := range differences(starts[0], s, "of the first", "of another") {
			if note = "not all runs are alike: " + note; !slices.Contains(notes, note) && len(notes) < 4 {
				notes = append(notes, note)
			}
		}
	}
	return notes
}

// differences says in what two starts, called one and other, differ that makes
// comparing them less than plain.
func differences(a, b *Start, one, other string) []string {
	var notes []string
	differ := func(what, x, y string) {
		if x != y {
			notes = append(notes, fmt.Sprintf("%s is %s %s and %s %s", what, x, one, y, other))
		}
	}
	differ("the program", path.Base(a.Exe), path.Base(b.Exe))
	differ("the Go version", orUnknown(a.GoVersion), orUnknown(b.GoVersion))
	if len(a.Command) > 0 && len(b.Command) > 0 && !slices.Equal(a.Command[1:], b.Command[1:]) {
		notes = append(notes, fmt.Sprintf("the arguments are %q %s and %q %s", shortened(a.Command[1:]), one, shortened(b.Command[1:]), other))
	}
	return notes
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

// shortened returns the first of the arguments as one text.
func shortened(args []string) string {
	const most = 80
	text := []rune(strings.ToValidUTF8(strings.Join(args[:min(len(args), most)], " "), "?"))
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "…"
}
