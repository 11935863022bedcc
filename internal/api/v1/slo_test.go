package v1

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

func sloNow() time.Time { return time.Date(2026, 11, 21, 20, 30, 0, 0, time.UTC) }

// state evaluates an objective whose every window has these counts.
func state(t *testing.T, o *objective.SLO, c sli.Counts) *evaluate.State {
	t.Helper()
	s := &evaluate.State{SLO: o, Unjudged: 3}
	for _, one := range o.Objectives() {
		status, err := one.Evaluate(sloNow(), same(c))
		if err != nil {
			t.Fatal(err)
		}
		s.Statuses = append(s.Statuses, status)
	}
	return s
}

// same is a source in which all windows have the same counts.
type same sli.Counts

func (s same) Over(time.Time, sli.Window) (sli.Counts, error) { return sli.Counts(s), nil }

func sloOf(windows ...sli.Window) *objective.SLO {
	return &objective.SLO{
		Name: "checkout", Service: "shop", Target: 0.999, Windows: windows,
		Indicator: objective.Indicator{
			Signal: objective.SignalHTTP, Threshold: 250 * time.Millisecond,
			Select:  objective.Selector{Service: []string{"shop"}, Attributes: []objective.Attribute{{Keys: []string{"http.route"}, Patterns: []string{"/check*"}}}},
			Exclude: []objective.Selector{{Attributes: []objective.Attribute{{Keys: []string{"http.request.method"}, Patterns: []string{"HEAD"}}}}},
		},
		Origin: objective.Origin{Format: "OpenSLO", File: "slo.yaml", Line: 4},
	}
}

const month = 30 * 24 * time.Hour

func TestNewSLO_saysHowItStands(t *testing.T) {
	s := state(t, sloOf(sli.Rolling(month), sli.Rolling(month/30*7)), sli.Counts{Good: 970, Bad: 30})
	s.Since = []time.Time{sloNow().Add(-time.Minute)}
	got := NewSLO(s)
	if got.Verdict != sli.Exhausted || got.Good != 970 || got.Bad != 30 || got.SLI == nil || *got.SLI != 0.97 || got.BudgetRemainingRatio != -29 {
		t.Errorf("it stands as %+v", got.SLOWindow)
	}
	if got.Window != "30d" || len(got.Windows) != 1 || got.Windows[0].Window != "7d" || !time.Time(got.From).Equal(sloNow().Add(-month)) || got.Ends != nil {
		t.Errorf("the windows are %+v and %+v", got.SLOWindow, got.Windows)
	}
	first := got.Alerts[0]
	if len(got.Alerts) != 4 || !first.Firing || first.Severity != "page" || first.Burn != 14.4 || *first.LongBurn != 30 || first.LongEvents != 1000 || first.ShortEvents != 1000 || *first.LeastEvents == 0 {
		t.Errorf("the alerts are %+v", got.Alerts)
	}
	if first.Since == nil || !time.Time(*first.Since).Equal(sloNow().Add(-time.Minute)) || got.Alerts[1].Since != nil {
		t.Errorf("they fire since %v and %v", first.Since, got.Alerts[1].Since)
	}
	for _, window := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d"} {
		if b := got.Burn[window]; b == nil || *b != 30 {
			t.Errorf("the burn rate over %s is %v", window, b)
		}
	}
	if got.Unjudged != 3 || got.File != "slo.yaml" || got.Line != 4 || got.ThresholdNS != 250_000_000 {
		t.Errorf("it says %+v", got)
	}
}

