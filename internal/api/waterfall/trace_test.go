package waterfall

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

func requestSchema(probe string) *model.Schema {
	s := &model.Schema{Probe: probe, Failure: keyError}
	for _, key := range []string{keyRole, keyMethod, keyRoute, keyTemplate, keyPath, keyHTTPOutcome, keyServer, keyError, keyTCPEvent, keyPeer} {
		s.Fields = append(s.Fields, model.Field{Key: key, Kind: model.KindString})
	}
	for _, key := range []string{keyStatus, keyServerPort, keyPeerPort} {
		s.Fields = append(s.Fields, model.Field{Key: key, Kind: model.KindInt})
	}
	return s
}

// span is an event of a trace in short; times are in milliseconds, spans are
// small numbers, 0 for none.
type span struct {
	probe         string
	name          string // of a command, or "server /route", "client host"
	pid, parent   int    // processes
	span, under   int
	start, length int
	trace         int // 0 is 1
}

func (s span) record(execs, others *model.Schema) model.Record {
	if s.probe == "exec" {
		r := command{s.name, s.pid, s.parent, s.start, s.length, nil}.record(execs)
		s.place(r.Event)
		return r
	}
	e := new(model.Event)
	e.Reset(others)
	e.PID, e.Service = int32(s.pid), "shop"
	e.Time, e.Duration = epoch().Add(time.Duration(s.start)*time.Millisecond), time.Duration(s.length)*time.Millisecond
	role, what, _ := strings.Cut(s.name, " ")
	set := func(key, text string) { e.Values[others.Index(key)] = model.StringValue(text) }
	set(keyRole, role)
	set(keyMethod, "GET")
	if role == "server" {
		set(keyRoute, what)
	} else {
		set(keyServer, what)
	}
	s.place(e)
	return model.Record{Event: e, Weight: 1}
}

func (s span) place(e *model.Event) {
	e.TraceID[0] = byte(max(s.trace, 1))
	e.SpanID[0], e.ParentSpanID[0] = byte(s.span), byte(s.under)
}

func trace(spans []span) []model.Record {
	execs, https := schema(), requestSchema("http")
	tcps := requestSchema("tcp")
	var list []model.Record
	for _, s := range spans {
		others := https
		if s.probe == "tcp" {
			others = tcps
		}
		list = append(list, s.record(execs, others))
	}
	return list
}

// selves is text with what each bar has for itself.
func selves(w v1.Waterfall) string {
	var b strings.Builder
	for _, bar := range w.Bars {
		fmt.Fprintf(&b, "%s%d+%d (%d) %s %s\n", strings.Repeat("  ", bar.Depth), bar.StartNS/1e6, bar.DurationNS/1e6, bar.SelfNS/1e6, bar.Kind, bar.Label)
	}
	for _, s := range w.Incomplete {
		b.WriteString(s + "\n")
	}
	return b.String()
}

func TestTrace(t *testing.T) {
	request := span{"http", "server /orders/{id}", 7, 0, 1, 99, 0, 100, 0}
	tests := []struct {
		name  string
		spans []span
		limit int
		want  string
	}{
		{"a request alone has its time for itself", []span{request}, 10, "0+100 (100) request GET /orders/{id}\n"},
		{"what it caused hangs below, and covers its time", []span{
			request, {"exec", "sh", 20, 7, 2, 1, 10, 50, 0}, {"exec", "sort", 21, 20, 3, 2, 20, 30, 0}, {"http", "client db", 7, 0, 4, 1, 50, 20, 0}, {"tcp", "client db", 7, 0, 0, 1, 52, 3, 0},
		}, 10, "0+100 (40) request GET /orders/{id}\n  10+50 (20) command sh\n    20+30 (30) command sort\n  50+20 (20) call GET db\n  52+3 (3) connection TCP connection \n"},
		{"a call that another service serves", []span{
			request, {"http", "client db", 7, 0, 4, 1, 50, 20, 0}, {"http", "server /query", 8, 0, 5, 4, 52, 16, 0}, {"exec", "sort", 21, 8, 6, 5, 55, 5, 0},
		}, 10, "0+100 (80) request GET /orders/{id}\n  50+20 (4) call GET db\n    52+16 (11) request GET /query\n      55+5 (5) command sort\n"},
		{"work that goes on after its request covers no more than that", []span{request, {"exec", "late", 20, 7, 2, 1, 90, 500, 0}}, 10,
			"0+100 (90) request GET /orders/{id}\n  90+500 (500) command late\n"},
		{"another trace is another trace", []span{request, {"exec", "other", 20, 7, 2, 1, 10, 20, 2}}, 10, "0+100 (100) request GET /orders/{id}\n"},
		{"a span of the program's own between them is not in the way", []span{request, {"exec", "git", 20, 7, 2, 77, 10, 20, 0}}, 10,
			"0+100 (80) request GET /orders/{id}\n  10+20 (20) command git\n"},
		{"nothing is guessed where there are two requests of one trace", []span{
			request, {"http", "server /b", 7, 0, 5, 99, 5, 90, 0}, {"exec", "git", 20, 7, 2, 77, 10, 20, 0},
		}, 10, "0+100 (100) request GET /orders/{id}\n1 more events of this trace are of something that was not seen, or of several requests at once, and are not shown.\n"},
		{"a child of a command whose span is not known hangs below its process", []span{
			request, {"exec", "sh", 20, 7, 2, 1, 10, 50, 0}, {"exec", "sort", 21, 20, 3, 66, 20, 30, 0},
		}, 10, "0+100 (50) request GET /orders/{id}\n  10+50 (20) command sh\n    20+30 (30) command sort\n"},
		{"spans that are each other's parents", []span{
			request, {"exec", "a", 20, 0, 2, 3, 10, 50, 0}, {"exec", "b", 21, 0, 3, 2, 20, 30, 0}, {"exec", "own", 22, 0, 4, 4, 20, 30, 0},
		}, 10, "0+100 (100) request GET /orders/{id}\n1 more events of this trace are of something that was not seen, or of several requests at once, and are not shown.\n"},
		{"too many", []span{request, {"exec", "a", 20, 7, 2, 1, 10, 10, 0}, {"exec", "b", 21, 7, 3, 1, 30, 10, 0}}, 2,
			"0+100 (80) request GET /orders/{id}\n  10+10 (10) command a\nOf 3 rows, the first 2 are shown.\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := trace(tt.spans)
			w, end := Trace(list, list[0].Event.ID(), tt.limit)
			if w == nil {
				t.Fatal("not found")
			}
			if got := selves(*w); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if end.Before(list[0].Event.End()) {
				t.Errorf("it ends at %v, before its root", end)
			}
		})
	}
	if w, _ := Trace(trace([]span{request}), model.EventID{Probe: "http", PID: 3}, 10); w != nil {
		t.Errorf("found what is not there: %v", w)
	}
}

