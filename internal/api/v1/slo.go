package v1

import (
	"math"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// SLO is an objective and how it stands.
type SLO struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Service     string `json:"service"`
	// Objective is the share of good events that is promised.
	Objective float64 `json:"objective"`
	// Signal is the kind of its events: http, exec, tcp, func, or query for those
	// that a Prometheus server counts.
	Signal string `json:"signal"`
	// Select says which of them count, Exclude which of those do not after all.
	Select  SLOSelector   `json:"select"`
	Exclude []SLOSelector `json:"exclude,omitempty"`
	// BadWhen says which events are bad whatever time they take; absent for the
	// usual ones of the signal.
	BadWhen []SLOSelector `json:"bad_when,omitempty"`
	// Query is what the Prometheus server is asked; absent for other signals.
	Query *SLOQuery `json:"query,omitempty"`
	// ThresholdNS is the longest time that is good; absent without one.
	ThresholdNS int64 `json:"threshold_ns,omitempty"`
	// SliceNS is the width of a slice where slices of time are counted.
	SliceNS int64 `json:"slice_ns,omitempty"`
	// SliceObjective is the share of good events that makes a slice good.
	SliceObjective float64 `json:"slice_objective,omitempty"`
	// UnitNS is set where a query says a share alone: Good and Bad are time then, in
	// units of so many nanoseconds, as the number of events is not known.
	UnitNS int64 `json:"unit_ns,omitempty"`
	SLOWindow
	// Burn is how many times faster than allowed the budget burns, by the length
	// of the windows that the alerts look back; null for one without events.
	Burn map[string]*float64 `json:"burn"`
	// Alerts are what may fire.
	Alerts []SLOAlert `json:"alerts"`
	// Windows are the other windows of the objective; absent when it has one.
	Windows []SLOWindow `json:"windows,omitempty"`
	// Exclusions are times that do not count, past ones too; absent without any.
	Exclusions []SLOExclusion `json:"exclusions,omitempty"`
	// Unjudged is how many events were neither good nor bad, as their time was not
	// known exactly, since the agent started.
	Unjudged uint64 `json:"unjudged,omitempty"`
	// Proposal marks an objective that nobody has accepted yet: it alerts nobody.
	Proposal bool `json:"proposal,omitempty"`
	// Labels go to series and alerts.
	Labels map[string]string `json:"labels,omitempty"`
	// File, Line and Format say where it was read.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Format string `json:"format,omitempty"`
	// Error says why its state is not known; absent else.
	Error string `json:"error,omitempty"`
}

// SLOWindow is how an objective stands in one window of time.
type SLOWindow struct {
	// Window is its length, such as 30d, From and To where it is by now. Both are
	// the zero time while that is not known.
	Window string `json:"window"`
	From   Time   `json:"from"`
	To     Time   `json:"to"`
	// Ends is when the period of a calendar ends; absent for a window that moves
	// on with the clock.
	Ends *Time  `json:"ends,omitempty"`
	Good uint64 `json:"good"`
	Bad  uint64 `json:"bad"`
	// SLI is the share of good events; null without events.
	SLI *float64 `json:"sli"`
	// BudgetRemainingRatio is the share of the error budget that is left: 1 when
	// nothing is spent, below 0 when more than there was.
	BudgetRemainingRatio float64 `json:"budget_remaining_ratio"`
	// Verdict is ok, burning, exhausted or insufficient_data.
	Verdict sli.Verdict `json:"verdict"`
}

// SLOAlert is a burn-rate alert.
type SLOAlert struct {
	Name     string `json:"name,omitempty"`
	Severity string `json:"severity"`
	// Burn is the rate above which it fires, over both windows.
	Burn    float64 `json:"burn"`
	LongNS  int64   `json:"long_ns"`
	ShortNS int64   `json:"short_ns"`
	// LongBurn and ShortBurn are the rates now; null without events.
	LongBurn  *float64 `json:"long_burn"`
	ShortBurn *float64 `json:"short_burn"`
	Firing    bool     `json:"firing"`
	// Since is since when it fires; absent when it does not.
	Since *Time `json:"since,omitempty"`
	// LongEvents and ShortEvents are the events of the two windows.
	LongEvents  uint64 `json:"long_events"`
	ShortEvents uint64 `json:"short_events"`
	// Blind says that both rates are above Burn, but that the windows have too few
	// events for the alert to fire. LeastEvents is how many both must have, if all
	// of them are bad; null when it could not fire even then.
	Blind       bool    `json:"blind"`
	LeastEvents *uint64 `json:"least_events"`
}

