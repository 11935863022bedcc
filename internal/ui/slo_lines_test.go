package ui

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// historyOf is a history of steps of an hour that end now: each has good and bad
// events and what was left; a pair without the third is a step that nobody counted.
func historyOf(steps ...[]float64) v1.SLOHistory {
	h := v1.SLOHistory{From: v1.Time(testNow().Add(-time.Duration(len(steps)) * time.Hour)), To: v1.Time(testNow()), StepNS: int64(time.Hour)}
	for i, s := range steps {
		p := v1.SLOPoint{Time: v1.Time(time.Time(h.From).Add(time.Duration(i+1) * time.Hour)), Burn: map[string]*float64{}}
		if len(s) == 3 {
			good, bad := uint64(s[0]), uint64(s[1])
			p.Good, p.Bad, p.BudgetRemainingRatio = &good, &bad, floatOf(s[2])
			for _, w := range []string{"5m", "1h"} {
				p.Burn[w] = floatOf(s[1])
			}
		}
		h.Points = append(h.Points, p)
	}
	return h
}

func objectiveOf(target float64) v1.SLO {
	o := v1.SLO{Name: "checkout", Service: "shop", Objective: target, Signal: "http", Alerts: []v1.SLOAlert{{Severity: "page", Burn: 2, LongNS: int64(time.Hour), ShortNS: int64(5 * time.Minute)}}}
	o.Window, o.From, o.To = "4h", v1.Time(testNow().Add(-4*time.Hour)), v1.Time(testNow())
	return o
}

// numbersOf renders values, and a dash for one that is missing.
func numbersOf(values []*float64) []float64 {
	list := make([]float64, len(values))
	for i, v := range values {
		if list[i] = math.MaxFloat64; v != nil {
			list[i] = *v
		}
	}
	return list
}

const missing = math.MaxFloat64

