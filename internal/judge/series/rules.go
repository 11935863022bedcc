package series

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	promrules "github.com/prometheus/prometheus/rules"
)

// Rule is a recording rule, which stores what its expression says as a series,
// or an alerting rule, which is active for each series of its expression's
// result.
type Rule struct {
	// Record is the name of the series, Alert that of the alert: one of them.
	Record, Alert string
	// Expr is PromQL.
	Expr string
	// For is how long an alert must be active to fire, KeepFiring how long it
	// fires after it was last active.
	For, KeepFiring time.Duration
	// Labels are added to the result, Annotations to an alert. Both may be
	// templates in an alert, as in Prometheus.
	Labels, Annotations map[string]string
}

// name returns what a rule is called in errors.
func (r *Rule) name() string { return cmp.Or(r.Alert, r.Record) }

// RuleGroup is evaluated in order, at the same time: a rule sees what those
// before it recorded.
type RuleGroup struct {
	// Name is there once.
	Name string
	// Interval is how often, 0 for [Options.RuleInterval].
	Interval time.Duration
	// Limit bounds the series or alerts of a rule; a rule with more fails. 0
	// means none.
	Limit int
	Rules []Rule
}

// AlertState is what an alert is.
type AlertState string

// The states.
const (
	// Pending is active, but not for as long as [Rule.For].
	Pending AlertState = "pending"
	Firing  AlertState = "firing"
	// Resolved was firing and is no longer active.
	Resolved AlertState = "resolved"
)

// Alert is an alerting rule that is active for one set of labels, or was.
type Alert struct {
	// Name is that of the rule.
	Name  string
	State AlertState
	// Labels tell it from others, with "alertname".
	Labels      Labels
	Annotations Labels
	// Value is what the expression last said.
	Value float64
	// Since is when it became active; it is known across restarts that are
	// shorter than [Options.Outage]. FiredAt is when it began to fire as this
	// process saw it, ResolvedAt when it ended; they are zero otherwise.
	Since, FiredAt, ResolvedAt time.Time
	// ValidUntil is when a receiver may take it for resolved that was not told
	// of it again; it is set for [Options.Notify], and means nothing with
	// [Options.Manual].
	ValidUntil time.Time
}

// RuleStats is about the evaluation of rules.
type RuleStats struct {
	Groups, Rules int
	// Failing is how many failed when they were last evaluated; LastError names
	// one and says why.
	Failing   int
	LastError string
	// Restored is true when it is known of all alerts since when they are
	// active: two intervals after the start. Until then they may look younger
	// than they are.
	Restored bool
	// Skipped counts evaluations that were left out because the clock stepped
	// forward: far ahead there is no data, and all alerts would be resolved.
	Skipped uint64
}

// rules runs the library's manager.
type rules struct {
	e       *Engine
	manager *promrules.Manager
	cancel  context.CancelFunc
	done    chan struct{} // closed when the manager has ended

	// mu is held to read the state of rules: a group that replaces another takes
	// over its alerts, which the library guards by a lock of each.
	mu       sync.RWMutex
	loader   *loader
	closed   bool
	rounds   map[*promrules.Group]int // of manual evaluation
	statesMu sync.Mutex
	skipped  uint64
}

func newRules(e *Engine) *rules {
	ctx, cancel := context.WithCancel(context.Background())
	r := &rules{e: e, cancel: cancel, done: make(chan struct{}), rounds: map[*promrules.Group]int{}, loader: &loader{parser: e.parser}}
	r.manager = promrules.NewManager(&promrules.ManagerOptions{
		NameValidationScheme: model.LegacyValidation,
		ExternalURL:          &url.URL{},
		QueryFunc:            e.ruleQuery,
		NotifyFunc:           r.notify,
		Context:              ctx,
		Appendable:           ruleDoor{e},
		Queryable:            e.store,
		Logger:               e.log,
		OutageTolerance:      e.opts.Outage,
		ResendDelay:          e.opts.Resend,
		GroupLoader:          r.loader,
		RestoreNewRuleGroups: true,
		Parser:               e.parser,
	})
	go func() {
		defer close(r.done)
		r.manager.Run()
	}()
	return r
}

func (r *rules) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.manager.Stop()
	<-r.done
}

// SetRules replaces all rules: groups that stay the same keep their state, and
// so do alerts of the same name and labels in groups that change. An error
// names the rule that is wrong; then nothing has changed. It waits for the
// evaluation of groups that change.
func (e *Engine) SetRules(groups []RuleGroup) error {
	loaded := &rulefmt.RuleGroups{}
	names := map[string]bool{}
	for _, g := range groups {
		if g.Name == "" || names[g.Name] {
			return fmt.Errorf("set rules: group %q: its name is empty or there twice", g.Name)
		}
		names[g.Name] = true
		group, err := e.checked(g)
		if err != nil {
			return fmt.Errorf("set rules: group %q: %w", g.Name, err)
		}
		loaded.Groups = append(loaded.Groups, group)
	}
	r := e.rules
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return fmt.Errorf("set rules: %w", ErrClosed)
	}
	previous := r.loader.groups
	r.loader.groups = loaded
	if e.opts.Manual {
		// Its own schedule must not do anything in between.
		for i := range loaded.Groups {
			loaded.Groups[i].Interval = model.Duration(never)
		}
	}
	if err := r.manager.Update(e.opts.RuleInterval, []string{ruleFile}, labels.EmptyLabels(), "", r.evaluate); err != nil {
		r.loader.groups = previous
		return fmt.Errorf("set rules: %w", err)
	}
	return nil
}

