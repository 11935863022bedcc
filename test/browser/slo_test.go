package browser

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
)

const (
	budgetLines = `document.getElementById("slo-budget")`
	sloRows     = `[...document.querySelectorAll("#slos-table tbody tr")]`
)

func TestSLO_burnDownIsDrawn(t *testing.T) {
	b, _ := siteTab(t, fixedSite(60), size{1280, 2700}, "/slos/checkout-latency")
	b.wait(drawn + ` && document.querySelectorAll("goshawk-lines").length === 6`)
	colours := value[int](b, `(() => {
		const c = `+budgetLines+`.querySelector("canvas"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, seen = new Set();
		for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) seen.add(d[i] + "," + d[i + 1] + "," + d[i + 2]);
		return seen.size;
	})()`)
	if colours < 5 {
		t.Errorf("the budget is drawn in %d colours", colours)
	}
	// The chart ends at what the page says is left.
	left := value[string](b, budgetLines+`.legend.querySelector("b").textContent`)
	if said := value[string](b, `document.querySelector(".summary .figures").innerText`); left == "" || !strings.Contains(said, left) {
		t.Errorf("the chart ends at %s, the page says %s", left, said)
	}
	if looks := value[[]string](b, budgetLines+`.data.lines.map((l) => l.look)`); fmt.Sprint(looks) != "[even then left]" {
		t.Errorf("it has the lines %v", looks)
	}
	if burns := value[[]int](b, `[0, 1, 2, 3].map((i) => document.getElementById("slo-burn-" + i).data.marks.length)`); fmt.Sprint(burns) != "[1 1 1 1]" {
		t.Errorf("the thresholds of the burn rates are %v", burns)
	}
	if limit := value[float64](b, heat+`.scene().limit`); limit != 250e6 {
		t.Errorf("the heatmap marks %v ns", limit)
	}
	if verdict := value[string](b, `document.getElementById("slo-verdict").innerText`); verdict != "burning" {
		t.Errorf("the verdict is %s", verdict)
	}
	b.picture("slo-checkout")
}

func TestSLO_chartsAnswerToKeysAndPointer(t *testing.T) {
	b, _ := siteTab(t, fixedSite(60), desktop, "/slos/checkout-latency?from=-6h")
	b.wait(drawn)
	if label := value[string](b, budgetLines+`.stage.getAttribute("aria-label")`); !strings.Contains(label, "Error budget of checkout-latency") || !strings.Contains(label, "at last left at the time") {
		t.Errorf("its label says %q", label)
	}
	b.do(budgetLines + `.stage.focus()`)
	b.key(kb.Home)
	b.key(kb.ArrowRight)
	b.wait(`/^15:01: left at the time.* [0-9.]+ %$/.test(` + budgetLines + `.said.textContent)`)
	b.key(kb.Escape)
	box := value[[]float64](b, `(() => { const r = document.querySelector("#slo-budget .u-over").getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`)
	place := func(share float64) at { return at{X: box[0] + share*box[2], Y: box[1] + box[3]/2} }
	b.mouse("mouseMoved", place(0.5))
	b.wait(budgetLines + `.when.textContent.startsWith("18:0")`)
	b.drag(place(0.25), place(0.75))
	b.wait(`location.search.includes("from=2026") && location.search.includes("to=2026") && document.readyState === "complete"`)
	b.wait(drawn)
	if span := value[float64](b, budgetLines+`.data.to - `+budgetLines+`.data.from`); span < 2.9*3600 || span > 3.2*3600 {
		t.Errorf("the page is now about %v s", span)
	}
}

func TestSLO_isBroughtUpToDate(t *testing.T) {
	s := fixedSite(60)
	b, _ := siteTab(t, s, desktop, "/slos/checkout-latency")
	b.wait(drawn)
	before := value[float64](b, budgetLines+`.data.lines[2].values.at(-1)`)
	s.judge.change(func(list []*promised) []*promised {
		now := s.clock()
		list[0] = promise(now, list[0].slo, 630, 0.0003, 26*24*time.Hour, trouble{20 * 24 * time.Hour, 19 * 24 * time.Hour, 0.3})
		return list
	})
	// What the page does each ten seconds.
	b.do(`htmx.ajax("GET", location.pathname, { source: "#now", target: "#now", swap: "outerHTML" })`)
	b.wait(fmt.Sprintf(`%s.data.lines[2].values.at(-1) < %v`, budgetLines, before-1))
	b.wait(`document.getElementById("slo-verdict").innerText === "exhausted"`)
	b.wait(`document.querySelector(".summary").innerText.includes("too many were bad") && document.querySelectorAll("#slo-fired tbody tr").length > 2`)
	b.wait(drawn)
	b.picture("slo-refreshed")
}

