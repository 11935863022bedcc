package propose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/sli"
)

const (
	// window is that of every proposal.
	window = 30 * 24 * time.Hour
	// confidence is how sure it is that a proposed target was kept.
	confidence = 0.95
	// maxName leaves room for what is added to a service's name.
	maxName = 100
)

// Baseline is what was seen of a service.
type Baseline struct {
	Service string
	// Signal is [objective.SignalHTTP], for the requests that it served, or
	// [objective.SignalExec], for the commands that it ran.
	Signal objective.Signal
	// From and To are the time in which it was seen.
	From, To time.Time
	// Total and Bad count the events, and the failed ones among them.
	Total, Bad uint64
	// Durations distributes how long they took.
	Durations model.Distribution
}

// Options says when there is enough to propose from. The zero value works.
type Options struct {
	// LeastEvents is of how many events at least; 0 means 1000.
	LeastEvents uint64
	// LeastTime is of how much time at least; 0 means ten minutes.
	LeastTime time.Duration
	// Threshold reports whether another objective may have this threshold; nil
	// means that all may. The kernel counts by a few thresholds only.
	Threshold func(time.Duration) bool
}

// targets are proposed for the share of events that do not fail, the strictest
// first, and quickTargets for that of those which are quick enough.
func targets() []float64      { return []float64{0.9999, 0.9995, 0.999, 0.995, 0.99, 0.95, 0.9} }
func quickTargets() []float64 { return []float64{0.99, 0.95, 0.9} }

// thresholds are the round times that are proposed, the shortest first.
func thresholds() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{ms, 5 * ms / 2, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms, time.Second, 2500 * ms, 5 * time.Second, 10 * time.Second}
}

// For returns the objectives that a service has kept, none when too little of it
// was seen. Each is valid and marked as a proposal.
func For(b *Baseline, o Options) []objective.SLO {
	if o.LeastEvents == 0 {
		o.LeastEvents = 1000
	}
	if o.LeastTime == 0 {
		o.LeastTime = 10 * time.Minute
	}
	name := Name(b.Service)
	if name == "" || b.Total < o.LeastEvents || b.To.Sub(b.From) < o.LeastTime {
		return nil
	}
	var list []objective.SLO
	kind, what, failed := "availability", "requests", "failed"
	if b.Signal == objective.SignalExec {
		kind, what = "commands", "commands"
	}
	if target := kept(b.Bad, b.Total, targets()); target > 0 {
		s := b.proposal(name+"-"+kind, target)
		s.Description = fmt.Sprintf("%s. Proposed from %s: %d of %d %s.", promise(target, what, "do not fail"), b.span(), b.Bad, b.Total, failed)
		list = append(list, s)
	}
	if b.Signal == objective.SignalHTTP {
		if target, limit, slow := b.quick(o.Threshold); target > 0 {
			s := b.proposal(name+"-latency", target)
			s.Indicator.Threshold = limit
			s.Indicator.Bad = []objective.Selector{}
			s.Description = fmt.Sprintf("%s. Proposed from %s: %d of %d took longer, at most.", promise(target, what, "take at most "+limit.String()), b.span(), slow, b.Durations.Count())
			list = append(list, s)
		}
	}
	return list
}

// promise says what an objective promises.
func promise(target float64, what, how string) string {
	return fmt.Sprintf("%s %% of the %s %s", strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", target*100), "0"), "."), what, how)
}

// span says what a proposal is made from.
func (b *Baseline) span() string {
	const layout = "2006-01-02 15:04"
	return fmt.Sprintf("what was seen from %s to %s UTC", b.From.UTC().Format(layout), b.To.UTC().Format(layout))
}

func (b *Baseline) proposal(name string, target float64) objective.SLO {
	chosen := objective.Selector{Service: []string{b.Service}}
	if b.Signal == objective.SignalHTTP {
		chosen.Attributes = []objective.Attribute{{Keys: []string{"goshawk.role"}, Patterns: []string{"server"}}}
	}
	return objective.SLO{
		Name: name, Service: b.Service, Target: target, Windows: []sli.Window{sli.Rolling(window)}, Proposal: true,
		Indicator: objective.Indicator{Name: name, Signal: b.Signal, Select: chosen},
	}
}

// kept returns the strictest target that was kept with confidence, 0 when none
// was.
func kept(bad, total uint64, targets []float64) float64 {
	if total == 0 {
		return 0
	}
	_, high := sli.ClopperPearson(bad, total, confidence)
	i := slices.IndexFunc(targets, func(target float64) bool { return high <= 1-target })
	if i < 0 {
		return 0
	}
	return targets[i]
}

// quick returns the shortest threshold for the strictest target that was kept, and
// how many events took longer at most: buckets are counted from where they begin.
func (b *Baseline) quick(may func(time.Duration) bool) (target float64, limit time.Duration, slow uint64) {
	total := b.Durations.Count()
	for _, target := range quickTargets() {
		for _, limit := range thresholds() {
			if may != nil && !may(limit) {
				continue
			}
			slow := b.slower(limit)
			if kept(slow, total, []float64{target}) > 0 {
				return target, limit, slow
			}
		}
	}
	return 0, 0, 0
}

// slower counts the events that may have taken longer than limit.
func (b *Baseline) slower(limit time.Duration) uint64 {
	var n uint64
	b.Durations.EachBucket(func(_, high, count uint64) {
		if high > uint64(limit) {
			n += count
		}
	})
	return n
}

// Name returns a service's name as a part of an objective's name, empty for one
// that cannot be selected by its name.
func Name(service string) string {
	if service == "" || len(service) > maxName || strings.ContainsAny(service, "*?") {
		return ""
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_', r == '.':
			return r
		}
		return '-'
	}, service)
	return strings.Trim(name, "-._")
}

// Covers reports whether an objective is about what a proposal is about: the same
// signal of the same service, and how long it takes or whether it fails.
func Covers(s, proposal *objective.SLO) bool {
	if s.Indicator.Signal != proposal.Indicator.Signal || (s.Indicator.Threshold > 0) != (proposal.Indicator.Threshold > 0) {
		return false
	}
	selected := s.Indicator.Select.Service
	return len(selected) == 0 || slices.ContainsFunc(selected, func(pattern string) bool { return objective.Match(pattern, proposal.Service) })
}
