package console

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Bounds of what the view remembers.
const (
	maxSites    = 512
	maxFindings = 64
	maxLast     = 50
	samples     = 256
)

// State gathers what the view shows. It is safe for concurrent use.
type State struct {
	mu       sync.Mutex
	sites    map[siteKey]*site
	findings map[findingKey]*finding
	last     []*model.Event // the newest at the end
	total    uint64
	failed   uint64
}

type siteKey struct{ service, function, name string }

// site sums up what one call site ran.
type site struct {
	siteKey
	count, failed, findings uint64
	first, last             time.Time
	durations               []time.Duration // a ring of the last ones
	next                    int
}

type findingKey struct{ rule, service, function string }

// finding sums up one finding about one call site.
type finding struct {
	findingKey
	model.Finding
	count uint64
	last  time.Time
}

// NewState returns an empty state.
func NewState() *State {
	return &State{sites: make(map[siteKey]*site), findings: make(map[findingKey]*finding)}
}

// Add takes one finished event, which must not change any more. Of the events
// of a tallied schema, which are a sample of what is no command, the view has
// the findings only.
func (s *State) Add(e *model.Event) {
	if e.Phase != model.PhaseEnd || e.Schema.Span == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	function := e.Get("code.function.name").Str()
	for _, f := range e.Findings {
		s.addFinding(findingKey{f.Rule, e.Service, function}, f, e.Time)
	}
	if e.Schema.Tallied {
		return
	}
	s.total++
	failed := e.Failure().IsSet()
	if failed {
		s.failed++
	}
	if len(s.last) >= maxLast {
		s.last = append(s.last[:0], s.last[1:]...)
	}
	s.last = append(s.last, e)
	if function == "" {
		return
	}
	s.addSite(siteKey{e.Service, function, e.Get(e.Schema.Span.Name).Str()}, e, failed)
}

func (s *State) addFinding(k findingKey, f model.Finding, at time.Time) {
	known, ok := s.findings[k]
	if !ok {
		if len(s.findings) >= maxFindings {
			return
		}
		known = &finding{findingKey: k}
		s.findings[k] = known
	}
	known.Finding, known.last = f, at
	known.count++
}

func (s *State) addSite(k siteKey, e *model.Event, failed bool) {
	known, ok := s.sites[k]
	if !ok {
		if len(s.sites) >= maxSites {
			return
		}
		known = &site{siteKey: k, first: e.Time}
		s.sites[k] = known
	}
	known.count++
	known.last = e.Time
	known.findings += uint64(len(e.Findings))
	if failed {
		known.failed++
	}
	if len(known.durations) < samples {
		known.durations = append(known.durations, e.Duration)
		return
	}
	known.durations[known.next] = e.Duration
	known.next = (known.next + 1) % samples
}

// quantile returns the q-quantile of the last durations.
func (s *site) quantile(q float64) time.Duration {
	if len(s.durations) == 0 {
		return -1
	}
	sorted := slices.Sorted(slices.Values(s.durations))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// perMinute returns the rate since the site was first seen.
func (s *site) perMinute(now time.Time) float64 {
	minutes := max(now.Sub(s.first), 10*time.Second).Minutes()
	return float64(s.count) / minutes
}

// topSites returns the n busiest call sites.
func (s *State) topSites(n int) []*site {
	all := make([]*site, 0, len(s.sites))
	for _, v := range s.sites {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b *site) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.service, b.service), cmp.Compare(a.function, b.function), cmp.Compare(a.name, b.name))
	})
	return all[:min(n, len(all))]
}

// topFindings returns the n gravest findings, the most frequent first.
func (s *State) topFindings(n int) []*finding {
	all := make([]*finding, 0, len(s.findings))
	for _, v := range s.findings {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b *finding) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.count, a.count), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.function, b.function))
	})
	return all[:min(n, len(all))]
}
