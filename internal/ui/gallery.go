package ui

import (
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Gallery shows each component in all its states, from data that are made up
// and always the same.
type Gallery struct {
	Tables     []Exhibit[Table]
	Charts     []Exhibit[Chart]
	Lines      []Exhibit[Lines]
	Heatmaps   []Exhibit[Heatmap]
	Waterfalls []Exhibit[Waterfall]
	Stacks     []Exhibit[Stack]
	Findings   []FindingView
	Sparks     []Exhibit[*Spark]
	Outcomes   []Outcome
	Badges     []Badge
	States     []State
	Figures    []Figure
	// Timelines and Plots are of execution traces.
	Timelines []Exhibit[TraceTimeline]
	Plots     []Exhibit[TracePlot]
	// Marks are those of the charts that have some.
	Marks []ShadingData
}

// Exhibit is a component in one state.
type Exhibit[T any] struct {
	Name string
	View T
}

// galleryTime is the clock of the gallery.
func galleryTime() time.Time { return time.Date(2026, 11, 21, 20, 30, 0, 0, time.UTC) }

// hugeName is longer than any column.
func hugeName() string { return strings.Repeat("a-very-long-name-", 18)[:300] }

func (s *server) gallery(_ *http.Request) (*Page, error) {
	now := galleryTime()
	g := Gallery{
		Tables: slices.Concat(galleryTables(now), galleryUpgrades(now), galleryObjectives(now)), Charts: galleryCharts(now), Lines: galleryLines(now), Heatmaps: galleryHeatmaps(now), Waterfalls: galleryWaterfalls(now), Stacks: galleryStacks(),
		Findings: galleryFindings(), Sparks: gallerySparks(), Marks: sampleMarks(now),
		Badges: []Badge{{Text: "plain"}, {Class: "ok", Text: "up"}, {Class: "warn", Text: "zombie"}, {Class: "bad", Text: "off"}, {Class: "info", Text: "shell-wrapper"}, {Class: "warn", Text: hugeName(), Title: hugeName()}},
		States: []State{
			{Kind: "empty", Title: "Nothing here yet", Text: "What will be here, and what to do for it.", Code: "goshawk up --demo"},
			{Kind: "loading", Title: "Loading…", Text: "The answer is on its way."},
			{Kind: "error", Title: "This cannot be shown", Text: "read the answer: the store does not answer. hint: look at its disk."},
		},
		Figures: []Figure{{Value: "0", Label: "nothing"}, figure(duration(1_234_567_890), "took"), figure(size(5<<30), "peak memory"), {Value: count(18_446_744_073), Label: "many", Class: "bad"}},
	}
	g.Timelines, g.Plots = galleryTraces()
	for i := range 8 {
		r := sampleRecords(8, now)[i]
		g.Outcomes = append(g.Outcomes, outcomeOf(&r.Event))
	}
	for _, r := range sampleRequests(6, now) {
		g.Outcomes = append(g.Outcomes, outcomeOf(&r.Event))
	}
	for _, o := range sampleSLOs(now) {
		g.Outcomes = append(g.Outcomes, sloOutcome(&o))
	}
	return &Page{View: "gallery", Title: "Gallery", Body: g}, nil
}

func galleryTables(now time.Time) []Exhibit[Table] {
	huge := sampleRecords(4, now)
	for i := range huge {
		huge[i].ID += "-huge"
		huge[i].Service = hugeName()
		huge[i].Attributes[keyArgs] = append([]string{"/opt/" + hugeName()}, strings.Repeat("<script>alert('x')</script> & \"quotes\" \x1b[0m ", 110))
		huge[i].Attributes[keyFunction] = "example.com/" + hugeName() + ".(*T)." + hugeName()
		huge[i].Findings = append(huge[i].Findings, v1.Finding{Rule: "pipe-not-read", Severity: "warn"}, v1.Finding{Rule: "zombie", Severity: "error"})
		ns := int64(3*24*time.Hour) + 7
		huge[i].DurationNS = &ns
	}
	list := []Exhibit[Table]{
		{"usual", commandTable(sampleRecords(8, now), nil, now)},
		{"huge: 5 KB of arguments, names of 300 characters", commandTable(huge, nil, now)},
		{"tiny: one row", commandTable(sampleRecords(1, now), nil, now)},
		{"empty", commandTable(nil, nil, now)},
		{"routes", routeTable("shop", routesOf(sampleRoutes(), nil, newWindow(now.Add(-time.Hour), now), roleServer), &Filter{Path: "/gallery", now: now}, time.Hour)},
		{"slowest requests", newSlowest(sampleRequests(6, now), "", "", now).Table},
	}
	for i := range list {
		list[i].View.ID += "-" + string(rune('a'+i))
	}
	return list
}

func galleryCharts(now time.Time) []Exhibit[Chart] {
	w := newWindow(now.Add(-time.Hour), now)
	sums := func(n int) v1.List[v1.Rollup] {
		var list v1.List[v1.Rollup]
		for i := range n {
			at := w.from.Add(time.Duration(i) * w.step)
			events := uint64(20 + (i*i*13)%90)
			list.Items = append(list.Items, v1.Rollup{
				Time: v1.Time(at), Probe: probeExec, Service: "shop", Count: events, Failed: events / 8, Findings: events / 20,
				RatePerS: float64(events) / w.step.Seconds(), P50NS: 2e6 + int64(i)*1e4, P90NS: 9e6, P99NS: 40e6 + int64(i%17)*9e6, MaxNS: 900e6, MeanNS: 4e6,
			})
		}
		return list
	}
	var list []Exhibit[Chart]
	for _, c := range []struct {
		name string
		n    int
	}{{"usual", w.len()}, {"tiny: one point", 1}, {"empty", 0}} {
		data := sums(c.n)
		rate := newRateChart("rate-"+c.name[:4], "Commands per second: "+c.name, "", data.Items, w, now)
		took := newDurationChart("took-"+c.name[:4], "Durations: "+c.name, "", data.Items, w, now)
		rate.Data, took.Data = data, data
		list = append(list, Exhibit[Chart]{c.name + ", rate", rate}, Exhibit[Chart]{c.name + ", durations", took})
	}
	marked := newRateChart("rate-marks", "Commands per second: with upgrades", "", sums(w.len()).Items, w, now)
	marked.Data = sums(w.len())
	marked.mark(upgradeMarksID, sampleMarks(now), w)
	list = append(list, Exhibit[Chart]{"with upgrades", marked})
	failed := newRateChart("rate-error", "Commands per second: error", "", sums(w.len()).Items, w, now)
	failed.Data = template.JS("{")
	return append(list, Exhibit[Chart]{"error: what the server drew stays", failed})
}

func galleryHeatmaps(now time.Time) []Exhibit[Heatmap] {
	w := newWindow(now.Add(-time.Hour), now)
	var list []Exhibit[Heatmap]
	for _, c := range []struct {
		name, id string
		data     v1.List[v1.Rollup]
	}{
		{"usual", "usual", sampleHeat(w.len(), w)},
		{"tiny: one request", "tiny", v1.List[v1.Rollup]{Items: []v1.Rollup{{Time: v1.Time(w.from), Buckets: []v1.Bucket{{LowNS: 1 << 20, HighNS: 9 << 17, Count: 1}}}}}},
		{"empty", "empty", v1.List[v1.Rollup]{}},
	} {
		view := newHeatmap("heatmap-"+c.id, "Latency: "+c.name, "", c.data.Items, w, now)
		view.Data = c.data
		list = append(list, Exhibit[Heatmap]{c.name, view})
	}
	limited := newHeatmap("heatmap-limit", "Latency: with a threshold", "", sampleHeat(w.len(), w).Items, w, now)
	limited.Data = sampleHeat(w.len(), w)
	limited.mark(250e6, sampleHeat(w.len(), w).Items, w)
	list = append(list, Exhibit[Heatmap]{"with a threshold", limited})
	failed := newHeatmap("heatmap-error", "Latency: error", "", sampleHeat(20, w).Items, w, now)
	failed.Data = template.JS("{")
	return append(list, Exhibit[Heatmap]{"error: what the server drew stays", failed})
}

func galleryWaterfalls(now time.Time) []Exhibit[Waterfall] {
	var list []Exhibit[Waterfall]
	for _, c := range []struct {
		name, id string
		n        int
	}{{"usual", "usual", 24}, {"huge: 10,000 bars", "huge", 10_000}, {"tiny: one bar", "tiny", 1}, {"empty", "empty", 0}} {
		data := unlinked(sampleWaterfall(c.n, now))
		if c.n == 1 {
			data.Bars[0].Label, data.Bars[0].Detail = hugeName(), hugeName()+" "+strings.Repeat("x ", 2500)
		}
		view := newWaterfall("waterfall-"+c.id, "Commands: "+c.name, "", data, "")
		view.Data = json.RawMessage(mustJSON(data))
		list = append(list, Exhibit[Waterfall]{c.name, view})
	}
	trace := unlinked(sampleTrace(now))
	request := newWaterfall("waterfall-request", "A request", "", trace, "")
	request.Data = trace
	list = append(list, Exhibit[Waterfall]{"a request, with its own time", request})
	for i, r := range sampleUpgrades(now)[:2] {
		drain := sampleDrain(&r)
		if i > 0 {
			drain = nil
		}
		upgrade := newUpgrade(&r, drain, now)
		upgrade.Tree.ID += "-" + strconv.Itoa(i)
		upgrade.Tree.Table.ID += "-" + strconv.Itoa(i)
		upgrade.Tree.Data = unlinked(upgrade.Tree.Data.(v1.Waterfall))
		list = append(list, Exhibit[Waterfall]{"an upgrade, " + upgrade.Outcome.Text, upgrade.Tree})
	}
	failed := newWaterfall("waterfall-error", "Commands: error", "", unlinked(sampleWaterfall(3, now)), "")
	failed.Data = template.JS("{")
	return append(list, Exhibit[Waterfall]{"error: what the server drew stays", failed})
}

// mustJSON renders a wire type, which cannot fail.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func galleryStacks() []Exhibit[Stack] {
	deep := sampleStack()
	for range 12 {
		deep = append(deep, v1.Frame{Func: "example.com/" + hugeName() + ".(*T[go.shape.string])." + "recurse", File: "/src/" + hugeName() + ".go", Line: 1 << 30})
	}
	return []Exhibit[Stack]{
		{"usual", newStack(sampleStack())}, {"huge: names of 300 characters, 22 frames", newStack(deep)},
		{"tiny: one frame without a file", newStack([]v1.Frame{{Func: "main.main"}})}, {"empty", newStack(nil)},
	}
}

