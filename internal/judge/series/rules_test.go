package series

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func evaluate(t testing.TB, e *Engine, at time.Time) {
	t.Helper()
	if err := e.Evaluate(context.Background(), at); err != nil {
		t.Fatal(err)
	}
}

func setRules(t testing.TB, e *Engine, groups ...RuleGroup) {
	t.Helper()
	if err := e.SetRules(groups); err != nil {
		t.Fatal(err)
	}
}

func TestSetRules_allOrNothing(t *testing.T) {
	record := func(name, expr string) RuleGroup {
		return RuleGroup{Name: name, Rules: []Rule{{Record: name, Expr: expr}}}
	}
	with := func(r Rule) []RuleGroup { return []RuleGroup{record("new", "3"), {Name: "g", Rules: []Rule{r}}} }
	for _, c := range []struct {
		name   string
		groups []RuleGroup
		want   string
	}{
		{"an expression that is none", with(Rule{Record: "broken", Expr: "sum(("}), `group "g": rule 1, "broken": could not parse`},
		{"no expression", with(Rule{Alert: "Broken"}), `rule 1, "Broken": field 'expr'`},
		{"no name", with(Rule{Expr: "1"}), "one of 'record' or 'alert'"},
		{"two names", with(Rule{Record: "a", Alert: "b", Expr: "1"}), "only one of 'record' and 'alert'"},
		{"a record with a bad name", with(Rule{Record: "a b", Expr: "1"}), "invalid recording rule name"},
		{"a record that waits", with(Rule{Record: "a", Expr: "1", For: 1}), "invalid field 'for'"},
		{"a bad label", with(Rule{Alert: "a", Expr: "1", Labels: map[string]string{"a b": ""}}), "invalid label name"},
		{"a bad template", with(Rule{Alert: "a", Expr: "1", Annotations: map[string]string{"x": "{{ nope"}}), `annotation "x"`},
		{"a negative wait", with(Rule{Alert: "a", Expr: "1", For: -1}), "negative"},
		{"a group without a name", []RuleGroup{record("new", "3"), {}}, `group ""`},
		{"a group twice", []RuleGroup{record("new", "3"), record("new", "4")}, `group "new"`},
		{"a negative interval", []RuleGroup{{Name: "g", Interval: -1}}, "interval"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := openTest(t, nil, Options{})
			setRules(t, e, record("old", "7"))
			evaluate(t, e, begin())
			if err := e.SetRules(c.groups); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			evaluate(t, e, begin().Add(time.Minute))
			if s := e.Stats().Rules; s.Groups != 1 || s.Rules != 1 || s.Failing != 0 {
				t.Errorf("%+v", s)
			}
			wantNumber(t, e, "timestamp(old) * (old == 7)", begin().Add(time.Minute), float64(begin().Add(time.Minute).Unix()*7))
			if v := query(t, e, "new", begin().Add(time.Minute)); len(v) != 0 {
				t.Errorf("%v is recorded", v)
			}
		})
	}
}

func TestRules_record(t *testing.T) {
	w := newWatch()
	e := openTest(t, w, Options{})
	good, bad := handle(t, e, "events_total", Label{"result", "good"}), handle(t, e, "events_total", Label{"result", "bad"})
	setRules(t, e, RuleGroup{Name: "shop", Rules: []Rule{
		{Record: "slo:sli_error:ratio_rate5m", Expr: `sum(rate(events_total{result="bad"}[5m])) / sum(rate(events_total[5m]))`, Labels: map[string]string{"slo": "shop"}},
		{Record: "slo:burn", Expr: `slo:sli_error:ratio_rate5m / 0.01`},
	}})
	for i := range 11 {
		at := begin().Add(time.Duration(i) * 30 * time.Second)
		storeOne(t, e, at, good, float64(i*97))
		storeOne(t, e, at, bad, float64(i*3))
	}
	end := begin().Add(5 * time.Minute)
	evaluate(t, e, end)
	wantNumber(t, e, "slo:sli_error:ratio_rate5m", end, 0.03)
	// A rule sees what those before it recorded, and keeps its labels.
	wantNumber(t, e, `slo:burn{slo="shop"}`, end, 3)
	if s := e.Stats(); s.Stored != 24 || s.Rules.Failing != 0 {
		t.Errorf("%+v", s)
	}
	// What is no longer there is stale at once, not after the lookback.
	setRules(t, e, RuleGroup{Name: "shop", Rules: []Rule{{Record: "slo:burn", Expr: "slo:burn > 5"}}})
	evaluate(t, e, end.Add(30*time.Second))
	if v := query(t, e, "slo:burn", end.Add(30*time.Second)); len(v) != 0 {
		t.Errorf("%v is still there", v)
	}
}

