package sli

import (
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Objective is a promise: of the events in Window at least the share Target is
// good. Name and Target are all that is needed, the zero value of each other
// field stands for what is said there. It is a value; no method changes it.
type Objective struct {
	// Name is what people call it.
	Name string
	// Target is the share of events that must be good, above 0 and below 1:
	// 0.999. It is taken as the decimal number that is written.
	Target float64
	// Window is the time in which it must be kept; by default the last 30 days.
	Window Window
	// Alerts are when to say that the budget burns too fast; nil stands for
	// [DefaultAlerts], an empty slice for none.
	Alerts []Alert

	// An alert fires, and a budget with few events counts as spent, only when
	// there is no doubt: when the lower bound of the bad share, which the true
	// share is above with this confidence, is over the threshold too, and at
	// least MinBad events were bad. By default 0.95 and 5; 0.5 and 1 make the
	// bound the share itself.
	Confidence float64
	// MinBad is how many bad events there must be: see Confidence.
	MinBad uint64
	// MinEvents is how many events the window must have for a verdict that is
	// not beyond doubt. By default it is 1 / (1 - Target), rounded up: with
	// fewer a single bad event would spend the budget.
	MinEvents uint64
}

// Validate returns all that is wrong with the objective, nil when nothing is.
func (o Objective) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("sli: objective %q: "+format, append([]any{o.Name}, args...)...))
	}
	if !(o.Target > 0 && o.Target < 1) {
		fault("target %v: must be above 0 and below 1", o.Target)
	}
	if o.Confidence != 0 && !(o.Confidence >= 0.5 && o.Confidence < 1) {
		fault("confidence %v: must be 0.5 or more, below 1", o.Confidence)
	}
	if err := o.window().Validate(); err != nil {
		fault("%w", err)
		return errors.Join(faults...)
	}
	for _, a := range o.Alerts {
		if err := a.Validate(); err != nil {
			fault("%w", err)
			continue
		}
		if limit := o.window().Length() / 3; a.Long > limit {
			fault("alert over %s: must look back a third of the window at most, %s", spell(a.Long), spell(limit))
		}
		if o.Target > 0 && o.Target < 1 && !o.reachable(a) {
			fault("alert at burn rate %v: no share of bad events is above %v times %v: it can never fire",
				a.Burn, a.Burn, float(o.allowance()))
		}
	}
	return errors.Join(faults...)
}

func (o Objective) window() Window {
	if o.Window.IsZero() {
		return Rolling(30 * day)
	}
	return o.Window
}

func (o Objective) alerts() []Alert {
	if o.Alerts == nil {
		return DefaultAlerts(o.Target, o.window())
	}
	return o.Alerts
}

func (o Objective) confidence() float64 { return cmp.Or(o.Confidence, 0.95) }
func (o Objective) minBad() uint64      { return cmp.Or(o.MinBad, 5) }

// minEvents returns MinEvents or its default.
func (o Objective) minEvents() uint64 {
	if o.MinEvents != 0 {
		return o.MinEvents
	}
	return ceil(new(big.Rat).Inv(o.allowance()))
}

// allowance returns the share of events that may be bad, 1 - Target, exactly.
// For a target that is none it is that of 0.
func (o Objective) allowance() *big.Rat {
	one := big.NewRat(1, 1)
	if !(o.Target > 0 && o.Target < 1) {
		return one
	}
	return one.Sub(one, decimal(o.Target))
}

// Allowance returns the share of events that may be bad, 1 - Target: 0.001 for
// 0.999, where the difference of the two float64 is 0.0010000000000000009.
func (o Objective) Allowance() float64 { return float(o.allowance()) }

// Budget is what an objective allows to go wrong, and what is left of it.
type Budget struct {
	// Allowed is how many events may be bad: (1 - Target) * events.
	Allowed float64
	// Remaining is how many more may be, Allowed - Bad. Below 0 the objective
	// is broken.
	Remaining float64
	// RemainingRatio is Remaining / Allowed: 1 when nothing is spent, 0 when all
	// is, below 0 when more than all. Without events it is 1.
	RemainingRatio float64
	// Spent is whether RemainingRatio is 0 or below, without rounding.
	Spent bool
}

// Budget returns the error budget after these events of the window: an event is
// as much as any other, whenever it was (the "occurrences" of OpenSLO; Google's
// SRE Workbook, chapter 2).
func (o Objective) Budget(c Counts) Budget {
	if c == (Counts{}) {
		return Budget{RemainingRatio: 1}
	}
	allowed := o.allowance()
	allowed.Mul(allowed, new(big.Rat).SetInt(c.total()))
	remaining := new(big.Rat).Sub(allowed, whole(c.Bad))
	return Budget{
		Allowed:        float(allowed),
		Remaining:      float(remaining),
		RemainingRatio: float(new(big.Rat).Quo(remaining, allowed)),
		Spent:          remaining.Sign() <= 0,
	}
}

