package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// fall is the waterfall of a page, in JavaScript.
const fall = `document.querySelector("goshawk-waterfall")`

// drawn is true when all elements are drawn.
const drawn = `[...document.querySelectorAll("goshawk-waterfall, goshawk-chart, goshawk-heatmap, goshawk-lines")].every((e) => e.dataset.state === "ready" && [...e.querySelectorAll("canvas")].some((c) => c.width > 100))`

// at is a point of the page.
type at struct{ X, Y float64 }

// inRow returns a point in a shown row, share of the way along its time or,
// below 0, in its label.
func (b *tab) inRow(row int, share float64) at {
	b.t.Helper()
	return value[at](b, fmt.Sprintf(`(() => {
		const w = %s, box = w.rowCanvas.getBoundingClientRect(), g = w.geometry;
		const x = %[3]v < 0 ? 60 : g.left + %[3]v * g.span;
		return { X: box.left + x, Y: box.top + %[2]d * 22 + 11 - w.scroller.scrollTop };
	})()`, fall, row, share))
}

// mouse moves the mouse, and presses or lets go of a button.
func (b *tab) mouse(kind input.DispatchMouseEventType, p at, options ...chromedp.MouseOption) {
	b.t.Helper()
	b.run(chromedp.MouseEvent(kind, p.X, p.Y, options...))
}

func (b *tab) drag(from, to at) {
	b.t.Helper()
	b.mouse(input.DispatchMouseEventTypeMouseMoved, from)
	b.mouse(input.DispatchMouseEventTypeMousePressed, from, chromedp.ButtonLeft)
	for i := range 5 {
		f := float64(i+1) / 5
		b.mouse(input.DispatchMouseEventTypeMouseMoved, at{from.X + (to.X-from.X)*f, from.Y + (to.Y-from.Y)*f}, chromedp.ButtonLeft)
	}
	b.mouse(input.DispatchMouseEventTypeMouseReleased, to, chromedp.ButtonLeft)
}

// wheel turns the wheel, with Ctrl when ctrl is set.
func (b *tab) wheel(p at, dx, dy float64, ctrl bool) {
	b.t.Helper()
	if dx == 0 {
		dx = 0.001 // what is 0 would not be sent
	}
	params := input.DispatchMouseEventParams{Type: input.DispatchMouseEventTypeMouseWheel, X: p.X, Y: p.Y, DeltaX: dx, DeltaY: dy}
	if ctrl {
		params.Modifiers = int64(chromedp.ModifierCtrl)
	}
	call(b, input.DispatchMouseEvent, params)
}

func (b *tab) key(keys string) {
	b.t.Helper()
	b.ready()
	b.run(chromedp.KeyEvent(keys))
}

// waterfallTab opens a page with one waterfall and waits until it is drawn.
func waterfallTab(t *testing.T, s size, w v1.Waterfall) *tab {
	t.Helper()
	b := newTab(t, s)
	b.visit(serve(t, waterfallPage(w)))
	b.wait(drawn)
	b.do(settle)
	return b
}

func waterfallPage(w v1.Waterfall) http.Handler {
	pages := elementPage(`<h1>Commands</h1><goshawk-waterfall src="/data/w" label="Commands"><p>as a table</p></goshawk-waterfall>`, map[string]any{"w": w})
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.HandleFunc("GET /commands/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>command</title><p>command %s</p></html>`, r.PathValue("id"))
	})
	return mux
}

func TestElements_areDrawn(t *testing.T) {
	b := newTab(t, desktop)
	b.visit(serve(t, elementPage(
		`<goshawk-waterfall src="/data/build" label="make release"><p id="fallback">as a table</p></goshawk-waterfall>
<goshawk-chart kind="rate" src="/data/hour`+rollupsQuery+`" label="Commands"><p>as a table</p></goshawk-chart>
<goshawk-chart kind="duration" src="/data/hour`+rollupsQuery+`" label="Durations"><p>as a table</p></goshawk-chart>`,
		map[string]any{"build": build(), "hour": hour()})))
	b.wait(drawn)
	if value[bool](b, `document.getElementById("fallback").offsetParent !== null`) {
		t.Error("the table is shown beside what is drawn")
	}
	b.picture("elements")
	light := value[string](b, fall+`.colors.text`)
	b.scheme("dark")
	b.wait(fall + `.colors.text !== ` + fmt.Sprintf("%q", light))
	b.picture("elements-dark")
}

