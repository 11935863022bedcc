package objective

import (
	"slices"
	"strings"
	"time"
)

// Signal is a kind of event that an indicator counts. Each is a probe of its name.
type Signal string

// The signals.
const (
	SignalHTTP Signal = "http"
	SignalExec Signal = "exec"
	SignalTCP  Signal = "tcp"
	// SignalFunc counts the calls of a function.
	SignalFunc Signal = "func"
	// SignalQuery asks a Prometheus server: see [Indicator.Query].
	SignalQuery Signal = "query"
)

// counts reports whether the events of a signal have an attribute where they are
// counted. Requests are counted in the kernel, by what there are few values of.
func (s Signal) counts(key string) bool {
	return s != SignalHTTP || slices.Contains([]string{
		"goshawk.role", "http.request.method", "http.route", "url.template", "server.address", "http.response.status_code", "error.type", "goshawk.http.outcome",
	}, key)
}

// vain returns the keys of the first attribute of a selector that no event of a signal
// can fit, as it has none of them where it is counted.
func (s *Selector) vain(signal Signal) []string {
	for _, a := range s.Attributes {
		if !slices.ContainsFunc(a.Keys, signal.counts) && !matchesAny(a.Patterns, "") {
			return a.Keys
		}
	}
	return nil
}

// Indicator says which events count, and which of them are bad: those that a
// selector of Bad chooses, and those that take longer than Threshold.
type Indicator struct {
	// Name is that of the SLI, if the file gives it one.
	Name   string
	Signal Signal
	// Select chooses the events, less those that one of Exclude does.
	Select  Selector
	Exclude []Selector
	// Bad chooses the bad ones whatever time they took; nil stands for
	// [DefaultBad].
	Bad []Selector
	// Threshold is the longest time that is good; 0 is no limit.
	Threshold time.Duration
	// Query is for [SignalQuery] alone.
	Query Query
}

// Query is what a Prometheus server counts. Good, Bad and Total are expressions of
// counters, of which two are set: Total and one of the others. Each may contain
// "{{.window}}" as Sloth's do, for the window of a rate. Ratio, instead of them, is
// an expression whose value is the share of bad events.
type Query struct {
	// Server is the URL of the server; empty means the rules are for any.
	Server           string
	Good, Bad, Total string
	Ratio            string
	// By are labels that the expressions keep: each set of their values has a
	// budget of its own (Pyrra's grouping).
	By []string
}

// Windowed reports whether an expression says itself what it counts over a window:
// whether it contains {{.window}}.
func Windowed(expression string) bool {
	return strings.Contains(strings.ReplaceAll(expression, " ", ""), "{{.window}}")
}

// Selector chooses events: those of which each attribute matches. The zero value
// chooses all.
type Selector struct {
	// Service has patterns for the name of the service; none is every service.
	Service []string
	// Attributes have patterns for other values. All must match.
	Attributes []Attribute
}

// Attribute matches when the value of one of Keys, semantic-convention names, fits
// one of the Patterns: "*" stands for any text, "?" for a character. A value that
// is not set is the empty text.
type Attribute struct {
	Keys     []string
	Patterns []string
}

// DefaultBad are the bad events of a signal by default: for http the statuses of
// 500 and above and requests without an answer, for the others whatever failed.
func DefaultBad(s Signal) []Selector {
	patterns := []string{"?*"}
	if s == SignalHTTP {
		patterns = []string{"5??", "panic", "aborted", "error", "timeout", "reset"}
	}
	return []Selector{{Attributes: []Attribute{{Keys: []string{"error.type"}, Patterns: patterns}}}}
}

// Lookup returns the value of an event's attribute as text, empty when it is not
// set.
type Lookup func(key string) string

// Selects reports whether an event of the signal counts.
func (i *Indicator) Selects(service string, value Lookup) bool {
	if !i.Select.Matches(service, value) {
		return false
	}
	for _, s := range i.Exclude {
		if s.Matches(service, value) {
			return false
		}
	}
	return true
}

// IsBad reports whether an event that counts is bad, the time that it took left
// aside.
func (i *Indicator) IsBad(service string, value Lookup) bool {
	bad := i.Bad
	if bad == nil {
		bad = DefaultBad(i.Signal)
	}
	for _, s := range bad {
		if s.Matches(service, value) {
			return true
		}
	}
	return false
}

// IsZero reports whether the selector chooses all events.
func (s *Selector) IsZero() bool { return len(s.Service) == 0 && len(s.Attributes) == 0 }

// Matches reports whether the selector chooses an event.
func (s *Selector) Matches(service string, value Lookup) bool {
	if len(s.Service) > 0 && !matchesAny(s.Service, service) {
		return false
	}
	for _, a := range s.Attributes {
		if !a.matches(value) {
			return false
		}
	}
	return true
}

func (a *Attribute) matches(value Lookup) bool {
	for _, key := range a.Keys {
		if matchesAny(a.Patterns, value(key)) {
			return true
		}
	}
	return false
}

func matchesAny(patterns []string, text string) bool {
	for _, p := range patterns {
		if Match(p, text) {
			return true
		}
	}
	return false
}

// Match reports whether all of text fits a pattern: "*" stands for any text, "?"
// for a character. It takes at most len(pattern) * len(text) steps.
func Match(pattern, text string) bool {
	star, again := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, again = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			again++
			p, t = star+1, again
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
