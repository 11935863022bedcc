package http

import (
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

// allBuilds asks for each release of Go with each way to build.
var allBuilds = flag.Bool("all-builds", false, "try each release of Go with each way to build the victim")

// victimBuilds are the ways to build that are tried: all with the current Go,
// one with each older release.
func victimBuilds() []victimBuild {
	stripped := []string{"-trimpath", "-ldflags=-s -w"}
	ways := []victimBuild{
		{name: "stripped", flags: stripped},
		{name: "plain"},
		{name: "PIE", flags: []string{"-buildmode=pie"}},
		{name: "PIE stripped", flags: append([]string{"-buildmode=pie"}, stripped...)},
		{name: "cgo", cgo: true},
		{name: "cgo PIE stripped", cgo: true, flags: append([]string{"-buildmode=pie"}, stripped...)},
	}
	builds := append([]victimBuild{{name: "not optimised", flags: []string{"-gcflags=all=-N -l"}}}, ways...)
	for _, toolchain := range []string{"go1.20.14", "go1.21.13", "go1.22.12", "go1.23.12", "go1.24.13", "go1.25.7"} {
		for i, way := range ways {
			if i == 0 || *allBuilds {
				way.name = toolchain + " " + way.name
				way.toolchain = toolchain
				builds = append(builds, way)
			}
		}
	}
	return builds
}

// TestBuilds tries what matters most with programs of each release of Go, built
// in each way.
func TestBuilds(t *testing.T) {
	l := startLive(t, everything())
	builds := append(victimBuilds(), profiledBuild(t))
	victims := make([]*victim, len(builds))
	for i, b := range builds {
		var path string
		t.Run("build "+b.name, func(t *testing.T) { path = b.path(t) })
		if path != "" {
			victims[i] = startVictim(t, path)
			l.follow(victims[i].PID)
		}
	}
	for i, b := range builds {
		if victims[i] == nil {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			l.attach(t, victims[i].PID)
			for _, one := range coreBehaviours(b) {
				t.Run(one.name, func(t *testing.T) { one.run(t, l, victims[i]) })
			}
		})
	}
	l.stop()
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 || len(h.Off) > 0 {
		t.Errorf("health = %+v", h)
	}
}

func coreBehaviours(b victimBuild) []behaviour {
	route := map[int]string{fieldRoute: "/items/{id}", fieldTemplate: "-"}
	if !b.hasPatterns() {
		route = map[int]string{fieldRoute: "-", fieldTemplate: "/items/{id}"}
	}
	route[fieldStatus] = "200"
	var list []behaviour
	add := func(of []behaviour, names ...string) {
		for _, one := range of {
			if slices.Contains(names, one.name) {
				one.want = withoutRoute(one.want)
				list = append(list, one)
			}
		}
	}
	add(plainBehaviours(), "HEAD", "POST with a body", "204", "404", "500", "sleep", "nothing is written", "the client goes away")
	add(brokenBehaviours(), "panic", "nil", "panic that a middleware recovers", "panic below TimeoutHandler", "Goexit", "hijack", "after all that")
	add(secureBehaviours(), "HTTP/2 500", "HTTP/2 panic", "HTTP/2 Goexit")
	return append(list,
		behaviour{name: "route", path: "/items/1234", want: route},
		behaviour{name: "route of HTTP/2", path: "/items/1235", want: route, act: func(t *testing.T, v *victim, path string) {
			do(t, newClient(t, true), "GET", "https://"+v.TLS+path, nil)
		}},
		behaviour{name: "route of a copied request", path: "/items/1236", want: route, act: sends("GET", "", "Way", "copied")},
		behaviour{name: "trace of HTTP/1", path: "/traced/1", act: sends("GET", "", "Traceparent", someTrace), check: continues},
		behaviour{name: "trace of HTTP/1, many headers", path: "/traced/2", act: sends("GET", "", headers(70)...), check: continues},
		behaviour{name: "trace of HTTP/2", path: "/traced/3", act: func(t *testing.T, v *victim, path string) {
			do(t, newClient(t, true), "GET", "https://"+v.TLS+path, nil, headers(10)...)
		}, check: continues},
		behaviour{name: "call four goroutines down", path: "/four/1", act: func(t *testing.T, v *victim, path string) {
			do(t, newClient(t, false), "GET", "http://"+v.Plain+path+"?http://"+v.Plain+"/called", nil)
		}, check: linked},
	)
}