func TestTrace_withoutATraceIsTheRequestAlone(t *testing.T) {
	list := trace([]span{{"http", "server /a", 7, 0, 0, 0, 0, 100, 0}, {"exec", "git", 20, 7, 0, 0, 10, 20, 0}})
	for i := range list {
		list[i].Event.TraceID = model.TraceID{}
	}
	w, _ := Trace(list, list[0].Event.ID(), 10)
	if got := selves(*w); got != "0+100 (100) request GET /a\n" {
		t.Errorf("got\n%s", got)
	}
}

func TestAbove_followsTheSpansUp(t *testing.T) {
	list := trace([]span{
		{"http", "server /orders/{id}", 7, 0, 1, 99, 0, 100, 0}, {"exec", "sh", 20, 7, 2, 1, 10, 50, 0}, {"exec", "sort", 21, 20, 3, 2, 20, 30, 0},
		{"exec", "round", 22, 20, 4, 5, 20, 30, 0}, {"exec", "and round", 23, 20, 5, 4, 20, 30, 0}, {"exec", "orphan", 24, 20, 6, 0, 20, 30, 0},
	})
	for name, want := range map[string]string{"sort": "sh; GET /orders/{id}", "sh": "GET /orders/{id}", "orphan": "", "round": "and round; round"} {
		var e *model.Event
		for _, r := range list {
			if r.Event.Get(keyName).Str() == name {
				e = r.Event
			}
		}
		var labels []string
		for _, b := range Above(list, e) {
			labels = append(labels, b.Label)
			if b.Href == "" || b.Parent != -1 || b.Parts != nil {
				t.Errorf("%s: a bar above it is %+v", name, b)
			}
		}
		if got := strings.Join(labels, "; "); got != want {
			t.Errorf("above %s is %q, want %q", name, got, want)
		}
	}
}

func TestTrace_describesItsBars(t *testing.T) {
	https, tcps := requestSchema("http"), requestSchema("tcp")
	event := func(s *model.Schema, values map[string]any) model.Record {
		e := new(model.Event)
		e.Reset(s)
		e.Time, e.Duration, e.TraceID, e.SpanID = epoch(), time.Millisecond, model.TraceID{1}, model.SpanID{1}
		e.Service = "shop"
		for key, v := range values {
			switch v := v.(type) {
			case string:
				e.Values[s.Index(key)] = model.StringValue(v)
			case int:
				e.Values[s.Index(key)] = model.IntValue(int64(v))
			}
		}
		return model.Record{Event: e}
	}
	tests := []struct {
		name string
		r    model.Record
		want string
	}{
		{"a request by its route", event(https, map[string]any{keyRole: "server", keyMethod: "POST", keyRoute: "/orders/{id}", keyPath: "/orders/17", keyStatus: 201}), "request|POST /orders/{id}|/orders/17 served by shop|201|false"},
		{"a request without a route", event(https, map[string]any{keyRole: "server", keyMethod: "GET", keyTemplate: "/x/{id}", keyPath: "/x/1", keyStatus: 500, keyError: "500"}), "request|GET /x/{id}|/x/1 served by shop|500|true"},
		{"a panic", event(https, map[string]any{keyRole: "server", keyMethod: "GET", keyPath: "/x", keyHTTPOutcome: "panic", keyError: "panic", keyStatus: 200}), "request|GET /x|/x served by shop|panic|true"},
		{"a call", event(https, map[string]any{keyRole: "client", keyMethod: "GET", keyPath: "/stock/7", keyServer: "warehouse", keyServerPort: 8080, keyStatus: 404, keyError: "404"}), "call|GET warehouse:8080/stock/7|from shop|404|true"},
		{"a call without a port", event(https, map[string]any{keyRole: "client", keyServer: "::1"}), "call|::1|from shop|done|false"},
		{"a connection", event(tcps, map[string]any{keyTCPEvent: "connect_failed", keyPeer: "::1", keyPeerPort: 5432, keyError: "ECONNREFUSED"}), "connection|TCP connect failed [::1]:5432||ECONNREFUSED|true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := Trace([]model.Record{tt.r}, tt.r.Event.ID(), 10)
			b := w.Bars[0]
			if got := fmt.Sprintf("%s|%s|%s|%s|%t", b.Kind, b.Label, b.Detail, b.Outcome, b.Failed); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if b.Href != "/events/"+tt.r.Event.ID().String() {
				t.Errorf("it leads to %s", b.Href)
			}
		})
	}
}