func TestNewSLO_isWhatScriptsRead(t *testing.T) {
	text, err := json.Marshal(NewSLO(state(t, sloOf(sli.Rolling(month)), sli.Counts{Good: 999, Bad: 1})))
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"name": "checkout", "service": "shop", "objective": 0.999, "window": "30d", "good": 999.0, "bad": 1.0, "sli": 0.999, "budget_remaining_ratio": 0.0, "verdict": "exhausted",
		"select":  map[string]any{"service": []any{"shop"}, "attributes": []any{map[string]any{"keys": []any{"http.route"}, "patterns": []any{"/check*"}}}},
		"exclude": []any{map[string]any{"attributes": []any{map[string]any{"keys": []any{"http.request.method"}, "patterns": []any{"HEAD"}}}}},
		"from":    "2026-10-22T20:30:00.000000000Z",
	} {
		if diff := cmp.Diff(want, got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for _, name := range []string{"burn", "alerts"} {
		if got[name] == nil {
			t.Errorf("%s is missing: %s", name, text)
		}
	}
	for _, name := range []string{"bad_when", "query", "exclusions", "ends", "error", "proposal", "windows"} {
		if _, there := got[name]; there {
			t.Errorf("%s is there: %s", name, text)
		}
	}
}

func TestNewSLO_withoutEventsHasNoRates(t *testing.T) {
	got := NewSLO(state(t, sloOf(sli.Rolling(month)), sli.Counts{}))
	if got.SLI != nil || got.Burn["1h"] != nil || got.Alerts[0].LongBurn != nil || got.Verdict != sli.InsufficientData || got.BudgetRemainingRatio != 1 {
		t.Errorf("without events it stands as %+v", got)
	}
	if _, there := got.Burn["1h"]; !there {
		t.Error("a window without events is not named")
	}
}

func TestNewSLO_thatIsNotKnownSaysWhy(t *testing.T) {
	got := NewSLO(&evaluate.State{SLO: sloOf(sli.Rolling(month)), Err: errors.New("the store is closed")})
	if got.Error != "the store is closed" || got.Window != "30d" || got.Verdict != sli.InsufficientData || got.Alerts == nil || got.Burn == nil {
		t.Errorf("it says %+v", got)
	}
}

func TestNewSLO_ofACalendarSaysWhenItEnds(t *testing.T) {
	got := NewSLO(state(t, sloOf(sli.Calendar(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 1, 0)), sli.Counts{Good: 5}))
	if got.Ends == nil || !time.Time(*got.Ends).Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) || !time.Time(got.From).Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("its window is %+v", got.SLOWindow)
	}
}

func TestNewSLO_alertThatCannotFireNeedsNoNumberOfEvents(t *testing.T) {
	o := sloOf(sli.Rolling(month))
	o.Target = 0.9
	o.Alerts = []objective.Alert{{Alert: sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}, Name: "never"}}
	s := &evaluate.State{SLO: o, Statuses: []sli.Status{{Alerts: []sli.AlertStatus{sli.Objective{Target: 0.9}.Alert(o.Alerts[0].Alert, sli.Counts{Bad: 9}, sli.Counts{Bad: 9})}}}}
	if a := NewSLO(s).Alerts[0]; a.LeastEvents != nil || a.Firing || a.Name != "never" {
		t.Errorf("the alert is %+v", a)
	}
}

func TestSLOSelector_matches(t *testing.T) {
	values := map[string]string{"http.route": "/checkout", "url.template": "", "http.request.method": "POST"}
	value := func(key string) string { return values[key] }
	attribute := func(patterns string, keys ...string) SLOSelector {
		return SLOSelector{Attributes: []SLOAttribute{{Keys: keys, Patterns: strings.Split(patterns, ",")}}}
	}
	for _, tt := range []struct {
		name string
		s    SLOSelector
		want bool
	}{
		{"nothing is asked", SLOSelector{}, true},
		{"a value", attribute("/checkout", "http.route"), true},
		{"another value", attribute("/cart", "http.route"), false},
		{"one of some", attribute("/cart,/check*", "http.route"), true},
		{"by another key", attribute("/checkout", "url.template", "http.route"), true},
		{"what is not set", attribute("", "url.template"), true},
		{"two that must match", SLOSelector{Attributes: append(attribute("/checkout", "http.route").Attributes, attribute("GET", "http.request.method").Attributes...)}, false},
	} {
		if got := tt.s.Matches(value); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if s := (SLOSelector{Service: []string{"sh*"}}); !s.MatchesService("shop") || s.MatchesService("cart") || !(&SLOSelector{}).MatchesService("any") {
		t.Error("services are not matched")
	}
}

func TestParseSLOQueries(t *testing.T) {
	for _, text := range []string{"", "from=-1h", "from=2026-11-21T19%3A00%3A00Z&step=1m&to=2026-11-21T20%3A00%3A00Z"} {
		values, _ := url.ParseQuery(text)
		q, err := ParseSLOHistoryQuery(values)
		if got := q.Values().Encode(); err != nil || got != text {
			t.Errorf("%s becomes %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"step=0s", "step=7s", "from=yesterday", "limit=3", "from=-1h&to=-2h", "from=-1h&from=-2h"} {
		values, _ := url.ParseQuery(text)
		if _, err := ParseSLOHistoryQuery(values); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
	if q, err := ParseSLOListQuery(url.Values{"service": {"shop"}}); err != nil || q.Service != "shop" || q.Values().Encode() != "service=shop" {
		t.Errorf("got %+v, %v", q, err)
	}
	if _, err := ParseSLOListQuery(url.Values{"name": {"x"}}); err == nil {
		t.Error("a parameter that there is not is accepted")
	}
}