// BurnRate returns how many times faster than the window allows the budget is
// spent: bad share / (1 - Target). At 1 the budget lasts exactly as long as the
// window (SRE Workbook, chapter 5). ok is false without events.
func (o Objective) BurnRate(c Counts) (rate float64, ok bool) {
	if c == (Counts{}) {
		return 0, false
	}
	return float(o.burn(c)), true
}

// burn is BurnRate, exactly, for counts that are not zero.
func (o Objective) burn(c Counts) *big.Rat {
	share := new(big.Rat).SetFrac(new(big.Int).SetUint64(c.Bad), c.total())
	return share.Quo(share, o.allowance())
}

// Verdict is the one word for how an objective stands.
type Verdict uint8

// The verdicts. The zero value claims nothing.
const (
	// InsufficientData: there were too few events to say any of the others.
	InsufficientData Verdict = iota
	// OK: there is budget left, and it does not burn too fast.
	OK
	// Burning: there is budget left, and an alert fires.
	Burning
	// Exhausted: the budget is spent.
	Exhausted
)

func verdictNames() []string { return []string{"insufficient_data", "ok", "burning", "exhausted"} }

// String returns "insufficient_data", "ok", "burning" or "exhausted".
func (v Verdict) String() string {
	if names := verdictNames(); int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("verdict_%d", uint8(v))
}

// MarshalText is String for JSON and others. It fails for what is no verdict.
func (v Verdict) MarshalText() ([]byte, error) {
	if int(v) >= len(verdictNames()) {
		return nil, fmt.Errorf("sli: no verdict: %d", uint8(v))
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames() {
		if name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("sli: no verdict: %q", text)
}

// Status is how an objective stands at one time.
type Status struct {
	// Name is the objective's.
	Name string
	// At is when.
	At time.Time
	// Span is the window then.
	Span Span
	// Counts are its events.
	Counts Counts
	// SLI is the share of good events, 0 without events.
	SLI float64
	// Budget is what is left.
	Budget Budget
	// Alerts are the states of the objective's alerts, in their order.
	Alerts []AlertStatus
	// Verdict is all of this in a word.
	Verdict Verdict
}

// Evaluate asks the source for the counts of the window and of every alert's
// windows, and judges them: see [Objective.Judge]. It fails when the objective
// is not valid or the source fails.
func (o Objective) Evaluate(now time.Time, source Source) (Status, error) {
	if err := o.Validate(); err != nil {
		return Status{}, err
	}
	fail := func(err error) (Status, error) {
		return Status{}, fmt.Errorf("sli: objective %q: %w", o.Name, err)
	}
	status := Status{Name: o.Name, At: now, Span: o.window().Span(now)}
	var err error
	if status.Counts, err = source.Over(now, o.window()); err != nil {
		return fail(err)
	}
	for _, a := range o.alerts() {
		long, err := source.Over(now, Rolling(a.Long))
		if err != nil {
			return fail(err)
		}
		short, err := source.Over(now, Rolling(a.Short))
		if err != nil {
			return fail(err)
		}
		status.Alerts = append(status.Alerts, o.Alert(a, long, short))
	}
	status.SLI, _ = status.Counts.Ratio()
	status.Budget = o.Budget(status.Counts)
	status.Verdict = o.Judge(status.Counts, status.Alerts)
	return status, nil
}

// Judge gives the verdict on the events of the window and the states of the
// alerts. It is, the first that holds of:
//
//   - InsufficientData, when there are no events;
//   - Exhausted, when the budget is spent, and there were MinEvents events or
//     more, or the bad share is beyond doubt above what is allowed;
//   - Burning, when an alert fires;
//   - InsufficientData, when there were fewer than MinEvents events, or when an
//     alert is blind;
//   - OK.
func (o Objective) Judge(c Counts, alerts []AlertStatus) Verdict {
	if c == (Counts{}) {
		return InsufficientData
	}
	enough := c.Total() >= o.minEvents()
	if o.Budget(c).Spent && (enough || o.beyondDoubt(c, o.allowance())) {
		return Exhausted
	}
	blind := false
	for _, a := range alerts {
		if a.Firing {
			return Burning
		}
		blind = blind || a.Blind
	}
	if !enough || blind {
		return InsufficientData
	}
	return OK
}