func galleryFindings() []FindingView {
	list := []FindingView{
		newFinding(v1.Finding{Rule: "corrupt", Severity: "error", Evidence: "the worst there is", Remedy: "Act now."}),
		newFinding(v1.Finding{Rule: "killed-without-grace", Severity: "warn", Evidence: "SIGKILL from its parent, pid 4711, without a SIGTERM before", Remedy: "Set cmd.Cancel to send SIGTERM and cmd.WaitDelay to give the command time to clean up."}),
		newFinding(v1.Finding{Rule: "shell-wrapper", Severity: "info", Evidence: hugeName() + " <script>", Remedy: "Run the program itself with exec.Command."}),
	}
	list[1].Count, list[1].Href = plural(1204, "command", "commands"), "/commands?rule=killed-without-grace"
	return list
}

func gallerySparks() []Exhibit[*Spark] {
	usual, one, none := make([]float64, 60), make([]float64, 60), make([]float64, 60)
	for i := range usual {
		usual[i] = float64((i * i * 7) % 50)
	}
	one[41] = 1
	return []Exhibit[*Spark]{
		{"usual", newSpark(usual, "commands: usual")}, {"one", newSpark(one, "commands: one")}, {"empty", newSpark(none, "commands: none")},
		{"findings", newMarks(usual, "findings: usual")}, {"one finding", newMarks(one, "findings: one")},
	}
}
