package ui

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/sli"
)

// hostileSLOs are the sample's objectives with texts that try to break out.
func hostileSLOs(evil string) []v1.SLO {
	list := sampleSLOs(testNow())
	selector := v1.SLOSelector{Service: []string{evil}, Attributes: []v1.SLOAttribute{{Keys: []string{evil, keyRoute}, Patterns: []string{evil, ""}}}}
	for i := range list {
		o := &list[i]
		o.Name, o.Title, o.Description, o.Service, o.Window, o.File, o.Format = evil+fmt.Sprint(i), evil, evil, evil, evil, evil, evil
		o.Select, o.Exclude, o.BadWhen = selector, []v1.SLOSelector{selector}, []v1.SLOSelector{selector}
		o.Labels = map[string]string{evil: evil}
		o.Exclusions = []v1.SLOExclusion{{Reason: evil, From: o.From, To: o.To, Select: selector}}
		o.Windows = []v1.SLOWindow{{Window: evil}}
		for k := range o.Alerts {
			o.Alerts[k].Name, o.Alerts[k].Severity, o.Alerts[k].Firing = evil, evil, true
		}
		if i%2 == 1 {
			o.Error = evil
			o.Signal, o.Query = "query", &v1.SLOQuery{Server: evil, Good: evil, Total: evil, Ratio: evil}
		}
	}
	return list
}

func hostileHistory(evil string) v1.SLOHistory {
	o := sampleSLOs(testNow())[1]
	h := sampleHistory(&o, sampleWindow, 2*time.Hour, testNow())
	for i := range h.Alerts {
		h.Alerts[i].Severity = evil
	}
	return h
}

func TestAvailability_neverRoundsAwayWhatIsBad(t *testing.T) {
	for share, want := range map[float64]string{
		1: "100 %", 0: "0 %", 0.5: "50 %", 0.9: "90 %", 0.987: "98.7 %", 0.99: "99 %", 0.9995: "99.95 %", 0.99946812: "99.947 %", 0.99999: "99.999 %",
		0.999999994: "99.9999994 %", 0.999999999999: ">99.99999999 %", math.NaN(): unknown,
	} {
		if got := availability(share); got != want {
			t.Errorf("%v is %s, want %s", share, got, want)
		}
	}
}

func TestNumbers_ofObjectives(t *testing.T) {
	for left, want := range map[float64]string{
		1: "100 %", 0.4684: "46.8 %", 0.0468: "4.68 %", 0.00468: "0.47 %", 0: "0 %", -0.00001: "0 %", -0.412: "−41.2 %", -29: "−2,900 %", math.Inf(-1): unknown, math.NaN(): unknown,
	} {
		if got := budgetText(left); got != want {
			t.Errorf("%v of a budget is %s, want %s", left, got, want)
		}
	}
	for target, want := range map[float64]string{0.999: "99.9 %", 0.9995: "99.95 %", 0.95: "95 %", 0.99999: "99.999 %", 0.123456789: "12.3456789 %"} {
		if got := targetText(target); got != want {
			t.Errorf("the target %v is %s, want %s", target, got, want)
		}
	}
	for burn, want := range map[float64]string{0: "0×", 0.001: "<0.01×", 0.554: "0.554×", 14.4: "14.4×", 1000: "1,000×"} {
		if got := timesText(burn); got != want {
			t.Errorf("the rate %v is %s, want %s", burn, got, want)
		}
	}
}

func TestSLOOutcome_saysEachState(t *testing.T) {
	blind := sampleSLO("a", "s", 0.999, 3, 1, 1000, testNow())
	blind.Verdict = sli.InsufficientData
	blind.Alerts[0].Blind = true
	few := sampleSLO("a", "s", 0.999, 3, 0, 0, testNow())
	tests := []struct {
		name        string
		o           v1.SLO
		class, text string
		title       string
	}{
		{"well", sampleSLO("a", "s", 0.999, 1e6, 10, 0.1, testNow()), "ok", "ok", "budget left"},
		{"burning", sampleSLO("a", "s", 0.999, 1e6, 10, 50, testNow()), "warn", "burning", "alert fires"},
		{"exhausted", sampleSLO("a", "s", 0.999, 1e6, 90_000, 0, testNow()), "bad", "exhausted", "is spent"},
		{"no events", sampleSLO("a", "s", 0.999, 0, 0, 0, testNow()), "neutral", "insufficient data", "no event in the window"},
		{"too few events", few, "neutral", "insufficient data", "too few events to say more"},
		{"blind", blind, "neutral", "insufficient data", "seems to burn too fast"},
		{"not known", v1.SLO{Error: "closed"}, "bad", "not known", "closed"},
	}
	for _, tt := range tests {
		out := sloOutcome(&tt.o)
		if out.Class != tt.class || out.Text != tt.text || !strings.Contains(out.Title, tt.title) || out.Icon == "" {
			t.Errorf("%s: %+v", tt.name, out)
		}
	}
}

