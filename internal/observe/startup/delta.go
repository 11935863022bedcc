package startup

import (
	"fmt"
	"slices"
	"time"
)

// pair is one interval on both sides, before it is judged.
type pair struct {
	delta    Delta
	old, new []time.Duration // own times, new without the shift common to all
}

// newPair pairs the runs of both sides. shift is how many times as long the new
// side takes anyway: a change in the same direction is only what goes beyond.
func newPair(old, new *series, shift float64) pair {
	p := pair{old: old.each((*Usage).Own), new: new.each((*Usage).Own)}
	d := Delta{Name: new.name, Within: new.within, Old: spread(p.old), New: spread(p.new), P: 1, Weighs: true}
	d.Change, d.MinChange = d.New.Median-d.Old.Median, d.New.Min-d.Old.Min
	p.delta = d
	if shift > 1 && d.Change > 0 || shift > 0 && shift < 1 && d.Change < 0 {
		for i, t := range p.new {
			p.new[i] = time.Duration(float64(t) / shift)
		}
	}
	return p
}

// judge decides which of a family of pairs differ significantly.
func judge(pairs []pair, g gate) []Delta {
	var tested []int
	var probabilities []float64
	for i := range pairs {
		p := &pairs[i]
		if len(p.old) < minRuns || len(p.new) < minRuns || max(p.delta.Old.Median, p.delta.New.Median) < g.least {
			continue
		}
		// One that is too small anyway need not be tested, but is of the family.
		if p.passes(g) {
			p.delta.P = rankTest(p.old, p.new)
		}
		tested = append(tested, i)
		probabilities = append(probabilities, p.delta.P)
	}
	improbable := holm(probabilities, alpha)
	for n, i := range tested {
		p := &pairs[i]
		large := p.passes(largeGate()) && p.delta.P < alpha
		p.delta.Significant = p.passes(g) && (improbable[n] || large || p.apart(1))
	}
	deltas := make([]Delta, len(pairs))
	for i := range pairs {
		p := &pairs[i]
		if fewest := min(len(p.old), len(p.new)); fewest < minRuns && fewest >= minApart {
			p.delta.Significant = p.passes(g) && p.passes(largeGate()) && p.apart(apartRanges)
		}
		deltas[i] = p.delta
	}
	return deltas
}

// passes reports whether medians and minima both differ by more than a gate asks
// for, in the same direction.
func (p *pair) passes(g gate) bool {
	old, new := spread(p.old), spread(p.new)
	beyond := func(a, b time.Duration) bool {
		d := (b - a).Abs()
		return d > g.least && float64(d) > g.share*float64(min(a, b))
	}
	return (new.Median > old.Median) == (new.Min > old.Min) && beyond(old.Median, new.Median) && beyond(old.Min, new.Min)
}

// apart reports whether no run of the one side is as fast as any of the other,
// with a gap of more than so many times the larger range.
func (p *pair) apart(ranges time.Duration) bool {
	old, new := spread(p.old), spread(p.new)
	gap := max(new.Min-old.Max, old.Min-new.Max)
	return gap > ranges*max(old.Max-old.Min, new.Max-new.Min)
}

// comparePhases compares the phases that both sides have, and notes the others.
func (c *Comparison) comparePhases(old, new *sideRuns) {
	before, news := phaseSeries(old.whole), phaseSeries(new.whole)
	c.Machine = machineOf(c.Shift, before, news, c.Old.GoVersion == c.New.GoVersion)
	a, b := totals(old.whole), totals(new.whole)
	c.Total = judge([]pair{newPair(&a, &b, c.Machine)}, phaseGate())[0]
	var pairs []pair
	matched := make(map[string]bool)
	for _, after := range news {
		if after.name == Sysmon || after.name == FirstAccept {
			continue
		}
		i := slices.IndexFunc(before, func(s series) bool { return s.name == after.name && s.within == after.within })
		if i < 0 {
			c.Notes = append(c.Notes, onlyOn(after.name, "new"))
			continue
		}
		matched[after.name] = true
		p := newPair(&before[i], &after, c.Machine)
		if after.name == FirstListen {
			a, b := readies(old.whole), readies(new.whole)
			p = newPair(&a, &b, c.Machine)
			if c.unclear = unequal(&a, &b); c.unclear != "" {
				if q, ok := surely(old.whole, new.whole, c.Machine); ok {
					p, c.unclear = q, ""
				}
			}
		}
		p.delta.Weighs = weighs(after.name) && (after.name != FirstListen || c.unclear == "")
		pairs = append(pairs, p)
	}
	for _, s := range before {
		if !matched[s.name] && s.name != Sysmon && s.name != FirstAccept && len(new.whole) > 0 {
			c.Notes = append(c.Notes, onlyOn(s.name, "old"))
		}
	}
	c.Phases = judge(pairs, phaseGate())
}

func onlyOn(phase, side string) string {
	return fmt.Sprintf("only the %s runs have the phase %s", side, phase)
}

// surely compares the times to the first listen where the machine was not alike,
// and reports whether they differ all the same: the CPUs had more to do for the
// one side than the other one took by the clock.
func surely(old, new []*Start, shift float64) (pair, bool) {
	oldClock, newClock := clocks(old), clocks(new)
	oldLeast, newLeast := leasts(old), leasts(new)
	slower, faster := newPair(&oldClock, &newLeast, shift), newPair(&oldLeast, &newClock, shift)
	if d := judge([]pair{slower}, largeGate())[0]; d.Slower() {
		return slower, true
	}
	if d := judge([]pair{faster}, largeGate())[0]; d.Faster() {
		return faster, true
	}
	return pair{}, false
}

