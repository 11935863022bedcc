package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

func testRoutes(t *testing.T, role, sort string) Table {
	t.Helper()
	f := &Filter{Path: "/services/shop", Sort: sort, now: testNow(), Live: true}
	w := newWindow(testNow().Add(-time.Hour), testNow())
	if role == roleClient {
		return callTable("shop", routesOf(sampleRoutes(), nil, w, role), f, time.Hour)
	}
	return routeTable("shop", routesOf(sampleRoutes(), nil, w, role), f, time.Hour)
}

func names(t Table) []string {
	var list []string
	for _, r := range t.Rows {
		list = append(list, strings.TrimSpace(r.Cells[0].Tail+" "+r.Cells[0].Text))
	}
	return list
}

func TestRouteTable_isSortedByItsColumns(t *testing.T) {
	for sort, want := range map[string][]string{
		"":         {"GET /product/{id}", "POST /checkout", "GET /files/{id}/raw", "GET /report", "other (other)"},
		"nonsense": {"GET /product/{id}", "POST /checkout", "GET /files/{id}/raw", "GET /report", "other (other)"},
		"name":     {"other (other)", "POST /checkout", "GET /files/{id}/raw", "GET /product/{id}", "GET /report"},
		"errors":   {"GET /report", "POST /checkout", "GET /files/{id}/raw", "GET /product/{id}", "other (other)"},
		"failed":   {"POST /checkout", "GET /report", "GET /files/{id}/raw", "GET /product/{id}", "other (other)"},
		"p99":      {"GET /report", "POST /checkout", "GET /product/{id}", "GET /files/{id}/raw", "other (other)"},
	} {
		table := testRoutes(t, roleServer, sort)
		if diff := cmp.Diff(want, names(table)); diff != "" {
			t.Errorf("sorted by %q: %s", sort, diff)
		}
		sorted := 0
		for _, c := range table.Columns {
			if c.Sorted != "" {
				sorted++
			}
		}
		if sorted != 1 || table.Columns[7].Sort != "/services/shop?sort=p99" || table.Columns[2].Sort != "/services/shop" || table.Columns[1].Sort != "" {
			t.Errorf("sorted by %q: the columns are %+v", sort, table.Columns)
		}
	}
	if diff := cmp.Diff([]string{"GET warehouse.example", "POST payment.example"}, names(testRoutes(t, roleClient, ""))); diff != "" {
		t.Errorf("calls: %s", diff)
	}
}

func TestRouteTable_leadsToItsRequests(t *testing.T) {
	table := testRoutes(t, roleServer, "")
	hrefs := func(row int) string {
		cells := table.Rows[row].Cells
		return cells[0].Href + "\n" + cells[3].Href + "\n" + cells[7].Href
	}
	const base = "/events?probe=http&service=shop&where=goshawk.role%3Dserver"
	for row, want := range map[int]string{
		1: base + "&where=http.request.method%3DPOST&where=http.route%3D%2Fcheckout\n/events?failed=true&probe=http&service=shop&where=goshawk.role%3Dserver&where=http.request.method%3DPOST&where=http.route%3D%2Fcheckout\n" +
			"/events?order=slowest&probe=http&service=shop&where=goshawk.role%3Dserver&where=http.request.method%3DPOST&where=http.route%3D%2Fcheckout",
		// A path that was made up is no route, and an unknown method none to ask for.
		4: base + "&where=url.template%3D%28other%29\n\n/events?order=slowest&probe=http&service=shop&where=goshawk.role%3Dserver&where=url.template%3D%28other%29",
	} {
		if diff := cmp.Diff(want, hrefs(row)); diff != "" {
			t.Errorf("row %d: %s", row, diff)
		}
	}
	checkout := table.Rows[1]
	if checkout.Class != "failed" || checkout.Cells[4].Text != "2.24 %" || checkout.Cells[2].Text != "2.53/s" || checkout.Cells[7].Bar.Rects[0].W != 1_480_000_000.0/4_100_000_000*100 {
		t.Errorf("the row of a route that fails is %+v", checkout)
	}
}

func TestRouteTable_saysWhatItLeavesOut(t *testing.T) {
	var sums []v1.Rollup
	for i := range maxRoutes + 3 {
		sums = append(sums, v1.Rollup{Count: 1, Group: map[string]string{keyRole: roleServer, keyRoute: fmt.Sprintf("/%03d", i)}})
	}
	w := newWindow(testNow().Add(-time.Hour), testNow())
	table := routeTable("shop", routesOf(sums, nil, w, roleServer), &Filter{now: testNow()}, time.Hour)
	if len(table.Rows) != maxRoutes || table.Left != "3 more rows are not shown." {
		t.Errorf("%d rows, and %q", len(table.Rows), table.Left)
	}
}

