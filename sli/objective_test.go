package sli_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

func counts(good, bad uint64) sli.Counts { return sli.Counts{Good: good, Bad: bad} }

func TestObjective_budget(t *testing.T) {
	for _, tt := range []struct {
		name   string
		target float64
		c      sli.Counts
		want   sli.Budget
	}{
		{"no events, nothing spent", 0.999, counts(0, 0), sli.Budget{RemainingRatio: 1}},
		{"all good", 0.999, counts(10_000, 0), sli.Budget{Allowed: 10, Remaining: 10, RemainingRatio: 1}},
		{"half spent", 0.999, counts(9995, 5), sli.Budget{Allowed: 10, Remaining: 5, RemainingRatio: 0.5}},
		{"the last one", 0.999, counts(9991, 9), sli.Budget{Allowed: 10, Remaining: 1, RemainingRatio: 0.1}},
		{"all of it, to the event", 0.999, counts(9990, 10), sli.Budget{Allowed: 10, Spent: true}},
		{"more than all", 0.999, counts(9980, 20), sli.Budget{Allowed: 10, Remaining: -10, RemainingRatio: -1, Spent: true}},
		{"1 of 100", 0.99, counts(99, 1), sli.Budget{Allowed: 1, Spent: true}},
		{"three decimals of a per cent", 0.99999, counts(999_991, 9), sli.Budget{Allowed: 10, Remaining: 1, RemainingRatio: 0.1}},
		{"all bad", 0.9, counts(0, 10), sli.Budget{Allowed: 1, Remaining: -9, RemainingRatio: -9, Spent: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (sli.Objective{Target: tt.target}).Budget(tt.c); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	if a := (sli.Objective{Target: 0.999}).Allowance(); a != 0.001 {
		t.Errorf("allowance %v, want 0.001", a)
	}
}

// TestObjective_arithmetic compares with whole numbers: a target of so many
// 100,000ths.
func TestObjective_arithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	for range 20_000 {
		part := 1 + r.Int64N(99_999)
		o := sli.Objective{Target: float64(part) / 100_000}
		c := counts(r.Uint64()>>r.IntN(64), r.Uint64()>>r.IntN(64))
		if c == (sli.Counts{}) {
			continue
		}
		total := new(big.Int).Add(new(big.Int).SetUint64(c.Good), new(big.Int).SetUint64(c.Bad))
		// burn = bad * 100000 / (total * (100000 - part))
		top := new(big.Int).Mul(new(big.Int).SetUint64(c.Bad), big.NewInt(100_000))
		bottom := new(big.Int).Mul(total, big.NewInt(100_000-part))
		want, _ := new(big.Rat).SetFrac(top, bottom).Float64()
		if got, ok := o.BurnRate(c); got != want || !ok {
			t.Fatalf("burn of %v at %v: %v, want %v", c, o.Target, got, want)
		}
		b := o.Budget(c)
		if b.Spent != (top.Cmp(bottom) >= 0) {
			t.Fatalf("%v at %v: spent %v", c, o.Target, b.Spent)
		}
		if math.Abs(b.RemainingRatio-(1-want)) > 1e-12*math.Max(1, want) {
			t.Fatalf("%v at %v: left %v, burn %v", c, o.Target, b.RemainingRatio, want)
		}
	}
	if _, ok := (sli.Objective{Target: 0.9}).BurnRate(counts(0, 0)); ok {
		t.Error("there is a burn rate without events")
	}
}

func TestDefaultAlerts(t *testing.T) {
	page1 := sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}
	page2 := sli.Alert{Severity: "page", Burn: 6, Long: 6 * time.Hour, Short: 30 * time.Minute}
	ticket1 := sli.Alert{Severity: "ticket", Burn: 3, Long: 24 * time.Hour, Short: 2 * time.Hour}
	ticket2 := sli.Alert{Severity: "ticket", Burn: 1, Long: 72 * time.Hour, Short: 6 * time.Hour}
	at := func(a sli.Alert, burn float64) sli.Alert { a.Burn = burn; return a }
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name   string
		target float64
		window sli.Window
		want   []sli.Alert
	}{
		{"30 days", 0.999, sli.Rolling(30 * day), []sli.Alert{page1, page2, ticket1, ticket2}},
		{"a calendar month counts as 30 days", 0.999, sli.Calendar(time.Unix(1e9, 0), 1, 0), []sli.Alert{page1, page2, ticket1, ticket2}},
		{"28 days", 0.999, sli.Rolling(28 * day), []sli.Alert{at(page1, 13.44), at(page2, 5.6), at(ticket1, 2.8), ticket2}},
		{"90 days", 0.999, sli.Rolling(90 * day), []sli.Alert{at(page1, 43.2), at(page2, 18), at(ticket1, 9), at(ticket2, 3)}},
		{"7 days: no 3 days", 0.999, sli.Rolling(7 * day), []sli.Alert{at(page1, 3.36), at(page2, 1.4), at(ticket1, 1)}},
		{"a day: no page at less than 1", 0.999, sli.Rolling(day), []sli.Alert{}},
		{"a target of 0.9 cannot burn 14.4 times", 0.9, sli.Rolling(30 * day), []sli.Alert{page2, ticket1, ticket2}},
		{"a target of 0.5 cannot burn 2 times", 0.5, sli.Rolling(30 * day), []sli.Alert{ticket2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := sli.DefaultAlerts(tt.target, tt.window)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if err := (sli.Objective{Target: tt.target, Window: tt.window, Alerts: got}).Validate(); err != nil {
				t.Errorf("the default is refused: %v", err)
			}
		})
	}
}

