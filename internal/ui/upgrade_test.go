package ui

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// hostileUpgrades have texts that try to break out of a page, and times that make no
// sense; they keep their traces, by which they are found, but one.
func hostileUpgrades(evil string) (list, drains v1.List[v1.Record]) {
	records := sampleUpgrades(testNow())
	for i := range records {
		r := &records[i]
		if i != 3 {
			r.Service = evil
		}
		r.ContainerID, r.PodUID = evil, evil
		for _, key := range []string{upgrades.KeyReason, upgrades.KeyFailure} {
			r.Attributes[key] = evil
		}
		r.Attributes[upgrades.KeyStarted], r.Attributes[upgrades.KeyReady], r.Attributes[upgrades.KeyPassive] = int64(math.MaxInt64), int64(-5), int64(3)
		r.Attributes[upgrades.KeyGeneration], r.Attributes[upgrades.KeyOpen] = int64(math.MinInt64), int64(-1)
		if i == 4 {
			r.Attributes[upgrades.KeyOutcome], r.TraceID, r.ID = evil, evil, evil
			r.Attributes[upgrades.KeyGeneration] = evil
		}
	}
	drain := sampleDrain(&records[0])
	drain.Attributes[upgrades.KeyReason], drain.Attributes[upgrades.KeyFailure], drain.ID = evil, evil, evil
	ns := int64(math.MaxInt64)
	drain.DurationNS = &ns
	return v1.List[v1.Record]{Items: records, Next: evil, Incomplete: []string{evil}}, v1.List[v1.Record]{Items: []v1.Record{*drain}, Incomplete: []string{evil}}
}