func TestWaterfall_pointer(t *testing.T) {
	b := waterfallTab(t, desktop, build())
	b.mouse(input.DispatchMouseEventTypeMouseMoved, b.inRow(2, 0.2))
	b.wait(`!document.querySelector(".gw-tip").hidden`)
	for _, want := range []string{"compile -o $WORK/b001", "600 ms", "on CPU 520 ms (87 %)", "ready, waiting for a CPU 60 ms (10 %)", "exit 0", "20:00:00.090"} {
		if tip := value[string](b, `document.querySelector(".gw-tip").innerText.replace(/\s+/g, " ")`); !strings.Contains(tip, want) {
			t.Errorf("the tooltip lacks %q: %s", want, tip)
		}
	}
	b.picture("waterfall-tip")

	b.wheel(b.inRow(2, 0.25), 0, -300, true)
	b.wait(fall + `.view.end - ` + fall + `.view.start < 2.0e9`)
	if at := value[float64](b, `(({start, end}) => start + 0.25 * (end - start))(`+fall+`.view)`); at < 0.599e9 || at > 0.601e9 {
		t.Errorf("after zooming there is %g ns under the pointer, want 0.6e9", at)
	}
	before := value[float64](b, fall+`.view.start`)
	b.drag(b.inRow(3, 0.6), b.inRow(3, 0.4))
	b.wait(fmt.Sprintf(`%s.view.start > %g`, fall, before))
	b.mouse(input.DispatchMouseEventTypeMouseMoved, at{5, 5})
	b.picture("waterfall-zoomed")

	b.do(`document.querySelector('[aria-label="Show the whole time"]').click()`)
	b.wait(fall + `.view.start === 0`)
	// The overview chooses a stretch.
	b.drag(value[at](b, overviewPoint(0.5)), value[at](b, overviewPoint(0.75)))
	b.wait(`(({start, end}) => Math.abs(start - 1.2e9) < 0.02e9 && Math.abs(end - 1.8e9) < 0.02e9)(` + fall + `.view)`)
	// A double click shows one bar.
	bar := b.inRow(5, 0.6)
	b.mouse(input.DispatchMouseEventTypeMousePressed, bar, chromedp.ButtonLeft, chromedp.ClickCount(1))
	b.mouse(input.DispatchMouseEventTypeMouseReleased, bar, chromedp.ButtonLeft, chromedp.ClickCount(1))
	b.mouse(input.DispatchMouseEventTypeMousePressed, bar, chromedp.ButtonLeft, chromedp.ClickCount(2))
	b.mouse(input.DispatchMouseEventTypeMouseReleased, bar, chromedp.ButtonLeft, chromedp.ClickCount(2))
	b.wait(`(({start, end}) => start < 1.46e9 && start > 1.4e9 && end > 1.73e9 && end < 1.8e9)(` + fall + `.view)`)
	// A click on a name opens its page.
	b.run(chromedp.MouseClickXY(b.inRow(1, -1).X, b.inRow(1, -1).Y))
	b.wait(`location.pathname === "/commands/b"`)
}

func overviewPoint(share float64) string {
	return fmt.Sprintf(`(() => { const w = %s, box = w.headCanvas.getBoundingClientRect(); return { X: box.left + w.geometry.left + %v * w.geometry.span, Y: box.top + 20 }; })()`, fall, share)
}

func TestWaterfall_keys(t *testing.T) {
	b := waterfallTab(t, desktop, build())
	b.do(fall + `.stage.focus({ focusVisible: true })`)
	said := func(want string) {
		t.Helper()
		b.wait(fmt.Sprintf(`document.querySelector(".gw-said").textContent.includes(%q)`, want))
	}
	said("make release: starts at 0, takes 2.3 s; 120 ms of it without what is below; exit 2; failed; level 1; 7 rows below; Enter opens it")
	b.key(kb.ArrowDown)
	b.key(kb.ArrowLeft)
	said("go build ./...: starts at 30 ms, takes 1.4 s; 120 ms of it without what is below; exit 0; level 2; 2 rows below, folded")
	if n := value[int](b, fall+`.shown.length`); n != 6 {
		t.Errorf("%d rows are shown with one folded, want 6", n)
	}
	b.picture("waterfall-folded")
	b.key(kb.ArrowDown)
	b.key(kb.ArrowDown)
	said("git log: starts at 1.46 s, takes 270 ms; SIGPIPE; failed")
	b.key(kb.ArrowDown)
	said("head -1: starts at 1.46 s, takes 20 ms; exit 0; not waited for during 240 ms; 1 finding: zombie; level 3")
	b.key("z")
	b.wait(fall + `.view.end - ` + fall + `.view.start < 0.4e9`)
	b.key("0")
	b.wait(fall + `.view.end - ` + fall + `.view.start === 2.4e9`)
	b.key("+")
	b.wait(fall + `.view.end - ` + fall + `.view.start === 1.5e9`)
	b.key(kb.Escape)
	b.wait(fall + `.view.end - ` + fall + `.view.start === 2.4e9`)
	b.key(kb.ArrowLeft)
	said("sh -c 'git log | head -1'")
	b.key(kb.Home)
	b.key(kb.Enter)
	b.wait(`location.pathname === "/commands/a"`)
}

