package v1

import (
	"slices"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

// SLOSelector chooses events: those of which each attribute matches. The zero
// value chooses all.
type SLOSelector struct {
	// Service are patterns for the name of the service; absent for every service.
	Service []string `json:"service,omitempty"`
	// Attributes are patterns for other values; absent when there are none.
	Attributes []SLOAttribute `json:"attributes,omitempty"`
}

// SLOAttribute matches when the value of one of Keys fits one of Patterns: "*"
// stands for any text, "?" for a character. A value that is not set is the empty
// text.
type SLOAttribute struct {
	Keys     []string `json:"keys"`
	Patterns []string `json:"patterns"`
}

// SLOQuery is what a Prometheus server counts: Total and one of Good and Bad, or
// Ratio, the share of bad events, alone. They are expressions in PromQL.
type SLOQuery struct {
	// Server is its URL; absent when the rules are for any.
	Server string `json:"server,omitempty"`
	Good   string `json:"good,omitempty"`
	Bad    string `json:"bad,omitempty"`
	Total  string `json:"total,omitempty"`
	Ratio  string `json:"ratio,omitempty"`
}

// SLOExclusion is a time that does not count for the events that Select chooses.
type SLOExclusion struct {
	Reason string      `json:"reason,omitempty"`
	From   Time        `json:"from"`
	To     Time        `json:"to"`
	Select SLOSelector `json:"select"`
}

// Matches reports whether the attributes of an event match, the service left
// aside.
func (s *SLOSelector) Matches(value func(key string) string) bool {
	for _, a := range s.Attributes {
		if !a.matches(value) {
			return false
		}
	}
	return true
}

func (a *SLOAttribute) matches(value func(key string) string) bool {
	return slices.ContainsFunc(a.Keys, func(key string) bool { return matchesAny(a.Patterns, value(key)) })
}

// MatchesService reports whether the name of a service matches.
func (s *SLOSelector) MatchesService(name string) bool {
	return len(s.Service) == 0 || matchesAny(s.Service, name)
}

func matchesAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return objective.Match(p, text) })
}

func newSLOSelectors(list []objective.Selector) []SLOSelector {
	var all []SLOSelector
	for _, s := range list {
		all = append(all, newSLOSelector(s))
	}
	return all
}

func newSLOSelector(s objective.Selector) SLOSelector {
	v := SLOSelector{Service: s.Service}
	for _, a := range s.Attributes {
		v.Attributes = append(v.Attributes, SLOAttribute{Keys: a.Keys, Patterns: a.Patterns})
	}
	return v
}

func newSLOQuery(i *objective.Indicator) *SLOQuery {
	if i.Signal != objective.SignalQuery {
		return nil
	}
	q := &i.Query
	return &SLOQuery{Server: q.Server, Good: q.Good, Bad: q.Bad, Total: q.Total, Ratio: q.Ratio}
}

func newSLOExclusions(list []objective.Exclusion) []SLOExclusion {
	var all []SLOExclusion
	for _, x := range list {
		all = append(all, SLOExclusion{Reason: x.Reason, From: Time(x.From), To: Time(x.To), Select: newSLOSelector(x.Select)})
	}
	return all
}