// clocks is the time to the first listen by the clock, of those starts that have
// one.
func clocks(starts []*Start) series {
	c := series{name: FirstListen}
	for _, u := range readies(starts).runs {
		c.runs = append(c.runs, Usage{Duration: u.Duration})
	}
	return c
}

// leasts is how long the way to the first listen takes at least: from main.main on
// as long as all CPUs have to do for it.
func leasts(starts []*Start) series {
	l := series{name: FirstListen}
	for _, s := range starts {
		main := s.Phase(Main)
		if s.Phase(FirstListen) == nil || main.Unknown || s.Facts.CPUs <= 0 {
			continue
		}
		u, _ := s.ToMain()
		l.runs = append(l.runs, Usage{Duration: u.Own() + main.CPU/time.Duration(s.Facts.CPUs)})
	}
	return l
}

// unequal says in what the machine was not alike on the way to the first listen,
// or returns an empty text.
func unequal(old, new *series) string {
	var wanted [2]float64
	for i, side := range []struct {
		name string
		runs []Usage
	}{{"old", old.runs}, {"new", new.runs}} {
		var delays []float64
		held := 0
		for n := range side.runs {
			u := &side.runs[n]
			delays = append(delays, u.contention())
			if _, throttled := u.shares(); throttled > maxThrottled {
				held++
			}
		}
		if float64(held) > maxThrottledRuns*float64(len(side.runs)) {
			return fmt.Sprintf("the CPU quota throttled %s for more than %s of the time up to the first listen", ofRuns(held, len(side.runs), side.name), percent(maxThrottled))
		}
		wanted[i] = medianOf(delays)
	}
	if d := wanted[1] - wanted[0]; max(d, -d) > maxDelayDiffers {
		return fmt.Sprintf("on the way to the first listen the threads of the median run had no CPU for %s of the time that they wanted one on the old side, and %s on the new one: whether the machine was busy, or they kept each other waiting, cannot be told", percent(wanted[0]), percent(wanted[1]))
	}
	return ""
}

// weighs reports whether a phase is the program's, and before it is ready.
func weighs(phase string) bool {
	return phase != KernelExec && phase != Main && phase != FirstResponse
}

// comparePackages compares the packages that both sides have, and lists the
// others.
func (c *Comparison) comparePackages(old, new *sideRuns) {
	before := make(map[string]*series)
	olds := packageSeries(old.whole)
	for i := range olds {
		before[olds[i].name] = &olds[i]
	}
	news := packageSeries(new.whole)
	c.Shift = shiftOf(before, news)
	var pairs []pair
	for i := range news {
		after := &news[i]
		if b := before[after.name]; b != nil {
			p := newPair(b, after, c.Shift)
			p.delta.Package = true
			pairs = append(pairs, p)
			delete(before, after.name)
			continue
		}
		c.Added = append(c.Added, PackageSpread{Name: after.name, UsageSpread: after.usage()})
	}
	for i := range olds {
		if before[olds[i].name] != nil {
			c.Vanished = append(c.Vanished, PackageSpread{Name: olds[i].name, UsageSpread: olds[i].usage()})
		}
	}
	c.Packages = judge(pairs, packageGate())
	if min(len(old.whole), len(new.whole)) < minRuns {
		return
	}
	for i := range c.Added {
		if p := &c.Added[i]; p.Own.N == len(new.whole) && p.Own.Min > packageGate().least {
			c.Packages = append(c.Packages, Delta{
				Name: p.Name, Package: true, New: p.Own, Change: p.Own.Median, MinChange: p.Own.Min, P: 1, Significant: true, Weighs: true,
			})
		}
	}
	for i := range c.Vanished {
		if p := &c.Vanished[i]; p.Own.N == len(old.whole) && p.Own.Min > packageGate().least {
			c.Packages = append(c.Packages, Delta{
				Name: p.Name, Package: true, Old: p.Own, Change: -p.Own.Median, MinChange: -p.Own.Min, P: 1, Significant: true, Weighs: true,
			})
		}
	}
}

// shiftOf returns the median of how many times as long packages take that are
// long enough to tell, 0 when there are too few.
func shiftOf(before map[string]*series, news []series) float64 {
	var ratios []float64
	for i := range news {
		if b := before[news[i].name]; b != nil {
			if r, ok := ratio(b, &news[i]); ok {
				ratios = append(ratios, r)
			}
		}
	}
	if len(ratios) < minShifted {
		return 0
	}
	return medianOf(ratios)
}

// ratio returns how many times as long an interval takes on the new side, if that
// is more than the clock and the probe.
func ratio(old, new *series) (times float64, ok bool) {
	a, b := old.spread((*Usage).Own).Median, new.spread((*Usage).Own).Median
	if a < leastShifted || b < leastShifted {
		return 1, false
	}
	return float64(b) / float64(a), true
}

// machineOf returns the part of a shift of the packages that phases have too in
// which the program has no part: the kernel's exec and, of one Go version, what
// its runtime does. Where nothing is known of packages it is theirs alone.
func machineOf(shift float64, old, new []series, sameGo bool) float64 {
	names := []string{KernelExec}
	if sameGo {
		names = append(names, RuntimeEntry, OSInit, SchedInit, RuntimeMain, GCEnable)
	}
	var ratios []float64
	for i := range new {
		j := slices.IndexFunc(old, func(s series) bool { return s.name == new[i].name })
		if j < 0 || !slices.Contains(names, new[i].name) {
			continue
		}
		if r, ok := ratio(&old[j], &new[i]); ok {
			ratios = append(ratios, r)
		}
	}
	if len(ratios) == 0 {
		return 1
	}
	switch all := medianOf(ratios); {
	case shift == 0:
		return all
	case all > 1 && shift > 1:
		return min(all, shift)
	case all < 1 && shift < 1:
		return max(all, shift)
	}
	return 1
}
