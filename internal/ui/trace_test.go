package ui

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

const sampleTraceID = "5f0c1d2e3a4b5c6d"

// fullTrace is a trace in which everything was seen, with texts of the program that
// would break out of a page.
func fullTrace(evil string) v1.Trace {
	v := sampleTraceDocument(200)
	stats := v1.TraceStats{Count: 3, TotalNS: 9e6, P50NS: 2e6, P90NS: 4e6, P99NS: 5e6, MaxNS: 6e6}
	stack := []v1.Frame{{Func: "runtime.gopark", File: evil, Line: 1}, {Func: "sync.(*Mutex).Lock"}, {Func: "example.com/shop.(*Shop).CheckStock" + evil, File: evil, Line: 72}}
	v.File, v.Time = "/srv/"+evil, new(v1.Time(testNow()))
	v.Functions = []v1.TraceFunction{
		{Name: "example.com/shop.(*Shop).serve" + evil, Goroutines: 7, Created: 6, Ended: 5, RunningNS: 8e6, WaitingNS: 9e9, SyscallNS: 3e6, AssistNS: 1e6,
			Latency: v1.TraceLatency{Wake: stats, Create: stats}, Waits: stats, Distribution: sampleDistribution(4e4)},
		{Name: "main.idle"},
	}
	v.Ranges = []v1.TraceRange{{Name: "GC concurrent mark phase" + evil, TraceStats: stats, Open: 1, Cut: 2}}
	v.Blocking = []v1.TraceBlock{
		{Reason: "sync" + evil, Place: "net/http.(*conn).serve" + evil, Stack: stack, TraceStats: stats, Open: 2, OpenNS: 4e9}, {Reason: "GC worker (idle)", Idle: true, TraceStats: stats}, {Reason: "chan receive", Idle: true, Open: 1, OpenNS: 9e9},
	}
	v.Waits = []v1.TraceWait{
		{Class: "create", AtNS: 5e8, DurationNS: 12_200_000, Goroutine: 77, Function: "main.work" + evil, By: 3, ByFunction: "net/http.(*conn).serve", Ahead: 45, GCNS: 6_700_000},
		{Class: "wake", AtNS: 1e9, DurationNS: 13e6, Goroutine: 78, Function: "main.work", IdlePs: 1, STWNS: 1e6, SilenceNS: 11e6, Stack: stack, RunDelayNS: new(int64(2e6)), ThrottledNS: new(int64(3e6))},
	}
	v.Regions, v.Tasks = []v1.TraceRange{{Name: "checkStock" + evil, TraceStats: stats}}, []v1.TraceRange{{Name: "checkout", TraceStats: stats}}
	v.Logs, v.Messages = []v1.TraceCount{{Name: "order" + evil, Count: 4}}, []v1.TraceLog{{AtNS: 4e8, Goroutine: 9, Category: "order", Message: "accepted" + evil}}
	v.Metrics = []v1.TraceMetric{{Name: "/memory/classes/heap/objects:bytes", First: 1 << 20, Last: 3 << 20, Min: 1 << 20, Max: math.MaxUint64}}
	v.Silence, v.Stall = stats, stats
	v.Findings = []v1.Finding{{Rule: "saturated", Severity: "warn", Evidence: "busy " + evil, Remedy: "Add CPUs."}}
	v.Host = &v1.TraceHost{CPUNS: 3e9, RunDelayNS: 1e9, WaitedRatio: 0.25, ThrottledNS: 4e8, Periods: 20, ThrottledPeriods: 4, QuotaCPUs: 0.5, CPUs: 2, SysmonFound: true, SysmonP99NS: 7e6, MissedRatio: 0.1,
		Worst: []v1.TraceHeldUp{{AtNS: 2e8, DurationNS: 1e8, RunDelayNS: 9e7, ThrottledNS: 4e7}}, NotSeen: []string{"steal " + evil}}
	v.LatencyCut, v.LeftOut = 3, map[string]uint64{"stacks" + evil: 12}
	return v
}

