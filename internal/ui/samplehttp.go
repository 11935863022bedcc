package ui

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// sampleHeat returns n steps of rollups with buckets, the same ones each time:
// most requests are fast, a band of them is slow, and for some steps all are
// slower.
func sampleHeat(n int, w window) v1.List[v1.Rollup] {
	r := rand.New(rand.NewPCG(5, 9))
	var list v1.List[v1.Rollup]
	for i := range n {
		item := v1.Rollup{Time: v1.Time(w.from.Add(time.Duration(i) * w.step)), Probe: probeHTTP, Service: "shop"}
		late := i > n/2 && i < n*5/8
		for power := 15; power < 31; power++ {
			for part := range 8 {
				at := float64(power) + float64(part)/8
				middle := 21.5
				if late {
					middle = 26
				}
				mean := 900*math.Exp(-(at-middle)*(at-middle)*1.6) + 30*math.Exp(-(at-28)*(at-28)*4)
				if count := uint64(mean * (0.4 + 1.2*r.Float64())); count > 0 {
					low := int64(1)<<power + int64(part)<<(power-3)
					item.Buckets = append(item.Buckets, v1.Bucket{LowNS: low, HighNS: low + 1<<(power-3), Count: count})
					item.Count += count
				}
			}
		}
		list.Items = append(list.Items, item)
	}
	return list
}

// sampleRoutes returns rollups of requests by route, and of calls.
func sampleRoutes() []v1.Rollup {
	var list []v1.Rollup
	add := func(role, method, route, template, server string, count, failed uint64, p50, p90, p99 int64) {
		list = append(list, v1.Rollup{Probe: probeHTTP, Service: "shop", Count: count, Failed: failed, P50NS: p50, P90NS: p90, P99NS: p99, MaxNS: 2 * p99, MeanNS: p50, Group: map[string]string{
			keyRole: role, keyMethod: method, keyRoute: route, keyTemplate: template, keyServer: server,
		}})
	}
	add(roleServer, "GET", "/product/{id}", "", "", 482_113, 0, 3_900_000, 7_100_000, 21_000_000)
	add(roleServer, "POST", "/checkout", "", "", 9_120, 204, 41_000_000, 92_000_000, 1_480_000_000)
	add(roleServer, "GET", "", "/files/{id}/raw", "", 1_204, 0, 800_000, 1_900_000, 5_400_000)
	add(roleServer, "GET", "/report", "", "", 31, 1, 1_900_000_000, 2_800_000_000, 4_100_000_000)
	add(roleServer, "_OTHER", "", "(other)", "", 2, 0, 60_000, 61_000, 61_000)
	add(roleClient, "GET", "", "", "warehouse.example", 9_120, 190, 23_000_000, 61_000_000, 1_320_000_000)
	add(roleClient, "POST", "", "", "payment.example", 8_916, 0, 210_000_000, 340_000_000, 600_000_000)
	return list
}

// sampleRequests returns n requests, served and made.
func sampleRequests(n int, now time.Time) []v1.Record {
	var list []v1.Record
	for i := range n {
		ns := int64(3_000_000 + i*i*700_000)
		a := v1.Attributes{keyRole: roleServer, keyMethod: "GET", keyRoute: "/product/{id}", keyURLPath: fmt.Sprintf("/product/%d", i), keyStatus: int64(200), keyHTTPEnd: "done"}
		e := v1.Event{Time: v1.Time(now.Add(-time.Duration(i) * time.Second)), Probe: probeHTTP, PID: 4711, Service: "shop", DurationNS: &ns, Attributes: a, GoroutineID: 31, TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7"}
		r := v1.Record{ID: fmt.Sprintf("http-%d-1-4711", i), Weight: 1, Event: e}
		switch i % 6 {
		case 1:
			r.Weight = 37
		case 2:
			a[keyRole], a[keyServer], a[keyPort] = roleClient, "warehouse.example", int64(8080)
			delete(a, keyRoute)
		case 3:
			a[keyStatus], a[keyError] = int64(503), "503"
		case 4:
			a[keyHTTPEnd], a[keyError] = "panic", "panic"
			delete(a, keyStatus)
			r.Stack = []v1.Frame{{Func: "runtime.gopanic", File: "/usr/local/go/src/runtime/panic.go", Line: 783}, {Func: "github.com/example/shop/internal/web.(*server).product", File: "/src/shop/internal/web/product.go", Line: 118}}
		case 5:
			a[keyStatus] = int64(404)
			delete(a, keyRoute)
			a[keyTemplate] = "/files/{id}"
		}
		list = append(list, r)
	}
	return list
}

// sampleTrace returns what a request caused.
func sampleTrace(now time.Time) v1.Waterfall {
	const ms = 1_000_000
	caller := &v1.Frame{Func: "github.com/example/shop/internal/stock.(*shop).checkStock", File: "/src/shop/internal/stock/commands.go", Line: 64}
	return v1.Waterfall{From: v1.Time(now.Add(-time.Second)), To: v1.Time(now.Add(-800 * time.Millisecond)), Bars: []v1.Bar{
		{ID: "http-3-1-4711", Kind: "request", Parent: -1, Label: "POST /checkout", Detail: "/checkout served by shop", DurationNS: 200 * ms, SelfNS: 68 * ms, Outcome: "503", Failed: true, Href: "/events/http-3-1-4711"},
		{ID: "exec-1-1-1", Kind: kindCommand, Parent: 0, Depth: 1, Label: "cat", Detail: "/usr/bin/cat /var/lib/shop/stock-15.txt", StartNS: 12 * ms, DurationNS: 30 * ms, SelfNS: 30 * ms, Outcome: "exit 0", Caller: caller, Href: "/commands/exec-1-1-1", Parts: []v1.Part{{Kind: "cpu", NS: 9 * ms}, {Kind: "wait", NS: 21 * ms}}},
		{ID: "tcp-1-1-1", Kind: kindConnection, Parent: 0, Depth: 1, Label: "TCP connect 10.0.0.7:8080", StartNS: 55 * ms, DurationNS: 2 * ms, SelfNS: 2 * ms, Href: "/events/tcp-1-1-1"},
		{ID: "http-2-1-4711", Kind: kindCall, Parent: 0, Depth: 1, Label: "GET warehouse.example:8080/stock/15", Detail: "from shop", StartNS: 57 * ms, DurationNS: 100 * ms, SelfNS: 12 * ms, Outcome: "503", Failed: true, Href: "/events/http-2-1-4711"},
		{ID: "http-1-1-4712", Kind: "request", Parent: 3, Depth: 2, Label: "GET /stock/{id}", Detail: "/stock/15 served by warehouse", StartNS: 63 * ms, DurationNS: 88 * ms, SelfNS: 88 * ms, Outcome: "503", Failed: true, Href: "/events/http-1-1-4712"},
	}}
}