func TestObjective_alert(t *testing.T) {
	page := sli.Alert{Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute} // at 0.999: 0.0144
	for _, tt := range []struct {
		name          string
		o             sli.Objective
		long, short   sli.Counts
		firing, blind bool
	}{
		{"silence", sli.Objective{}, counts(0, 0), counts(0, 0), false, false},
		{"all good", sli.Objective{}, counts(1000, 0), counts(100, 0), false, false},
		{"all bad", sli.Objective{}, counts(0, 1000), counts(0, 100), true, false},
		{"it is over", sli.Objective{}, counts(0, 1000), counts(100, 0), false, false},
		{"it has just begun", sli.Objective{}, counts(99_000, 1000), counts(0, 1000), false, false},
		{"one bad request at night", sli.Objective{}, counts(3, 1), counts(0, 1), false, true},
		{"four bad requests at night", sli.Objective{}, counts(0, 4), counts(0, 4), false, true},
		{"five", sli.Objective{}, counts(0, 5), counts(0, 5), true, false},
		{"five of the hour, four of now", sli.Objective{}, counts(0, 5), counts(0, 4), false, true},
		{"one bad of many", sli.Objective{}, counts(60, 1), counts(10, 1), false, false},
		{"exactly at the rate", sli.Objective{}, counts(985_600, 14_400), counts(985_600, 14_400), false, false},
		{"a little above, but in doubt", sli.Objective{}, counts(985_599, 14_401), counts(985_599, 14_401), false, false},
		{"a little above, doubt waived", sli.Objective{Confidence: 0.5, MinBad: 1}, counts(985_599, 14_401), counts(985_599, 14_401), true, false},
		{"doubt waived, at the rate", sli.Objective{Confidence: 0.5, MinBad: 1}, counts(985_600, 14_400), counts(985_600, 14_400), false, false},
		{"one request, doubt waived", sli.Objective{Confidence: 0.5, MinBad: 1}, counts(0, 1), counts(0, 1), true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Target = 0.999
			s := tt.o.Alert(page, tt.long, tt.short)
			if s.Firing != tt.firing || s.Blind != tt.blind {
				t.Errorf("firing %v, blind %v, want %v, %v (%+v)", s.Firing, s.Blind, tt.firing, tt.blind, s)
			}
		})
	}
	even := sli.Alert{Burn: 1, Long: time.Hour, Short: time.Minute}
	if s := (sli.Objective{Target: 0.5}).Alert(even, counts(1, 1), counts(1, 1)); s.Blind || s.Firing {
		t.Errorf("exactly at the rate with few events: %+v", s)
	}
	for name, a := range map[string]sli.Alert{"no alert": {}, "no number": {Burn: math.NaN(), Long: 2, Short: 1}, "unreachable": {Burn: 1000, Long: 2, Short: 1}} {
		s := sli.Objective{Target: 0.999}.Alert(a, counts(0, 1e6), counts(0, 1e6))
		if s.Firing || s.Blind || s.MinEvents != math.MaxUint64 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestAlert_minEvents says with how many events an alert can fire at all.
func TestAlert_minEvents(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 11))
	for range 3000 {
		o := sli.Objective{
			Target:     0.5 + r.Float64()/2,
			Confidence: []float64{0, 0.5, 0.9, 0.999}[r.IntN(4)],
			MinBad:     r.Uint64N(8),
		}
		a := sli.Alert{Burn: 0.1 + 20*r.Float64(), Long: 2, Short: 1}
		n := o.Alert(a, sli.Counts{}, sli.Counts{}).MinEvents
		if n == math.MaxUint64 {
			if all := o.Alert(a, counts(0, 1e9), counts(0, 1e9)); all.Firing {
				t.Fatalf("%+v fires, %+v said it never could", all, o)
			}
			continue
		}
		enough, short := o.Alert(a, counts(0, n), counts(0, n)), o.Alert(a, counts(0, n), counts(0, n-1))
		if !enough.Firing || enough.Blind || short.Firing || n > 1 && !short.Blind {
			t.Fatalf("%+v with %d events: firing %v, with one less: %v, blind %v", o, n, enough.Firing, short.Firing, short.Blind)
		}
	}
}