// hostileTrace is a trace all of whose texts are evil, and numbers that none has.
func hostileTrace(evil string) v1.KeptTrace {
	v := fullTrace(evil)
	v.Complete, v.Error, v.GoVersion = false, evil, evil
	v.DurationNS, v.Procs.RunnableNS, v.Procs.Max = -1, math.MinInt64, -4
	v.Timeline.Runnable, v.Timeline.MaxGoroutines, v.Timeline.GC = []float64{1e300, -5}, []int{-3}, []float64{7, -7}
	v.Distributions["wake"] = []v1.TraceBucket{{FromNS: -5, ToNS: -9, Count: 1}, {FromNS: math.MaxInt64, ToNS: math.MinInt64, Count: math.MaxUint64}, {Count: 1}}
	v.Functions = append(v.Functions, v1.TraceFunction{Name: "("}, v1.TraceFunction{Name: evil, Goroutines: math.MaxUint64, RunningNS: math.MinInt64})
	v.Waits[0].Class, v.Waits[0].Ahead, v.Waits[0].IdlePs = evil, -3, -4
	return v1.KeptTrace{ID: sampleTraceID, Analysed: v1.Time(testNow()), Trace: v}
}

func renderTrace(t *testing.T, v *v1.Trace) (string, *html.Node) {
	t.Helper()
	page, err := RenderTrace(v, TraceOptions{Version: "v0.0.0-test", Now: testNow()})
	if err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(page), root
}

func TestRenderTrace_needsNothingElse(t *testing.T) {
	v := fullTrace(`"><script>alert(1)</script>` + "\x1b[0m")
	page, root := renderTrace(t, &v)
	elements := map[string]int{}
	for n := range root.Descendants() {
		elements[n.Data]++
		for _, a := range n.Attr {
			if a.Key == "src" || a.Key == "action" || a.Key == "style" || strings.HasPrefix(a.Key, "on") || a.Key == "href" && !strings.HasPrefix(a.Val, "#") {
				t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
			}
		}
	}
	if elements["goshawk-timeline"] != 1 || elements["goshawk-rows"] != 2 {
		t.Errorf("elements %v, want a timeline and two lists of rows", elements)
	}
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "\x1b") {
		t.Error("a text of the program is markup, or has control characters")
	}
	for _, want := range []string{
		"Saved on 2026-11-21 20:30:15 UTC by Goshawk v0.0.0-test", "1.2 M events", "saturated", "Add CPUs.", "p99 of wake → run, the worst class", "12 → 40", "212 at most",
		"waited 12.2 ms after the go statement by net/http.(*conn).serve; 45 others waited already, no P idle, the collector marking 6.7 ms of it.",
		"woken by the network poller or a timer; no other waited, 1 P idle, the world stopped for 1 ms of it, silence for 11 ms of it, its threads without a CPU for 2 ms together, throttled for 3 ms.",
		"6 created, 5 ended in the trace", "2 goroutines are blocked here at the end, for 4 s together.", "2 more: the runtime's own goroutines", "1 open at the end, 2 began before",
		"The host meanwhile", "4 of 20 periods", "checkStock", "accepted", "Metrics of the runtime", "3 waits had begun before", "Left out",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "is not whole") {
		t.Error("a whole trace has a banner")
	}
}

func TestRenderTrace_saysWhatIsMissing(t *testing.T) {
	v := sampleTraceDocument(0)
	v.Complete, v.Error, v.Host = false, "the trace is cut off within generation 2, at byte 4711", nil
	v.Latency, v.Distributions = v1.TraceLatency{}, nil
	page, _ := renderTrace(t, &v)
	for _, want := range []string{"is not whole", "at byte 4711", "too short for a timeline", "no goroutine waited for a P", "Nothing stands out"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, none := range []string{"The host meanwhile", "Regions", "Metrics of the runtime", "Left out"} {
		if strings.Contains(page, none) {
			t.Errorf("the page has %q", none)
		}
	}
}

// TestRenderTrace_isBounded renders the largest document that there is: lists as long as
// the analysis lets them be, and deep stacks.
func TestRenderTrace_isBounded(t *testing.T) {
	v := fullTrace("")
	v.Timeline = sampleTimeline(480)
	stack := make([]v1.Frame, 128)
	for i := range stack {
		stack[i] = v1.Frame{Func: fmt.Sprintf("example.com/shop/internal/stock.(*Shop).call%d", i), File: "/srv/shop/internal/stock/stock.go", Line: i}
		if i%2 == 0 {
			stack[i].Func = "net/http.HandlerFunc.ServeHTTP"
		}
	}
	for i := range 200 {
		f := v.Functions[0]
		f.Name = fmt.Sprintf("example.com/shop.f%d", i)
		v.Functions = append(v.Functions, f)
		b := v.Blocking[i%2]
		b.Stack = stack
		v.Blocking = append(v.Blocking, b)
		v.Waits = append(v.Waits, v1.TraceWait{Class: "wake", Stack: stack})
		v.Regions = append(v.Regions, v.Regions[0])
		v.Messages = append(v.Messages, v1.TraceLog{Message: strings.Repeat("x", 5000)})
	}
	page, root := renderTrace(t, &v)
	elements := 0
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			elements++
		}
	}
	if len(page) > 5<<20 || elements > 30_000 {
		t.Errorf("the page has %d bytes and %d elements", len(page), elements)
	}
	t.Logf("%d bytes, %d elements", len(page), elements)
}