func withoutRoute(want map[int]string) map[int]string {
	kept := map[int]string{}
	for field, value := range want {
		if field != fieldRoute {
			kept[field] = value
		}
	}
	return kept
}

// headers returns n headers, and a traceparent somewhere among them.
func headers(n int) []string {
	var list []string
	for i := range n {
		if i == n/2 {
			list = append(list, "Traceparent", someTrace)
		}
		list = append(list, fmt.Sprintf("X-%d", i), "value")
	}
	return list
}

const (
	someTraceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	someSpanID  = "00f067aa0ba902b7"
	someTrace   = "00-" + someTraceID + "-" + someSpanID + "-01"
)

// continues checks that a request is in the trace that its client said.
func continues(t *testing.T, _ *live, _ *victim, e *model.Event) {
	if got := fmt.Sprintf("%x %x", e.TraceID, e.ParentSpanID); got != someTraceID+" "+someSpanID {
		t.Errorf("trace and parent = %s, want those of the header", got)
	}
}

// linked checks that what a request called, alone, is in its trace.
func linked(t *testing.T, l *live, v *victim, e *model.Event) {
	made := l.one(t, "the call", func(c *model.Event) bool {
		return int(c.PID) == v.PID && c.Values[fieldRole].Str() == roleClient && c.Values[fieldPath].Str() == "/called"
	})
	if made.TraceID != e.TraceID || made.ParentSpanID != e.SpanID {
		t.Errorf("the call is in trace %x below %x, want %x, %x", made.TraceID, made.ParentSpanID, e.TraceID, e.SpanID)
	}
	if got := text(made, fieldStatus); got != "200" {
		t.Errorf("the call's status = %s", got)
	}
}

// TestTraceparent has clients tell the truth, and lie, in the header.
func TestTraceparent(t *testing.T) {
	l := startLive(t, everything())
	builds := []victimBuild{{name: "current"}, {name: "go1.23.12", toolchain: "go1.23.12"}}
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			v := startVictim(t, b.path(t))
			l.attach(t, v.PID)
			for i, test := range traceHeaders() {
				t.Run(test.name, func(t *testing.T) {
					path := fmt.Sprintf("/trace/%d", i)
					raw(t, v.Plain, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"+test.header+"\r\n", 1<<20)
					e := l.one(t, path, ofPath(v.PID, path))
					honoured := fmt.Sprintf("%x %x", e.TraceID, e.ParentSpanID) == someTraceID+" "+someSpanID
					if honoured != test.honoured {
						t.Errorf("trace %x, parent %x: honoured = %t, want %t", e.TraceID, e.ParentSpanID, honoured, test.honoured)
					}
					if !test.honoured && (e.ParentSpanID != (model.SpanID{}) || e.TraceID == (model.TraceID{}) || strings.HasPrefix(fmt.Sprintf("%x", e.TraceID), "4bf9")) {
						t.Errorf("trace %x, parent %x: want a trace of its own", e.TraceID, e.ParentSpanID)
					}
				})
			}
		})
	}
}

// traceHeader is a header of a request.
type traceHeader struct {
	name, header string
	honoured     bool
}

