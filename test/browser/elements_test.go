package browser

import (
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// policy is that of the pages in internal/ui.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// elementPage serves a page with body, the assets from the source tree, and
// data: a value of each address below /data/.
func elementPage(body string, data map[string]any) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /assets/", http.StripPrefix("/assets/", http.FileServer(http.Dir("../../internal/ui/assets"))))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		fmt.Fprintf(w, `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>elements</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/assets/vendor/uPlot.min.css"><link rel="stylesheet" href="/assets/css/tokens.css">
<link rel="stylesheet" href="/assets/css/frame.css"><link rel="stylesheet" href="/assets/css/elements.css">
<script type="module" src="/assets/js/main.js"></script></head><body><main id="main">%s</main></body></html>`, body)
	})
	mux.HandleFunc("GET /data/{name}", func(w http.ResponseWriter, r *http.Request) {
		v, ok := data[r.PathValue("name")]
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			v = v1.Error{Error: "there is no such data", Hint: "look elsewhere"}
		}
		_ = json.NewEncoder(w).Encode(v)
	})
	return mux
}

// begin is when everything in the tests happens.
func begin() time.Time { return time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC) }

const ms = int64(time.Millisecond)

// build is a small tree: a build with all that a bar can show.
func build() v1.Waterfall {
	part := func(kind string, n int64) v1.Part { return v1.Part{Kind: kind, NS: n * ms} }
	return v1.Waterfall{
		From: v1.Time(begin()), To: v1.Time(begin().Add(2400 * time.Millisecond)),
		Bars: []v1.Bar{
			{ID: "a", Parent: -1, Label: "make release", Detail: "make -j2 release VERSION=1.4.2", StartNS: 0, DurationNS: 2300 * ms, Parts: []v1.Part{part("cpu", 40), part("wait", 2200)}, Outcome: "exit 2", Failed: true, Href: "/commands/a"},
			{ID: "b", Parent: 0, Depth: 1, Label: "go build ./...", Detail: "go build -trimpath -ldflags=-s ./...", StartNS: 30 * ms, DurationNS: 1400 * ms, Parts: []v1.Part{part("cpu", 700), part("run_delay", 300), part("wait", 380)}, Outcome: "exit 0", Href: "/commands/b"},
			{ID: "c", Parent: 1, Depth: 2, Label: "compile -o $WORK/b001/_pkg_.a -trimpath -p github.com/goshawk-io/goshawk/internal/observe/probes/exec", StartNS: 90 * ms, DurationNS: 600 * ms, Parts: []v1.Part{part("cpu", 520), part("run_delay", 60)}, Outcome: "exit 0"},
			{ID: "d", Parent: 1, Depth: 2, Label: "link", StartNS: 700 * ms, DurationNS: 680 * ms, Parts: []v1.Part{part("cpu", 300), part("run_delay", 240), part("wait", 100)}, Outcome: "exit 0"},
			{ID: "e", Parent: 0, Depth: 1, Label: "sh -c 'git log | head -1'", StartNS: 1450 * ms, DurationNS: 300 * ms, Parts: []v1.Part{part("wait", 280), part("cpu", 4)}, Outcome: "exit 0", Findings: []string{"shell-wrapper"}},
			{ID: "f", Parent: 4, Depth: 2, Label: "git log", StartNS: 1460 * ms, DurationNS: 270 * ms, Parts: []v1.Part{part("cpu", 30), part("pipe", 210)}, Outcome: "SIGPIPE", Failed: true},
			{ID: "g", Parent: 4, Depth: 2, Label: "head -1", StartNS: 1462 * ms, DurationNS: 20 * ms, Parts: []v1.Part{part("cpu", 1), part("wait", 17), part("zombie", 240)}, Outcome: "exit 0", Findings: []string{"zombie"}},
			{ID: "h", Parent: 0, Depth: 1, Label: "upload release.tar.gz", StartNS: 1800 * ms, DurationNS: 480 * ms, Parts: []v1.Part{part("cpu", 10), part("wait", 460)}, Outcome: "exit 1", Failed: true},
		},
	}
}

// many is a flat tree of n bars, a thousand below each top.
func many(n int) v1.Waterfall {
	w := v1.Waterfall{From: v1.Time(begin()), To: v1.Time(begin().Add(time.Minute))}
	top := -1
	for i := range n {
		start := int64(i) * 60_000 * ms / int64(n)
		b := v1.Bar{ID: fmt.Sprint(i), Parent: top, Depth: 1, Label: fmt.Sprintf("convert -resize %dx%d page-%05d.png", i%640, i%480, i), StartNS: start, DurationNS: (5 + int64(i%97)) * ms}
		if i%1000 == 0 {
			top = i
			b.Parent, b.Depth, b.Label, b.DurationNS = -1, 0, fmt.Sprintf("batch %d", i/1000), 6000*ms
		}
		b.Parts = []v1.Part{{Kind: "cpu", NS: b.DurationNS / 2}, {Kind: "run_delay", NS: b.DurationNS / 5}, {Kind: "wait", NS: b.DurationNS / 4}}
		if i%53 == 7 {
			b.Failed, b.Outcome = true, "exit 1"
		}
		w.Bars = append(w.Bars, b)
	}
	return w
}

// hour is an hour of rollups in steps of 30 s, with a pause in it and an
// incident.
func hour() v1.List[v1.Rollup] {
	var list v1.List[v1.Rollup]
	for i := range 120 {
		if i >= 40 && i < 50 {
			continue
		}
		r := v1.Rollup{Time: v1.Time(begin().Add(time.Duration(i) * 30 * time.Second)), Probe: "exec", Service: "shop"}
		r.Count = uint64(60 + 25*((i*7)%11)/10 + i/3)
		r.P50NS, r.P90NS, r.P99NS, r.MaxNS = int64(4+i%3)*ms, int64(11+i%5)*ms, int64(28+(i*13)%17)*ms, int64(60+(i*29)%80)*ms
		if i >= 80 && i < 92 {
			r.Failed, r.P90NS, r.P99NS, r.MaxNS = r.Count/4, 300*ms, 1800*ms, 4100*ms
		}
		if i%9 == 0 {
			r.Findings = 6
		}
		r.RatePerS = float64(r.Count) / 30
		list.Items = append(list.Items, r)
	}
	return list
}

const rollupsQuery = "?from=2026-11-21T20:00:00Z&amp;to=2026-11-21T21:00:00Z&amp;step=30s"

// inPage renders v as the script that a saved page carries.
func inPage(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	// json.Marshal escapes what could end the script.
	return string(template.HTML(`<script type="application/json">` + string(data) + `</script>`))
}
