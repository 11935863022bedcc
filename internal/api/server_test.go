package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/model"
)

func page(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, text) })
}

func TestHandler(t *testing.T) {
	command := event("git", 7, 60, time.Second)
	id := command.ID().String()
	processes := []v1.Process{{PID: 9, Service: "shop"}, {PID: 8, Service: "a/b"}, {PID: 7, Service: "shop"}}
	tests := []struct {
		name, method, target string
		host                 host
		events               *events
		status               int
		body                 string
	}{
		{"alive", "GET", "/healthz", host{}, &events{}, 200, `{"status":"ok"}`},
		{"not ready", "GET", "/readyz", host{}, &events{}, 503, `{"status":"starting"}`},
		{"ready", "GET", "/readyz", host{ready: true}, &events{}, 200, `{"status":"ready"}`},
		{"metrics", "GET", "/metrics", host{}, &events{}, 200, `the metrics`},
		{"end points", "GET", "/api/v1/", host{}, &events{}, 200, `{"items":[{"path":"/api/v1/services","summary":`},
		{"probes", "GET", "/api/v1/probes", host{}, &events{}, 200, `{"items":[{"name":"exec","summary":"commands","up":true,"events":3,"lost":0,"lost_records":0,"groups":["process.executable.name"]}]}`},
		{"store", "GET", "/api/v1/store", host{}, &events{}, 200, `"kept":3,"left_out":0,"dropped":{"queue":1}`},
		{"no services", "GET", "/api/v1/services", host{}, &events{}, 200, `{"items":[]}`},
		{"services in order", "GET", "/api/v1/services", host{processes: processes}, &events{}, 200, `{"items":[{"name":"a/b","processes":[{"pid":8,`},
		{"a service", "GET", "/api/v1/services/shop", host{processes: processes}, &events{}, 200, `{"name":"shop","processes":[{"pid":7,`},
		{"a service with a slash", "GET", "/api/v1/services/a%2Fb", host{processes: processes}, &events{}, 200, `{"name":"a/b","processes":[{"pid":8,`},
		{"a service that is gone", "GET", "/api/v1/services/x", host{processes: processes}, &events{}, 404, `{"error":"service \"x\": does not run","hint":"/api/v1/services lists`},
		{"services that cannot be listed", "GET", "/api/v1/services", host{err: errors.New("no /proc")}, &events{}, 500, `{"error":"list processes: no /proc"}`},
		{"processes in order", "GET", "/api/v1/processes", host{processes: processes}, &events{}, 200, `{"items":[{"pid":8,`},
		{"a process", "GET", "/api/v1/processes/9", host{processes: processes}, &events{}, 200, `{"pid":9,`},
		{"a process that is gone", "GET", "/api/v1/processes/1", host{processes: processes}, &events{}, 404, `process 1: is not a Go process that runs`},
		{"a process that is none", "GET", "/api/v1/processes/x", host{}, &events{}, 400, `process \"x\": is not a process id`},
		{"no events", "GET", "/api/v1/events", host{}, &events{}, 200, `{"items":[]}`},
		{"events", "GET", "/api/v1/events?from=-2m", host{}, &events{list: []*model.Event{command}}, 200, `{"items":[{"id":"` + id + `","weight":1,"time":"2026-11-21T11:59:00.000000000Z","probe":"exec"`},
		{"events that cannot be read", "GET", "/api/v1/events", host{}, &events{err: errors.New("broken")}, 500, `{"error":"read events: broken"}`},
		{"bad limit", "GET", "/api/v1/events?limit=0", host{}, &events{}, 400, `{"error":"parameter limit=\"0\": is not a number from 1 to 1000","hint":"for more`},
		{"unknown parameter", "GET", "/api/v1/events?colour=red", host{}, &events{}, 400, `parameter colour=\"red\": there is no such parameter here`},
		{"a page of another query", "GET", "/api/v1/events?after=1.x", host{}, &events{}, 400, `parameter after=\"1.x\": is not one of mine`},
		{"a page of nothing", "GET", "/api/v1/events?after=x", host{}, &events{}, 400, `parameter after=\"x\": is not the next of an answer`},
		{"a page that cannot be read", "GET", "/api/v1/events?after=1.1", host{}, &events{err: errors.New("broken")}, 500, `read events: broken`},
		{"an event", "GET", "/api/v1/events/" + id, host{}, &events{list: []*model.Event{command}}, 200, `{"id":"` + id + `","weight":2,`},
		{"an event that is gone", "GET", "/api/v1/events/exec-1-1-1", host{}, &events{}, 404, `event exec-1-1-1: is not kept`},
		{"an event that is none", "GET", "/api/v1/events/x", host{}, &events{}, 400, `event id \"x\": is not probe-end-duration-pid`},
		{"an event that cannot be read", "GET", "/api/v1/events/exec-1-1-1", host{}, &events{err: errors.New("broken")}, 500, `read the event exec-1-1-1: broken`},
		{"rollups", "GET", "/api/v1/rollups", host{}, &events{}, 200, `{"items":[]}`},
		{"rollups that cannot be read", "GET", "/api/v1/rollups", host{}, &events{err: errors.New("broken")}, 500, `sum up events: broken`},
		{"bad step", "GET", "/api/v1/rollups?step=1s", host{}, &events{}, 400, `parameter step=\"1s\": is not a multiple of 10s`},
		{"too many steps", "GET", "/api/v1/rollups?step=10s&from=-720h", host{}, &events{}, 400, `makes more than 10000 steps`},
		{"a waterfall", "GET", "/api/v1/waterfall", host{}, &events{list: []*model.Event{command}}, 200, `{"from":"2026-11-21T11:59:00.000000000Z","to":"2026-11-21T11:59:01.000000000Z","bars":[{"id":"` + id + `","kind":"command","parent":-1,`},
		{"an empty waterfall", "GET", "/api/v1/waterfall?from=-1m", host{}, &events{}, 200, `{"from":"2026-11-21T11:59:00.000000000Z","to":"2026-11-21T12:00:00.000000000Z","bars":[]}`},
		{"a waterfall of connections", "GET", "/api/v1/waterfall?probe=tcp", host{}, &events{}, 400, `parameter probe=\"tcp\": has no waterfall`},
		{"a waterfall that cannot be read", "GET", "/api/v1/waterfall", host{}, &events{err: errors.New("broken")}, 500, `read commands: broken`},
		{"below what is gone", "GET", "/api/v1/waterfall?root=exec-1-1-1", host{}, &events{}, 404, `event exec-1-1-1: is not kept`},
		{"below a connection", "GET", "/api/v1/waterfall?root=tcp-1-1-1", host{}, &events{}, 400, `is not the id of a command or a request`},
		{"below an event", "GET", "/api/v1/waterfall?root=" + id, host{}, &events{list: []*model.Event{command}}, 200, `"label":"git"`},
		{"unknown end point", "GET", "/api/v1/nothing", host{}, &events{}, 404, `"hint":"GET /api/v1/ lists what there is"`},
		{"old version", "GET", "/api/v0/events", host{}, &events{}, 404, `no such page: /api/v0/events`},
		{"wrong method", "POST", "/api/v1/probes", host{}, &events{}, 405, `POST /api/v1/probes: nothing can be changed here`},
		{"the UI", "GET", "/", host{}, &events{}, 200, `the pages`},
		{"a page of the UI", "GET", "/commands/x", host{}, &events{}, 200, `the pages`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := New(Options{Host: &tt.host, Events: tt.events, Metrics: page("the metrics"), UI: page("the pages"), Now: noon})
			w := ask(t, h, tt.method, tt.target)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("status %d, body %s; want %d and %s", w.Code, w.Body, tt.status, tt.body)
			}
			if !strings.HasPrefix(tt.target, "/api/") {
				return
			}
			if w.Header().Get("Content-Type") != "application/json; charset=utf-8" || w.Header().Get("Cache-Control") != "no-store" || !json.Valid(w.Body.Bytes()) {
				t.Errorf("header %v, body %s; want JSON that nobody stores", w.Header(), w.Body)
			}
		})
	}
}