func TestWaterfall_tenThousandBars(t *testing.T) {
	b := waterfallTab(t, desktop, many(10_000))
	b.picture("waterfall-many")
	b.do(fall + `.stage.focus()`)
	b.key(kb.End)
	b.wait(fall + `.selected === 9999`)
	b.picture("waterfall-many-end")
	b.do(fall + `.scroller.scrollTop = 0`)
	b.wheel(b.inRow(3, 0.5), 0, 500, false)
	b.wait(fall + `.scroller.scrollTop > 0`)
	b.key("*")
	b.wait(fall + `.shown.length === 10`)
	b.picture("waterfall-many-folded")
	fps := value[string](b, frameRates)
	t.Logf("frames with 10,000 bars, software rendering: %s", fps)
}

// frameRates zooms and pans for three seconds, and says what came of it.
const frameRates = `(async () => {
	const w = ` + fall + `;
	w.folded = new Set(); w.refold();
	const next = () => new Promise((done) => requestAnimationFrame(done));
	const zoom = (await import("/assets/js/view.js")).zoom;
	const deltas = [], costs = [];
	const draw = w.draw.bind(w);
	w.draw = () => { const at = performance.now(); draw(); costs.push(performance.now() - at); };
	let last = await next();
	const end = last + 3000;
	for (let i = 0; last < end; i++) {
		const inwards = Math.floor(i / 40) % 2 === 0;
		w.setView(zoom(w.view, inwards ? 0.93 : 1 / 0.93, 20e9 + 100e6 * (i % 40), w.tree.limits));
		w.scroller.scrollTop = (i * 37) % 200000;
		w.requestDraw();
		const now = await next();
		deltas.push(now - last);
		last = now;
	}
	delete w.draw;
	const of = (list, p) => list.sort((a, b) => a - b)[Math.min(Math.floor(list.length * p), list.length - 1)];
	return deltas.length + " frames in 3 s; between frames median " + of(deltas, 0.5).toFixed(1) + " ms, p95 " + of(deltas, 0.95).toFixed(1)
		+ " ms; drawing median " + of(costs, 0.5).toFixed(2) + " ms, p95 " + of(costs, 0.95).toFixed(2) + " ms";
})()`

func TestWaterfall_fitsA400PixelWindow(t *testing.T) {
	b := waterfallTab(t, phone, build())
	b.noSideways()
	b.picture("waterfall-phone")
	if g := value[[]float64](b, `[`+fall+`.geometry.labels, `+fall+`.geometry.span]`); g[0] > g[1] {
		t.Errorf("the labels have %g pixels, the time has %g", g[0], g[1])
	}
}

// noSideways fails the test when the page can be scrolled sideways.
func (b *tab) noSideways() {
	b.t.Helper()
	if w := value[[]float64](b, `[document.documentElement.scrollWidth, document.documentElement.clientWidth]`); w[0] > w[1] {
		b.t.Errorf("the page is %g pixels wide in a window of %g; too wide: %s", w[0], w[1], value[string](b,
			`[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest("[data-scroll-x]")).slice(0, 6).map((e) => e.tagName + "." + e.className).join(", ")`))
	}
}

