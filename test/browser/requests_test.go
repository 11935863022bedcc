package browser

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/goshawk-io/goshawk/internal/model"
)

// request is what a test says of a request; a role of client is one that was
// made.
type request struct {
	service, role, method, route, path, server string
	status                                     int64
	outcome                                    string
	end                                        time.Time
	took                                       time.Duration
	weight                                     uint64
	trace, span, parentSpan                    byte
	stack                                      []model.Frame
}

// event returns the event of a request.
func (s *site) event(r request) *model.Event {
	e := new(model.Event)
	e.Reset(s.http)
	e.Time, e.Duration, e.PID, e.Service, e.Weight, e.Stack = r.end.Add(-r.took), r.took, 100, cmp.Or(r.service, "shop"), r.weight, r.stack
	e.TraceID[15], e.SpanID[0], e.ParentSpanID[0], e.Requested = r.trace, r.span, r.parentSpan, true
	set := func(key string, v model.Value) { e.Values[s.http.Index(key)] = v }
	set("goshawk.role", model.StringValue(cmp.Or(r.role, "server")))
	set("http.request.method", model.StringValue(cmp.Or(r.method, "GET")))
	if r.route != "" {
		set("http.route", model.StringValue(r.route))
	}
	if r.server != "" {
		set("server.address", model.StringValue(r.server))
	}
	set("goshawk.http.outcome", model.StringValue(cmp.Or(r.outcome, "done")))
	set("http.response.status_code", model.IntValue(r.status))
	switch {
	case r.outcome != "":
		set("error.type", model.StringValue(r.outcome))
	case r.status >= 500:
		set("error.type", model.StringValue(fmt.Sprint(r.status)))
	}
	return e
}

// add stores a request, one of a sample.
func (s *site) request(r request) string {
	e := s.event(r)
	if r.path != "" {
		e.Values[s.http.Index("url.path")] = model.StringValue(r.path)
	}
	s.store.Add(e)
	s.feed.Add(e)
	return e.ID().String()
}

// tally counts requests of one kind that took as long as durations say.
func (s *site) tally(r request, durations []time.Duration) {
	if len(durations) == 0 {
		return
	}
	e := s.event(r)
	e.Phase, e.Weight, e.TraceID, e.SpanID = model.PhaseTally, 0, model.TraceID{}, model.SpanID{}
	e.Time, e.Duration = r.end.Add(-10*time.Second), 10*time.Second
	e.Tally = &model.Tally{Count: uint64(len(durations)), Durations: new(model.Distribution)}
	for _, d := range durations {
		e.Tally.Durations.Add(d)
	}
	s.store.Add(e)
}

// serve adds an hour of requests before now, the same ones each time. For six
// minutes a warehouse that is called answers late, and checkouts fail.
func (s *site) serve(now time.Time) {
	r := rand.New(rand.NewPCG(1, 2))
	spread := func(n int, usual time.Duration) []time.Duration {
		list := make([]time.Duration, 0, n)
		for range n {
			d := float64(usual) * (0.7 + 0.6*r.Float64())
			if r.IntN(40) == 0 {
				d *= 4 + 6*r.Float64()
			}
			list = append(list, time.Duration(d))
		}
		return list
	}
	for step := range 120 {
		end := now.Truncate(30 * time.Second).Add(-time.Hour + time.Duration(step+1)*30*time.Second - 5*time.Second)
		late := step >= 72 && step < 84
		checkout, warehouse, failed := 40*time.Millisecond, 22*time.Millisecond, 0
		if late {
			checkout, warehouse, failed = 900*time.Millisecond, 850*time.Millisecond, 9
		}
		kinds := []struct {
			request
			n     int
			usual time.Duration
		}{
			{request{route: "/product/{id}", path: fmt.Sprintf("/product/%d", step), status: 200}, 240 + 40*(step%7), 4 * time.Millisecond},
			{request{method: "POST", route: "/checkout", path: "/checkout", status: 200}, 30, checkout},
			{request{method: "POST", route: "/checkout", path: "/checkout", status: 503}, failed, checkout * 2},
			{request{route: "/report", path: "/report", status: 200}, 2, 1900 * time.Millisecond},
			{request{route: "/healthz", path: "/healthz", status: 200}, 6, 60 * time.Microsecond},
			{request{role: "client", server: "warehouse.example", path: "/stock/17", status: 200}, 30, warehouse},
		}
		for _, k := range kinds {
			k.end = end
			took := spread(k.n, k.usual)
			s.tally(k.request, took)
			if len(took) > 0 && (step%10 == 0 || late) {
				k.took, k.weight, k.trace, k.span = took[0], uint64(len(took)), 200, byte(step)
				s.request(k.request)
			}
		}
	}
}