func TestHandler_withoutUIListsTheEndPoints(t *testing.T) {
	h := New(Options{Host: &host{}, Events: &events{}})
	if w := ask(t, h, "GET", "/"); w.Code != 200 || !strings.Contains(w.Body.String(), `{"path":"/readyz"`) {
		t.Errorf("/ is %d, %s", w.Code, w.Body)
	}
	for _, path := range []string{"/nothing", "/metrics", "/api/v1/events/stream"} {
		if w := ask(t, h, "GET", path); w.Code == 200 {
			t.Errorf("%s is %d, %s; want nothing there", path, w.Code, w.Body)
		}
	}
}

func TestHandler_givesUpOnWhatTakesTooLong(t *testing.T) {
	h := New(Options{Host: &host{}, Events: &events{wait: true}, Timeout: time.Millisecond})
	if w := ask(t, h, "GET", "/api/v1/events"); w.Code != 503 || !strings.Contains(w.Body.String(), "read events: takes too long") {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
}

func TestEvents_pagesAreAboutTheSameTime(t *testing.T) {
	list := &events{}
	for i := range 25 {
		list.add(event("x", int32(i+1), 10+i, time.Second))
	}
	clock := noon()
	c := client.New(client.Options{Transport: client.InProcess(New(Options{Host: &host{}, Events: list, Now: func() time.Time { return clock }}))})
	q := v1.EventQuery{From: v1.Moment{Ago: 30 * time.Second}, Limit: 10}
	var pids []int32
	for {
		got, err := c.Events(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got.Items {
			pids = append(pids, r.PID)
		}
		if !list.query.From.Equal(noon().Add(-30 * time.Second)) {
			t.Errorf("a page asks for what is after %s", list.query.From)
		}
		if q.After = got.Next; q.After == "" {
			break
		}
		clock = clock.Add(time.Minute)
	}
	if len(pids) != 22 || pids[0] != 1 || pids[21] != 22 {
		t.Errorf("processes %v, want 1 to 22", pids)
	}
}

func TestRollups_haveNamesForTheirGroups(t *testing.T) {
	sum := model.Rollup{Time: noon(), Probe: "exec", Service: "shop", Group: []string{"git"}, Count: 30, Failed: 2, Findings: 1}
	sum.Durations.Add(time.Second)
	list := &events{sums: model.Rollups{Items: []model.Rollup{sum}, Incomplete: []string{"a file is lost"}}}
	c := client.New(client.Options{Transport: client.InProcess(New(Options{Host: &host{}, Events: list, Now: noon}))})
	got, err := c.Rollups(t.Context(), v1.RollupQuery{From: v1.Moment{Ago: time.Minute}, By: v1.ByGroup})
	if err != nil {
		t.Fatal(err)
	}
	r := got.Items[0]
	if r.Group["process.executable.name"] != "git" || r.RatePerS != 0.5 || r.MaxNS != 1e9 || r.Failed != 2 || got.Incomplete[0] != "a file is lost" {
		t.Errorf("got %+v", got)
	}
	if q := list.rollups; q.By != model.ByGroup || !q.From.Equal(noon().Add(-time.Minute)) || !q.To.IsZero() {
		t.Errorf("the store is asked %+v", q)
	}
	if _, err = c.Rollups(t.Context(), v1.RollupQuery{Step: time.Minute}); err != nil || list.rollups.Step != time.Minute {
		t.Errorf("the store is asked %+v, %v", list.rollups, err)
	}
}

func TestWaterfall_readsOnWhileSomethingOfTheTreeRuns(t *testing.T) {
	child := func(name string, pid, parent int32, sec int, d time.Duration) *model.Event {
		e := event(name, pid, sec, d)
		e.Values[1] = model.IntValue(int64(parent))
		return e
	}
	root := event("root", 1, 100, 10*time.Second)
	list := &events{list: []*model.Event{
		root, child("orphan", 2, 1, 95, 30*time.Second), child("of the orphan", 3, 2, 70, 20*time.Second), child("other", 4, 9, 95, time.Second),
	}}
	c := client.New(client.Options{Transport: client.InProcess(New(Options{Host: &host{}, Events: list, Now: noon}))})
	w, err := c.Waterfall(t.Context(), v1.EventQuery{}, root.ID().String())
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, b := range w.Bars {
		labels = append(labels, b.Label)
	}
	if strings.Join(labels, ", ") != "root, orphan, of the orphan" || w.Incomplete != nil {
		t.Errorf("bars %v, incomplete %v", labels, w.Incomplete)
	}
}

func TestWaterfall_saysWhatItLeavesOut(t *testing.T) {
	list := &events{}
	for i := range maxBars + 5 {
		list.add(event("x", int32(i+1), i%1000, time.Millisecond))
	}
	c := client.New(client.Options{Transport: client.InProcess(New(Options{Host: &host{}, Events: list, Now: noon}))})
	w, err := c.Waterfall(t.Context(), v1.EventQuery{Service: "shop"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if len(w.Bars) != maxBars || len(w.Incomplete) != 1 || w.Incomplete[0] != "More than 10000 commands match: those that ended last are shown." {
		t.Errorf("%d bars, incomplete %q", len(w.Bars), w.Incomplete)
	}
	if list.query.Probe != "exec" || list.query.Service != "shop" {
		t.Errorf("the store is asked %+v", list.query)
	}
}

func FuzzHandler_answersAnyRequest(f *testing.F) {
	f.Add("events", "probe=exec&from=-1h&after=1.2")
	f.Add("rollups", "step=10s&from=-1h")
	f.Add("waterfall", "root=exec-1-1-1")
	f.Add("events/x", "")
	h := New(Options{Host: &host{}, Events: &events{list: []*model.Event{event("x", 1, 1, 1)}}, Now: noon})
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: "/api/v1/" + path, RawQuery: query}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code < 300 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s?%s: %d %s", path, query, w.Code, w.Body)
		}
	})
}