// checked turns a group into the library's form.
func (e *Engine) checked(g RuleGroup) (rulefmt.RuleGroup, error) {
	out := rulefmt.RuleGroup{Name: g.Name, Interval: model.Duration(g.Interval), Limit: g.Limit}
	if g.Interval < 0 || g.Interval%time.Millisecond != 0 || g.Limit < 0 {
		return out, fmt.Errorf("an interval of %v or a limit of %d cannot be", g.Interval, g.Limit)
	}
	for i, rule := range g.Rules {
		r := rulefmt.Rule{
			Record: rule.Record, Alert: rule.Alert, Expr: rule.Expr,
			For: model.Duration(rule.For), KeepFiringFor: model.Duration(rule.KeepFiring),
			Labels: rule.Labels, Annotations: rule.Annotations,
		}
		var errs []error
		for _, wrong := range r.Validate(rulefmt.RuleNode{}, model.LegacyValidation, e.parser) {
			errs = append(errs, wrong.Unwrap())
		}
		if rule.For < 0 || rule.KeepFiring < 0 {
			errs = append(errs, errors.New("a duration is negative"))
		}
		if err := errors.Join(errs...); err != nil {
			return out, fmt.Errorf("rule %d, %q: %w", i+1, rule.name(), err)
		}
		out.Rules = append(out.Rules, r)
	}
	return out, nil
}

// ruleFile is what the library calls our rules, and has in its logs.
const ruleFile = "goshawk"

// never is an interval that does not come, and that the library can multiply.
const never = 10 * 365 * 24 * time.Hour

// loader hands our rules to the library, which asks for files.
type loader struct {
	parser parser.Parser
	groups *rulefmt.RuleGroups // guarded by rules.mu
}

// Load returns the rules that are to be set.
func (l *loader) Load(string, bool, model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return l.groups, nil
}

// Parse reads an expression.
func (l *loader) Parse(expr string) (parser.Expr, error) { return l.parser.ParseExpr(expr) }

// evaluate is called for each group each interval.
func (r *rules) evaluate(ctx context.Context, g *promrules.Group, at time.Time) {
	if r.e.opts.Manual {
		return
	}
	if at.After(r.e.clock.limit()) {
		r.statesMu.Lock()
		defer r.statesMu.Unlock()
		r.skipped++
		return
	}
	promrules.DefaultEvalIterationFunc(ctx, g, at)
}

// Evaluate evaluates all rules once, as of a time, group after group. It is for
// engines with [Options.Manual]: for tests and for trying rules on data of the
// past. Times must not go backwards. As after a restart, alerts know since when
// they are active from the second evaluation on.
func (e *Engine) Evaluate(ctx context.Context, at time.Time) error {
	r := e.rules
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !e.opts.Manual:
		return errors.New("evaluate rules: they are evaluated by the clock")
	case r.closed:
		return fmt.Errorf("evaluate rules: %w", ErrClosed)
	}
	rounds := map[*promrules.Group]int{}
	for _, g := range r.manager.RuleGroups() {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.Eval(ctx, at)
		rounds[g] = r.rounds[g] + 1
		if rounds[g] == 2 {
			g.RestoreForState(at)
		}
	}
	r.rounds = rounds
	return nil
}

// notify passes on what the library thinks is worth telling.
func (r *rules) notify(ctx context.Context, _ string, in ...*promrules.Alert) {
	if len(in) == 0 {
		return
	}
	alerts := make([]Alert, len(in))
	for i, a := range in {
		alerts[i] = alertOf(a)
	}
	r.e.opts.Notify(ctx, alerts)
}

// Alerts returns the alerts that are pending or firing, by name and labels.
func (e *Engine) Alerts() []Alert {
	e.rules.mu.RLock()
	defer e.rules.mu.RUnlock()
	var alerts []Alert
	for _, rule := range e.rules.manager.AlertingRules() {
		for _, a := range rule.ActiveAlerts() {
			alerts = append(alerts, alertOf(a))
		}
	}
	slices.SortFunc(alerts, func(a, b Alert) int {
		byLabel := func(a, b Label) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
		}
		return cmp.Or(strings.Compare(a.Name, b.Name), slices.CompareFunc(a.Labels, b.Labels, byLabel))
	})
	return alerts
}

func alertOf(a *promrules.Alert) Alert {
	out := Alert{
		Name:        a.Labels.Get(labels.AlertName),
		State:       Pending,
		Labels:      nameOf(a.Labels).Labels,
		Annotations: nameOf(a.Annotations).Labels,
		Value:       a.Value,
		Since:       a.ActiveAt, FiredAt: a.FiredAt, ResolvedAt: a.ResolvedAt, ValidUntil: a.ValidUntil,
	}
	switch {
	case !a.ResolvedAt.IsZero():
		out.State = Resolved
	case a.State == promrules.StateFiring:
		out.State = Firing
	}
	return out
}

// stats looks at all rules.
func (r *rules) stats() RuleStats {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := RuleStats{Restored: true}
	for _, g := range r.manager.RuleGroups() {
		s.Groups++
		for _, rule := range g.Rules() {
			s.Rules++
			if err := rule.LastError(); err != nil {
				s.Failing++
				s.LastError = fmt.Sprintf("group %q: rule %q: %v", g.Name(), rule.Name(), err)
			}
			if alerting, ok := rule.(*promrules.AlertingRule); ok && !alerting.Restored() {
				s.Restored = false
			}
		}
	}
	r.statesMu.Lock()
	defer r.statesMu.Unlock()
	s.Skipped = r.skipped
	return s
}