// checkout adds a request that ran commands and called others, and returns its
// id and the process ids of its commands.
func (s *site) checkout(end time.Time) (id string, sh, sort int32) {
	begin := end.Add(-200 * time.Millisecond)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	id = s.request(request{method: "POST", route: "/orders/{id}", path: "/orders/17", status: 200, end: end, took: 200 * time.Millisecond, weight: 37, trace: 9, span: 1})
	s.request(request{role: "client", server: "warehouse.example", path: "/stock/17", status: 200, end: at(140), took: 60 * time.Millisecond, trace: 9, span: 2, parentSpan: 1})
	sh = s.add(command{service: "shop", parent: 100, args: []string{"sh", "-c", "sort ledger | uniq"}, end: at(70), took: 50 * time.Millisecond, cpu: 4 * time.Millisecond,
		function: "example.com/shop/internal/ledger.TopSellers", trace: 9, parentSpan: model.SpanID{1}})
	sort = s.add(command{service: "shop", parent: int64(sh), args: []string{"sort", "ledger"}, end: at(65), took: 30 * time.Millisecond, cpu: 20 * time.Millisecond, trace: 9, parentSpan: spanOf(sh)})
	return id, sh, sort
}

// heat is the heatmap of a page, in JavaScript.
const heat = `document.querySelector("goshawk-heatmap")`

// inHeat returns the middle of a cell: of a step, and of a band of durations.
func (b *tab) inHeat(step, band int) at {
	b.t.Helper()
	return value[at](b, fmt.Sprintf(`import("/assets/js/heatpaint.js").then((m) => {
		const h = %s, s = h.scene(), box = h.canvas.getBoundingClientRect();
		return { X: box.left + (m.xOf(s, %[2]d) + m.xOf(s, %[2]d + 1)) / 2, Y: box.top + (m.yOf(s, %[3]d) + m.yOf(s, %[3]d + 1)) / 2 };
	})`, heat, step, band))
}

func TestRequests_routesHaveTheirNumbers(t *testing.T) {
	b, _ := siteTab(t, fixedSite(60), desktop, "/services/shop")
	cells := func(table, row string) []string {
		t.Helper()
		return value[[]string](b, fmt.Sprintf(`[...document.querySelectorAll("#%s tbody tr")].filter((r) => r.cells[0].textContent.includes(%q)).flatMap((r) => [...r.cells].map((c) => c.innerText.trim()))`, table, row))
	}
	// 120 steps of 30 requests, in 12 of them 9 more that failed.
	checkout := cells("routes-table", "/checkout")
	if len(checkout) != 8 || !strings.HasPrefix(checkout[0], "POST") || checkout[2] != "1.03/s" || checkout[3] != "108" || checkout[4] != "2.91 %" {
		t.Errorf("the route /checkout says %q", checkout)
	}
	if report := cells("routes-table", "/report"); len(report) != 8 || report[2] != "0.067/s" || report[3] != "0" || !strings.HasSuffix(report[5], " s") {
		t.Errorf("the route /report says %q", report)
	}
	if calls := cells("calls-table", "warehouse.example"); len(calls) != 8 || calls[2] != "1/s" {
		t.Errorf("the calls say %q", calls)
	}
	if routes := value[int](b, `document.querySelectorAll("#routes-table tbody tr").length`); routes != 4 {
		t.Errorf("there are %d routes, want 4: calls are no routes", routes)
	}
	first := `document.querySelector("#routes-table tbody tr").innerText`
	b.do(`[...document.querySelectorAll("#routes-table th a")].find((a) => a.textContent.includes("p99")).click()`)
	b.wait(`location.search.includes("sort=p99") && ` + first + `.includes("/report")`)
	b.do(`[...document.querySelectorAll("#routes-table tbody tr")].find((r) => r.innerText.includes("/checkout")).querySelector("a.route").click()`)
	b.wait(`location.pathname === "/events" && ` + rows + `.length > 5 && ` + rows + `.every((r) => r.textContent.includes("/checkout"))`)
}

