package gotrace

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Verdict is what a comparison comes to.
type Verdict string

// The verdicts.
const (
	VerdictSame   Verdict = "same"
	VerdictWorse  Verdict = "worse"
	VerdictBetter Verdict = "better"
	NoVerdict     Verdict = "no_verdict"
)

// The rules of [Compare].
const (
	// defaultThreshold is by which part a median must differ. Medians of runs of one
	// program on one machine differed by up to a tenth, 99th percentiles by a half:
	// the latter must differ by tailFactor times the threshold.
	defaultThreshold = 0.20
	tailFactor       = 10
	// leastP50 and leastP99 are differences that are below what a clock and a
	// scheduler do by themselves.
	leastP50 = int64(2 * time.Microsecond)
	leastP99 = int64(50 * time.Microsecond)
	// leastStopP50 and leastStopP99 are the same for stops of the world, whose length
	// is the machine's more than the program's.
	leastStopP50 = int64(100 * time.Microsecond)
	leastStopP99 = int64(time.Millisecond)
	// weighs is the part of all waiting that a function must have to weigh.
	weighs = 0.05
	// maxStallDiffers and maxHostDiffers are by how much the two sides' time that
	// the host took from them may differ, as parts of the trace.
	maxStallDiffers = 0.05
	maxHostDiffers  = 0.10
	// assistDiffers is a difference of the parts of running time spent in assists
	// that counts.
	assistDiffers = 0.05
)

// CompareOptions say how to compare. The zero value takes the defaults.
type CompareOptions struct {
	// Threshold is by which part a median must differ to count, 0.20 when 0; a 99th
	// percentile must differ by ten times as much.
	Threshold float64
}

// Delta is how one quantity has changed.
type Delta struct {
	// Kind is "class", "function", "stw" or "gc_assist"; Name what of it; Class the
	// latency's, for functions.
	Kind, Name, Class string
	Old, New          Stats
	// OldShare and NewShare are parts of the trace's time, of all waiting of a class
	// and function together, or of running time for gc_assist.
	OldShare, NewShare float64
	// Verdict is NoVerdict when a side has too few samples.
	Verdict Verdict
	// Weighs says that the verdict of the whole depends on it.
	Weighs bool
}

// Side is one of two traces.
type Side struct {
	Format   int
	Duration int64
	Events   uint64
	Complete bool
	// Stall is the part of the trace in which the host did not run the program.
	Stall float64
	// Saturated is the part in which goroutines waited and all Ps were busy.
	Saturated float64
	// RunDelay is the part of the CPU time that threads wanted in which they had
	// none, and Throttled the part of the trace in which a quota stopped them. Both
	// are -1 where nothing was sampled beside the trace.
	RunDelay, Throttled float64
}

// Comparison is what has changed from one trace to another.
type Comparison struct {
	Verdict Verdict
	// Reason is a sentence that says why.
	Reason   string
	Old, New Side
	// Deltas are the classes, then stops of the world, assists and functions, these
	// by how long they waited on either side.
	Deltas []Delta
	// Notes are sentences about what a reader must know.
	Notes []string
}

// Compare compares two traces of the same work.
//
// A latency is worse when its median is more than the threshold and 2 us longer, or
// its 99th percentile more than ten times the threshold and 50 us; 100 us and 1 ms
// for stops of the world. It is better when it is shorter by as much and in nothing
// longer. Either takes 200 samples of both sides.
// What the host did must be alike for a verdict: when one side was stalled for 5 %
// of its time more than the other, or throttled or run-delayed, where that was
// sampled, for 10 % more, there is none.
//
// The verdict is VerdictWorse when a class, stops of the world, assists, or a
// function with at least a twentieth of all waiting is worse.
func Compare(before, after *Report, o CompareOptions) *Comparison {
	if o.Threshold <= 0 {
		o.Threshold = defaultThreshold
	}
	c := &Comparison{Old: before.side(), New: after.side()}
	for _, class := range Classes() {
		d := Delta{Kind: "class", Name: class.String(), Class: class.String(), Old: before.Latency[class], New: after.Latency[class], Weighs: true}
		d.OldShare, d.NewShare = before.share(d.Old.Total), after.share(d.New.Total)
		c.add(d, o.Threshold)
	}
	c.stops(before, after, o.Threshold)
	c.assists(before, after)
	c.functions(before, after, o.Threshold)
	c.notes()
	c.judge()
	return c
}