func TestTraceAxis_spreadsBucketsOverBins(t *testing.T) {
	a := traceAxis{3, 6}
	for _, tt := range []struct {
		name    string
		buckets []v1.TraceBucket
		bars    int
	}{
		{"nothing", nil, 0},
		{"one bin", []v1.TraceBucket{{FromNS: 1000, ToNS: 1100, Count: 5}}, 1},
		{"a bucket over a decade", []v1.TraceBucket{{FromNS: 10_000, ToNS: 100_000, Count: 5}}, binsPerDecade},
		{"before and after the axis", []v1.TraceBucket{{FromNS: 1, ToNS: 2, Count: 1}, {FromNS: 1 << 40, ToNS: 1 << 41, Count: 1}}, 2},
		{"none counted", []v1.TraceBucket{{FromNS: 1000, ToNS: 2000}}, 0},
	} {
		if got := strings.Count(a.plot(tt.buckets, 0, 0, "").Path, "M"); got != tt.bars {
			t.Errorf("%s: %d bars, want %d", tt.name, got, tt.bars)
		}
	}
	if ticks := a.ticks(); len(ticks) != 4 || ticks[0].Text != "1 µs" || ticks[3].Text != "1 ms" || ticks[1].At != "33.3%" {
		t.Errorf("ticks %+v", ticks)
	}
}

func TestTimeTicks_areFewAndRound(t *testing.T) {
	for _, length := range []float64{1, 900, 1.9e9, 2e9, 7.01e9, 3.6e12} {
		ticks := timeTicks(length)
		if len(ticks) < 2 || len(ticks) > 8 || ticks[0].Text != "0" {
			t.Errorf("%g ns has the marks %+v", length, ticks)
		}
	}
	if timeTicks(0) != nil || timeTicks(-5) != nil {
		t.Error("no time has marks")
	}
}

func TestTraces_listSaysWhereNothingIsKept(t *testing.T) {
	f := plainAPI()
	delete(f.answers, "traces")
	w := get(t, serve(f), "/traces")
	if body := w.body.String(); w.status != 200 || !strings.Contains(body, "No traces are kept here") || strings.Contains(body, "<goshawk-upload>") {
		t.Errorf("status %d: %s", w.status, body)
	}
}

func TestTraces_areListedWithTheirWorstFindings(t *testing.T) {
	f := plainAPI()
	findings := []v1.Finding{{Rule: "info-rule", Severity: "info"}, {Rule: "warn-rule", Severity: "warn"}, {Rule: "error-rule", Severity: "error"}}
	f.answers["traces"] = v1.List[v1.TraceSummary]{Items: []v1.TraceSummary{{ID: sampleTraceID, Analysed: v1.Time(testNow().Add(-time.Hour)), File: "a.trace", Findings: findings}}}
	body := get(t, serve(f), "/traces").body.String()
	for _, want := range []string{`href="/traces/` + sampleTraceID + `"`, "cut off", "error-rule", "warn-rule", "+1", "<goshawk-upload>"} {
		if !strings.Contains(strings.ReplaceAll(body, "&#43;", "+"), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "info-rule") {
		t.Error("the least finding is shown in place of the worst")
	}
}

func FuzzNewTraceView(f *testing.F) {
	for _, v := range []v1.Trace{fullTrace("x"), hostileTrace("<").Trace, {}} {
		data, err := json.Marshal(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v v1.Trace
		if json.Unmarshal(data, &v) != nil {
			return
		}
		newTraceView(&v, testNow())
	})
}