func TestElements_states(t *testing.T) {
	var tries atomic.Int32
	pages := elementPage(`<goshawk-waterfall id="empty" src="/data/empty" empty="No command ran in this time."></goshawk-waterfall>
<goshawk-waterfall id="refused" src="/data/unknown"><p id="kept">as a table</p></goshawk-waterfall>
<goshawk-waterfall id="later" src="/later"></goshawk-waterfall>
<goshawk-chart id="quiet" src="/data/quiet" kind="duration"></goshawk-chart>
<goshawk-waterfall id="hostile" src="/data/hostile"></goshawk-waterfall>
<goshawk-waterfall id="tiny" src="/data/tiny"></goshawk-waterfall>`,
		map[string]any{
			"empty": v1.Waterfall{From: v1.Time(begin()), To: v1.Time(begin())}, "quiet": v1.List[v1.Rollup]{},
			"hostile": json.RawMessage(`{"from":"never","bars":[{"parent":0,"label":"<img src=x onerror=alert(1)>","start_ns":-1e300,"duration_ns":1e308,"href":"javascript:alert(1)"},{"parent":0,"start_ns":"5","duration_ns":-4,"parts":[{"kind":"cpu","ns":1e308}]},null]}`),
			"tiny":    v1.Waterfall{From: v1.Time(begin()), To: v1.Time(begin()), Bars: []v1.Bar{{Parent: -1, Label: "true", DurationNS: 1}}},
		})
	mux := http.NewServeMux()
	mux.Handle("/", pages)
	mux.HandleFunc("GET /later", func(w http.ResponseWriter, _ *http.Request) {
		if tries.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_ = json.NewEncoder(w).Encode(v1.Error{Error: "the store is busy", Hint: "try again"})
			return
		}
		_ = json.NewEncoder(w).Encode(build())
	})
	b := newTab(t, desktop)
	b.expect(`log: network: error: Failed to load resource.*(404|503)`)
	b.visit(serve(t, mux))
	state := func(id, want string) {
		t.Helper()
		b.wait(fmt.Sprintf(`document.getElementById(%q).dataset.state === %q`, id, want))
	}
	state("empty", "empty")
	state("quiet", "empty")
	state("refused", "error")
	state("later", "error")
	state("hostile", "ready")
	state("tiny", "ready")
	for id, want := range map[string]string{"empty": "No command ran in this time.", "refused": "there is no such data", "later": "the store is busy", "quiet": "Nothing was seen"} {
		if text := value[string](b, fmt.Sprintf(`document.getElementById(%q).innerText`, id)); !strings.Contains(text, want) {
			t.Errorf("%s says %q, want %q", id, text, want)
		}
	}
	if !value[bool](b, `document.getElementById("kept").offsetParent !== null`) {
		t.Error("the table is not shown where nothing can be drawn")
	}
	b.picture("elements-states")
	b.do(`document.querySelector("#later .gw-state button").click()`)
	state("later", "ready")
}

func TestElements_takeDataFromThePage(t *testing.T) {
	b := newTab(t, desktop)
	b.visit(serve(t, elementPage(
		`<goshawk-waterfall label="a">`+inPage(t, build())+`<p>as a table</p></goshawk-waterfall>
<goshawk-chart kind="rate" data-src="/x`+rollupsQuery+`">`+inPage(t, hour())+`</goshawk-chart>`, nil)))
	b.wait(drawn)
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.IndexFunc(b.requests, func(r string) bool { return strings.Contains(r, "/data/") || strings.Contains(r, "/x?") }); i >= 0 {
		t.Errorf("asked for %s, though the page holds the data", b.requests[i])
	}
}

func TestChart_choosesARange(t *testing.T) {
	b := newTab(t, desktop)
	b.visit(serve(t, elementPage(`<goshawk-chart kind="rate" src="/data/hour`+rollupsQuery+`" label="Commands"></goshawk-chart>`, map[string]any{"hour": hour()})) + "/?service=shop&after=x")
	b.wait(drawn)
	b.do(`document.querySelector(".gw-plot").focus()`)
	b.key(kb.ArrowLeft)
	b.wait(`document.querySelector(".gw-hide").textContent.includes("20:59:00: all 3.37/s, failed 0/s")`)
	if label := value[string](b, `document.querySelector(".gw-plot").getAttribute("aria-label")`); !strings.Contains(label, "From 20:00:00 to 21:00:00; 2.82/s on average") || !strings.Contains(label, "most at 20:56:30: 4.07/s") {
		t.Errorf("the chart says of itself: %s", label)
	}
	plot := value[[]float64](b, `(() => { const r = document.querySelector(".u-over").getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`)
	point := func(share float64) at { return at{plot[0] + share*plot[2], plot[1] + plot[3]/2} }
	b.mouse(input.DispatchMouseEventTypeMouseMoved, point(0.7))
	b.picture("chart-cursor")
	b.drag(point(0.5), point(0.75))
	b.wait(`location.search.includes("from=")`)
	query := value[string](b, `decodeURIComponent(location.search)`)
	for _, want := range []string{"service=shop", "from=2026-11-21T20:3", "to=2026-11-21T20:4"} {
		if !strings.Contains(query, want) {
			t.Errorf("the address has %s, want %s", query, want)
		}
	}
	if strings.Contains(query, "after=") {
		t.Errorf("the address has %s: a page of another range", query)
	}
}