func TestBurnDown_endsAtWhatIsLeft(t *testing.T) {
	for _, tt := range []struct {
		name      string
		objective float64
		h         v1.SLOHistory
		want      []float64
	}{
		{"spent evenly", 0.9, historyOf([]float64{90, 10, 0}, []float64{90, 10, 0}), []float64{0.5, 0}},
		{"all at once", 0.9, historyOf([]float64{50, 50, 0}, []float64{100, 0, 0}), []float64{-1.5, -1.5}},
		{"nobody counted at first", 0.9, historyOf(nil, []float64{95, 5, 0}), []float64{missing, 0.5}},
		{"a gap", 0.9, historyOf([]float64{95, 5, 0}, nil, []float64{100, 0, 0}), []float64{0.75, 0.75, 0.75}},
		{"no events", 0.9, historyOf([]float64{0, 0, 1}), []float64{missing}},
		{"nothing", 0.9, historyOf(), []float64{}},
	} {
		if diff := cmp.Diff(tt.want, numbersOf(burnDown(&tt.h, tt.objective))); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestBudgetChart_ofTheWholeWindow(t *testing.T) {
	o, h := objectiveOf(0.9), historyOf(nil, []float64{95, 5, 0.5}, []float64{100, 0, 0.75}, []float64{80, 20, 0.1})
	chart := newBudgetChart(&o, &h, true, testNow())
	d := chart.Data
	got := map[string][]float64{}
	for _, l := range d.Lines {
		got[l.Look] = numbersOf(l.Values)
	}
	want := map[string][]float64{
		"left": {missing, missing, 0.83333, 0.83333, 0.16667}, "then": {missing, missing, 0.5, 0.75, 0.1}, "even": {missing, 1, 0.66667, 0.33333, 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if d.Low != 0 || d.High != 1 || d.From != seconds(testNow().Add(-4*time.Hour)) || d.To != seconds(testNow()) || len(d.Times) != 5 || chart.Top != "100 %" || chart.Bottom != "0 %" {
		t.Errorf("the chart is %+v", chart)
	}
	if len(d.Marks) != 1 || d.Marks[0].At != 0 || len(chart.Marks) != 1 || len(chart.Shapes) != 3 || chart.Legend[0].Text != "left of this window's budget" {
		t.Errorf("it marks %+v, draws %+v, names %+v", d.Marks, chart.Shapes, chart.Legend)
	}
}

func TestBudgetChart_states(t *testing.T) {
	spent, few := historyOf([]float64{0, 100, -9}, []float64{100, 0, -4}), historyOf([]float64{0, 0, 1}, nil)
	o := objectiveOf(0.9)
	if c := newBudgetChart(&o, &spent, true, testNow()); c.Data.Low != leastBudget || c.Note != "It goes down to −900 %, which is not drawn." {
		t.Errorf("an overspent budget: from %v, %q", c.Data.Low, c.Note)
	}
	if c := newBudgetChart(&o, &few, true, testNow()); c.State.Title == "" || !allMissing(c.Data.Lines[0].Values) {
		t.Errorf("without events: %+v", c)
	}
	calendar := o
	ends := v1.Time(testNow().Add(2 * time.Hour))
	calendar.Ends = &ends
	h := historyOf([]float64{95, 5, 0.5}, []float64{95, 5, 0.5})
	c := newBudgetChart(&calendar, &h, true, testNow())
	even := c.Data.Lines[0]
	if c.Data.To != seconds(time.Time(ends)) || even.Look != "even" || cmp.Diff([]float64{1, 0.75, 0.5, 0}, numbersOf(even.Values)) != "" || c.Data.Lines[2].Values[3] != nil {
		t.Errorf("a calendar's: until %v, %v", c.Data.To, numbersOf(even.Values))
	}
	zoomed := newBudgetChart(&o, &h, false, testNow())
	if len(zoomed.Data.Lines) != 1 || zoomed.Data.Lines[0].Look != "left" || zoomed.Data.Low < 0.4 || zoomed.Data.High > 0.6 {
		t.Errorf("of a part of the window: %+v", zoomed.Data)
	}
	excluded := o
	excluded.Exclusions = []v1.SLOExclusion{{Reason: "upgrade", From: v1.Time(testNow().Add(-30 * time.Minute)), To: v1.Time(testNow().Add(time.Hour))}, {From: v1.Time(testNow().Add(-90 * time.Hour)), To: v1.Time(testNow().Add(-80 * time.Hour))}}
	if s := newBudgetChart(&excluded, &h, true, testNow()).Data.Shades; len(s) != 1 || s[0].To != seconds(testNow()) || s[0].Text != "does not count: upgrade" {
		t.Errorf("exclusions: %+v", s)
	}
}

func TestBurnCharts_showThresholdAndFiring(t *testing.T) {
	o, h := objectiveOf(0.9), historyOf(nil, []float64{10, 1, 0.5}, []float64{10, 3, 0.5})
	ended := v1.Time(testNow().Add(-20 * time.Minute))
	h.Alerts = []v1.SLOFiring{
		{Severity: "page", Burn: 2, LongNS: int64(time.Hour), From: v1.Time(testNow().Add(-9 * time.Hour)), To: &ended},
		{Severity: "page", Burn: 2, LongNS: int64(time.Hour), From: v1.Time(testNow().Add(-10 * time.Minute))},
		{Severity: "ticket", Burn: 2, LongNS: int64(time.Hour), From: v1.Time(testNow().Add(-10 * time.Minute))},
	}
	charts := newBurnCharts(&o, &h, testNow())
	if len(charts) != 1 {
		t.Fatalf("%d charts", len(charts))
	}
	c := charts[0].Chart
	d := c.Data
	if d.Bend != 0 || d.High != 3*1.06 || d.Marks[0].At != 2 || d.Marks[0].Text != "fires above 2×" || len(c.Marks) != 1 {
		t.Errorf("the chart is %+v", d)
	}
	if len(d.Shades) != 2 || d.Shades[0].From != d.From || d.Shades[0].To != seconds(time.Time(ended)) || d.Shades[1].To != d.To || len(c.Shades) != 2 {
		t.Errorf("it fired %+v", d.Shades)
	}
	if diff := cmp.Diff([]float64{missing, 1, 3}, numbersOf(d.Lines[1].Values)); diff != "" || d.Lines[1].Text != "over 1h" || d.Lines[0].Text != "over 5m" {
		t.Errorf("the lines are %+v: %s", d.Lines, diff)
	}
	h.Points[2].Burn["5m"] = floatOf(500)
	high := newBurnCharts(&o, &h, testNow())[0].Chart
	if high.Data.Bend != 2 {
		t.Errorf("a rate of 500 leaves the threshold of 2 on the floor: %+v", high.Data)
	}
	if at := high.Data.y(2); at < 60 || at > 90 {
		t.Errorf("the threshold is at %v of 100", at)
	}
	if none := newBurnCharts(&o, &v1.SLOHistory{}, testNow())[0].Chart; none.State.Title != "No requests in this time" {
		t.Errorf("without points: %+v", none.State)
	}
}

func TestEventsChart_isPerSecondOfEachStep(t *testing.T) {
	o, h := objectiveOf(0.9), historyOf([]float64{3600, 0, 1}, nil, []float64{900, 900, 1})
	// The last step is as short as half of the others.
	h.To = v1.Time(time.Time(h.Points[1].Time).Add(30 * time.Minute))
	h.Points[2].Time = h.To
	d := newEventsChart(&o, &h, testNow()).Data
	if diff := cmp.Diff([]float64{1, missing, 1}, numbersOf(d.Lines[0].Values)); diff != "" {
		t.Errorf("all: %s", diff)
	}
	if diff := cmp.Diff([]float64{0, missing, 0.5}, numbersOf(d.Lines[1].Values)); diff != "" || !d.Steps || d.Times[0] != d.From {
		t.Errorf("bad: %s, %+v", diff, d)
	}
}

func TestLines_pathHasGapsAndDots(t *testing.T) {
	one := 1.0
	d := LinesData{From: 0, To: 10, Low: 0, High: 1, Times: []float64{0, 2, 4, 10}}
	for want, values := range map[string][]*float64{
		"M0 0L200 0M1000 0h0.1": {&one, &one, nil, &one}, "": {nil, nil, nil, nil}, "M400 0L1000 0": {nil, nil, &one, &one},
	} {
		if got := d.path(values); got != want {
			t.Errorf("%v is %s, want %s", numbersOf(values), got, want)
		}
	}
	d.Steps = true
	if got := d.path([]*float64{&one, nil, &one, &one}); got != "M0 0H200M400 0H1000L1000 0H1000" {
		t.Errorf("steps are %s", got)
	}
}

func TestShort_keepsFiveDigits(t *testing.T) {
	for in, want := range map[float64]float64{0: 0, 1.0 / 3: 0.33333, -2.0 / 3: -0.66667, 123456.7: 123460, 1e-300: 0, 1e300: 1e300} {
		if got := short(in); got == nil || math.Abs(*got-want) > 1e-9*math.Abs(want) {
			t.Errorf("%v is %v", in, got)
		}
	}
	if short(math.NaN()) != nil || short(math.Inf(1)) != nil {
		t.Error("what is no number is one")
	}
}

func TestLines_dataAreJSON(t *testing.T) {
	for _, e := range galleryLines(testNow()) {
		text, err := json.Marshal(e.View.Data)
		if err != nil || len(text) > 60_000 || strings.Contains(string(text), "NaN") {
			t.Errorf("%s: %d bytes, %v", e.Name, len(text), err)
		}
		t.Logf("%s: %d bytes", e.Name, len(text))
	}
}

func TestHistoryNumbers_areBoundedAndLatestFirst(t *testing.T) {
	var steps [][]float64
	for i := range 150 {
		steps = append(steps, []float64{float64(i), 1, 0.5})
	}
	steps = append(steps, nil, []float64{0, 0, 0.5})
	o, h := objectiveOf(0.9), historyOf(steps...)
	table := historyNumbers(&o, &h, testNow())
	if len(table.Rows) != maxNumbers || table.Left != "102 earlier steps are not shown: choose a shorter time." || table.Rows[0].Cells[1].Text != "149" {
		t.Errorf("%d rows, %q, first %+v", len(table.Rows), table.Left, table.Rows[0])
	}
	if len(table.Columns) != 6 || len(table.Rows[0].Cells) != 6 || table.Columns[4].Label != "Burn 1h" {
		t.Errorf("the columns are %+v", table.Columns)
	}
}

func TestHeatmap_marksALimit(t *testing.T) {
	w := newWindow(testNow().Add(-time.Hour), testNow())
	items := []v1.Rollup{{Time: v1.Time(w.from), Buckets: []v1.Bucket{{LowNS: 1 << 20, HighNS: 9 << 17, Count: 4}}}}
	h := newHeatmap("heat", "Latency", "", items, w, testNow())
	if h.Height != 1 || h.LimitPath != "" {
		t.Fatalf("the heatmap is %+v", h)
	}
	for ns, want := range map[int64]string{1 << 22: "M0 1.00h" /* the begin of the highest band */, 5 << 20: "M0 0.50h", 1 << 20: "M0 1.00h", 1 << 18: "M0 5.00h"} {
		got := h
		got.mark(ns, items, w)
		if got.Limit != ns || !strings.HasPrefix(got.LimitPath, want) || got.LimitText != duration(ns) {
			t.Errorf("%d is at %s of %d, want %s", ns, got.LimitPath, got.Height, want)
		}
	}
	h.mark(0, items, w)
	if h.Limit != 0 {
		t.Error("no limit is marked")
	}
}