// NewSLO returns what the API says of an objective.
func NewSLO(s *evaluate.State) SLO {
	o := s.SLO
	w := SLO{
		Name: o.Name, Title: o.Title, Description: o.Description, Service: o.Service, Objective: o.Target,
		Signal: string(o.Indicator.Signal), Select: newSLOSelector(o.Indicator.Select), Exclude: newSLOSelectors(o.Indicator.Exclude), BadWhen: newSLOSelectors(o.Indicator.Bad),
		Query: newSLOQuery(&o.Indicator), ThresholdNS: int64(o.Indicator.Threshold), SliceNS: int64(o.Slice.Width), SliceObjective: o.Slice.Target, UnitNS: int64(s.Unit),
		Burn: map[string]*float64{}, Alerts: []SLOAlert{}, Exclusions: newSLOExclusions(o.Exclusions), Unjudged: s.Unjudged, Proposal: o.Proposal, Labels: o.Labels,
		File: o.Origin.File, Line: o.Origin.Line, Format: o.Origin.Format,
	}
	if s.Err != nil {
		w.Error = s.Err.Error()
	}
	if len(s.Statuses) == 0 {
		w.Verdict = sli.InsufficientData
		if len(o.Windows) > 0 {
			w.Window = o.Windows[0].String()
		}
		return w
	}
	w.SLOWindow = newSLOWindow(o.Windows[0], &s.Statuses[0])
	for i := range s.Statuses[1:] {
		w.Windows = append(w.Windows, newSLOWindow(o.Windows[i+1], &s.Statuses[i+1]))
	}
	for i, a := range s.Statuses[0].Alerts {
		w.Alerts = append(w.Alerts, newSLOAlert(s, i))
		w.Burn[shortest(a.Alert.Long)] = rate(a.Long, a.LongBurn)
		w.Burn[shortest(a.Alert.Short)] = rate(a.Short, a.ShortBurn)
	}
	return w
}

func newSLOWindow(w sli.Window, s *sli.Status) SLOWindow {
	v := SLOWindow{
		Window: w.String(), From: Time(s.Span.From), To: Time(s.Span.To), Good: s.Counts.Good, Bad: s.Counts.Bad,
		SLI: rate(s.Counts, s.SLI), BudgetRemainingRatio: s.Budget.RemainingRatio, Verdict: s.Verdict,
	}
	if w.IsCalendar() {
		ends := Time(w.Period(s.At).To)
		v.Ends = &ends
	}
	return v
}

func newSLOAlert(s *evaluate.State, i int) SLOAlert {
	a := s.Statuses[0].Alerts[i]
	w := SLOAlert{
		Severity: a.Alert.Severity, Burn: a.Alert.Burn, LongNS: int64(a.Alert.Long), ShortNS: int64(a.Alert.Short),
		LongBurn: rate(a.Long, a.LongBurn), ShortBurn: rate(a.Short, a.ShortBurn), Firing: a.Firing, Blind: a.Blind,
		LongEvents: a.Long.Total(), ShortEvents: a.Short.Total(),
	}
	if a.MinEvents < math.MaxUint64 {
		w.LeastEvents = &a.MinEvents
	}
	if i < len(s.SLO.Alerts) {
		w.Name = s.SLO.Alerts[i].Name
	}
	if i < len(s.Since) && !s.Since[i].IsZero() {
		since := Time(s.Since[i])
		w.Since = &since
	}
	return w
}

// rate returns a number that says nothing without events.
func rate(c sli.Counts, of float64) *float64 {
	if c.Total() == 0 {
		return nil
	}
	return &of
}

// shortest writes a length as windows are written: 5m, 1h, 3d.
func shortest(d time.Duration) string { return sli.Rolling(d).String() }

// NewSLOHistory returns what the API says of how an objective stood; slo may be nil
// for one without a history.
func NewSLOHistory(slo *objective.SLO, h evaluate.History, from, to time.Time, step time.Duration) SLOHistory {
	w := SLOHistory{From: Time(from), To: Time(to), StepNS: int64(step), Points: []SLOPoint{}, Alerts: []SLOFiring{}}
	if slo == nil {
		return w
	}
	promise := slo.Objectives()[0]
	for _, p := range h.Points {
		point := SLOPoint{Time: Time(p.At), Burn: map[string]*float64{}}
		for d, counts := range p.Lookbacks {
			point.Burn[shortest(d)] = nil
			if rate, ok := promise.BurnRate(counts); ok {
				point.Burn[shortest(d)] = &rate
			}
		}
		if p.Known {
			point.Good, point.Bad = &p.Step.Good, &p.Step.Bad
			point.BudgetRemainingRatio = new(promise.Budget(p.Window).RemainingRatio)
		}
		w.Points = append(w.Points, point)
	}
	for _, f := range h.Firings {
		firing := SLOFiring{Severity: f.Alert.Severity, Burn: f.Alert.Burn, LongNS: int64(f.Alert.Long), From: Time(f.From)}
		if !f.To.IsZero() {
			firing.To = new(Time(f.To))
		}
		w.Alerts = append(w.Alerts, firing)
	}
	return w
}