func (r *Report) side() Side {
	s := Side{Format: r.Format, Duration: r.Duration, Events: r.Events, Complete: r.Complete,
		Stall: r.safeShare(r.Stall.Total), Saturated: r.safeShare(r.Procs.Saturated), RunDelay: -1, Throttled: -1}
	if r.Host != nil {
		s.RunDelay, s.Throttled = r.Host.WaitedShare, r.safeShare(r.Host.ThrottledNS)
	}
	return s
}

// safeShare is share for a report that may be empty.
func (r *Report) safeShare(ns int64) float64 {
	if r.Duration <= 0 {
		return 0
	}
	return r.share(ns)
}

// add judges a latency and takes it into the comparison.
func (c *Comparison) add(d Delta, threshold float64) {
	d.Verdict = judgeStats(&d, threshold)
	if d.Old.Count > 0 || d.New.Count > 0 {
		c.Deltas = append(c.Deltas, d)
	}
}

// judgeStats says whether latencies are longer or shorter.
func judgeStats(d *Delta, threshold float64) Verdict {
	if d.Old.Count < enough || d.New.Count < enough {
		return NoVerdict
	}
	least50, least99 := leastP50, leastP99
	if d.Kind == "stw" {
		least50, least99 = leastStopP50, leastStopP99
	}
	median := apart(d.Old.P50, d.New.P50, threshold, least50)
	tail := apart(d.Old.P99, d.New.P99, tailFactor*threshold, least99)
	switch {
	case median > 0 || tail > 0:
		return VerdictWorse
	case median < 0 || tail < 0:
		return VerdictBetter
	}
	return VerdictSame
}

// apart is 1 when after is larger than before by more than a part and least, -1 when
// it is smaller by as much, else 0.
func apart(before, after int64, part float64, least int64) int {
	small, large := min(before, after), max(before, after)
	if large-small <= least || float64(large) <= float64(small)*(1+part) {
		return 0
	}
	return cmp.Compare(after, before)
}

func (c *Comparison) stops(before, after *Report, threshold float64) {
	old := map[string]Stats{}
	for _, s := range before.STW {
		old[s.Name] = s.Stats
	}
	seen := map[string]bool{}
	for _, s := range after.STW {
		seen[s.Name] = true
		c.stop(s.Name, old[s.Name], s.Stats, before, after, threshold)
	}
	for _, s := range before.STW {
		if !seen[s.Name] {
			c.stop(s.Name, s.Stats, Stats{}, before, after, threshold)
		}
	}
}

func (c *Comparison) stop(reason string, was, is Stats, before, after *Report, threshold float64) {
	c.add(Delta{Kind: "stw", Name: reason, Old: was, New: is, Weighs: true,
		OldShare: before.safeShare(was.Total), NewShare: after.safeShare(is.Total)}, threshold)
}

// assists compares the parts of running time.
func (c *Comparison) assists(before, after *Report) {
	d := Delta{Kind: "gc_assist", Name: "GC mark assist", Old: before.Assist, New: after.Assist, Weighs: true, Verdict: VerdictSame}
	if running := before.Running(); running > 0 {
		d.OldShare = float64(before.Assisting()) / float64(running)
	}
	if running := after.Running(); running > 0 {
		d.NewShare = float64(after.Assisting()) / float64(running)
	}
	switch {
	case d.NewShare-d.OldShare > assistDiffers:
		d.Verdict = VerdictWorse
	case d.OldShare-d.NewShare > assistDiffers:
		d.Verdict = VerdictBetter
	}
	if d.Old.Count > 0 || d.New.Count > 0 {
		c.Deltas = append(c.Deltas, d)
	}
}

// functions compares the latencies of the functions that both sides have.
func (c *Comparison) functions(before, after *Report, threshold float64) {
	old := map[string]*Function{}
	for i := range before.Functions {
		old[before.Functions[i].Name] = &before.Functions[i]
	}
	oldAll, newAll := before.Latency.Total(), after.Latency.Total()
	var deltas []Delta
	for i := range after.Functions {
		is := &after.Functions[i]
		was, ok := old[is.Name]
		if !ok {
			continue
		}
		for _, class := range Classes() {
			d := Delta{Kind: "function", Name: is.Name, Class: class.String(), Old: was.Latency[class], New: is.Latency[class]}
			if d.Old.Count == 0 && d.New.Count == 0 {
				continue
			}
			d.OldShare, d.NewShare = part(d.Old.Total, oldAll), part(d.New.Total, newAll)
			d.Weighs = max(d.OldShare, d.NewShare) >= weighs
			d.Verdict = judgeStats(&d, threshold)
			deltas = append(deltas, d)
		}
	}
	slices.SortStableFunc(deltas, func(a, b Delta) int {
		return cmp.Compare(max(b.OldShare, b.NewShare), max(a.OldShare, a.NewShare))
	})
	c.Deltas = append(c.Deltas, deltas...)
}

