package objective

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/sli"
)

const day = 24 * time.Hour

// right is an objective with nothing wrong.
func right() SLO {
	return SLO{
		Name: "checkout", Service: "shop", Target: 0.999, Windows: []sli.Window{sli.Rolling(30 * day)},
		Indicator: Indicator{Signal: SignalHTTP, Threshold: 300 * time.Millisecond},
	}
}

func TestValidate(t *testing.T) {
	page := sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}
	alerts := func(list ...Alert) func(*SLO) { return func(s *SLO) { s.Alerts = list } }
	at := func(hour int) time.Time { return time.Date(2026, 1, 1, hour, 0, 0, 0, time.UTC) }
	query := func(q Query) func(*SLO) {
		return func(s *SLO) { s.Indicator = Indicator{Signal: SignalQuery, Query: q} }
	}
	tests := []struct {
		name   string
		change func(*SLO)
		want   []string // "field: cause"; a warning begins with "?"
	}{
		{"nothing", func(*SLO) {}, nil},
		{"all that is optional", func(s *SLO) {
			s.Alerts = []Alert{{Alert: page, Name: "a"}, {Alert: sli.Alert{Severity: "page", Burn: 6, Long: 6 * time.Hour, Short: 30 * time.Minute}, Name: "a"}}
			s.Slice, s.Confidence = Slice{time.Minute, 1}, 0.5
			s.Windows = append(s.Windows, sli.Rolling(7*day), sli.Calendar(at(0), 1, 0))
			s.Exclusions = []Exclusion{{Reason: "move", From: at(1), To: at(2)}}
			s.Indicator.Bad = []Selector{}
		}, nil},
		{"everything is missing", func(s *SLO) { *s = SLO{} }, []string{
			"name: is missing", "service: is missing", "indicator.signal: is missing", "target: 0 is not above 0 and below 1", "windows: there is none",
		}},
		{"a name with a space", func(s *SLO) { s.Name = "a b" }, []string{`name: "a b" is no name`}},
		{"a name that is too long", func(s *SLO) { s.Name = strings.Repeat("a", 129) }, []string{"name: "}},
		{"another signal", func(s *SLO) { s.Indicator.Signal = "grpc" }, []string{`indicator.signal: "grpc" is not known`}},
		{"less than no time", func(s *SLO) { s.Indicator.Threshold = -1 }, []string{"indicator.threshold: -1ns is negative"}},
		{"nothing that is bad", func(s *SLO) { s.Indicator.Bad, s.Indicator.Threshold = []Selector{}, 0 }, []string{"indicator.bad: no event is ever bad"}},
		{"a query for good", query(Query{Good: "a", Total: "b"}), nil},
		{"a query for bad", query(Query{Bad: "a", Total: "b"}), nil},
		{"a ratio", query(Query{Ratio: "a"}), nil},
		{"good and bad", query(Query{Good: "a", Bad: "a", Total: "b"}), []string{"indicator.query: needs a total and either good or bad"}},
		{"no total", query(Query{Good: "a"}), []string{"indicator.query: needs a total"}},
		{"a ratio and counters", query(Query{Ratio: "a", Total: "b"}), []string{"indicator.query: has a ratio and counters"}},
		{"a threshold of a query", func(s *SLO) { s.Indicator.Signal, s.Indicator.Query = SignalQuery, Query{Ratio: "a"} }, []string{"indicator.threshold: does not apply to a query"}},
		{"a target in per cent", func(s *SLO) { s.Target = 99.9 }, []string{"target: 99.9 is not above 0 and below 1"}},
		{"no number", func(s *SLO) { s.Target = math.NaN() }, []string{"target: NaN is not above 0 and below 1"}},
		{"all of it", func(s *SLO) { s.Target = 1 }, []string{"target: 1 is not"}},
		{"a window twice", func(s *SLO) { s.Windows = append(s.Windows, s.Windows[0]) }, []string{"windows[1]: 30d is there twice"}},
		{"a window of no length", func(s *SLO) { s.Windows = append(s.Windows, sli.Window{}) }, []string{"windows[1]: no window"}},
		{"a slice that is too short", func(s *SLO) { s.Slice = Slice{time.Millisecond, 0.9} }, []string{"slice.width: 1ms is not from 1s to 24h"}},
		{"a slice without a target", func(s *SLO) { s.Slice = Slice{Width: time.Minute} }, []string{"slice.target: 0 is not above 0 and up to 1"}},
		{"a target without slices", func(s *SLO) { s.Slice = Slice{Target: 0.9} }, []string{"slice.width: 0s is not"}},
		{"alerts that never fire", func(s *SLO) { s.Target = 0.9; alerts(Alert{Alert: page})(s) }, []string{"alerts[0].burn: 14.4 times 0.1 is not below 1"}},
		// 10 times 0.1 is 1, whatever 1 - 0.9 is in binary.
		{"an alert at the very limit", func(s *SLO) { s.Target = 0.9; page := page; page.Burn = 10; alerts(Alert{Alert: page})(s) }, []string{"alerts[0].burn: 10 times 0.1"}},
		{"an alert just below the limit", func(s *SLO) { s.Target = 0.9; page := page; page.Burn = 9.999; alerts(Alert{Alert: page})(s) }, nil},
		{"an alert longer than a third of the window", func(s *SLO) { s.Windows[0] = sli.Rolling(2 * time.Hour); alerts(Alert{Alert: page})(s) },
			[]string{"alerts[0].long: 1h0m0s is more than a third of the window of 2h0m0s"}},
		{"an alert without windows", alerts(Alert{Alert: sli.Alert{Burn: 1}}), []string{"alerts[0]: alert over 0s and 0s: the short window must be above 0"}},
		{"an alert twice", alerts(Alert{Alert: page, Name: "a"}, Alert{Alert: page, Name: "a"}), []string{"alerts[1]: is there twice"}},
		{"an alert that waits less than no time", alerts(Alert{Alert: page, For: -1}), []string{"alerts[0].for: -1ns is negative"}},
		{"an alert within a slice", func(s *SLO) { s.Slice = Slice{10 * time.Minute, 0.9}; alerts(Alert{Alert: page})(s) }, []string{"?alerts[0].short: 5m0s is less than a slice of 10m0s"}},
		{"default alerts that never fire", func(s *SLO) { s.Windows[0] = sli.Rolling(time.Hour) }, []string{"?alerts: none of the default alerts can ever fire"}},
		{"no confidence", func(s *SLO) { s.Confidence = 0.2 }, []string{"confidence: 0.2 is not from 0.5 to below 1"}},
		{"certainty", func(s *SLO) { s.Confidence = 1 }, []string{"confidence: 1 is not"}},
		{"a time that ends before it begins", func(s *SLO) { s.Exclusions = []Exclusion{{Reason: "a", From: at(2), To: at(1)}} },
			[]string{"exclusions[0]: from 2026-01-01T02:00:00Z to 2026-01-01T01:00:00Z is no time"}},
		{"a time without begin and reason", func(s *SLO) { s.Exclusions = []Exclusion{{To: at(1)}} }, []string{"exclusions[0]: from nothing to", "?exclusions[0].reason: is missing"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := right()
			test.change(&s)
			problems := s.Validate()
			broken := false
			for i, p := range problems {
				text := p.Error()
				if p.Warning {
					text = "?" + text
				}
				broken = broken || !p.Warning
				if i >= len(test.want) || !strings.HasPrefix(text, test.want[i]) {
					t.Errorf("%s", text)
				}
				if p.Hint == "" {
					t.Errorf("no hint: %s", text)
				}
			}
			if len(problems) != len(test.want) {
				t.Errorf("want %q", test.want)
			}
			if err := Errors(problems); (err != nil) != broken {
				t.Errorf("as one error: %v", err)
			}
			// What is right here is right for package sli.
			if !broken {
				for _, o := range s.Objectives() {
					if err := o.Validate(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

func TestObjectives(t *testing.T) {
	s := right()
	s.Windows = append(s.Windows, sli.Rolling(7*day))
	s.MinEvents, s.MinBad, s.Confidence = 1, 2, 0.9
	all := s.Objectives()
	if len(all) != 2 || len(all[0].Alerts) != 4 || all[1].Alerts == nil || len(all[1].Alerts) != 0 {
		t.Fatalf("%+v", all)
	}
	if o := all[1]; o.Name != "checkout" || o.Target != 0.999 || o.Window != sli.Rolling(7*day) || o.MinEvents != 1 || o.MinBad != 2 || o.Confidence != 0.9 {
		t.Errorf("%+v", o)
	}
	s.Alerts = []Alert{}
	if got := s.Objectives()[0].Alerts; got == nil || len(got) != 0 {
		t.Errorf("no alerts are %v", got)
	}
	s.Alerts = []Alert{{Alert: sli.Alert{Severity: "x", Burn: 2, Long: 2, Short: 1}}}
	if got := s.Objectives()[0].Alerts; len(got) != 1 || got[0] != s.Alerts[0].Alert {
		t.Errorf("an alert is %v", got)
	}
}
