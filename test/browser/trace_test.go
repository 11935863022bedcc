package browser

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/trace"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/goshawk-io/goshawk/internal/api"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/ui"
)

// The trace that the pictures show: of a shop on four Ps.
const shopTrace = "5f0c1d2e3a4b5c6d"

// keptTrace reads what a real trace said, which does not change.
func keptTrace(t *testing.T) v1.KeptTrace {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", "trace.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var kept v1.KeptTrace
	if err := json.NewDecoder(z).Decode(&kept); err != nil {
		t.Fatal(err)
	}
	return kept
}

// keepTrace writes a trace as the agent keeps it.
func keepTrace(t *testing.T, dir string, kept *v1.KeptTrace) {
	t.Helper()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if err := json.NewEncoder(z).Encode(kept); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, kept.ID+".json.gz"), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tracedSite is a site at which traces were analysed.
func tracedSite(t *testing.T) *site {
	t.Helper()
	now := begin().Add(time.Hour)
	dir := t.TempDir()
	kept := keptTrace(t)
	kept.Analysed = v1.Time(now.Add(-4 * time.Minute))
	keepTrace(t, dir, &kept)
	cut := kept
	cut.ID, cut.File, cut.Complete, cut.Error, cut.Findings = "0123456789abcdef", "thumbnailer-worker.trace.gz", false, "the trace is cut off within generation 2, at byte 4194304", nil
	cut.Analysed, cut.Events = v1.Time(now.Add(-26*time.Minute)), 84_113
	keepTrace(t, dir, &cut)
	traces, err := api.NewTraces(dir, api.TracesOptions{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return newTracedSite(func() time.Time { return now }, traces)
}

// tracePages are the list, and the page of one.
func tracePages(t *testing.T) []sitePage {
	s := tracedSite(t)
	return []sitePage{
		{name: "traces", path: "/traces", has: "shop.trace", site: s},
		{name: "trace", path: "/traces/" + shopTrace, has: "wake-up-lag", site: s},
	}
}

func TestTrace_timelineIsReadByPointerAndKeys(t *testing.T) {
	b, url := siteTab(t, tracedSite(t), desktop, "/")
	b.visit(url + "/traces/" + shopTrace)
	said := `document.querySelector(".tracetime .readout").textContent`
	b.wait(said + `.includes("arrow keys")`)
	b.do(`document.querySelector(".tracetime .stage").focus()`)
	b.key(kb.ArrowRight)
	b.wait(said + `.startsWith("At 0, for") && ` + said + `.includes("waiting for a P")`)
	b.key(kb.End)
	b.wait(said + `.includes("At 1.8") || ` + said + `.includes("At 1.9")`)
	b.key(kb.Escape)
	b.wait(said + `.includes("arrow keys")`)
	b.do(`(() => { const stage = document.querySelector(".tracetime .stage"), box = stage.getBoundingClientRect();
		stage.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + 5 })); })()`)
	b.wait(said + `.includes("goroutines") && !document.querySelector(".tracetime .cursor").hidden`)
}

// TestTrace_drawings compares what is further down than a window is high.
func TestTrace_drawings(t *testing.T) {
	for _, window := range []struct {
		name string
		size size
	}{{"", desktop}, {"-phone", phone}} {
		b, url := siteTab(t, tracedSite(t), window.size, "/")
		b.visit(url + "/traces/" + shopTrace)
		b.wait(`document.querySelectorAll("#functions .rowhead button").length === 5`)
		for _, part := range []struct{ name, id string }{{"trace-timeline", "time-title"}, {"trace-functions", "functions-title"}} {
			b.do(`document.querySelector("#functions .row").open = true`)
			b.do(`document.getElementById("` + part.id + `").scrollIntoView()`)
			b.noSideways()
			b.compare(part.name + window.name)
			if window.name == "" {
				b.scheme("dark")
				b.compare(part.name + "-dark")
				b.scheme("light")
			}
		}
	}
}

func TestTrace_functionsAreSortedFilteredAndOpened(t *testing.T) {
	b, url := siteTab(t, tracedSite(t), desktop, "/")
	b.visit(url + "/traces/" + shopTrace)
	names := `[...document.querySelectorAll("#functions .row:not([hidden]) .rowname")].map((e) => e.textContent)`
	b.wait(`document.querySelectorAll("#functions .rowhead button").length === 5`)
	b.do(`document.querySelectorAll("#functions .rowhead button")[0].click()`)
	b.wait(names + `[0].includes("WaitGroup")`)
	b.do(`document.querySelectorAll("#functions .rowhead button")[4].click()`)
	b.wait(names + `[0].includes("startDial") || ` + names + `[0].includes("readLoop")`)
	b.do(`document.querySelector("#functions [data-search]").focus()`)
	b.key("net/http conn serve")
	b.wait(names + `.length > 0 && ` + names + `.every((n) => n.includes("conn"))`)
	b.do(`document.querySelector("#functions .row:not([hidden]) summary").focus()`)
	b.key(kb.Enter)
	b.wait(`document.querySelector("#functions .row[open] .openedcols").innerText.includes("In system calls")`)
	b.noSideways()
	b.picture("page-trace-opened")
}

func TestTrace_uploadLeadsToItsPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "of the test.trace")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := trace.Start(f); err != nil {
		t.Fatal(err)
	}
	done := make(chan int)
	go func() { done <- 1 }()
	<-done
	trace.Stop()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, url := siteTab(t, tracedSite(t), desktop, "/")
	b.visit(url + "/traces")
	b.wait(`!document.querySelector(".upload button").disabled`)
	b.run(chromedp.SetUploadFiles(`input[type="file"]`, []string{file}))
	b.do(`document.querySelector(".upload button").click()`)
	b.wait(`location.pathname.length > 10 && document.querySelector("h1")?.textContent === "of the test.trace"`)
}

