package browser

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"

	"github.com/goshawk-io/goshawk/internal/change/upgrades"
	"github.com/goshawk-io/goshawk/internal/model"
)

// upgraded is an upgrade that ended; what it does not say was not reached.
type upgraded struct {
	service         string
	generation, pid int64
	began           time.Time
	spawn, warm     time.Duration
	probation       time.Duration
	// drain is how long the old process drained, 0 for one that was not seen to; cut is
	// how many connections were cut then.
	drain  time.Duration
	cut    int64
	reason string
}

// upgrade stores an upgrade as the agent does, and returns its trace.
func (s *site) upgrade(u upgraded) string {
	schema := upgrades.Schema()
	trace := model.TraceID{0: 7, 14: byte(u.generation), 15: byte(len(u.service) + len(u.reason))}
	const handOver = 300 * time.Microsecond
	event := func(kind string, began time.Time, took time.Duration) *model.Event {
		e := new(model.Event)
		e.Reset(schema)
		e.Time, e.Duration, e.PID, e.Service, e.TraceID = began, took, int32(u.pid), u.service, trace
		e.SpanID[0] = byte(len(kind))
		set := func(key string, v model.Value) { e.Values[schema.Index(key)] = v }
		set(upgrades.KeyKind, model.StringValue(kind))
		set(upgrades.KeyGeneration, model.IntValue(u.generation))
		set(upgrades.KeyPID, model.IntValue(u.pid))
		return e
	}
	took, passive := u.spawn+u.warm, time.Duration(0)
	if u.probation > 0 {
		passive = took + handOver
		took = passive + u.probation
	}
	root := event(upgrades.KindUpgrade, u.began, max(took, 3*time.Millisecond))
	set := func(key string, v model.Value) { root.Values[schema.Index(key)] = v }
	switch {
	case u.reason == "":
		set(upgrades.KeyOutcome, model.StringValue("committed"))
	case u.spawn == 0:
		set(upgrades.KeyOutcome, model.StringValue("running"))
		set(upgrades.KeyFailure, model.StringValue("not_started"))
	default:
		set(upgrades.KeyOutcome, model.StringValue("rolled_back"))
		set(upgrades.KeyFailure, model.StringValue("rolled_back"))
		set(upgrades.KeyResumed, model.DurationValue(41*time.Microsecond))
	}
	if u.reason != "" {
		set(upgrades.KeyReason, model.StringValue(u.reason))
	}
	if u.spawn > 0 {
		set(upgrades.KeyNextPID, model.IntValue(u.pid+12))
		set(upgrades.KeyStarted, model.DurationValue(u.spawn))
	}
	if passive > 0 {
		set(upgrades.KeyReady, model.DurationValue(u.spawn+u.warm))
		set(upgrades.KeyPassive, model.DurationValue(passive))
	}
	set(upgrades.KeyOpen, model.IntValue(17))
	s.store.Add(root)
	if u.drain > 0 {
		drain := event(upgrades.KindDrain, root.End(), u.drain)
		drain.ParentSpanID = root.SpanID
		if u.cut > 0 {
			drain.Values[schema.Index(upgrades.KeyFailure)] = model.StringValue("connections_cut")
			drain.Values[schema.Index(upgrades.KeyReason)] = model.StringValue(fmt.Sprintf("%d connections did not end within 30s: they were cut", u.cut))
		}
		s.store.Add(drain)
	}
	return hex.EncodeToString(trace[:])
}

// upgradedSite is a site whose shop was upgraded, well and not, while it served.
func upgradedSite() *site {
	s, _ := lastUpgraded()
	return s
}