func TestRules_failures(t *testing.T) {
	e := openTest(t, nil, Options{MaxSeries: 3})
	storeOne(t, e, begin(), handle(t, e, "a", Label{"i", "1"}), 1)
	storeOne(t, e, begin(), handle(t, e, "a", Label{"i", "2"}), 1)
	storeOne(t, e, begin(), handle(t, e, "b"), 1)
	setRules(t, e, RuleGroup{Name: "g", Rules: []Rule{
		{Record: "good", Expr: "vector(1) < 0"},
		{Record: "ambiguous", Expr: "b * on() a"},
	}}, RuleGroup{Name: "many", Rules: []Rule{{Record: "too:many", Expr: "a"}}})
	evaluate(t, e, begin())
	s := e.Stats()
	if s.Rules.Failing != 2 || s.Rejected != rejected(SeriesLimit, 2) || s.Rules.LastError == "" {
		t.Errorf("%+v", s)
	}
	if v := query(t, e, "too:many", begin()); len(v) != 0 {
		t.Errorf("%v", v)
	}
}

func TestRules_areBoundAsSamplesAre(t *testing.T) {
	e := openTest(t, nil, Options{})
	b := e.Batch()
	b.AddHistogram(handle(t, e, "latency_seconds"), latency(1))
	if a, err := b.Commit(context.Background(), begin()); err != nil || a.Stored != 1 {
		t.Fatal(a, err)
	}
	setRules(t, e, RuleGroup{Name: "g", Rules: []Rule{{Record: "copy", Expr: "latency_seconds"}}})
	evaluate(t, e, begin())
	if s := e.Stats(); s.Rejected != rejected(HistogramLimit, 1) || s.Rules.Failing != 1 || !strings.Contains(s.Rules.LastError, "native histograms") {
		t.Errorf("%+v", s)
	}
	setRules(t, e, RuleGroup{Name: "g", Rules: []Rule{{Record: "x", Expr: "1"}}})
	evaluate(t, e, begin().Add(DefaultMaxAhead+time.Millisecond))
	if s := e.Stats(); s.Rejected != rejected(HistogramLimit, 1, Ahead, 1) || s.Rules.Failing != 1 {
		t.Errorf("%+v", s)
	}
	evaluate(t, e, begin().Add(DefaultMaxAhead))
	wantNumber(t, e, "x", begin().Add(DefaultMaxAhead), 1)
}

// told gathers what [Options.Notify] is told.
type told struct {
	mu     sync.Mutex
	alerts []Alert
}

func (n *told) notify(_ context.Context, alerts []Alert) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alerts = append(n.alerts, alerts...)
}

// take returns what was told since the last time, as text.
func (n *told) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := summary(n.alerts)
	n.alerts = nil
	return text
}

