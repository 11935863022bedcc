package evaluate

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// prometheus answers each query by the value of a counter, and one of a share by a
// quarter. Queries about one moment get answers about one moment, as of a real server.
type prometheus struct {
	mu               sync.Mutex
	errors, requests int64
	// at is the moment of the last query, asked what the counters were then.
	at    string
	asked struct{ errors, requests int64 }
}

// add counts requests, some of which are errors.
func (p *prometheus) add(requests, errors int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.errors = p.requests+requests, p.errors+errors
}

func (p *prometheus) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	if at := r.FormValue("time"); at == "" || at != p.at {
		p.at = at
		p.asked.errors, p.asked.requests = p.errors, p.requests
	}
	counters := p.asked
	p.mu.Unlock()
	value := fmt.Sprint(counters.requests)
	switch query := r.FormValue("query"); {
	case query == "errors":
		value = fmt.Sprint(counters.errors)
	case strings.HasPrefix(query, "avg"):
		value = "0.25"
	}
	body := fmt.Sprintf(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"%s"]}]}}`, value)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Header: make(http.Header), Request: r}, nil
}

func asked(name string, q objective.Query) objective.SLO {
	slo := availability(name)
	slo.Indicator = objective.Indicator{Signal: objective.SignalQuery, Query: q}
	return slo
}

// TestJudge_asksServers judges an objective of a server's counters like any other, one
// of a share by time, and says why it cannot judge one that is many.
func TestJudge_asksServers(t *testing.T) {
	c := openCourt(t)
	server := new(prometheus)
	server.add(5000, 0)
	c.Judge = NewJudge(JudgeOptions{Engine: c.engine, Transport: server, PollEvery: time.Millisecond, Every: time.Hour})
	counted := asked("counted", objective.Query{Server: "http://prometheus", Bad: "errors", Total: "requests"})
	share := asked("share", objective.Query{Server: "http://prometheus", Ratio: "errors / requests"})
	grouped := asked("grouped", objective.Query{Server: "http://prometheus", Bad: "errors", Total: "requests", By: []string{"route"}})
	c.set(counted, share, grouped)
	c.Step(t.Context())
	if s := c.States()[0]; s.Err == nil {
		t.Error("it is judged before anybody was asked")
	}
	if s := c.States()[2]; s.Err == nil || !strings.Contains(s.Err.Error(), "slo rules") {
		t.Errorf("groups are judged as one: %v", s.Err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	defer func() {
		stop()
		<-done
	}()
	await := func(want sli.Counts) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			c.Step(t.Context())
			s := c.States()[0]
			if s.Err == nil && s.Statuses[0].Counts == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%+v, want %+v", s, want)
			}
		}
	}
	await(sli.Counts{})
	server.add(1000, 20)
	await(sli.Counts{Good: 980, Bad: 20})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c.Step(t.Context())
		s := c.States()[1]
		if s.Err == nil && s.Unit == time.Millisecond && s.Statuses[0].Counts.Bad > 0 {
			if n := s.Statuses[0].Counts; n.Good < 3*n.Bad-4 || n.Good > 3*n.Bad+4 {
				t.Errorf("a quarter of the time was bad: %+v", n)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a share: %+v", s)
		}
	}
}

func TestCounting_addedEventsAreExcluded(t *testing.T) {
	c := NewCounting(Options{})
	slo := asked("a", objective.Query{})
	slo.Exclusions = []objective.Exclusion{{From: at, To: at.Add(time.Minute)}, {From: at, To: at.Add(time.Hour), Select: of("shop")}}
	c.Set([]objective.SLO{slo})
	for _, d := range []time.Duration{0, time.Second, time.Minute, time.Minute + 1} {
		c.Add("a", at.Add(d), sli.Counts{Good: 1})
		c.Add("b", at.Add(d), sli.Counts{Good: 1})
	}
	if got := c.Read()[0].Counts; got != (sli.Counts{Good: 2}) {
		t.Errorf("%+v", got)
	}
}