func TestSLOs_worstAreFirst(t *testing.T) {
	v := newSLOs(sampleSLOs(testNow()), "", "", "", testNow())
	want := []string{"invoice-latency", "checkout-latency", "login-latency", "report-latency", "stock-availability", "thumbnail-success", "stock-latency", "product-availability"}
	if diff := cmp.Diff(want, sloNames(v.Counted)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"accounts-availability", "warehouse-latency"}, sloNames(v.Proposed)); diff != "" {
		t.Errorf("proposals: %s", diff)
	}
	if v.Accept != "goshawk slo accept accounts-availability" || v.None {
		t.Errorf("the page is %+v", v)
	}
}

func sloNames(t Table) []string {
	var list []string
	for _, r := range t.Rows {
		list = append(list, r.Cells[1].Text)
	}
	return list
}

func TestSLOs_areSortedAndChosen(t *testing.T) {
	for _, tt := range []struct{ service, verdict, sort, want string }{
		{"", "", "name", "checkout-latency"}, {"", "", "service", "login-latency"}, {"", "", "target", "product-availability"}, {"", "", "sli", "stock-latency"},
		{"", "", "budget", "invoice-latency"}, {"", "", "burn", "checkout-latency"}, {"", "", "nonsense", "invoice-latency"},
		{"warehouse", "", "", "stock-availability"}, {"", "burning", "", "checkout-latency"}, {"shop", "ok", "", "product-availability"},
	} {
		v := newSLOs(sampleSLOs(testNow()), tt.service, tt.verdict, tt.sort, testNow())
		if names := sloNames(v.Counted); len(names) == 0 || names[0] != tt.want {
			t.Errorf("%+v: %v", tt, names)
		}
		sorted := 0
		for _, c := range v.Counted.Columns {
			if c.Sorted != "" {
				sorted++
			}
		}
		if sorted != 1 {
			t.Errorf("%+v: %d columns are sorted by", tt, sorted)
		}
		for _, tab := range v.Verdicts {
			if tt.service != "" && !strings.Contains(tab.Href, "service="+tt.service) {
				t.Errorf("%+v: the tab %s forgets the service: %s", tt, tab.Text, tab.Href)
			}
		}
	}
	v := newSLOs(sampleSLOs(testNow()), "nobody", "", "", testNow())
	if len(v.Counted.Rows) > 0 || v.Counted.Empty.Title == "" || v.None {
		t.Errorf("a service without objectives has %+v", v.Counted)
	}
}