// lastUpgraded returns such a site, and the trace of the last upgrade of the shop.
func lastUpgraded() (s *site, trace string) {
	now := begin().Add(time.Hour)
	s = newSite(func() time.Time { return now })
	s.fill(now, 600)
	for i := range 360 {
		took := make([]time.Duration, 300+i*17%61)
		for k := range took {
			took[k] = time.Duration(3+k*7%5) * time.Millisecond
		}
		s.tally(request{route: "/product/{id}", status: 200, end: now.Add(-time.Duration(i)*10*time.Second - time.Second)}, took)
	}
	for _, u := range []upgraded{
		{generation: 2, pid: 4650, began: now.Add(-52 * time.Minute), spawn: 22 * time.Millisecond, warm: 1818 * time.Millisecond, probation: 10 * time.Second, drain: 30 * time.Second, cut: 2},
		{generation: 3, pid: 4711, began: now.Add(-38 * time.Minute), reason: "check the program /srv/shop/shop: it is for arm64, and this machine is amd64"},
		{generation: 3, pid: 4711, began: now.Add(-36 * time.Minute), spawn: 16 * time.Millisecond, warm: 45 * time.Millisecond, reason: "the new process 4723 ended: exit status 2"},
		{generation: 3, pid: 4711, began: now.Add(-24 * time.Minute), spawn: 17 * time.Millisecond, warm: 173 * time.Millisecond, probation: 3300 * time.Millisecond, reason: "the new process 4723 hangs: it has said nothing for 2s"},
		{service: "thumbnailer", generation: 8, pid: 912, began: now.Add(-15 * time.Minute), spawn: 31 * time.Millisecond, warm: 640 * time.Millisecond, probation: 5 * time.Second, drain: 800 * time.Millisecond},
		{generation: 3, pid: 4711, began: now.Add(-9 * time.Minute), spawn: 18 * time.Millisecond, warm: 1186 * time.Millisecond, probation: 10 * time.Second, drain: 4120 * time.Millisecond},
	} {
		u.service = cmp.Or(u.service, "shop")
		trace = s.upgrade(u)
	}
	return s, trace
}

// upgradePages are the list of upgrades, and the page of the last one.
func upgradePages() []sitePage {
	s, trace := lastUpgraded()
	return []sitePage{
		{name: "upgrades", path: "/upgrades", has: "rolled back", site: s},
		{name: "upgrade", path: "/upgrades/" + trace, has: "in probation", drawing: true, site: s},
	}
}

const upgradeRows = `[...document.querySelectorAll("#upgrades-table tbody tr")]`

func TestUpgrades_areListedAndOpened(t *testing.T) {
	b, _ := siteTab(t, upgradedSite(), desktop, "/upgrades")
	ends := value[[]string](b, upgradeRows+`.map((r) => r.cells[3].innerText.trim())`)
	if want := "[committed committed rolled back rolled back not started committed]"; fmt.Sprint(ends) != want {
		t.Errorf("the upgrades ended %v, want %s", ends, want)
	}
	// Each part is seen, however short.
	widths := value[[]float64](b, `[...`+upgradeRows+`[0].querySelectorAll("svg.bars rect")].map((r) => r.getBoundingClientRect().width)`)
	for i, w := range widths {
		if w < 1 {
			t.Errorf("part %d is %g pixels wide", i, w)
		}
	}
	if len(widths) != 4 {
		t.Errorf("there are %d parts", len(widths))
	}
	b.key("j")
	b.key("j")
	b.key("j")
	b.wait(`document.activeElement.closest("tr") === ` + upgradeRows + `[2]`)
	b.key(kb.Enter)
	b.wait(`location.pathname.startsWith("/upgrades/") && document.readyState === "complete" && document.querySelector("h1").innerText === "Upgrade of shop to generation 3"`)
	b.wait(`document.getElementById("main").innerText.includes("it has said nothing for 2s")`)
	b.wait(drawn)
	b.picture("upgrade-rolled-back")
	b.key("g")
	b.key("u")
	b.wait(`location.pathname === "/upgrades"`)
}