func traceHeaders() []traceHeader {
	one := func(value string) string { return "Traceparent: " + value + "\r\n" }
	others := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "X-Other-%d: %d\r\n", i, i)
		}
		return b.String()
	}
	const rest = someTraceID + "-" + someSpanID
	list := []traceHeader{
		{"none", "", false},
		{"as it should be", one(someTrace), true},
		{"name in lower case", "traceparent: " + someTrace + "\r\n", true},
		{"name in odd case", "tRaCePaReNt: " + someTrace + "\r\n", true},
		{"blanks around", "Traceparent: \t " + someTrace + "  \r\n", true},
		{"not sampled", one("00-" + rest + "-00"), true},
		{"flags of the future", one("00-" + rest + "-ff"), true},
		{"version 01", one("01-" + rest + "-01"), true},
		{"version 01 with a suffix", one("01-" + rest + "-01-what-the-future-brings"), true},
		{"version cc with an empty suffix", one("cc-" + rest + "-01-"), true},
		{"version 01 with a suffix without a hyphen", one("01-" + rest + "-01.what"), false},
		{"version 00 with a suffix", one("00-" + rest + "-01-what"), false},
		{"version 00, one too many", one("00-" + rest + "-012"), false},
		{"version ff", one("ff-" + rest + "-01"), false},
		{"version in upper case", one("CC-" + rest + "-01"), false},
		{"version of one digit", one("0-" + rest + "-01"), false},
		{"trace in upper case", one("00-" + strings.ToUpper(someTraceID) + "-" + someSpanID + "-01"), false},
		{"span in upper case", one("00-" + someTraceID + "-00F067AA0BA902B7-01"), false},
		{"trace all zeros", one("00-" + strings.Repeat("0", 32) + "-" + someSpanID + "-01"), false},
		{"span all zeros", one("00-" + someTraceID + "-" + strings.Repeat("0", 16) + "-01"), false},
		{"not hexadecimal", one("00-" + strings.Repeat("g", 32) + "-" + someSpanID + "-01"), false},
		{"the letter before a", one("00-`" + someTraceID[1:] + "-" + someSpanID + "-01"), false},
		{"the character after 9", one("00-:" + someTraceID[1:] + "-" + someSpanID + "-01"), false},
		{"the character before 0", one("00-/" + someTraceID[1:] + "-" + someSpanID + "-01"), false},
		{"flags not hexadecimal", one("00-" + rest + "-0x"), false},
		{"other separators", one("00_" + someTraceID + "_" + someSpanID + "_01"), false},
		{"too short", one("00-" + rest + "-0"), false},
		{"empty", one(""), false},
		{"one character", one("0"), false},
		{"odd bytes", one("00-" + strings.Repeat("\xff", 32) + "-" + someSpanID + "-01"), false},
		{"100 KB", one(someTrace + strings.Repeat("x", 100<<10)), false},
		{"in another header", "X-Traceparent: " + someTrace + "\r\nTraceparen: " + someTrace + "\r\nTraceparents: " + someTrace + "\r\n", false},
		{"name as long", "Tracepirent: " + someTrace + "\r\n", false},
		{"the first of two", one(someTrace) + one("00-"+strings.Repeat("1", 32)+"-"+someSpanID+"-01"), true},
	}
	for _, n := range []int{1, 6, 7, 8, 9, 15, 50, 64, 65, 100} {
		list = append(list, traceHeader{fmt.Sprintf("before %d others", n), one(someTrace) + others(n), true},
			traceHeader{fmt.Sprintf("after %d others", n), others(n) + one(someTrace), true})
	}
	// Past the bound it may be found or not, but nothing else happens.
	return append(list, traceHeader{"none among 2000", others(2000), false})
}

// TestKeepAlive sends many requests by one connection, one after the other and
// all at once.
func TestKeepAlive(t *testing.T) {
	l := startLive(t, everything())
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	const n = 50
	var all strings.Builder
	for i := range n {
		last := ""
		if i == n-1 {
			last = "Connection: close\r\n"
		}
		fmt.Fprintf(&all, "GET /piped/%d HTTP/1.1\r\nHost: a\r\nTraceparent: 00-%032x-%016x-01\r\n%s\r\n", i, i+1, i+1, last)
	}
	raw(t, v.Plain, all.String(), 1<<20)
	for i := range n {
		e := l.one(t, "a piped request", ofPath(v.PID, fmt.Sprintf("/piped/%d", i)))
		if got, want := fmt.Sprintf("%x %x", e.TraceID, e.ParentSpanID), fmt.Sprintf("%032x %016x", i+1, i+1); got != want {
			t.Errorf("request %d is in %s, want %s", i, got, want)
		}
	}
	c := newClient(t, false)
	for i := range n {
		do(t, c, http.MethodGet, fmt.Sprintf("http://%s/kept/%d", v.Plain, i), nil)
	}
	spans, goroutines := map[model.SpanID]bool{}, map[uint64]bool{}
	for i := range n {
		e := l.one(t, "a kept request", ofPath(v.PID, fmt.Sprintf("/kept/%d", i)))
		spans[e.SpanID], goroutines[e.GoroutineID] = true, true
	}
	if len(spans) != n || len(goroutines) != 1 {
		t.Errorf("%d spans and %d goroutines of %d requests by one connection", len(spans), len(goroutines), n)
	}
}