func textOf(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "title" {
			b.WriteString(n.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestUpgrades_listsThemWithLinks(t *testing.T) {
	f := plainAPI()
	w := get(t, serve(f), "/upgrades")
	body := w.body.String()
	for _, want := range []string{
		`href="/upgrades/0af7651916cd43dd8448eb211c803101?event=upgrade-1-1-4711"`, "committed", "rolled back", "not started", "exit status 2", "10.2 s", "41 µs", "after=more",
		`aria-label="spawn 18 ms, warm 186 ms, hand-over 310 µs, probation 10 s"`, `href="/services/shop"`, "i-back", "i-stop",
		`<a href="/upgrades" data-key="g u" aria-current="page">`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("status %d, the page lacks %q", w.status, want)
		}
	}
	if want := "where=" + url.QueryEscape(upgrades.KeyKind+"="+upgrades.KindUpgrade); len(f.asked) != 1 || !strings.Contains(f.asked[0], want) || !strings.Contains(f.asked[0], "probe=upgrade") {
		t.Errorf("asked %q", f.asked)
	}
}

func TestUpgrades_ofOneServiceNeedNoColumnForIt(t *testing.T) {
	f := plainAPI()
	all := get(t, serve(f), "/upgrades").body.String()
	one := get(t, serve(f), "/upgrades?service=shop&after=x").body.String()
	if n, m := strings.Count(all, "<th "), strings.Count(one, "<th "); n != 9 || m != 8 {
		t.Errorf("%d columns of all, %d of one service", n, m)
	}
	if !strings.Contains(one, "after=more&amp;service=shop") || !strings.Contains(f.asked[1], "after=x") {
		t.Errorf("the next page is not of the service: asked %q", f.asked)
	}
}

func TestUpgrades_noneSayHowServersBecomeUpgradable(t *testing.T) {
	text := textOf(t, get(t, serve(emptyAPI()), "/upgrades").body.String())
	for _, want := range []string{"No upgrade was seen", "goshawk upgrade run", "package github.com/goshawk-io/goshawk/upgrade"} {
		if !strings.Contains(text, want) {
			t.Errorf("the empty page lacks %q", want)
		}
	}
}

func TestUpgrades_manyAreOnePage(t *testing.T) {
	f := plainAPI()
	var many v1.List[v1.Record]
	for i := range 100 {
		r := sampleUpgrades(testNow())[i%5]
		r.ID = fmt.Sprintf("upgrade-%d-1-1", i)
		many.Items = append(many.Items, r)
	}
	many.Next = "further"
	f.answers["upgrades"] = many
	body := get(t, serve(f), "/upgrades").body.String()
	if n := strings.Count(body, `class="w-parts"`) / 2; n != 1 || strings.Count(body, `<tr`) != 101 || !strings.Contains(body, "Next 100 rows") || !strings.Contains(body, "after=further") {
		t.Errorf("%d rows", n)
	}
	for _, problem := range checkPage(body) {
		t.Error(problem)
	}
	// The page of the service lists five, and marks all.
	body = get(t, serve(f), "/services/shop").body.String()
	_, panel, _ := strings.Cut(body, `id="upgrades-table"`)
	panel, _, _ = strings.Cut(panel, "</table>")
	if n := strings.Count(panel, "<tr"); n != 6 {
		t.Errorf("the service has %d rows, want 5 and the head", n)
	}
	_, marks, _ := strings.Cut(body, `id="upgrade-marks">`)
	var list []ShadingData
	if err := json.NewDecoder(strings.NewReader(marks)).Decode(&list); err != nil || len(list) != 100 {
		t.Errorf("%d marks: %v", len(list), err)
	}
}

func TestUpgradeFacts_endsAndParts(t *testing.T) {
	type result struct{ Class, Icon, Text, Parts string }
	for name, tt := range map[string]struct {
		attributes v1.Attributes
		took       int64
		want       result
	}{
		"committed": {
			v1.Attributes{upgrades.KeyOutcome: "committed", upgrades.KeyNextPID: int64(2), upgrades.KeyStarted: int64(10), upgrades.KeyReady: int64(30), upgrades.KeyPassive: int64(31)},
			100, result{"ok", "ok", "committed", "spawn 10, warm 20, hand_over 1, probation 69"},
		},
		"rolled back in probation": {
			v1.Attributes{upgrades.KeyOutcome: "rolled_back", upgrades.KeyNextPID: int64(2), upgrades.KeyStarted: int64(10), upgrades.KeyReady: int64(30), upgrades.KeyPassive: int64(31)},
			40, result{"bad", "back", "rolled back", "spawn 10, warm 20, hand_over 1, probation 9"},
		},
		"rolled back while it warms": {
			v1.Attributes{upgrades.KeyOutcome: "rolled_back", upgrades.KeyNextPID: int64(2), upgrades.KeyStarted: int64(10)},
			40, result{"warn", "back", "rolled back", "spawn 10, warm 30"},
		},
		"not started": {v1.Attributes{upgrades.KeyOutcome: "running"}, 40, result{"bad", "stop", "not started", ""}},
		"of times that make no sense": {
			v1.Attributes{upgrades.KeyOutcome: "rolled_back", upgrades.KeyNextPID: int64(2), upgrades.KeyStarted: int64(90), upgrades.KeyReady: int64(20), upgrades.KeyPassive: int64(math.MaxInt64)},
			50, result{"bad", "back", "rolled back", "spawn 50, warm 0, probation 0"},
		},
		"of an end that nobody knows": {v1.Attributes{upgrades.KeyOutcome: "on_fire", upgrades.KeyNextPID: int64(-3)}, -1, result{"neutral", "unknown", "on fire", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			u := upgradeOf(&v1.Record{Event: v1.Event{DurationNS: &tt.took, Attributes: tt.attributes}})
			var parts []string
			for _, p := range u.parts() {
				parts = append(parts, fmt.Sprintf("%s %d", p.Kind, p.NS))
			}
			end := u.end()
			if diff := cmp.Diff(tt.want, result{end.Class, end.Icon, end.Text, strings.Join(parts, ", ")}); diff != "" || end.Title == "" {
				t.Error(diff)
			}
			x := 0.0
			bar, failed := u.bar(), false
			if n := len(bar.Rects); n > 0 && bar.Rects[n-1].Class == "mark" {
				bar.Rects, failed = bar.Rects[:n-1], true
			}
			for _, r := range bar.Rects {
				if math.Abs(r.X-x) > 0.2 || r.W < 10 {
					t.Errorf("the part %+v is not seen, or not at %g", r, x)
				}
				x = r.X + r.W
			}
			if len(bar.Rects) > 0 && math.Abs(x-1000) > 0.5 {
				t.Errorf("the bar is %g of 1000 wide", x)
			}
			if failed != (tt.want.Class != "ok" && len(parts) > 0) {
				t.Errorf("its end is marked: %v", failed)
			}
		})
	}
}

func TestUpgrade_showsTheProcessesSideBySide(t *testing.T) {
	type bar struct {
		Label           string
		Depth           int
		From, For       time.Duration
		Parts, Outcome  string
		Failed, HasHref bool
	}
	const ms = time.Millisecond
	list := sampleUpgrades(testNow())
	for i, want := range [][]bar{
		{
			{"old process 4711", 0, 0, 14_334 * ms, "old_accepts hand_over probation drain", "", false, false}, {"drain", 1, 10_214 * ms, 4_120 * ms, "drain", "connections cut", true, true},
			{"new process 4720", 0, 0, 14_334 * ms, "spawn warm hand_over probation new_accepts", "committed", false, false},
			{"spawn", 1, 0, 18 * ms, "spawn", "", false, false}, {"warm", 1, 18 * ms, 186 * ms, "warm", "", false, false},
			{"hand-over", 1, 204 * ms, 310_000, "hand_over", "", false, false}, {"probation", 1, 204*ms + 310_000, 10_010*ms - 310_000, "probation", "", false, false},
		},
		{
			{"old process 4711", 0, 0, 3480 * ms, "old_accepts hand_over probation", "", false, false},
			{"new process 4719", 0, 0, 3480 * ms, "spawn warm hand_over probation", "rolled back", true, false},
			{"spawn", 1, 0, 17 * ms, "spawn", "", false, false}, {"warm", 1, 17 * ms, 173 * ms, "warm", "", false, false},
			{"hand-over", 1, 190 * ms, 280_000, "hand_over", "", false, false}, {"probation", 1, 190*ms + 280_000, 3290*ms - 280_000, "probation", "", false, false},
		},
		{
			{"old process 4711", 0, 0, 61 * ms, "old_accepts", "", false, false},
			{"new process 4718", 0, 0, 61 * ms, "spawn warm", "rolled back", true, false},
			{"spawn", 1, 0, 16 * ms, "spawn", "", false, false}, {"warm", 1, 16 * ms, 45 * ms, "warm", "", false, false},
		},
		nil,
	} {
		u := upgradeOf(&list[i])
		var drain *v1.Record
		if i == 0 {
			drain = sampleDrain(&list[i])
			drain.Attributes[upgrades.KeyFailure] = "connections_cut"
		}
		var got []bar
		for _, b := range upgradeWaterfall(&u, drain).Bars {
			var kinds []string
			var sum int64
			for _, p := range b.Parts {
				kinds, sum = append(kinds, p.Kind), sum+p.NS
			}
			if sum != b.DurationNS {
				t.Errorf("upgrade %d: the parts of %q are %d of %d ns", i, b.Label, sum, b.DurationNS)
			}
			got = append(got, bar{b.Label, b.Depth, time.Duration(b.StartNS), time.Duration(b.DurationNS), strings.Join(kinds, " "), b.Outcome, b.Failed, b.Href != ""})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("upgrade %d: %s", i, diff)
		}
	}
}

func TestUpgrade_showsWhatHasNoShape(t *testing.T) {
	evil := "a\x1b[0m\u202eb"
	list, drains := hostileUpgrades(evil)
	view := newUpgrade(&list.Items[0], &drains.Items[0], testNow())
	texts := []string{view.Name, view.Service, view.Reason, view.Cut}
	for _, p := range view.Facts {
		texts = append(texts, p.Value)
	}
	for _, row := range upgradeTable("x", list.Items, false, testNow()).Rows {
		for _, c := range row.Cells {
			texts = append(texts, c.Text, c.Title, c.Outcome.Text)
		}
	}
	escaped := 0
	for _, text := range texts {
		if text != visible(text) {
			t.Errorf("%q", text)
		}
		if strings.Contains(text, `\u202e`) {
			escaped++
		}
	}
	if escaped < 8 {
		t.Errorf("%d texts are escaped", escaped)
	}
}

func TestUpgrade_ofTimesThatMakeNoSenseIsDrawn(t *testing.T) {
	list, drains := hostileUpgrades("x")
	huge := int64(math.MaxInt64)
	list.Items[0].DurationNS = &huge
	u := upgradeOf(&list.Items[0])
	for _, b := range upgradeWaterfall(&u, &drains.Items[0]).Bars {
		if b.StartNS < 0 || b.DurationNS < 0 || b.StartNS+b.DurationNS < 0 {
			t.Errorf("%+v", b)
		}
	}
}

func TestUpgrade_saysWhatMatters(t *testing.T) {
	f := plainAPI()
	list := f.answers["upgrades"].(v1.List[v1.Record]).Items
	f.answers["events/"+list[0].ID] = list[0]
	for _, tt := range []struct {
		address     string
		want, lacks []string
	}{
		{"/upgrades/" + list[0].TraceID + "?event=" + list[0].ID, []string{
			"Upgrade of shop to generation 3", "committed", "204 ms until the new process was ready", "10 s in probation", "4.12 s in which the old one drained", "old process 4711", "new process 4720",
			"Connections 17", "393 of 19,681 requests failed", "those that failed",
		}, []string{"How the old process drained", "Why", "No request was seen"}},
		{"/upgrades/" + list[1].TraceID, []string{"rolled back", "it has said nothing for 2s", "41 µs until the old one accepted again", "Why"}, []string{"drained"}},
		{"/upgrades/" + list[2].TraceID, []string{"rolled back", "came no further than “warm”", "exit status 2"}, []string{"accepted again"}},
		{"/upgrades/" + list[3].TraceID + "?event=gone", []string{"not started", "of another machine", "Nothing was started"}, []string{"New process"}},
		// The end of a process is an event of an upgrade as well.
		{"/upgrades/" + list[0].TraceID + "?event=" + sampleDrain(&list[0]).ID, []string{"Upgrade of shop to generation 3"}, nil},
		{"/upgrades/" + list[4].TraceID, []string{"Upgrade of shop to generation 2", "How the old process drained is not known"}, nil},
	} {
		w := get(t, serve(f), tt.address)
		said := textOf(t, w.body.String())
		for _, want := range tt.want {
			if !strings.Contains(said, want) {
				t.Errorf("%s: status %d, the page lacks %q: %s", tt.address, w.status, want, said)
			}
		}
		for _, lacks := range tt.lacks {
			if strings.Contains(said, lacks) {
				t.Errorf("%s says %q", tt.address, lacks)
			}
		}
	}
	if !slices.ContainsFunc(f.asked, func(s string) bool {
		q, err := url.ParseRequestURI(s)
		v := q.Query()
		return err == nil && v.Get("probe") == "http" && v.Get("service") == "shop" && v.Get("from") == "2026-11-21T20:20:40Z" && v.Get("to") == "2026-11-21T20:22:00Z" && v.Get("step") == "10s"
	}) {
		t.Errorf("nobody asked for the requests around it: %q", f.asked)
	}
}

func TestUpgrade_chartsShadeItsTime(t *testing.T) {
	list := sampleUpgrades(testNow())
	body := get(t, serve(plainAPI()), "/upgrades/"+list[0].TraceID).body.String()
	for _, want := range []string{`data-marks="upgrade-marks"`, `<rect class="mark-ok" x="3.5" width="1.021" height="100"><title>upgrade 3 committed</title></rect>`, `"Text":"upgrade 3 committed"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	w := newWindow(testNow().Add(-time.Hour), testNow())
	c := Chart{Width: w.len()}
	c.mark("x", append(sampleMarks(testNow()), ShadingData{Look: "ok", From: 1, To: 2}, ShadingData{Look: "ok", From: seconds(w.to) + 1, To: seconds(w.to) + 2}), w)
	if len(c.Shades) != 5 || len(c.Legend) != 3 {
		t.Errorf("%d shades, legend %+v", len(c.Shades), c.Legend)
	}
	for _, s := range c.Shades {
		if s.W <= 0 || s.X < 0 || s.X+s.W > float64(c.Width)+1 {
			t.Errorf("the shade %+v is not in the chart", s)
		}
	}
}

func TestServedAround_countsWhatFailed(t *testing.T) {
	w := newWindow(testNow().Add(-time.Minute), testNow())
	at := v1.Time(w.from)
	for _, tt := range []struct {
		items       []v1.Rollup
		class, text string
		failed      uint64
	}{
		{nil, "neutral", "No request was seen", 0},
		{[]v1.Rollup{{Time: at, Count: 1}}, "ok", "None of 1 request failed", 0},
		{[]v1.Rollup{{Time: at, Count: 1000}, {Time: v1.Time(w.from.Add(w.step)), Count: 500, Failed: 2}}, "bad", "2 of 1,500 requests failed", 2},
		{[]v1.Rollup{{Time: v1.Time(w.to), Count: 3, Failed: 3}}, "neutral", "No request was seen", 0},
	} {
		if o, failed := servedAround(tt.items, w); o.Class != tt.class || o.Text != tt.text || failed != tt.failed {
			t.Errorf("%+v, %d failed; want %s %q", o, failed, tt.class, tt.text)
		}
	}
}

func TestUpgrade_canBeSaved(t *testing.T) {
	list := sampleUpgrades(testNow())
	body := get(t, serve(plainAPI()), "/upgrades/"+list[0].TraceID+"?save=1").body.String()
	if !strings.Contains(body, "Saved on") || strings.Contains(body, `href="/`) || strings.Contains(body, `"href":"/`) || strings.Contains(body, ` src="/`) {
		t.Error("the file leads elsewhere")
	}
	if n := strings.Count(body, `<script type="application/json"`); n != 4 {
		t.Errorf("%d data, want those of a waterfall, two charts and their marks", n)
	}
}

func TestUpgrade_refuses(t *testing.T) {
	for address, want := range map[string]struct {
		status int
		text   string
	}{
		"/upgrades/nonsense":                    {400, "is not a trace id"},
		"/upgrades/" + strings.Repeat("00", 16): {404, "there is no upgrade with the trace"},
	} {
		w := get(t, serve(plainAPI()), address)
		if w.status != want.status || !strings.Contains(w.body.String(), want.text) {
			t.Errorf("%s: status %d, want %d and %q", address, w.status, want.status, want.text)
		}
	}
	f := plainAPI()
	f.status = 503
	if w := get(t, serve(f), "/upgrades"); w.status != 503 {
		t.Errorf("status %d", w.status)
	}
}

func TestService_showsUpgradesWhenThereAreAny(t *testing.T) {
	f := plainAPI()
	body := get(t, serve(f), "/services/shop").body.String()
	for _, want := range []string{`id="upgrades-title"`, `href="/upgrades?service=shop"`, `<rect class="mark-warn"`, "upgrade 3 rolled back", `"Text":"upgrade 3 not started"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(body, `data-marks="upgrade-marks"`); n != 4 {
		t.Errorf("%d charts have marks, want 4", n)
	}
	if !slices.ContainsFunc(f.asked, func(s string) bool {
		return strings.Contains(s, "probe=upgrade") && strings.Contains(s, "from=-1h") && strings.Contains(s, "service=shop")
	}) {
		t.Errorf("nobody asked for the upgrades of the time: %q", f.asked)
	}
	f.answers["upgrades"] = v1.List[v1.Record]{}
	if body := get(t, serve(f), "/services/shop").body.String(); strings.Contains(body, "upgrades-title") || strings.Contains(body, "mark-ok") || !strings.Contains(body, `<div id="service-upgrades"></div>`) {
		t.Error("a service without upgrades has a panel of them")
	}
}