func TestObjective_judge(t *testing.T) {
	firing, blind := sli.AlertStatus{Firing: true}, sli.AlertStatus{Blind: true}
	for _, tt := range []struct {
		name   string
		o      sli.Objective
		c      sli.Counts
		alerts []sli.AlertStatus
		want   sli.Verdict
	}{
		{"no events", sli.Objective{}, counts(0, 0), nil, sli.InsufficientData},
		{"no events, whatever the alerts say", sli.Objective{}, counts(0, 0), []sli.AlertStatus{firing}, sli.InsufficientData},
		{"all good", sli.Objective{}, counts(1000, 0), nil, sli.OK},
		{"one less than 1 / 0.001", sli.Objective{}, counts(999, 0), nil, sli.InsufficientData},
		{"one less, but enough for this one", sli.Objective{MinEvents: 10}, counts(999, 0), nil, sli.OK},
		{"the budget to the last event", sli.Objective{}, counts(9990, 10), nil, sli.Exhausted},
		{"one event before", sli.Objective{}, counts(9991, 9), nil, sli.OK},
		{"spent and firing", sli.Objective{}, counts(9990, 10), []sli.AlertStatus{firing}, sli.Exhausted},
		{"firing", sli.Objective{}, counts(9999, 1), []sli.AlertStatus{{}, firing}, sli.Burning},
		{"firing with few events", sli.Objective{}, counts(1, 5), []sli.AlertStatus{firing}, sli.Exhausted},
		{"spent by one of few", sli.Objective{}, counts(99, 1), nil, sli.InsufficientData},
		{"spent by all of few", sli.Objective{}, counts(0, 5), nil, sli.Exhausted},
		{"spent by one of few, firing", sli.Objective{}, counts(99, 1), []sli.AlertStatus{firing}, sli.Burning},
		{"blind", sli.Objective{}, counts(10_000, 1), []sli.AlertStatus{blind}, sli.InsufficientData},
		{"blind in one, firing in another", sli.Objective{}, counts(10_000, 1), []sli.AlertStatus{blind, firing}, sli.Burning},
		{"quiet", sli.Objective{}, counts(10_000, 1), []sli.AlertStatus{{}, {}}, sli.OK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.Target = 0.999
			if got := tt.o.Judge(tt.c, tt.alerts); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestObjective_evaluate lets a service fail and watches what is said, minute
// by minute.
func TestObjective_evaluate(t *testing.T) {
	w := new(sli.Windows)
	o := sli.Objective{Name: "checkout", Target: 0.999}
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	end := now.Add(12 * 24 * time.Hour)
	for ; now.Before(end); now = now.Add(10 * time.Second) {
		w.Add(now, now, sli.Counts{Good: 100})
	}
	verdictAt := func() sli.Verdict {
		t.Helper()
		s, err := o.Evaluate(now, w)
		if err != nil {
			t.Fatal(err)
		}
		if s.Name != "checkout" || !s.At.Equal(now) || len(s.Alerts) != 4 || s.Span != sli.Rolling(30*24*time.Hour).Span(now) {
			t.Fatalf("status %+v", s)
		}
		return s.Verdict
	}
	if v := verdictAt(); v != sli.OK {
		t.Fatalf("before: %v", v)
	}
	// A tenth of all events fails: 100 times the rate.
	begin, said := now, map[sli.Verdict]time.Duration{}
	for ; now.Before(begin.Add(5 * time.Hour)); now = now.Add(10 * time.Second) {
		w.Add(now, now, sli.Counts{Good: 90, Bad: 10})
		if v := verdictAt(); said[v] == 0 {
			said[v] = now.Sub(begin) + 1
		}
	}
	// 14.4 % of an hour of 100 times the rate is 9 minutes; a thousandth of
	// 12 days is 0.1 of 173 minutes.
	if d := said[sli.Burning]; d < 8*time.Minute || d > 10*time.Minute {
		t.Errorf("burning after %v, want 9 minutes", d)
	}
	if d := said[sli.Exhausted]; d < 165*time.Minute || d > 180*time.Minute {
		t.Errorf("exhausted after %v, want 173 minutes", d)
	}
	if s, err := o.Evaluate(now, w); err != nil || s.SLI >= 0.999 || s.Budget.RemainingRatio >= 0 {
		t.Errorf("at last: %+v, %v", s, err)
	}
}

func TestObjective_evaluateFails(t *testing.T) {
	now := epoch()
	if _, err := (sli.Objective{Name: "x"}).Evaluate(now, new(sli.Windows)); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("without a target: %v", err)
	}
	long := sli.Objective{Name: "quarter", Target: 0.99, Window: sli.Rolling(90 * 24 * time.Hour)}
	if _, err := long.Evaluate(now, new(sli.Windows)); !errors.Is(err, sli.ErrSpan) || !strings.Contains(err.Error(), "90d") || !strings.Contains(err.Error(), "32d") {
		t.Errorf("a window longer than the ring: %v", err)
	}
	for fail := range 3 {
		calls := 0
		broken := sourceFunc(func() error {
			if calls++; calls > fail {
				return errors.New("no answer")
			}
			return nil
		})
		if _, err := (sli.Objective{Target: 0.99}).Evaluate(now, broken); err == nil || !strings.Contains(err.Error(), "no answer") {
			t.Errorf("a source that fails after %d calls: %v", fail, err)
		}
	}
}

type sourceFunc func() error

func (f sourceFunc) Over(time.Time, sli.Window) (sli.Counts, error) { return sli.Counts{}, f() }

func TestObjective_validate(t *testing.T) {
	hour := sli.Alert{Burn: 2, Long: time.Hour, Short: time.Minute}
	for _, tt := range []struct {
		name string
		o    sli.Objective
		want []string // what the error says, none for valid
	}{
		{"a target alone", sli.Objective{Target: 0.999}, nil},
		{"no target", sli.Objective{}, []string{"target 0:"}},
		{"all", sli.Objective{Target: 1}, []string{"target 1:"}},
		{"99 per cent as 99", sli.Objective{Target: 99}, []string{"target 99:"}},
		{"no number", sli.Objective{Target: math.NaN()}, []string{"target NaN:"}},
		{"confidence in per cent", sli.Objective{Target: 0.9, Confidence: 95}, []string{"confidence 95:"}},
		{"no confidence", sli.Objective{Target: 0.9, Confidence: 0.4}, []string{"confidence 0.4:"}},
		{"a negative window", sli.Objective{Target: 0.9, Window: sli.Rolling(-1)}, []string{"window of -1ns"}},
		{"an alert", sli.Objective{Target: 0.9, Alerts: []sli.Alert{hour}}, nil},
		{"too long a look back", sli.Objective{Target: 0.9, Window: sli.Rolling(2 * time.Hour), Alerts: []sli.Alert{hour}}, []string{"alert over 1h", "40m"}},
		{"a rate no share reaches", sli.Objective{Target: 0.9, Alerts: []sli.Alert{{Burn: 10, Long: 2, Short: 1}}}, []string{"burn rate 10", "never fire"}},
		{"windows of the wrong order", sli.Objective{Target: 0.9, Alerts: []sli.Alert{{Burn: 1, Long: 1, Short: 1}}}, []string{"1ns and 1ns"}},
		{"a rate that is no number", sli.Objective{Target: 0.9, Alerts: []sli.Alert{{Burn: math.Inf(1), Long: 2, Short: 1}}}, []string{"+Inf"}},
		{"all faults at once", sli.Objective{Target: 2, Confidence: 2, Alerts: []sli.Alert{{}}}, []string{"target 2:", "confidence 2:", "burn rate 0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.o.Validate()
			if (err == nil) != (len(tt.want) == 0) {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestVerdict_text(t *testing.T) {
	for v, want := range map[sli.Verdict]string{sli.OK: `"ok"`, sli.Burning: `"burning"`, sli.Exhausted: `"exhausted"`, sli.InsufficientData: `"insufficient_data"`} {
		b, err := json.Marshal(v)
		var back sli.Verdict
		if err != nil || string(b) != want || json.Unmarshal(b, &back) != nil || back != v {
			t.Errorf("%v: %s, %v, back %v", v, b, err, back)
		}
	}
	if _, err := sli.Verdict(9).MarshalText(); err == nil || sli.Verdict(9).String() != "verdict_9" {
		t.Errorf("verdict 9 is %v, %v", sli.Verdict(9), err)
	}
	var v sli.Verdict
	if v.UnmarshalText([]byte("fine")) == nil {
		t.Error(`"fine" is a verdict`)
	}
}
