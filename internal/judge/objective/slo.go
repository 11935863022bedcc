package objective

import (
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

// SLO is a service level objective. The zero value of each optional field stands
// for what is said there. It is a value: nothing changes one that was handed on.
type SLO struct {
	// Name is unique among all: letters, digits, "-", "_" and ".".
	Name string
	// Title and Description are for people.
	Title, Description string
	// Service is whom the promise is about. It labels series and alerts, and is
	// the default of the indicator's service.
	Service string
	// Labels go to series and alerts; Annotations stay with the objective.
	Labels, Annotations map[string]string
	// Indicator says which events count, and which of them are bad.
	Indicator Indicator
	// Target is the share of good events, above 0 and below 1, taken as the
	// decimal number that is written.
	Target float64
	// Windows are the times in which the target is to be kept, at least one. The
	// alerts are about the first.
	Windows []sli.Window
	// Slice, if its Width is not 0, makes the objective count slices of time
	// instead of events.
	Slice Slice
	// Alerts are when to say that the budget burns too fast; nil stands for
	// [sli.DefaultAlerts] of the first window, an empty slice for none.
	Alerts []Alert
	// MinEvents, MinBad and Confidence are those of [sli.Objective].
	MinEvents, MinBad uint64
	Confidence        float64
	// Exclusions are times that do not count, also when they are past.
	Exclusions []Exclusion
	// Origin is where the objective was read.
	Origin Origin
	// Extra is what the file says and nothing here holds, as JSON by the path in
	// the file's own words, such as "slo_plugins". It changes no verdict.
	Extra map[string]string
	// Proposal marks one that nobody has accepted yet: it is shown and judged,
	// and alerts nobody.
	Proposal bool
}

// Slice makes an objective count slices of time (OpenSLO's Timeslices): one is
// good when at least the share Target of its events is. A slice without events is
// good.
type Slice struct {
	Width  time.Duration
	Target float64
}

// Alert is a burn-rate alert, and what is said with it.
type Alert struct {
	sli.Alert
	// Name is what the alert is called. Several of an objective may share it, as
	// Sloth's do: severity and windows tell them apart. Empty is a name that is
	// made of the objective's.
	Name string
	// For is how long it must be so before anyone is told; 0 is not at all.
	For time.Duration
	// Labels and Annotations are added to the alert's own.
	Labels, Annotations map[string]string
	// Receivers are the names of those who are told; none stands for all.
	Receivers []string
}

// Exclusion is a time that does not count for the events that Select chooses; the
// zero Select chooses all.
type Exclusion struct {
	Reason   string
	From, To time.Time
	Select   Selector
}

// Origin is where an objective was read: a position in a file of a format, such
// as "OpenSLO". Line and Column start at 1; 0 is not known.
type Origin struct {
	Format, File string
	Line, Column int
}

// Objectives returns what package sli computes with, for each window. The alerts
// are those of the first alone, and the others have none.
func (s *SLO) Objectives() []sli.Objective {
	all := make([]sli.Objective, len(s.Windows))
	for i, w := range s.Windows {
		all[i] = sli.Objective{
			Name: s.Name, Target: s.Target, Window: w, Alerts: []sli.Alert{},
			Confidence: s.Confidence, MinBad: s.MinBad, MinEvents: s.MinEvents,
		}
	}
	if len(all) > 0 {
		all[0].Alerts = s.burnAlerts()
	}
	return all
}

// burnAlerts returns the alerts of the first window.
func (s *SLO) burnAlerts() []sli.Alert {
	if s.Alerts == nil {
		return sli.DefaultAlerts(s.Target, s.Windows[0])
	}
	alerts := make([]sli.Alert, len(s.Alerts))
	for i, a := range s.Alerts {
		alerts[i] = a.Alert
	}
	return alerts
}

// EveryAlert returns the alerts, and the default ones as values too. They are in the
// order of those of the first of [SLO.Objectives].
func (s *SLO) EveryAlert() []Alert {
	if s.Alerts != nil || len(s.Windows) == 0 {
		return s.Alerts
	}
	burn := s.burnAlerts()
	alerts := make([]Alert, len(burn))
	for i, a := range burn {
		alerts[i].Alert = a
	}
	return alerts
}
