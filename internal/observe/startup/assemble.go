package startup

import (
	"cmp"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

// complete makes a start of its own event and all that was gathered. The result
// does not depend on the order in which that came.
func (g *gathered) complete(e *model.Event) *Start {
	s := readStart(e)
	s.Lost += g.overflowed
	for i := range g.parts {
		if p := &g.parts[i]; !p.hasBegin {
			p.Begin = offset(p.at.Sub(s.Time))
		}
	}
	for i := range g.calls {
		if c := &g.calls[i]; !c.hasBegin {
			c.Begin = offset(c.at.Sub(s.Time))
		}
	}
	slices.SortStableFunc(g.parts, compareParts)
	slices.SortStableFunc(g.calls, compareCalls)
	g.place()
	for i := range g.parts {
		p := &g.parts[i]
		if p.isPackage {
			s.Packages = append(s.Packages, Package{Name: p.Name, Usage: p.Usage})
			continue
		}
		s.Phases = append(s.Phases, p.Phase)
	}
	s.takeOffCost()
	return s
}

// manyPackages is how many inits there must be for the least of them to have next
// to nothing to do: most programs have over fifty, of which a quarter sets a
// variable or two, which takes less than a tenth of a microsecond.
const manyPackages = 20

// takeOffCost takes off the inits of packages what observing them cost: that of
// their system calls, as far as it was measured, and then that of the one hit of a
// probe that lies between two of them: the least of all is that alone.
func (s *Start) takeOffCost() {
	for i := range s.Packages {
		p := &s.Packages[i]
		// It ran meanwhile: what it waited is its own.
		p.Observed = min(p.Observed, p.Duration, p.CPU)
		p.Duration -= p.Observed
		p.CPU -= p.Observed
	}
	if len(s.Packages) < manyPackages {
		return
	}
	least := s.Packages[0].Duration
	for i := range s.Packages {
		least = min(least, s.Packages[i].Duration)
	}
	s.ProbeCost = least
	for i := range s.Packages {
		p := &s.Packages[i]
		p.Duration -= least
		p.CPU = max(0, p.CPU-least)
	}
}

// compareParts puts what begins earlier first, and of those an instant, then the
// longer.
func compareParts(a, b part) int {
	instant := func(p *part) int { return int(min(p.Duration, 1)) }
	return cmp.Or(
		cmp.Compare(a.Begin, b.Begin),
		cmp.Compare(instant(&a), instant(&b)),
		cmp.Compare(b.Duration, a.Duration),
		cmp.Compare(a.Within, b.Within), // outer phases have none
		cmp.Compare(a.Name, b.Name),
		slices.Compare(a.span[:], b.span[:]),
	)
}

// compareCalls puts the longest first.
func compareCalls(a, b call) int {
	return cmp.Or(
		cmp.Compare(b.Duration, a.Duration),
		cmp.Compare(a.Begin, b.Begin),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Operand, b.Operand),
		cmp.Compare(a.Result, b.Result),
		slices.Compare(a.span[:], b.span[:]),
	)
}

// place gives each system call to its phase or package: the one that it names as
// its parent, or, when that did not arrive, the shortest that it began in.
func (g *gathered) place() {
	bySpan := make(map[model.SpanID]*part, len(g.parts))
	for i := range g.parts {
		p := &g.parts[i]
		if _, taken := bySpan[p.span]; !taken && p.span != (model.SpanID{}) {
			bySpan[p.span] = p
		}
	}
	var orphans []int
	for i := range g.calls {
		if p := bySpan[g.calls[i].parent]; p != nil {
			p.Calls = append(p.Calls, g.calls[i].Call)
		} else {
			orphans = append(orphans, i)
		}
	}
	if len(orphans) > 0 {
		g.placeByTime(orphans)
	}
}

// placeByTime places calls by when they began. One that began in none of what
// has arrived is left out.
func (g *gathered) placeByTime(orphans []int) {
	for _, i := range orphans {
		c := &g.calls[i]
		var within *part
		for j := range g.parts {
			p := &g.parts[j]
			if p.Begin > c.Begin {
				break
			}
			if c.Begin < p.End() && (within == nil || p.Duration < within.Duration) {
				within = p
			}
		}
		if within != nil {
			within.Calls = append(within.Calls, c.Call)
		}
	}
	for i := range g.parts {
		slices.SortStableFunc(g.parts[i].Calls, func(a, b Call) int { return compareCalls(call{Call: a}, call{Call: b}) })
	}
}

// readStart reads the start's own event.
func readStart(e *model.Event) *Start {
	s := &Start{
		Command:   texts(e.Get(KeyArgs)),
		Exe:       strings.Clone(e.Get(KeyExe).Str()),
		GoVersion: strings.Clone(e.Get(KeyGoVersion).Str()),
		PID:       e.PID,
		Time:      e.Time,
		Duration:  length(e.Duration),
		Ended:     Ended(strings.Clone(e.Get(KeyEnded).Str())),
		Children:  int(count(e.Get(KeyChildren))),
		Threads:   int(count(e.Get(KeyThreads))),
		Lost:      count(e.Get(KeyLost)),
		Facts: Facts{
			GoDebug:        strings.Clone(e.Get(KeyGoDebug).Str()),
			DefaultGoDebug: strings.Clone(e.Get(KeyDefaultGoDebug).Str()),
			GoMaxProcs:     int(count(e.Get(KeyGoMaxProcs))),
			GoProxy:        texts(e.Get(KeyGoProxy)),
			CPUs:           int(count(e.Get(KeyCPUs))),
			Quota:          float64(count(e.Get(KeyQuota))) / 1000,
			Throttles:      int(count(e.Get(KeyThrottles))),
		},
	}
	if pid := e.Get(KeyPID); s.PID == 0 && pid.IsSet() {
		s.PID = int32(pid.Int())
	}
	code, signal := e.Get(KeyExitCode), e.Get(KeySignal)
	if code.IsSet() || signal.IsSet() {
		s.Exit = &Exit{Code: int(code.Int()), Signal: int(signal.Int())}
		if s.Exit.Signal != 0 {
			s.Exit.Code = -1
		}
	}
	for _, text := range texts(e.Get(KeyUnseen)) {
		what, why, _ := strings.Cut(text, ": ")
		s.Unseen = append(s.Unseen, Unseen{What: what, Why: why})
	}
	return s
}

func texts(v model.Value) []string {
	var all []string
	for text := range v.Strings() {
		all = append(all, strings.Clone(text))
	}
	return all
}