func TestSLO_statesAreSaid(t *testing.T) {
	s := fixedSite(60)
	for path, texts := range map[string][]string{
		"/slos/product-availability": {"calendar month", "of the error budget left"}, "/slos/cart-latency": {"exhausted", "too many were bad", "No requests of it ended"},
		"/slos/report-latency": {"insufficient data", "counted since", "too few events"}, "/slos/thumbnail-success": {"commands in the window"},
		"/slos/stock-availability": {"There was no event in the window", "Nothing was counted"}, "/slos/shop-availability": {"This is a proposal", "goshawk slo accept shop-availability"},
	} {
		b, _ := siteTab(t, s, desktop, path)
		b.wait(`[...document.querySelectorAll("goshawk-lines")].every((e) => e.dataset.state === "ready" || e.dataset.state === "empty")`)
		text := value[string](b, `document.getElementById("main").innerText`)
		for _, want := range texts {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q: %.500s", path, want, text)
			}
		}
		b.noSideways()
		b.picture("slo-" + strings.TrimPrefix(path, "/slos/"))
	}
}

func TestSLOs_areChosenAndSorted(t *testing.T) {
	b, _ := siteTab(t, fixedSite(60), desktop, "/slos")
	names := func() []string {
		t.Helper()
		return value[[]string](b, sloRows+`.map((r) => r.cells[1].innerText.split(/\s/)[0])`)
	}
	if got := names(); len(got) != 6 || got[0] != "cart-latency" || got[1] != "checkout-latency" || slices.Contains(got, "shop-availability") {
		t.Errorf("the objectives are %v", got)
	}
	b.do(`[...document.querySelectorAll("#slos-table th a")].find((a) => a.textContent.includes("Objective")).click()`)
	b.wait(`location.search === "?sort=name" && ` + sloRows + `[5].innerText.includes("thumbnail-success")`)
	b.do(`document.querySelector('[name="service"]').value = "warehouse"; document.querySelector(".filters .main").click()`)
	b.wait(`location.search.includes("service=warehouse") && ` + sloRows + `.length === 1`)
	b.do(`[...document.querySelectorAll(".filters a")].find((a) => a.textContent === "Clear").click()`)
	b.wait(`location.pathname === "/slos" && ` + sloRows + `.length === 6`)
	b.do(`[...document.querySelectorAll(".verdicts a")].find((a) => a.textContent.includes("burning")).click()`)
	b.wait(`location.search.includes("verdict=burning") && ` + sloRows + `.length === 1`)
	b.do(sloRows + `[0].querySelector("a.both").click()`)
	b.wait(`location.pathname === "/slos/checkout-latency" && document.readyState === "complete"`)
	b.do(settle)
	b.key("g")
	b.key("s")
	b.wait(`location.pathname === "/slos"`)
}

func TestSLOs_withoutAnySaysHowToWriteOne(t *testing.T) {
	s := fixedSite(12)
	s.judge.change(func([]*promised) []*promised { return nil })
	for name, window := range map[string]size{"slos-none": desktop, "slos-none-phone": phone} {
		b, _ := siteTab(t, s, window, "/slos")
		b.wait(`document.getElementById("slo-example")?.innerText.includes("type: goshawk")`)
		b.noSideways()
		b.picture(name)
	}
}

func TestSLOs_manyWithLongNamesFit(t *testing.T) {
	s := fixedSite(12)
	s.judge.change(func([]*promised) []*promised {
		var list []*promised
		for i := range 200 {
			o := httpObjective(fmt.Sprintf("%s-%d", strings.Repeat("long-name-", 1+i%20), i), strings.Repeat("service-", 1+i%9), "/", 0.999, time.Second)
			list = append(list, &promised{slo: o, begin: s.clock().Add(-time.Hour), counted: s.clock(), minutes: nil})
		}
		return list
	})
	for _, window := range []size{desktop, phone, {900, 800}} {
		b, _ := siteTab(t, s, window, "/slos")
		b.wait(sloRows + `.length === 200`)
		b.noSideways()
		b.picture(fmt.Sprintf("slos-many-%d", window.width))
	}
}