func TestRoutesOf_joinTheirHistory(t *testing.T) {
	w := window{from: testNow().Truncate(time.Minute), step: time.Minute}
	w.to = w.from.Add(3 * time.Minute)
	group := map[string]string{keyRole: roleServer, keyRoute: "/a"}
	at := func(minute int, count, failed uint64, group map[string]string) v1.Rollup {
		return v1.Rollup{Time: v1.Time(w.from.Add(time.Duration(minute) * time.Minute)), Count: count, Failed: failed, Group: group}
	}
	list := routesOf([]v1.Rollup{{Count: 7, Group: group}, {Count: 0, Group: map[string]string{keyRole: roleServer}}, {Count: 5}}, []v1.Rollup{
		at(0, 3, 1, group), at(2, 4, 0, group), at(1, 9, 9, map[string]string{keyRole: roleServer, keyRoute: "/b"}), at(9, 1, 1, group),
	}, w, roleServer)
	if len(list) != 1 {
		t.Fatalf("%d routes", len(list))
	}
	if diff := cmp.Diff([][]float64{{3, 0, 4}, {1, 0, 0}}, [][]float64{list[0].counts, list[0].failures}); diff != "" {
		t.Error(diff)
	}
}

func TestService_showsItsRequests(t *testing.T) {
	f := plainAPI()
	body := get(t, serve(f), "/services/shop").body.String()
	for _, want := range []string{`id="routes-table"`, `id="calls-table"`, "<goshawk-heatmap", `id="slowest"`, "/product/{id}", "warehouse.example", `data-into="slowest"`, "buckets=true", "1 of 37"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	f.answers["routes"] = v1.List[v1.Rollup]{}
	body = get(t, serve(f), "/services/shop").body.String()
	for _, not := range []string{"routes-table", "calls-table", "goshawk-heatmap", "slowest"} {
		if strings.Contains(body, not) {
			t.Errorf("the page of a service without requests has %s", not)
		}
	}
}

func TestService_thatOnlyCallsHasNoRoutes(t *testing.T) {
	f := plainAPI()
	f.answers["routes"] = v1.List[v1.Rollup]{Items: sampleRoutes()[5:]}
	body := get(t, serve(f), "/services/shop").body.String()
	if !strings.Contains(body, `id="calls-table"`) || strings.Contains(body, "routes-table") || strings.Contains(body, "goshawk-heatmap") {
		t.Error("the page of a service that only calls others is not about its calls alone")
	}
}

func TestEvents_answerWithTheSlowestRequests(t *testing.T) {
	body := get(t, serve(plainAPI()), "/events?probe=http&order=slowest&min_duration=100ms&from=2026-11-21T20:00:00Z&to=2026-11-21T20:01:00Z", "HX-Request", "true", "HX-Target", "slowest").body.String()
	for _, want := range []string{`<section class="panel" id="slowest"`, "from 20:00:00 to 20:01:00, 100 ms or longer", "GET", "/product/{id}"} {
		if !strings.Contains(body, want) {
			t.Errorf("the block lacks %s: %.600s", want, body)
		}
	}
	if strings.Contains(body, "<html") || strings.Count(body, "<tr") != slowestRows+1 {
		t.Errorf("the block has %d rows", strings.Count(body, "<tr"))
	}
}

func TestRequest_saysWhatItCaused(t *testing.T) {
	f := plainAPI()
	h := serve(f)
	body := get(t, h, "/events/http-3-1-4711").body.String()
	for _, want := range []string{"503", "its own code", "68 ms", "34 %", "stock.(*shop).checkStock", "commands.go:64", "GET warehouse.example:8080/stock/15", "tree-table"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if body := get(t, h, "/events/http-4-1-4711").body.String(); !strings.Contains(body, "where it came from") || !strings.Contains(body, "product.go:118") {
		t.Error("the page of a request that panicked does not say where")
	}
	f.answers["waterfall http"] = v1.Waterfall{Bars: sampleTrace(testNow()).Bars[:1]}
	if body := get(t, h, "/events/http-3-1-4711").body.String(); strings.Contains(body, "spent-table") || !strings.Contains(body, "No call, connection or command was seen") {
		t.Error("the page of a request that caused nothing does not say so")
	}
	delete(f.answers, "waterfall http")
	if body := get(t, h, "/events/http-3-1-4711").body.String(); !strings.Contains(body, "what it caused: there is no waterfall") || !strings.Contains(body, "/product/3") {
		t.Error("the page of a request whose waterfall cannot be had lacks the request, or does not say so")
	}
}

func TestCommand_leadsToItsRequest(t *testing.T) {
	f := plainAPI()
	id := f.answers["events"].(v1.List[v1.Record]).Items[0].ID
	w := sampleWaterfall(3, testNow())
	w.Above = []v1.Bar{{Kind: kindCommand, Label: "sh"}, {Kind: kindRequest, Label: "GET /orders/{id}", Href: "/events/http-1", DurationNS: 5_000_000, Outcome: "200"}}
	f.answers["waterfall"] = w
	body := get(t, serve(f), "/commands/"+id).body.String()
	if !strings.Contains(body, `for request <a class="cmd" href="/events/http-1"`) || !strings.Contains(body, "GET /orders/{id}") {
		t.Error("the page of a command does not lead to its request")
	}
}

func TestOutcome_ofRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		a    v1.Attributes
		want string
	}{
		"well":                {v1.Attributes{keyStatus: int64(204), keyHTTPEnd: "done"}, "ok 204"},
		"the caller's fault":  {v1.Attributes{keyStatus: int64(404), keyHTTPEnd: "done"}, "neutral 404"},
		"its own fault":       {v1.Attributes{keyStatus: int64(503), keyError: "503"}, "bad 503"},
		"a panic":             {v1.Attributes{keyStatus: int64(200), keyError: "panic", keyHTTPEnd: "panic"}, "bad panic"},
		"no answer":           {v1.Attributes{keyError: "error", keyHTTPEnd: "error"}, "bad error"},
		"another protocol":    {v1.Attributes{keyStatus: int64(101), keyHTTPEnd: "hijacked"}, "neutral taken over"},
		"nobody saw its end":  {v1.Attributes{}, "neutral unknown"},
		"a client's 404 is 1": {v1.Attributes{keyStatus: int64(404), keyError: "404", keyRole: roleClient}, "bad 404"},
	} {
		o := outcomeOf(&v1.Event{Probe: probeHTTP, Attributes: tt.a})
		if got := o.Class + " " + o.Text; got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func TestOverview_showsRequestsOnlyWhereThereAreSome(t *testing.T) {
	f := plainAPI()
	body := get(t, serve(f), "/").body.String()
	for _, want := range []string{"Requests now", "p99", "requests, last minute"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	f.answers["requests"] = v1.List[v1.Rollup]{}
	if body := get(t, serve(f), "/").body.String(); strings.Contains(body, "Requests now") || !strings.Contains(body, "Findings, 1 h") {
		t.Error("a host without requests has columns for them")
	}
}

func TestHeatmap_bandsHoldTheirDurations(t *testing.T) {
	for _, ns := range []int64{0, 1, 2, 3, 4, 5, 7, 8, 11, 12, 1000, 1535, 1536, 2047, 2048, 1 << 40} {
		band := bandOf(ns)
		if low, high := bandBegin(band), bandBegin(band+1); max(ns, 1) < low || ns >= high && high > low {
			t.Errorf("%d ns is in the band %d of %d to %d", ns, band, low, high)
		}
	}
}

func TestHeatmap_drawsWhatIsCounted(t *testing.T) {
	w := window{from: testNow().Truncate(time.Minute), step: time.Minute}
	w.to = w.from.Add(2 * time.Minute)
	list := []v1.Rollup{
		{Time: v1.Time(w.from), Buckets: []v1.Bucket{{LowNS: 1 << 20, HighNS: 9 << 17, Count: 90}, {LowNS: 9 << 17, HighNS: 10 << 17, Count: 9}}},
		{Time: v1.Time(w.from.Add(time.Minute)), Buckets: []v1.Bucket{{LowNS: 1 << 24, HighNS: 9 << 21, Count: 1}}},
		{Time: v1.Time(w.from.Add(time.Hour)), Buckets: []v1.Bucket{{LowNS: 1, HighNS: 2, Count: 1}}},
	}
	h := newHeatmap("h", "label", "", list, w, testNow())
	want := []Line{{Path: "M1 0h1v1h-1z", Class: "h1"}, {Path: "M0 8h1v1h-1z", Class: "h6"}}
	if diff := cmp.Diff(want, h.Shades); diff != "" || h.Width != 2 || h.Height != 9 {
		t.Errorf("%d by %d: %s", h.Width, h.Height, diff)
	}
	if h.Summary != "100 requests, 1.05 ms to 25.2 ms" {
		t.Errorf("it says %q", h.Summary)
	}
	var rows []string
	for _, r := range h.Numbers.Rows {
		rows = append(rows, r.Cells[0].Text+" "+r.Cells[2].Text+" "+r.Cells[4].Text)
	}
	if diff := cmp.Diff([]string{"1.05 ms 99 99 %", "16.8 ms 1 100 %"}, rows); diff != "" {
		t.Error(diff)
	}
	if h := newHeatmap("h", "label", "", nil, w, testNow()); h.State.Title == "" {
		t.Error("an empty heatmap says nothing")
	}
}

func TestWaterfall_drawsTheTimeThatARequestHasForItself(t *testing.T) {
	view := newWaterfall("w", "label", "", sampleTrace(testNow()), "")
	var rects []string
	for _, r := range view.Table.Rows[0].Cells[3].Bar.Rects {
		rects = append(rects, fmt.Sprintf("%s %.0f+%.0f", r.Class, r.X, r.W))
	}
	want := []string{"f-below 0+1000", "f-own 0+60", "f-own 210+65", "f-own 785+215"}
	if diff := cmp.Diff(want, rects); diff != "" {
		t.Error(diff)
	}
}
