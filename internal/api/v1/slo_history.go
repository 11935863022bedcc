package v1

import (
	"net/url"
	"time"
)

// SLOHistory is how an objective stood over time.
type SLOHistory struct {
	From Time `json:"from"`
	To   Time `json:"to"`
	// StepNS is the length of a step. They begin at From; the last one ends at To,
	// and may be shorter.
	StepNS int64 `json:"step_ns"`
	// Points are one for each step, at its end, in order.
	Points []SLOPoint `json:"points"`
	// Alerts are the times at which alerts fired that overlap, in order.
	Alerts []SLOFiring `json:"alerts"`
}

// SLOPoint is a step of the history.
type SLOPoint struct {
	Time Time `json:"time"`
	// Good and Bad are the events of the step; null where nobody counted.
	Good *uint64 `json:"good"`
	Bad  *uint64 `json:"bad"`
	// BudgetRemainingRatio is what was left at the step's end of the window that
	// ended or went on then; null where that is not known.
	BudgetRemainingRatio *float64 `json:"budget_remaining_ratio"`
	// Burn is by the length of the windows of the alerts, as in [SLO].
	Burn map[string]*float64 `json:"burn"`
}

// SLOFiring is a time at which an alert fired.
type SLOFiring struct {
	Severity string `json:"severity"`
	// Burn and LongNS say which alert it was, as in [SLOAlert].
	Burn   float64 `json:"burn"`
	LongNS int64   `json:"long_ns"`
	From   Time    `json:"from"`
	// To is when it ended; absent while it fires.
	To *Time `json:"to,omitempty"`
}

// SLOListQuery selects objectives. The zero value selects all.
type SLOListQuery struct {
	// Service must equal the objectives', when not empty.
	Service string
}

// ParseSLOListQuery reads the parameters of a request for objectives. An empty
// value counts as absent. The error is a *[ParameterError].
func ParseSLOListQuery(values url.Values) (SLOListQuery, error) {
	var q SLOListQuery
	err := parse(&q, values, sloListParameters())
	return q, err
}

// SLOListParameters returns the names that [ParseSLOListQuery] knows.
func SLOListParameters() []string { return names(sloListParameters()) }

func sloListParameters() []parameter[SLOListQuery] {
	return []parameter[SLOListQuery]{
		{"service", func(q *SLOListQuery, s string) *ParameterError { return setText(&q.Service, s) }},
	}
}

// Values returns the parameters that [ParseSLOListQuery] reads as q, without
// those that are zero.
func (q SLOListQuery) Values() url.Values {
	v := make(url.Values)
	put(v, "service", q.Service)
	return v
}

// SLOHistoryQuery selects the history of an objective. The zero value is its
// window.
type SLOHistoryQuery struct {
	// From and To bound the time, From excluded; the zero Moments are those of the
	// objective's window.
	From, To Moment
	// Step is the time between two points, a multiple of 10 s; 0 makes about 300
	// of them.
	Step time.Duration
}

// ParseSLOHistoryQuery reads the parameters of a request for a history. An empty
// value counts as absent. The error is a *[ParameterError].
func ParseSLOHistoryQuery(values url.Values) (SLOHistoryQuery, error) {
	var q SLOHistoryQuery
	if err := parse(&q, values, sloHistoryParameters()); err != nil {
		return SLOHistoryQuery{}, err
	}
	return q, checkSpan(q.From, q.To)
}

// SLOHistoryParameters returns the names that [ParseSLOHistoryQuery] knows.
func SLOHistoryParameters() []string { return names(sloHistoryParameters()) }

func sloHistoryParameters() []parameter[SLOHistoryQuery] {
	type query = SLOHistoryQuery
	return []parameter[query]{
		{"from", func(q *query, s string) *ParameterError { return setMoment(&q.From, s) }},
		{"to", func(q *query, s string) *ParameterError { return setMoment(&q.To, s) }},
		{"step", func(q *query, s string) *ParameterError { return setStep(&q.Step, s) }},
	}
}

// Values returns the parameters that [ParseSLOHistoryQuery] reads as q, without
// those that are zero.
func (q SLOHistoryQuery) Values() url.Values {
	v := make(url.Values)
	put(v, "from", q.From.String())
	put(v, "to", q.To.String())
	if q.Step > 0 {
		put(v, "step", formatDuration(q.Step))
	}
	return v
}
