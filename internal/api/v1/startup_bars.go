package v1

import (
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// partThrottled is the part of a bar in which the control group had used up its
// quota.
const partThrottled = "throttled"

// Parts divides the duration: "cpu", "run_delay" (ready, and no CPU was free),
// "throttled" and "wait". What several threads did at once is counted once, in
// this order, so that the parts never exceed the duration; what they leave is
// not accounted for.
func (v *StartupUsage) Parts() []Part {
	rest := v.DurationNS
	take := func(ns int64) int64 {
		ns = max(min(ns, rest), 0)
		rest -= ns
		return ns
	}
	cpu := take(orZero(v.CPUNS))
	ready := take(orZero(v.RunDelayNS))
	wait := take(orZero(v.OffCPUNS))
	// A throttled thread is ready as long as the scheduler has it in a queue,
	// and asleep after that.
	throttled := max(min(orZero(v.ThrottledNS), ready+wait), 0)
	fromReady := min(throttled, ready)
	ready -= fromReady
	wait -= throttled - fromReady
	var parts []Part
	for _, p := range []Part{{"cpu", cpu}, {"run_delay", ready}, {partThrottled, throttled}, {"wait", wait}} {
		if p.NS > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

// StartupStep is a phase or a package in its place.
type StartupStep struct {
	// Depth is the number of phases that it is a part of, Parent the position of
	// the innermost of them, -1 for none.
	Depth, Parent int
	Name          string
	// Package is true of a package, else it is a phase; Address is the phase's.
	Package bool
	Address string
	Usage   *StartupUsage
}

// Label names it where it stands alone. A program has a phase and a package of the
// name main.
func (s *StartupStep) Label() string {
	if s.Package && s.Name == startup.Main {
		return "init of main"
	}
	return s.Name
}

// Steps returns phases and packages in the order in which they are shown: the
// parts of a phase below it, packages below package_inits. They point into v.
func (v *Startup) Steps() []StartupStep {
	steps := make([]StartupStep, 0, len(v.Phases)+len(v.Packages))
	added := make([]bool, len(v.Phases))
	packages := false
	var add func(i, parent, depth int)
	add = func(i, parent, depth int) {
		added[i] = true
		p := &v.Phases[i]
		at := len(steps)
		steps = append(steps, StartupStep{Depth: depth, Parent: parent, Name: p.Name, Address: p.Address, Usage: &p.StartupUsage})
		for below := range v.Phases {
			if !added[below] && v.Phases[below].Within == p.Name {
				add(below, at, depth+1)
			}
		}
		if p.Name == startup.PackageInits && !packages {
			packages = true
			steps = v.addPackages(steps, at, depth+1)
		}
	}
	for i := range v.Phases {
		if within := v.Phases[i].Within; within == "" || v.Phase(within) == nil {
			add(i, -1, 0)
		}
	}
	// Phases within each other are below none.
	for i := range v.Phases {
		if !added[i] {
			add(i, -1, 0)
		}
	}
	if !packages {
		steps = v.addPackages(steps, -1, 0)
	}
	return steps
}

// Phase returns the first phase of that name, nil when it was not seen.
func (v *Startup) Phase(name string) *StartupPhase {
	for i := range v.Phases {
		if v.Phases[i].Name == name {
			return &v.Phases[i]
		}
	}
	return nil
}

func (v *Startup) addPackages(steps []StartupStep, parent, depth int) []StartupStep {
	for i := range v.Packages {
		p := &v.Packages[i]
		steps = append(steps, StartupStep{Depth: depth, Parent: parent, Name: p.Name, Package: true, Usage: &p.StartupUsage})
	}
	return steps
}

// AxisNS returns where a drawing of the start begins and ends. It ends where the
// program was ready; what came much later, a first request after minutes say, is
// beyond it, so that the start is not a line.
func (v *Startup) AxisNS() (from, to int64) {
	const much = 4
	var late []int64
	first := true
	for _, step := range v.Steps() {
		u := step.Usage
		end := u.StartNS + u.DurationNS
		if first {
			from, to, first = u.StartNS, u.StartNS, false
		}
		from = min(from, u.StartNS)
		switch {
		case step.Package:
		case step.Name == startup.Main:
			to = max(to, u.StartNS)
			late = append(late, end)
		case strings.HasPrefix(step.Name, "first_") && step.Name != startup.FirstListen:
			late = append(late, u.StartNS, end)
		default:
			to = max(to, end)
		}
	}
	for again := true; again; {
		again = false
		for _, end := range late {
			if end > to && end-from <= much*(to-from) {
				to, again = end, true
			}
		}
	}
	// Of what goes on beyond it the begin is seen.
	if slices.ContainsFunc(late, func(end int64) bool { return end > to }) {
		to += (to - from) / 8
	}
	return from, max(to, from+1)
}

// Waterfall returns the start on one axis, without the packages that took less
// than least, and how many these are. Each package and phase is a bar of the
// kind "step".
func (v *Startup) Waterfall(least time.Duration) (w Waterfall, left int) {
	from, to := v.AxisNS()
	at := func(ns int64) Time { return Time(time.Time(v.Time).Add(time.Duration(ns))) }
	w = Waterfall{From: at(from), To: at(to), Bars: []Bar{}}
	steps := v.Steps()
	// The place of each step among the bars, which are fewer.
	places := make([]int, len(steps))
	for i, step := range steps {
		if step.Package && time.Duration(step.Usage.DurationNS) < least {
			left++
			continue
		}
		places[i] = len(w.Bars)
		parent := -1
		if step.Parent >= 0 {
			parent = places[step.Parent]
		}
		b := Bar{Kind: "step", Parent: parent, Depth: step.Depth, Label: step.Name, StartNS: step.Usage.StartNS - from, DurationNS: step.Usage.DurationNS, Parts: step.Usage.Parts()}
		if step.Address != "" {
			b.Detail = step.Name + " " + step.Address
		}
		w.Bars = append(w.Bars, b)
	}
	return w, left
}