func TestTrace_isRemovedByTheSecondPress(t *testing.T) {
	b, url := siteTab(t, tracedSite(t), desktop, "/")
	b.visit(url + "/traces/" + shopTrace)
	b.wait(`!document.querySelector("goshawk-remove button").disabled`)
	press := `document.querySelector("goshawk-remove button").click()`
	b.do(press)
	b.wait(`document.querySelector("goshawk-remove button").textContent === "Really remove it"`)
	b.do(press)
	b.wait(`location.pathname === "/traces" && document.querySelector("#list-title") !== null`)
	if value[bool](b, `document.body.innerHTML.includes("`+shopTrace+`")`) {
		t.Error("the list still has it")
	}
}

func TestTrace_uploadSaysWhyItWasRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte("<!doctype html><title>no trace</title>"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, url := siteTab(t, tracedSite(t), desktop, "/")
	b.expect("400")
	b.visit(url + "/traces")
	b.wait(`!document.querySelector(".upload button").disabled`)
	b.run(chromedp.SetUploadFiles(`input[type="file"]`, []string{file}))
	b.do(`document.querySelector(".upload button").click()`)
	b.wait(`document.querySelector(".uploadstate.bad")?.textContent.includes("is not a Go execution trace")`)
}

func TestTrace_fileIsWhole(t *testing.T) {
	kept := keptTrace(t)
	page, err := ui.RenderTrace(&kept.Trace, ui.TraceOptions{Version: "v0.3.0", Now: begin().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "trace.html")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newTab(t, desktop)
	b.visit("file://" + file)
	b.wait(`document.querySelector(".tracetime .readout")?.textContent.includes("arrow keys")`)
	b.wait(`document.querySelectorAll("#functions .rowhead button").length === 5`)
	if n := value[float64](b, `document.querySelectorAll("*").length`); n > 25_000 {
		t.Errorf("the page has %.0f elements", n)
	}
	if strings.Contains(string(page), `href="/`) {
		t.Error("the file leads to pages that it does not have")
	}
	b.noSideways()
	b.picture("page-trace-file")
}