func TestUpgrade_processesAreDrawn(t *testing.T) {
	p := upgradePages()[1]
	b, url := siteTab(t, p.site, size{1280, 1400}, p.path)
	b.wait(drawn + ` && ` + fall + `.tree.rows.length === 7`)
	if labels := value[[]string](b, fall+`.tree.rows.map((r) => r.label)`); strings.Join(labels, ", ") != "old process 4711, drain, new process 4723, spawn, warm, hand-over, probation" {
		t.Errorf("the rows are %q", labels)
	}
	if legend := value[[]string](b, `[...`+fall+`.legend.querySelectorAll("li")].map((li) => li.textContent)`); strings.Join(legend, ", ") != "the old process accepts, spawn, warm, hand-over, probation, drain, the new process accepts" {
		t.Errorf("the legend says %q", legend)
	}
	// A row has the colours of its parts: of the new process those that are wide enough.
	colours := value[int](b, `(() => {
		const c = `+fall+`.rowCanvas, g = `+fall+`.geometry, r = devicePixelRatio, seen = new Set();
		const d = c.getContext("2d").getImageData(g.left * r, (2 * 22 + 10) * r, g.span * r, 1).data;
		for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255) seen.add(d[i] + "," + d[i + 1] + "," + d[i + 2]);
		return seen.size;
	})()`)
	if colours < 3 {
		t.Errorf("the new process is drawn in %d colours", colours)
	}
	if text := value[string](b, `document.querySelector(".said").innerText`); !strings.HasPrefix(text, "None of ") {
		t.Errorf("the page says %q", text)
	}
	if marks := value[[]string](b, `[...document.querySelectorAll("goshawk-chart")].flatMap((c) => c.marked.marks.map((m) => m.text))`); len(marks) != 2 || marks[0] != "upgrade 3 committed" {
		t.Errorf("the charts mark %q", marks)
	}
	b.picture("upgrade-drawn")
	b.resize(phone)
	b.open(url, p)
	b.do(`document.querySelector(".pair").scrollIntoView()`)
	b.noSideways()
	b.picture("upgrade-drawn-phone")
}

// charts are the charts of a page, with how many times each marks.
const charts = `[...document.querySelectorAll("goshawk-chart")]`

func TestUpgrades_areMarkedInTheChartsOfAService(t *testing.T) {
	s := upgradedSite()
	b, _ := siteTab(t, s, size{1280, 1400}, "/services/shop")
	b.wait(drawn)
	if marked := value[[]int](b, charts+`.map((c) => c.marked.marks.length)`); fmt.Sprint(marked) != "[5 5 5 5]" {
		t.Errorf("the charts mark %v", marked)
	}
	rate := `document.getElementById("requests-rate")`
	if label := value[string](b, rate+`.stage.getAttribute("aria-label")`); !strings.Contains(label, "Marked: upgrade 3 rolled back at 20:36:00.") {
		t.Errorf("the chart says %q", label)
	}
	// What the pointer, or a key, is at is named.
	b.do(rate + `.stage.focus()`)
	b.do(rate + `.point(` + rate + `.data.times.findIndex((t, i, all) => t <= 1795293360 && all[i + 1] > 1795293360))`)
	b.wait(rate + `.when.textContent.endsWith("upgrade 3 rolled back")`)
	b.picture("service-upgrades")
	b.scheme("dark")
	b.picture("service-upgrades-dark")
	// What the page does each five seconds.
	s.upgrade(upgraded{service: "shop", generation: 4, pid: 4723, began: s.clock().Add(-2 * time.Minute), spawn: 20 * time.Millisecond, warm: 90 * time.Millisecond, probation: 2 * time.Second})
	b.do(`htmx.ajax("GET", location.pathname, { source: "#now", target: "#now", swap: "outerHTML" })`)
	b.wait(charts + `.every((c) => c.marked.marks.length === 6) && ` + upgradeRows + `[0].innerText.includes("generation 4")`)
	b.wait(drawn)
}

func TestUpgrades_withoutScriptsAndAsOneFile(t *testing.T) {
	pages := upgradePages()
	url := serve(t, pages[0].site.handler)
	still := newTab(t, desktop)
	call(still, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	for _, p := range pages {
		still.visit(url + p.path)
		if text := value[string](still, `document.getElementById("main").innerText`); !strings.Contains(text, p.has) {
			t.Errorf("%s lacks %s without scripts: %.400s", p.path, p.has, text)
		}
		still.noSideways()
		still.keep("no-script-"+p.name, still.screenshot())
		file := filepath.Join(t.TempDir(), p.name+".html")
		if err := os.WriteFile(file, download(t, url+p.path+"?save=1"), 0o600); err != nil {
			t.Fatal(err)
		}
		kept := newTab(t, desktop)
		kept.open("file://"+file, sitePage{name: p.name, has: p.has, drawing: p.drawing})
		kept.picture("saved-" + p.name)
	}
}