func TestRequests_heatmapIsDrawnAndSelectable(t *testing.T) {
	b, _ := siteTab(t, fixedSite(60), size{1280, 2400}, "/services/shop")
	b.wait(drawn + ` && ` + heat + `.grid.total > 10000`)
	// It is drawn in a frame of its own, after its numbers have come.
	b.wait(`(() => {
		const c = ` + heat + `.canvas, d = c.getContext("2d").getImageData(60, 0, c.width - 60, c.height - 30).data, seen = new Set();
		for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) seen.add(d[i] + "," + d[i + 1] + "," + d[i + 2]);
		return seen.size >= 5;
	})()`)
	p := value[at](b, `(() => { const g = `+heat+`.grid, t = 20, c = g.counts[t]; return { X: t, Y: c.indexOf(Math.max(...c)) }; })()`)
	b.mouse("mouseMoved", b.inHeat(int(p.X), int(p.Y)))
	b.wait(`!` + heat + `.tip.hidden && /request/.test(` + heat + `.tip.innerText) && / ms/.test(` + heat + `.tip.innerText)`)
	b.picture("heat-tip")
	// The late minutes: what took 200 ms or longer.
	const from = 72
	band := value[int](b, `import("/assets/js/heatgrid.js").then((m) => Math.floor(m.bandAt(200e6, `+heat+`.grid.per)) - `+heat+`.grid.low)`)
	b.drag(b.inHeat(from, band), b.inHeat(from+11, band+3))
	b.wait(`document.querySelector("#slowest header p").innerText.includes("or longer")`)
	said := value[string](b, `document.getElementById("slowest").innerText`)
	if !strings.Contains(said, "/checkout") || !strings.Contains(said, "from 20:3") {
		t.Errorf("the slowest requests of the late minutes are %.300s", said)
	}
	if took := value[[]string](b, `[...document.querySelectorAll("#slowest tbody tr")].map((r) => r.cells[3].innerText)`); len(took) < 3 {
		t.Errorf("%d requests are listed", len(took))
	}
	b.picture("heat-selected")
	if n := value[int](b, `(() => { const h = `+heat+`, p = h.selection(); return p.last - p.first + 1; })()`); n != 12 {
		t.Errorf("%d steps are selected, want 12", n)
	}
	b.do(heat + `.clear.click()`)
	b.wait(`document.querySelector("#slowest header p").innerText.includes("from 20:0") && ` + heat + `.selection() === null`)
}

func TestRequests_heatmapAnswersToKeys(t *testing.T) {
	b, _ := siteTab(t, fixedSite(60), desktop, "/services/shop")
	b.wait(drawn + ` && ` + heat + `.grid.total > 0`)
	if label := value[string](b, heat+`.stage.getAttribute("aria-label")`); !strings.Contains(label, "most took") || !strings.Contains(label, "1 of 100 took") {
		t.Errorf("its label says %q", label)
	}
	b.do(heat + `.stage.focus()`)
	b.key(kb.ArrowLeft)
	b.wait(`/request.* took .* as slow or slower/.test(` + heat + `.said.textContent)`)
	before := value[int](b, heat+`.cursor.time`)
	b.key(kb.ArrowLeft)
	b.key(kb.ArrowUp)
	b.wait(fmt.Sprintf(`%s.cursor.time === %d`, heat, before-1))
	b.key(kb.Enter)
	b.wait(`document.querySelector("#slowest header p").innerText.includes("or longer")`)
	b.key(kb.Escape)
	b.wait(heat + `.chosen === null`)
	if rows := value[int](b, `document.querySelectorAll("#heat-numbers tbody tr").length`); rows < 5 {
		t.Errorf("as numbers it has %d rows", rows)
	}
}