func part(of, all int64) float64 {
	if all <= 0 {
		return 0
	}
	return float64(of) / float64(all)
}

func (c *Comparison) notes() {
	if c.Old.RunDelay < 0 || c.New.RunDelay < 0 {
		c.Notes = append(c.Notes, "What the hosts did is not known: nothing was sampled beside the traces. goshawk trace record does both.")
	}
	if c.Old.Format != c.New.Format {
		c.Notes = append(c.Notes, fmt.Sprintf("The formats are of different Go versions: 1.%d and 1.%d.", c.Old.Format, c.New.Format))
	}
	for i, s := range []Side{c.Old, c.New} {
		if !s.Complete {
			c.Notes = append(c.Notes, fmt.Sprintf("The %s trace is not complete: what was read of it is compared.", [...]string{"old", "new"}[i]))
		}
	}
	if long := float64(max(c.Old.Duration, c.New.Duration)); float64(min(c.Old.Duration, c.New.Duration)) < long/2 {
		c.Notes = append(c.Notes, fmt.Sprintf("One trace is more than twice as long as the other: %s and %s.", duration(c.Old.Duration), duration(c.New.Duration)))
	}
	if math.Abs(c.Old.Saturated-c.New.Saturated) > 0.2 {
		c.Notes = append(c.Notes, fmt.Sprintf("All Ps were busy while goroutines waited for %.0f %% of the old trace and %.0f %% of the new one.", c.Old.Saturated*100, c.New.Saturated*100))
	}
}

// judge comes to a verdict.
func (c *Comparison) judge() {
	if reason := c.hostDiffers(); reason != "" {
		c.Verdict, c.Reason = NoVerdict, reason
		return
	}
	var worse, better []string
	judged := 0
	for _, d := range c.Deltas {
		if !d.Weighs || d.Verdict == NoVerdict {
			continue
		}
		if d.Kind == "class" {
			judged++
		}
		switch d.Verdict {
		case VerdictWorse:
			worse = append(worse, d.label())
		case VerdictBetter:
			better = append(better, d.label())
		}
	}
	switch {
	case judged == 0:
		c.Verdict, c.Reason = NoVerdict, fmt.Sprintf("No class of latency has %d samples on both sides.", enough)
	case len(worse) > 0:
		c.Verdict, c.Reason = VerdictWorse, "Worse: "+several(worse)+"."
	case len(better) > 0:
		c.Verdict, c.Reason = VerdictBetter, "Better: "+several(better)+"; nothing is worse."
	default:
		c.Verdict, c.Reason = VerdictSame, "No latency differs by more than the threshold."
	}
}

// hostDiffers says how the two sides' hosts differ too much for a verdict, if they do.
func (c *Comparison) hostDiffers() string {
	for _, h := range []struct {
		what     string
		old, new float64
		most     float64
	}{
		{"the program was stalled", c.Old.Stall, c.New.Stall, maxStallDiffers},
		{"its threads waited for a CPU", c.Old.RunDelay, c.New.RunDelay, maxHostDiffers},
		{"its quota was used up", c.Old.Throttled, c.New.Throttled, maxHostDiffers},
	} {
		if h.old >= 0 && h.new >= 0 && math.Abs(h.old-h.new) > h.most {
			return fmt.Sprintf("For %.0f %% of the old trace and %.0f %% of the new one %s: the hosts were not alike.", h.old*100, h.new*100, h.what)
		}
	}
	return ""
}

func (d *Delta) label() string {
	switch d.Kind {
	case "class":
		return d.Name + " -> run"
	case "stw":
		return "stop of the world for " + d.Name
	case "gc_assist":
		return "assists of the collector"
	}
	return d.Name + " (" + d.Class + " -> run)"
}

// several joins the first labels.
func several(labels []string) string {
	const most = 4
	text := ""
	for i, l := range labels[:min(len(labels), most)] {
		if i > 0 {
			text += ", "
		}
		text += l
	}
	if len(labels) > most {
		text += fmt.Sprintf(" and %d more", len(labels)-most)
	}
	return text
}
