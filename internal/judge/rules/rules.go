package rules

import (
	"errors"
	"fmt"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
)

// Options says for whom the rules are. The zero value writes them for a Prometheus
// server that scrapes Goshawk's agents, or is written to by them.
type Options struct {
	// Interval is how often rules are evaluated, at most; 0 is 30 s. An objective
	// whose windows are no multiples of it has a shorter one.
	Interval time.Duration
	// ResetFree is for an engine in which Goshawk's own counters never start again
	// and are written while it evaluates, as the agent's own: a window is then the
	// difference of two readings.
	ResetFree bool
	// Counted reports whether Goshawk counts the events of an objective that is
	// about a query, as the agent does; nil means of none.
	Counted func(*objective.SLO) bool
	// MaxRules is how many rules a group may have; 0 is any number. Mimir allows
	// 20 unless told otherwise. Rules that did not fit are in groups of their own,
	// which may see values that are one interval old.
	MaxRules int
	// RunbookURL and DashboardURL, if any, become annotations of every alert, with
	// {slo} and {service} replaced. The objective's own annotations runbook_url and
	// dashboard_url go first.
	RunbookURL, DashboardURL string
	// Version is that of the program; it labels sloth_slo_info.
	Version string
	// Check, if any, says what is wrong with an expression; Groups fails with it.
	Check func(expression string) error
}

// Group is a group of rules: they are evaluated one after the other, each sees
// what those before it have recorded.
type Group struct {
	Name     string
	Interval time.Duration
	// Comment says in lines of text what the group is for.
	Comment string
	Rules   []Rule
}

// Rule records an expression as a series, or alerts when it has a value: one of
// Record and Alert is set.
type Rule struct {
	Record, Alert string
	Expr          string
	// For is how long an alert must have a value before it fires.
	For                 time.Duration
	Labels, Annotations map[string]string
	// Comment says in lines of text what the rule does.
	Comment string
}

// Warning is what the rules of an objective cannot do, or do otherwise than the
// agent.
type Warning struct {
	// SLO is the objective's name.
	SLO, Text string
}

// String returns "name: text".
func (w Warning) String() string { return w.SLO + ": " + w.Text }

// Bounds of how often rules are evaluated: Prometheus forgets a sample after 5
// minutes.
const (
	defaultInterval = 30 * time.Second
	longestInterval = 2 * time.Minute
	// slowInterval is for what changes slowly, and costs more.
	slowInterval = 2 * time.Minute
)

// Groups returns the rules of the objectives in their order, and what is to be
// known of them. It fails when an objective is not valid, and when two have one
// name.
func Groups(slos []objective.SLO, o Options) ([]Group, []Warning, error) {
	o = o.defaults()
	if o.Interval < time.Second || o.Interval > longestInterval || o.Interval%time.Millisecond != 0 {
		return nil, nil, fmt.Errorf("rules: interval %v: must be from 1s to %v, in whole milliseconds", o.Interval, longestInterval)
	}
	var groups []Group
	var warnings []Warning
	names := make(map[string]bool)
	for i := range slos {
		slo := &slos[i]
		if names[slo.Name] {
			return nil, nil, fmt.Errorf("rules: objective %q: is there twice", slo.Name)
		}
		names[slo.Name] = true
		if err := objective.Errors(slo.Validate()); err != nil {
			return nil, nil, fmt.Errorf("rules: objective %q: %w", slo.Name, err)
		}
		s := newSheet(slo, o)
		s.write()
		groups = append(groups, s.groups...)
		warnings = append(warnings, s.warnings...)
	}
	groups = split(groups, o.MaxRules)
	return groups, warnings, check(groups, o.Check)
}

func (o Options) defaults() Options {
	if o.Interval == 0 {
		o.Interval = defaultInterval
	}
	return o
}

// check asks what is wrong with each expression.
func check(groups []Group, wrong func(string) error) error {
	if wrong == nil {
		return nil
	}
	var errs []error
	for _, g := range groups {
		for _, r := range g.Rules {
			if err := wrong(r.Expr); err != nil {
				errs = append(errs, fmt.Errorf("rules: group %q: %s: %w", g.Name, r.Record+r.Alert, err))
			}
		}
	}
	return errors.Join(errs...)
}

// split makes groups of at most limit rules, in order.
func split(groups []Group, limit int) []Group {
	if limit <= 0 {
		return groups
	}
	var out []Group
	for _, g := range groups {
		rest := g.Rules
		for part := 1; len(rest) > 0; part++ {
			n := min(limit, len(rest))
			next := g
			next.Rules, rest = rest[:n:n], rest[n:]
			if part > 1 {
				next.Name = fmt.Sprintf("%s-%d", g.Name, part)
				next.Comment = "More of " + g.Name + "."
			}
			out = append(out, next)
		}
	}
	return out
}