func TestSLOs_countVerdictsOfTheService(t *testing.T) {
	v := newSLOs(sampleSLOs(testNow()), "shop", "", "", testNow())
	var got []string
	for _, tab := range v.Verdicts {
		got = append(got, strings.TrimSpace(tab.Text+" "+tab.Count))
	}
	if diff := cmp.Diff([]string{"All 4", "exhausted 1", "burning 1", "insufficient data 1", "ok 1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSLOs_manyAreBounded(t *testing.T) {
	var list []v1.SLO
	for i := range 600 {
		list = append(list, sampleSLO(fmt.Sprintf("slo-%03d", i), "shop", 0.999, 1e6, uint64(i*3), 0.1, testNow()))
	}
	if v := newSLOs(list[:200], "", "", "", testNow()); len(v.Counted.Rows) != 200 || v.Counted.Left != "" {
		t.Errorf("of 200 there are %d rows, %q", len(v.Counted.Rows), v.Counted.Left)
	}
	if v := newSLOs(list, "", "", "", testNow()); len(v.Counted.Rows) != maxObjectives || !strings.Contains(v.Counted.Left, "100 more rows are") {
		t.Errorf("of 600 there are %d rows, %q", len(v.Counted.Rows), v.Counted.Left)
	}
}

func TestSLOTable_saysWhatBurnsAndSince(t *testing.T) {
	v := newSLOs(sampleSLOs(testNow()), "", "burning", "", testNow())
	row := v.Counted.Rows[0]
	var texts []string
	for _, c := range row.Cells {
		texts = append(texts, strings.TrimSpace(c.Text+" "+c.Sub+c.Outcome.Text))
	}
	want := []string{"burning", "checkout-latency ≤ 250 ms", "shop", "99.9 % in 30d", "99.947 %", "46.8 %", "50.4× / 14.4×", ""}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Error(diff)
	}
	badges := row.Cells[7].Badges
	if len(badges) != 2 || badges[0].Text != "page for 9 min" || badges[1].Text != "+3" || badges[0].Class != "bad" || row.Class != "noted" {
		t.Errorf("the row %q has the badges %+v", row.Class, badges)
	}
	if href := row.Cells[1].Href; href != "/slos/checkout-latency" {
		t.Errorf("it leads to %s", href)
	}
}

func TestSLOTable_saysWhatIsNotSure(t *testing.T) {
	o := sampleSLO("a", "s", 0.999, 1e6, 10, 0.1, testNow())
	high := 20.0
	o.Alerts[0].LongBurn, o.Alerts[0].ShortBurn = &high, &high
	if badges := firingCell(&o, testNow()).Badges; len(badges) != 1 || badges[0].Text != "not sure" {
		t.Errorf("rates that may be chance have %+v", badges)
	}
	o.Alerts[0].Blind = true
	if badges := firingCell(&o, testNow()).Badges; len(badges) != 1 || badges[0].Text != "too few events" {
		t.Errorf("a blind alert has %+v", badges)
	}
}

func TestBudgetBar_showsWhatIsOverspent(t *testing.T) {
	for _, tt := range []struct {
		left      float64
		events    uint64
		x, w      float64
		class     string
		wideX     float64
		wideRects int
	}{
		{1, 10, 20, 80, "b-ok", 0, 2}, {0.5, 10, 20, 40, "b-ok", 0, 2}, {0.1, 10, 20, 8, "b-warn", 0, 2}, {0.0001, 10, 20, 0.8, "b-warn", 0, 2},
		{-0.1, 10, 12, 8, "b-bad", 12, 3}, {-29, 10, 0, 20, "b-bad", 0, 3}, {1, 0, 0, 0, "", 0, 1},
	} {
		w := v1.SLOWindow{BudgetRemainingRatio: tt.left, Good: tt.events}
		bar := newBudgetBar(&w)
		i := slices.IndexFunc(bar.Rects, func(r Rect) bool { return r.Class == tt.class })
		if tt.class == "" {
			if len(bar.Rects) != 2 {
				t.Errorf("without events there are %+v", bar.Rects)
			}
		} else if i < 0 || bar.Rects[i].X != tt.x || bar.Rects[i].W != tt.w {
			t.Errorf("%v is drawn as %+v", tt.left, bar.Rects)
		}
		if wide := wideBudgetBar(&w); len(wide.Rects) != tt.wideRects || tt.class != "" && wide.Rects[1].X != tt.wideX {
			t.Errorf("%v is drawn wide as %+v", tt.left, wide.Rects)
		}
	}
}

func TestRemainingText(t *testing.T) {
	of := func(good, bad uint64) v1.SLO { return sampleSLO("a", "s", 0.99, good, bad, 0, testNow()) }
	for want, o := range map[string]v1.SLO{
		"no event in the window": of(0, 0), "90 more requests may be bad": of(9990, 10), "1 more request may be bad": of(9901, 99), "not one more request may be bad": of(50, 0),
		"100 requests too many were bad": of(9800, 200), "1 request too many was bad": of(9899, 101),
	} {
		if got := remainingText(&o); got != want {
			t.Errorf("%d and %d: %s, want %s", o.Good, o.Bad, got, want)
		}
	}
	slices := of(9990, 10)
	slices.SliceNS = int64(time.Minute)
	if got := remainingText(&slices); got != "90 more slices may be bad, 1 h 30 min" {
		t.Errorf("slices: %s", got)
	}
	moments := of(9_990_000, 10_000)
	moments.UnitNS = int64(time.Millisecond)
	if got := remainingText(&moments); got != "1 min 30 s more may be bad" {
		t.Errorf("time: %s", got)
	}
	moments.BudgetRemainingRatio = -0.9
	if got := remainingText(&moments); got != "1 min 30 s too much was bad" {
		t.Errorf("time: %s", got)
	}
}

func TestAmount(t *testing.T) {
	for _, test := range []struct {
		unit int64
		n    uint64
		want string
	}{{0, 1500, "1,500"}, {1e6, 1500, "1.5 s"}, {1e6, 0, "0 s"}, {1e6, math.MaxUint64, duration(math.MaxInt64 / 1e6 * 1e6)}} {
		if got := amount(&v1.SLO{UnitNS: test.unit}, test.n); got != test.want {
			t.Errorf("%d of %d: %s, want %s", test.n, test.unit, got, test.want)
		}
	}
}

func TestPromiseText(t *testing.T) {
	o := sampleSLO("a", "s", 0.999, 1, 0, 0, testNow())
	calendar, sliced, query, own, share := o, o, o, o, o
	share.Signal, share.UnitNS = "query", int64(time.Millisecond)
	calendar.Window, calendar.ThresholdNS = "calendar 1M from 2026-01-01", 0
	sliced.SliceNS, sliced.SliceObjective, sliced.Signal = int64(time.Minute), 0.95, "exec"
	query.Signal, query.Window = "query", "calendar 14d from 2026-01-01"
	own.BadWhen = []v1.SLOSelector{{Attributes: []v1.SLOAttribute{{Keys: []string{"http.response.status_code"}, Patterns: []string{"429", "5??"}}}}}
	for want, o := range map[string]v1.SLO{
		"99.9 % of the requests are to be good in 30d. One is bad when it takes longer than 250 ms or is answered 500 or above or not at all.":                      o,
		"99.9 % of the requests are to be good in each calendar month. One is bad when it is answered 500 or above or not at all.":                                  calendar,
		"99.9 % of the slices of 1 min are to be good in 30d. A slice is good when 95 % of its commands are. One is bad when it takes longer than 250 ms or fails.": sliced,
		"99.9 % of the events are to be good in each 14 days of the calendar. A Prometheus server counts them.":                                                     query,
		"99.9 % of the time is to be good in 30d. A Prometheus server says which share of each moment is bad, not of how many events: each moment weighs the same.": share,
		"99.9 % of the requests are to be good in 30d. One is bad when it takes longer than 250 ms or has http.response.status_code = 429 or 5??.":                  own,
	} {
		if got := promiseText(&o); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestAlertTable_saysWhatEachNeeds(t *testing.T) {
	rate, least := 20.0, uint64(6)
	alert := func(change func(a *v1.SLOAlert)) v1.SLOAlert {
		a := v1.SLOAlert{Severity: "page", Burn: 14.4, LongNS: int64(time.Hour), ShortNS: int64(5 * time.Minute), LongEvents: 5000, ShortEvents: 400, LeastEvents: &least}
		change(&a)
		return a
	}
	since := v1.Time(testNow().Add(-9 * time.Minute))
	tests := []struct {
		name, state, needs string
		a                  v1.SLOAlert
	}{
		{"quiet", "quiet", "6", alert(func(*v1.SLOAlert) {})},
		{"fires", "fires for 9 min", "6", alert(func(a *v1.SLOAlert) { a.Firing, a.Since = true, &since })},
		{"fires since nobody knows", "fires", "6", alert(func(a *v1.SLOAlert) { a.Firing = true })},
		{"too few", "too few events", "6", alert(func(a *v1.SLOAlert) { a.ShortEvents = 5 })},
		{"blind", "blind", "6", alert(func(a *v1.SLOAlert) { a.Blind, a.ShortEvents = true, 5 })},
		{"chance", "not sure", "6", alert(func(a *v1.SLOAlert) { a.LongBurn, a.ShortBurn = &rate, &rate })},
		{"never", "never can", "never", alert(func(a *v1.SLOAlert) { a.LeastEvents = nil })},
	}
	for _, tt := range tests {
		o := v1.SLO{Signal: "http", Alerts: []v1.SLOAlert{tt.a}}
		cells := alertTable(&o, testNow()).Rows[0].Cells
		if cells[6].Outcome.Text != tt.state || cells[4].Text != tt.needs || cells[2].Text != "1h / 5m" || cells[5].Text == "" {
			t.Errorf("%s: %+v", tt.name, cells)
		}
	}
	if t0 := alertTable(&v1.SLO{}, testNow()); len(t0.Rows) != 0 || t0.Empty.Title != "It has no alerts" {
		t.Errorf("without alerts: %+v", t0)
	}
}

func TestFiredTable_isBoundedAndLatestFirst(t *testing.T) {
	var h v1.SLOHistory
	for i := range 130 {
		from := testNow().Add(time.Duration(i-200) * time.Hour)
		to := v1.Time(from.Add(30 * time.Minute))
		h.Alerts = append(h.Alerts, v1.SLOFiring{Severity: "page", Burn: 6, LongNS: int64(6 * time.Hour), From: v1.Time(from), To: &to})
	}
	h.Alerts[129].To = nil
	table := firedTable(&h, testNow())
	if len(table.Rows) != maxFired || table.Left != "30 earlier ones are not shown." || table.Rows[0].Cells[1].Outcome.Text != "fires" || table.Rows[1].Cells[2].Text != "30 min" {
		t.Errorf("%d rows, %q, first %+v", len(table.Rows), table.Left, table.Rows[0])
	}
}

func TestObjectiveLine_isShort(t *testing.T) {
	line := objectiveLine(sampleSLOs(testNow()))
	if len(line) != 10 || line[0].Name != "invoice-latency" || line[0].Left != "−287 % left" || line[9].Left != "proposed" || line[0].Href != "/slos/invoice-latency" {
		t.Errorf("the line is %+v", line)
	}
	var many []v1.SLO
	for range 3 {
		many = append(many, sampleSLOs(testNow())...)
	}
	if line := objectiveLine(many); len(line) != maxObjectiveLine+1 || line[maxObjectiveLine].Name != "18 more objectives" {
		t.Errorf("a long line is %+v", line)
	}
	if objectiveLine(nil) != nil {
		t.Error("no objectives are a line")
	}
}

func TestVerdictCounts(t *testing.T) {
	var got []string
	for _, v := range verdictCounts(sampleSLOs(testNow())) {
		got = append(got, v.Outcome.Text+" "+v.Href)
	}
	want := []string{"1 exhausted /slos?verdict=exhausted", "1 burning /slos?verdict=burning", "2 insufficient data /slos?verdict=insufficient_data", "4 ok /slos?verdict=ok", "2 proposed /slos#proposals-title"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if none := verdictCounts(nil); len(none) != 1 || none[0].Href != "/slos" {
		t.Errorf("without objectives: %+v", none)
	}
}

func TestWorstBurn_isOfWhatFires(t *testing.T) {
	alert := func(burn, rate float64, firing bool) v1.SLOAlert {
		return v1.SLOAlert{Severity: "page", Burn: burn, LongBurn: &rate, ShortBurn: floatOf(rate + 1), Firing: firing}
	}
	for _, tt := range []struct {
		name   string
		alerts []v1.SLOAlert
		want   float64
	}{
		{"the nearest to its threshold", []v1.SLOAlert{alert(14, 7, false), alert(6, 5, false), alert(1, 0.2, false)}, 6},
		{"one that fires before one that is farther above", []v1.SLOAlert{alert(14, 15, true), alert(1, 9, false)}, 14},
		{"of those that fire the one of the highest rate", []v1.SLOAlert{alert(1, 20, true), alert(14, 20, true), alert(6, 20, true)}, 14},
		{"none without events", []v1.SLOAlert{{Burn: 14}}, 0},
	} {
		o := v1.SLO{Alerts: tt.alerts}
		var got float64
		if b := worstBurn(&o); b != nil {
			got = b.alert.Burn
		}
		if got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
