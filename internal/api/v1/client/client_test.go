package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

func TestClient_asks(t *testing.T) {
	q := v1.EventQuery{Service: "a b", From: v1.Moment{Ago: time.Hour}, Order: v1.OrderSlowest, Limit: 7}
	ctx := context.Background()
	tests := []struct {
		name string
		ask  func(*Client) error
		want string
	}{
		{"services", func(c *Client) error { _, err := c.Services(ctx); return err }, "/api/v1/services"},
		{"a service", func(c *Client) error { _, err := c.Service(ctx, "a/b?c d"); return err }, "/api/v1/services/a%2Fb%3Fc%20d"},
		{"processes", func(c *Client) error { _, err := c.Processes(ctx); return err }, "/api/v1/processes"},
		{"a process", func(c *Client) error { _, err := c.Process(ctx, 7); return err }, "/api/v1/processes/7"},
		{"probes", func(c *Client) error { _, err := c.Probes(ctx); return err }, "/api/v1/probes"},
		{"events", func(c *Client) error { _, err := c.Events(ctx, q); return err }, "/api/v1/events?from=-1h&limit=7&order=slowest&service=a+b"},
		{"all events", func(c *Client) error { _, err := c.Events(ctx, v1.EventQuery{}); return err }, "/api/v1/events"},
		{"an event", func(c *Client) error { _, err := c.Event(ctx, "exec-1-2-3"); return err }, "/api/v1/events/exec-1-2-3"},
		{"rollups", func(c *Client) error {
			_, err := c.Rollups(ctx, v1.RollupQuery{Step: time.Minute, By: v1.ByGroup})
			return err
		}, "/api/v1/rollups?by=group&step=1m"},
		{"a waterfall without pages", func(c *Client) error { _, err := c.Waterfall(ctx, q, ""); return err }, "/api/v1/waterfall?from=-1h&service=a+b"},
		{"a waterfall below a command", func(c *Client) error { _, err := c.Waterfall(ctx, q, "exec-1-2-3"); return err }, "/api/v1/waterfall?root=exec-1-2-3"},
		{"objectives", func(c *Client) error { _, err := c.SLOs(ctx, v1.SLOListQuery{}); return err }, "/api/v1/slos"},
		{"objectives of a service", func(c *Client) error { _, err := c.SLOs(ctx, v1.SLOListQuery{Service: "a b"}); return err }, "/api/v1/slos?service=a+b"},
		{"an objective", func(c *Client) error { _, err := c.SLO(ctx, "a/b"); return err }, "/api/v1/slos/a%2Fb"},
		{"a history", func(c *Client) error {
			_, err := c.SLOHistory(ctx, "a b", v1.SLOHistoryQuery{From: v1.Moment{Ago: time.Hour}, Step: time.Minute})
			return err
		}, "/api/v1/slos/a%20b/history?from=-1h&step=1m"},
		{"the store", func(c *Client) error { _, err := c.Store(ctx); return err }, "/api/v1/store"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got *http.Request
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = r; io.WriteString(w, "{}") })
			c := New(Options{Transport: InProcess(h), Token: "secret"})
			if err := tt.ask(c); err != nil {
				t.Fatal(err)
			}
			if got.RequestURI != tt.want || got.Method != "GET" || got.Header.Get("Authorization") != "Bearer secret" || got.Host != "127.0.0.1:7788" {
				t.Errorf("%s %s of %s, %q; want %s", got.Method, got.RequestURI, got.Host, got.Header, tt.want)
			}
		})
	}
}

func TestClient_decodesARecord(t *testing.T) {
	const body = `{"items":[{"id":"exec-1-2-3","weight":12.5,"time":"2026-11-21T19:00:01.000000500Z","probe":"exec","pid":7,"service":"shop","duration_ns":42,` +
		`"attributes":{"big":9223372036854775807,"list":["a",""],"none":[],"ok":true,"text":"x","half":0.5},"stack":[{"func":"f","file":"g","line":1}]}],"next":"n","incomplete":["i"]}`
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
	got, err := New(Options{Transport: InProcess(h)}).Events(t.Context(), v1.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	ns := int64(42)
	want := v1.List[v1.Record]{
		Items: []v1.Record{{ID: "exec-1-2-3", Weight: 12.5, Event: v1.Event{
			Time: v1.Time(time.Date(2026, 11, 21, 19, 0, 1, 500, time.UTC)), Probe: "exec", PID: 7, Service: "shop", DurationNS: &ns,
			Attributes: v1.Attributes{"big": int64(9223372036854775807), "list": []string{"a", ""}, "none": []string{}, "ok": true, "text": "x", "half": 0.5},
			Stack:      []v1.Frame{{Func: "f", File: "g", Line: 1}},
		}}},
		Next: "n", Incomplete: []string{"i"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestClient_saysWhatTheServerRefuses(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   Error
		text   string
	}{
		{"with a hint", 400, `{"error":"bad","hint":"do"}`, Error{400, "bad", "do"}, "bad"},
		{"without JSON", 502, `<html>`, Error{502, "", ""}, "the server answers 502 Bad Gateway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(tt.status); io.WriteString(w, tt.body) })
			_, err := New(Options{Transport: InProcess(h)}).Probes(t.Context())
			var e *Error
			if !errors.As(err, &e) || *e != tt.want || e.Error() != tt.text {
				t.Errorf("error %+v, want %+v", err, tt.want)
			}
		})
	}
}

func TestClient_failsForWhatIsNoAnswer(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "[") })
	if _, err := New(Options{Transport: InProcess(h)}).Store(t.Context()); err == nil || !strings.Contains(err.Error(), "read the answer for store") {
		t.Errorf("error %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := New(Options{Transport: InProcess(h)}).Store(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that says that the question was withdrawn", err)
	}
}

func TestClient_asksOverANetwork(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/store" {
			t.Errorf("path %s", r.URL.Path)
		}
		io.WriteString(w, `{"kind":"memory"}`)
	}))
	defer server.Close()
	got, err := New(Options{Transport: server.Client().Transport, Base: server.URL + "/"}).Store(t.Context())
	if err != nil || got.Kind != "memory" {
		t.Errorf("got %+v, %v", got, err)
	}
}