func TestRequests_waterfallHasSelfTime(t *testing.T) {
	s := fixedSite(60)
	id, _, _ := s.checkout(s.clock().Add(-20 * time.Second))
	b, _ := siteTab(t, s, desktop, "/events/"+id)
	b.wait(drawn + ` && ` + fall + `.tree.rows.length === 4`)
	got := value[[]string](b, fall+`.tree.rows.map((r) => [r.depth, r.kind, r.label, r.duration / 1e6, r.self / 1e6].join(" "))`)
	want := []string{"0 request POST /orders/{id} 200 90", "1 command sh 50 20", "2 command sort 30 30", "1 call GET warehouse.example/stock/17 60 60"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the rows are\n%q, want\n%q", got, want)
	}
	if gaps := value[[][]float64](b, fall+`.tree.rows[0].gaps.map((g) => g.map((ns) => ns / 1e6))`); fmt.Sprint(gaps) != "[[0 20] [70 80] [140 200]]" {
		t.Errorf("the request has %v for itself", gaps)
	}
	spent := value[[]string](b, `[...document.querySelectorAll("#spent-table tbody tr")].map((r) => [0, 1, 3, 4].map((i) => r.cells[i].innerText.trim()).join(" | "))`)
	if len(spent) != 3 || spent[0] != "its own code |  | 90 ms | 45 %" || !strings.Contains(spent[2], "ledger.TopSellers") {
		t.Errorf("its time went to %q", spent)
	}
	if page := value[string](b, `document.getElementById("main").innerText`); !strings.Contains(page, "1 of 37") {
		t.Error("the page does not say for how many the request stands")
	}
	b.picture("request")
}

func TestRequests_commandLeadsToItsRequest(t *testing.T) {
	s := fixedSite(60)
	_, _, sort := s.checkout(s.clock().Add(-20 * time.Second))
	b, _ := siteTab(t, s, desktop, fmt.Sprintf("/commands?pid=%d", sort))
	b.wait(rows + `.length === 1`)
	b.do(rows + `[0].querySelector("a.cmd").click()`)
	link := `document.querySelector(".because a")`
	b.wait(link + `?.innerText === "POST /orders/{id}"`)
	b.do(link + `.click()`)
	b.wait(`location.pathname.startsWith("/events/http-") && document.querySelector("h1")?.innerText === "POST /orders/{id}"`)
	b.do(`[...document.querySelectorAll("#spent-table a")].find((a) => a.innerText.startsWith("sh")).click()`)
	b.wait(`location.pathname.startsWith("/commands/")`)
}

func TestRequests_panicHasItsStack(t *testing.T) {
	s := fixedSite(60)
	id := s.request(request{route: "/boom", path: "/boom", outcome: "panic", end: s.clock().Add(-time.Minute), took: time.Millisecond, trace: 7, span: 1, stack: []model.Frame{
		{Func: "runtime.gopanic", File: "/usr/local/go/src/runtime/panic.go", Line: 783}, {Func: "example.com/shop.(*Shop).Boom", File: "shop.go", Line: 12},
	}})
	b, url := siteTab(t, s, desktop, "/events/"+id)
	text := value[string](b, `document.getElementById("main").innerText`)
	for _, want := range []string{"GET /boom", "panic", "(*Shop).Boom", "shop.go:12"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s: %.500s", want, text)
		}
	}
	b.visit(url + "/events?probe=http&failed=true")
	b.wait(rows + `.length > 3 && ` + rows + `.every((r) => r.matches(".failed"))`)
	b.wait(rows + `.some((r) => r.innerText.includes("1 of 9"))`)
}
