package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

type fake struct {
	ready bool
	err   error
	query EventQuery
}

func (f *fake) Ready() bool { return f.ready }
func (f *fake) Probes() []v1.Probe {
	return []v1.Probe{{Name: "exec", Summary: "commands", Up: true, Events: 3}}
}
func (f *fake) Services(context.Context) ([]v1.Service, error) {
	return []v1.Service{{Name: "shop"}}, f.err
}
func (f *fake) Events(q EventQuery) []v1.Event {
	f.query = q
	return []v1.Event{{Probe: "exec", PID: 7, Attributes: map[string]any{"a<b": 1}}}
}

func TestHandler(t *testing.T) {
	tests := []struct {
		name, method, target string
		backend              fake
		status               int
		body                 string
	}{
		{"alive", "GET", "/healthz", fake{}, 200, `{"status":"ok"}`},
		{"not ready", "GET", "/readyz", fake{}, 503, `{"status":"starting"}`},
		{"ready", "GET", "/readyz", fake{ready: true}, 200, `{"status":"ready"}`},
		{"metrics", "GET", "/metrics", fake{}, 200, `the metrics`},
		{"probes", "GET", "/api/v1/probes", fake{}, 200, `{"items":[{"name":"exec","summary":"commands","up":true,"events":3,"lost":0,"lost_records":0}]}`},
		{"services", "GET", "/api/v1/services", fake{}, 200, `{"items":[{"name":"shop","processes":null}]}`},
		{"services that cannot be listed", "GET", "/api/v1/services", fake{err: errors.New("no /proc")}, 500, `{"error":"list services: no /proc"}`},
		{"events", "GET", "/api/v1/events", fake{}, 200, `"a<b":1`},
		{"bad limit", "GET", "/api/v1/events?limit=0", fake{}, 400, `parameter limit=\"0\": not between 1 and 1000`},
		{"bad pid", "GET", "/api/v1/events?pid=x", fake{}, 400, `parameter pid=\"x\"`},
		{"unknown parameter", "GET", "/api/v1/events?colour=red", fake{}, 400, `parameter colour=\"red\": no such parameter`},
		{"index", "GET", "/", fake{}, 200, `{"items":["/metrics","/healthz"`},
		{"unknown page", "GET", "/nothing", fake{}, 404, `"hint":"there are /metrics`},
		{"wrong method", "POST", "/api/v1/probes", fake{}, 404, `POST /api/v1/probes`},
		{"rebound name", "GET", "http://evil.example/api/v1/events", fake{}, 421, `host \"evil.example\": not served here`},
		{"loopback name", "GET", "http://localhost:7788/healthz", fake{}, 200, `ok`},
		{"IPv6 address", "GET", "http://[::1]:7788/healthz", fake{}, 200, `ok`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := New(&tt.backend, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "the metrics") }))
			r := httptest.NewRequest(tt.method, tt.target, nil)
			if !strings.HasPrefix(tt.target, "http") {
				r.Host = "127.0.0.1:7788"
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("status %d, body %s; want %d and %s", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}

func TestEvents_passesTheQuery(t *testing.T) {
	f := &fake{}
	r := httptest.NewRequest("GET", "/api/v1/events?probe=exec&service=shop&pid=7&findings=true&limit=5", nil)
	r.Host = "127.0.0.1"
	New(f, http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), r)
	if want := (EventQuery{Probe: "exec", Service: "shop", PID: 7, Findings: true, Limit: 5}); f.query != want {
		t.Errorf("query %+v, want %+v", f.query, want)
	}
}
