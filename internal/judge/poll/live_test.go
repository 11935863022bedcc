package poll

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/sli"
)

// TestRealServer has a Prometheus scrape two counters, one of which begins anew while
// it is away: in the end all events were counted, none twice.
func TestRealServer(t *testing.T) {
	var requests, failures, begun atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE requests_total counter\nrequests_total{code=\"200\"} %d\nrequests_total{code=\"500\"} %d\n",
			requests.Load(), failures.Load()-begun.Load())
	}))
	defer target.Close()
	server := testutil.NewPrometheus(t, testutil.PrometheusOptions{Config: fmt.Sprintf(
		"global: {scrape_interval: 200ms}\nscrape_configs:\n- job_name: x\n  static_configs: [{targets: [%q]}]\n", strings.TrimPrefix(target.URL, "http://"))})
	requests.Store(100)
	failures.Store(10)
	server.Start()

	var mu sync.Mutex
	var counted sli.Counts
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	p := New(Options{Every: 200 * time.Millisecond, Behind: 2 * time.Second, Transport: transport, Count: func(_ string, c sli.Counts) {
		mu.Lock()
		defer mu.Unlock()
		counted = counted.Plus(c)
	}})
	p.Set([]objective.SLO{queried("x", server.URL(""), `requests_total{code="500"}`, "sum(requests_total)")})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.Run(ctx) })
	defer running.Wait()
	defer stop()

	await := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: %+v, %v", what, counted, p.Err("x"))
			}
		}
	}
	is := func(want sli.Counts) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return counted == want
		}
	}
	// What is there at first is not counted, so it must have been seen.
	await("it is asked", func() bool { return p.Err("x") == nil && p.tasks["x"].hasBegun() })
	requests.Add(50)
	failures.Add(5)
	await("growth", is(sli.Counts{Good: 50, Bad: 5}))
	server.Stop()
	await("the server is away", func() bool { return p.Err("x") != nil })
	begun.Store(failures.Load())
	requests.Add(7)
	failures.Add(3)
	server.Start()
	await("the server is back", is(sli.Counts{Good: 57, Bad: 8}))
}

func (t *task) hasBegun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.begun
}