// TestWaterfall_ofARequest asks for what a request caused, and for which request
// a command ran.
func TestWaterfall_ofARequest(t *testing.T) {
	schema := &model.Schema{Probe: "http", Fields: []model.Field{{Key: "http.request.method", Kind: model.KindString}, {Key: "http.route", Kind: model.KindString}}}
	request := new(model.Event)
	request.Reset(schema)
	request.PID, request.Service, request.Time, request.Duration = 7, "shop", noon().Add(-time.Minute), time.Second
	request.TraceID, request.SpanID = model.TraceID{1}, model.SpanID{1}
	request.Values[0], request.Values[1] = model.StringValue("GET"), model.StringValue("/orders/{id}")
	command := event("git", 8, 60, 100*time.Millisecond)
	command.Time = request.Time.Add(200 * time.Millisecond)
	command.TraceID, command.SpanID, command.ParentSpanID = model.TraceID{1}, model.SpanID{2}, model.SpanID{1}
	// It begins when its request has ended.
	late := event("mail", 9, 60, 3*time.Second)
	late.Time = request.Time.Add(900 * time.Millisecond)
	late.TraceID, late.SpanID, late.ParentSpanID = model.TraceID{1}, model.SpanID{3}, model.SpanID{1}
	child := event("cat", 10, 60, 100*time.Millisecond)
	child.Time = late.Time.Add(2 * time.Second)
	child.TraceID, child.SpanID, child.ParentSpanID = model.TraceID{1}, model.SpanID{4}, model.SpanID{3}
	other := event("ls", 11, 60, 100*time.Millisecond)
	other.Time, other.TraceID, other.SpanID = command.Time, model.TraceID{2}, model.SpanID{1}

	c := client.New(client.Options{Transport: client.InProcess(New(Options{
		Host: &host{}, Events: &events{list: []*model.Event{request, command, late, child, other}}, Now: noon,
	}))})
	labels := func(list []v1.Bar) string {
		var b strings.Builder
		for _, bar := range list {
			b.WriteString(strings.Repeat(">", bar.Depth) + bar.Label + " ")
		}
		return strings.TrimSpace(b.String())
	}
	for _, tt := range []struct {
		root         *model.Event
		bars, aboves string
	}{
		{request, "GET /orders/{id} >git >mail >>cat", ""},
		{command, "git", "GET /orders/{id}"},
		{child, "cat", "mail GET /orders/{id}"},
		{other, "ls", ""},
	} {
		got, err := c.Waterfall(t.Context(), v1.EventQuery{}, tt.root.ID().String())
		if err != nil || labels(got.Bars) != tt.bars || labels(got.Above) != tt.aboves {
			t.Errorf("the waterfall has %q below %q (%v), want %q below %q", labels(got.Bars), labels(got.Above), err, tt.bars, tt.aboves)
		}
	}
}
