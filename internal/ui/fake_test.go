package ui

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
)

// testNow is the clock of all tests.
func testNow() time.Time { return time.Date(2026, 11, 21, 20, 30, 15, 0, time.UTC) }

// fakeAPI answers each path with a value, as JSON; what is missing is not
// found. It notes what it was asked.
type fakeAPI struct {
	answers map[string]any
	status  int
	asked   []string
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked = append(f.asked, r.URL.RequestURI())
	w.Header().Set("Content-Type", "application/json")
	if f.status != 0 {
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(v1.Error{Error: "the store does not answer", Hint: "look at its disk"})
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/api/v1/")
	answer, ok := f.answers[path]
	asked := r.URL.Query()
	switch {
	case path == "slos" && asked.Has("service"):
		list, _ := answer.(v1.List[v1.SLO])
		list.Items = slices.DeleteFunc(slices.Clone(list.Items), func(o v1.SLO) bool { return o.Service != asked.Get("service") })
		answer = list
	case path == "rollups" && asked.Get("by") == "group":
		answer, ok = f.answers["rollups by group "+asked.Get("probe")]
	case path == "rollups" && asked.Get("probe") == "http":
		answer, ok = f.answers["requests"]
		if asked.Has("by") {
			answer, ok = f.answers["routes"]
		}
	case path == "events" && asked.Get("probe") == upgrades.Probe:
		answer, ok = f.upgrades(asked)
	case path == "events" && asked.Get("probe") == "http":
		answer, ok = f.answers["events http"]
	case path == "waterfall" && strings.HasPrefix(asked.Get("root"), "http"):
		answer, ok = f.answers["waterfall http"]
	}
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(v1.Error{Error: "there is no " + path, Hint: "it may be too old"})
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// upgrades answers for the upgrades, or their drains, of a service.
func (f *fakeAPI) upgrades(asked url.Values) (any, bool) {
	name := "upgrades"
	if asked.Get("where") == upgrades.KeyKind+"="+upgrades.KindDrain {
		name = "drains"
	}
	list, ok := f.answers[name].(v1.List[v1.Record])
	if service := asked.Get("service"); service != "" {
		list.Items = slices.DeleteFunc(slices.Clone(list.Items), func(r v1.Record) bool { return r.Service != service })
	}
	return list, ok
}

// serve returns the pages over a fake.
func serve(f *fakeAPI) http.Handler {
	l := loadOnce()
	if l.err != nil {
		panic(l.err)
	}
	return newHandler(Options{API: client.New(client.Options{Transport: client.InProcess(f)}), Version: "v0.0.0-test", Now: testNow}, l.assets, l.views)
}

// clientOf returns a client of an API.
func clientOf(h http.Handler) *client.Client {
	return client.New(client.Options{Transport: client.InProcess(h)})
}

type loaded struct {
	assets *assets
	views  map[string]*view
	err    error
}

// loadOnce spares each test the compression of all assets.
var loadOnce = sync.OnceValue(func() loaded {
	a, views, err := load()
	return loaded{a, views, err}
})

// get asks for a page.
func get(t testing.TB, h http.Handler, address string, header ...string) *response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := &response{header: make(http.Header)}
	h.ServeHTTP(w, r)
	return w
}

type response struct {
	header http.Header
	status int
	body   strings.Builder
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// plainAPI is a host on which a shop runs.
func plainAPI() *fakeAPI {
	records := sampleRecords(60, testNow())
	cost := int64(1_830_000_000)
	oldest := v1.Time(testNow().Add(-31 * time.Hour))
	processes := []v1.Process{
		{PID: 4711, Exe: "/usr/local/bin/shop", GoVersion: "go1.26.1", Path: "example.com/shop", Version: "v1.4.2", Service: "shop", Static: true, Stripped: true, StartTime: v1.Time(testNow().Add(-3 * time.Hour))},
		{PID: 4712, Exe: "/usr/local/bin/shop-worker-with-a-rather-long-name", GoVersion: "go1.25.3", Service: "shop", Cgo: true, PIE: true, Deleted: true, StartTime: v1.Time(testNow().Add(-90 * time.Second))},
	}
	services := []v1.Service{{Name: "shop", Processes: processes}, {Name: "registry", Processes: []v1.Process{{PID: 99, GoVersion: "go1.26.0", StartTime: v1.Time(testNow().Add(-50 * time.Hour))}}}}
	var sums []v1.Rollup
	for i := range 60 {
		at := testNow().Truncate(time.Minute).Add(-time.Duration(59-i) * time.Minute)
		n := uint64(40 + (i*i*7)%60)
		sums = append(sums, v1.Rollup{Time: v1.Time(at), Probe: "exec", Service: "shop", Count: n, Failed: n / 9, Findings: uint64(i % 7 / 5), P50NS: 2_400_000, P99NS: int64(380+i*3) * 1_000_000, MaxNS: 5e9})
	}
	sums = append(sums, v1.Rollup{Time: sums[10].Time, Probe: "exec", Service: "worker", Count: 12, P50NS: 1e6, P99NS: 2e6})
	requests := sampleRequests(12, testNow())
	w := newWindow(testNow().Add(-time.Hour), testNow())
	served := sampleHeat(w.len(), w)
	for i := range served.Items {
		r := &served.Items[i]
		r.Failed, r.P50NS, r.P90NS, r.P99NS, r.MaxNS = r.Count/50, 4_200_000, 9_000_000, 310_000_000, 900_000_000
	}
	upgraded := sampleUpgrades(testNow())
	drain := sampleDrain(&upgraded[0])
	slos := sampleSLOs(testNow())
	answers := map[string]any{"slos": v1.List[v1.SLO]{Items: slos}}
	traced := v1.KeptTrace{ID: sampleTraceID, Analysed: v1.Time(testNow()), Trace: fullTrace("")}
	answers["traces"], answers["traces/"+sampleTraceID] = v1.List[v1.TraceSummary]{Items: []v1.TraceSummary{traced.Summary()}}, traced
	for i := range slos {
		answers["slos/"+slos[i].Name] = slos[i]
		answers["slos/"+slos[i].Name+"/history"] = sampleHistory(&slos[i], sampleWindow, 2*time.Hour, testNow())
	}
	maps.Copy(answers, map[string]any{
		"upgrades":                 v1.List[v1.Record]{Items: upgraded, Next: "more"},
		"drains":                   v1.List[v1.Record]{Items: []v1.Record{*drain}},
		"events/" + drain.ID:       *drain,
		"routes":                   v1.List[v1.Rollup]{Items: sampleRoutes()},
		"requests":                 served,
		"events http":              v1.List[v1.Record]{Items: requests, Next: "more"},
		"events/" + requests[4].ID: requests[4],
		"events/" + requests[3].ID: requests[3],
		"waterfall http":           sampleTrace(testNow()),
		"services":                 v1.List[v1.Service]{Items: services},
		"services/shop":            services[0],
		"probes":                   v1.List[v1.Probe]{Items: sampleProbes(&cost)},
		"store":                    v1.Store{Kind: "sqlite", Files: 31, SizeBytes: 312 << 20, LimitBytes: 2 << 30, LimitAgeNS: int64(72 * time.Hour), Oldest: &oldest, Kept: 1_204_311},
		"events":                   v1.List[v1.Record]{Items: records, Next: "more"},
		"events/" + records[0].ID:  records[0],
		"rollups":                  v1.List[v1.Rollup]{Items: sums},
		"rollups by group exec":    v1.List[v1.Rollup]{Items: sampleSites()},
		"rollups by group tcp":     v1.List[v1.Rollup]{Items: samplePeers()},
		"waterfall":                sampleWaterfall(40, testNow()),
	})
	return &fakeAPI{answers: answers}
}

func sampleProbes(cost *int64) []v1.Probe {
	return []v1.Probe{
		{Name: "exec", Summary: "Commands: what ran, from which line of Go, how it ended and what it cost.", Up: true, Events: 48211, CostNS: cost, Rules: []v1.Rule{{Name: "killed-without-grace"}, {Name: "zombie"}}},
		{
			Name: "tcp", Summary: "TCP connects, resets and retransmits per peer.", Up: true, Events: 3120, Lost: 4, CostNS: cost,
			Off:    []v1.ProbePart{{Part: "tcp_retransmit_skb", Cause: "no such tracepoint", Missing: "segments that are sent again", Hint: "use Linux 5.8 or newer"}},
			Groups: []string{"goshawk.tcp.event", "goshawk.role", "network.peer.address", "server.port"},
			Fields: []v1.Field{{Key: "goshawk.tcp.event", Type: "string", Summary: "What happened."}, {Key: "network.peer.address", Type: "string", Summary: "The other end."}, {Key: "goshawk.tcp.srtt_ns", Type: "duration", Unit: "ns", Summary: "Round trip time."}},
		},
		{
			Name: "http", Summary: "HTTP requests.", Up: true, Events: 900, CostNS: cost, Sampled: true, Groups: requestKeys().Keys(),
			Fields: []v1.Field{{Key: "http.request.method", Type: "string", Summary: "The method."}, {Key: "http.response.status_code", Type: "int", Summary: "The status."}},
		},
	}
}

func samplePeers() []v1.Rollup {
	var list []v1.Rollup
	for i, event := range []string{"connect", "connect_failed", "reset_received", "retransmit", "connect"} {
		address := "10.0.0.7"
		if i == 4 {
			address = "2001:db8::1"
		}
		list = append(list, v1.Rollup{Probe: "tcp", Service: "shop", Count: uint64(100 - i*20), Failed: uint64(i % 2 * 3), P50NS: 182_000, P99NS: 1_900_000, Group: map[string]string{
			"goshawk.tcp.event": event, "goshawk.role": "client", "network.peer.address": address, "server.port": "5432",
		}})
	}
	return list
}

func sampleSites() []v1.Rollup {
	var list []v1.Rollup
	for i, name := range []string{"checkStock", "renderInvoice", "askWarehouse", "topSellers", "makeThumbnail"} {
		list = append(list, v1.Rollup{Probe: "exec", Service: "shop", Count: uint64(4000 / (i*i + 1)), Failed: uint64(i % 3 * 40), Findings: uint64(i % 2), P50NS: int64(1_300_000 * (i + 1)), P99NS: int64(40_000_000 * (i*i + 1)), MaxNS: 4_500_000_000, Group: map[string]string{
			"process.executable.name": "cat", "code.function.name": "github.com/example/shop/internal/stock.(*shop)." + name, "code.file.path": "/src/shop/internal/stock/commands.go", "code.line.number": fmt.Sprint(40 + i*17),
		}})
	}
	return list
}