func summary(alerts []Alert) string {
	var parts []string
	for _, a := range alerts {
		parts = append(parts, fmt.Sprintf("%s %s %s since %v", a.Name, a.Labels.Get("slo"), a.State, a.Since.Sub(begin())))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func burning() RuleGroup {
	return RuleGroup{Name: "shop", Rules: []Rule{{
		Alert: "Burning", Expr: "burn > 14.4", For: 2 * time.Minute,
		Labels: map[string]string{"severity": "page"}, Annotations: map[string]string{"summary": "{{ $labels.slo }} burns at {{ $value }}"},
	}}}
}

func TestAlert_firesResolvesAndSurvivesARestart(t *testing.T) {
	w := newWatch()
	n := &told{}
	o := Options{Dir: t.TempDir(), Notify: n.notify, Resend: time.Hour}
	e := openTest(t, w, o)
	setRules(t, e, burning())
	var shop, cart *Series
	handles := func() {
		shop, cart = handle(t, e, "burn", Label{"slo", "shop"}), handle(t, e, "burn", Label{"slo", "cart"})
	}
	handles()
	minute := func(shopBurns, cartBurns float64) {
		w.pass(time.Minute)
		storeOne(t, e, w.now(), shop, shopBurns)
		storeOne(t, e, w.now(), cart, cartBurns)
		evaluate(t, e, w.now())
	}
	want := func(when, alerts, told string) {
		t.Helper()
		if got := summary(e.Alerts()); got != alerts {
			t.Errorf("%s: %q, want %q", when, got, alerts)
		}
		if got := n.take(); got != told {
			t.Errorf("%s: told %q, want %q", when, got, told)
		}
	}
	minute(1, 1)
	want("at first", "", "")
	minute(20, 1)
	want("shop burns", "Burning shop pending since 2m0s", "")
	minute(20, 30)
	want("cart too", "Burning cart pending since 3m0s; Burning shop pending since 2m0s", "")
	minute(25, 1)
	want("shop for long enough, cart no more", "Burning shop firing since 2m0s", "Burning shop firing since 2m0s")
	a := e.Alerts()[0]
	if a.Value != 25 || a.Labels.Get("severity") != "page" || a.Labels.Get("alertname") != "Burning" || a.Annotations.Get("summary") != "shop burns at 25" ||
		!a.FiredAt.Equal(begin().Add(4*time.Minute)) || !a.ResolvedAt.IsZero() {
		t.Errorf("%+v", a)
	}
	minute(25, 30)
	want("it is told once", "Burning cart pending since 5m0s; Burning shop firing since 2m0s", "")

	closeTest(t, e)
	w.pass(5 * time.Minute)
	e = openTest(t, w, o)
	setRules(t, e, burning())
	handles()
	if e.Stats().Rules.Restored {
		t.Error("restored before any evaluation")
	}
	minute(25, 30) // minute 11
	want("after the restart", "Burning cart pending since 11m0s; Burning shop pending since 11m0s", "")
	minute(25, 30)
	want("it is known again", "Burning cart pending since 12m0s; Burning shop pending since 2m0s", "")
	if !e.Stats().Rules.Restored {
		t.Errorf("%+v", e.Stats().Rules)
	}
	minute(25, 1)
	want("it fires again at once", "Burning shop firing since 2m0s", "Burning shop firing since 2m0s")
	minute(1, 1)
	want("it ends", "", "Burning shop resolved since 2m0s")
	minute(1, 1)
	want("it is told once that it ends", "", "")
}

func TestAlert_survivesASetOfRulesThatIsAlike(t *testing.T) {
	e := openTest(t, nil, Options{})
	storeOne(t, e, begin(), handle(t, e, "burn"), 20)
	setRules(t, e, burning())
	evaluate(t, e, begin())
	setRules(t, e, burning(), RuleGroup{Name: "other", Rules: []Rule{{Record: "x", Expr: "1"}}})
	if got := e.Alerts(); len(got) != 1 || !got[0].Since.Equal(begin()) {
		t.Errorf("%+v", got)
	}
	changed := burning()
	changed.Rules = append([]Rule{{Record: "y", Expr: "1"}}, changed.Rules...)
	setRules(t, e, changed)
	if got := e.Alerts(); len(got) != 1 || !got[0].Since.Equal(begin()) {
		t.Errorf("%+v", got)
	}
	setRules(t, e)
	if got := e.Alerts(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// The engine's own schedule, by the system's clock.
func TestRules_areEvaluatedByTheClock(t *testing.T) {
	n := &told{}
	ctx := context.Background()
	e, err := Open(ctx, Options{Dir: t.TempDir(), Notify: n.notify})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, e)
	if err := e.Evaluate(ctx, time.Now()); err == nil {
		t.Error("Evaluate without Manual does something")
	}
	s := handle(t, e, "burn", Label{"slo", "shop"})
	storeOne(t, e, time.Now(), s, 20)
	group := burning()
	group.Interval, group.Rules[0].For = 20*time.Millisecond, 0
	setRules(t, e, group)
	state := func() AlertState {
		if alerts := e.Alerts(); len(alerts) == 1 {
			return alerts[0].State
		}
		return ""
	}
	waitFor(t, "it fires", func() bool { return state() == Firing })
	waitFor(t, "it is told", func() bool { return strings.Contains(n.take(), "firing") })
	waitFor(t, "it is recorded", func() bool { return len(query(t, e, `ALERTS{alertstate="firing"}`, time.Now())) == 1 })
	storeOne(t, e, time.Now(), s, 1)
	waitFor(t, "it is resolved", func() bool { return state() == "" })
	waitFor(t, "that is told", func() bool { return strings.Contains(n.take(), "resolved") })
	if s := e.Stats().Rules; !s.Restored || s.Skipped != 0 || s.Failing != 0 {
		t.Errorf("%+v", s)
	}
}

// While the clock is too far ahead, alerts stay what they are.
func TestRules_areSkippedWhileTheClockIsAhead(t *testing.T) {
	w := &watch{wall: time.Now()}
	e, err := Open(context.Background(), Options{Dir: t.TempDir(), Now: w.now, Elapsed: w.since})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, e)
	storeOne(t, e, w.now(), handle(t, e, "burn"), 20)
	// The rules' clock, the system's, is an hour ahead of the engine's.
	w.step(-time.Hour)
	group := burning()
	group.Interval = 20 * time.Millisecond
	setRules(t, e, group)
	waitFor(t, "evaluations are skipped", func() bool { return e.Stats().Rules.Skipped > 2 })
	if a := e.Alerts(); len(a) != 0 {
		t.Errorf("%+v", a)
	}
}
