package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

func TestPutCountsWhatTheServerServed(t *testing.T) {
	tests := []struct {
		kind                     string
		sent, completed, partial int
		exact                    bool // the server has served what was sent
	}{
		{"keepalive", 103, 103, 0, true},
		{"pipelined", 103, 103, 0, true},
		{"rate", 103, 103, 0, true},
		{"panics", 103, 103, 0, true},
		// Three connections of 35, 34 and 34 abort in four ways in turn.
		{"aborted", 124, 103, 27, false},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			var served atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				served.Add(1)
				if tt.kind == "panics" {
					panic("as wanted")
				}
				io.WriteString(w, "ok")
			}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Start()
			l := load{address: server.Listener.Addr().String(), kind: tt.kind, count: 103, connections: 3, rate: 1e6}
			r, err := l.put()
			server.Close()
			if err != nil {
				t.Fatal(err)
			}
			if r.Sent != tt.sent || r.Completed != tt.completed || r.Partial != tt.partial {
				t.Errorf("sent %d, completed %d, partial %d; want %d, %d, %d", r.Sent, r.Completed, r.Partial, tt.sent, tt.completed, tt.partial)
			}
			if n := int(served.Load()); tt.exact && n != tt.sent || n > tt.sent {
				t.Errorf("the server served %d of %d", n, tt.sent)
			}
		})
	}
}

func TestPutFailsWithoutAServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.Listener.Addr().String()
	server.Close()
	for name := range kinds() {
		l := load{address: address, kind: name, count: 1, connections: 1, rate: 1}
		if r, err := l.put(); err == nil {
			t.Errorf("%s of a server that is gone = %+v, want an error", name, r)
		}
	}
}
