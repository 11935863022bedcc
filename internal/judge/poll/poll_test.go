package poll

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/sli"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// fake is a Prometheus server that answers each query by a number.
type fake struct {
	mu      sync.Mutex
	answers map[string]string // by the query; what begins with "!" is a status
	asked   []string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	query := r.FormValue("query")
	f.asked = append(f.asked, query+" at "+r.FormValue("time"))
	answer, ok := f.answers[query]
	switch {
	case !ok:
		answer = "[]"
	case strings.HasPrefix(answer, "!"):
		http.Error(w, answer, http.StatusServiceUnavailable)
		return
	case !strings.HasPrefix(answer, "["):
		answer = fmt.Sprintf(`[{"metric":{},"value":[1,%q]}]`, answer)
	}
	json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": json.RawMessage(answer)}})
}

func (f *fake) set(answers map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = answers
}

func queried(name, server, bad, total string) objective.SLO {
	return objective.SLO{Name: name, Indicator: objective.Indicator{Signal: objective.SignalQuery, Query: objective.Query{Server: server, Bad: bad, Total: total}}}
}

// rig has a poller with a clock of its own.
type rig struct {
	*Poller
	now    time.Time
	mu     sync.Mutex
	counts map[string]sli.Counts
}

func newRig(t *testing.T) *rig {
	r := &rig{now: time.Unix(1000, 0), counts: make(map[string]sli.Counts)}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	r.Poller = New(Options{Now: func() time.Time { return r.now }, Transport: transport, Count: func(name string, c sli.Counts) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.counts[name] = r.counts[name].Plus(c)
	}})
	return r
}

func (r *rig) step(t *testing.T, d time.Duration) {
	r.now = r.now.Add(d)
	r.round(t.Context())
}

func TestPoller(t *testing.T) {
	f := new(fake)
	server := httptest.NewServer(f)
	defer server.Close()
	r := newRig(t)
	slos := []objective.SLO{
		queried("counters", server.URL, "errors", "sum(requests)"),
		queried("windows", server.URL, "sum(rate(errors[{{.window}}]))", "sum(rate(requests[{{.window}}]))"),
		queried("nobody", "", "errors", "requests"),
		{Name: "http", Indicator: objective.Indicator{Signal: objective.SignalHTTP}},
	}
	r.Set(slos)
	if err := r.Err("counters"); err == nil {
		t.Error("it is known before anybody was asked")
	}
	const part, total = "sum (\n  sum(rate(errors[5m]))\n) * 300", "sum (\n  sum(rate(requests[5m]))\n) * 300"
	f.set(map[string]string{"errors": "10", "requests": "1000", part: "3", total: "50.5"})
	r.step(t, 0)
	f.set(map[string]string{"errors": "12", "requests": "1100", part: "3", total: "50.5"})
	r.step(t, countersEvery)
	r.Set(slos) // the same again: it goes on
	r.step(t, time.Second)
	f.set(map[string]string{"errors": "!down", "requests": "2000", part: "3", total: "50.5"})
	r.step(t, countersEvery)
	if err := r.Err("counters"); err == nil || !strings.Contains(err.Error(), server.URL) {
		t.Errorf("a server that is down: %v", err)
	}
	f.set(map[string]string{"errors": "20", "requests": "1200", part: "3", total: "50.5"})
	r.step(t, time.Minute)
	r.step(t, 5*time.Minute)
	if got, want := r.counts["counters"], (sli.Counts{Good: 190, Bad: 10}); got != want {
		t.Errorf("counters: %+v, want %+v", got, want)
	}
	if got, want := r.counts["windows"], (sli.Counts{Good: 95, Bad: 6}); got != want {
		t.Errorf("windows: %+v, want %+v", got, want)
	}
	if len(r.counts) != 2 {
		t.Errorf("counted: %+v", r.counts)
	}
	if err := r.Err("counters"); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(f.asked[0], " at 990") {
		t.Errorf("asked %q", f.asked[0])
	}
}

// TestShare has a server say a share: time is counted by it, but for the time in which
// nobody answers, or nothing happened.
func TestShare(t *testing.T) {
	f := new(fake)
	server := httptest.NewServer(f)
	defer server.Close()
	r := newRig(t)
	const asked = "avg (\n  slo:share5m\n)"
	r.Set([]objective.SLO{{Name: "x", Indicator: objective.Indicator{Signal: objective.SignalQuery, Query: objective.Query{Server: server.URL, Ratio: "slo:share{{.window}}"}}}})
	for _, step := range []struct {
		name, answer string
		after        time.Duration
		want         sli.Counts // of all until now, in milliseconds
		err          string
	}{
		{"the first answer is for one interval", "0.1", 0, sli.Counts{Good: 27_000, Bad: 3000}, ""},
		{"all is good", "0", countersEvery, sli.Counts{Good: 57_000, Bad: 3000}, ""},
		{"asked a little late", "1", countersEvery + 2*time.Second, sli.Counts{Good: 57_000, Bad: 35_000}, ""},
		{"no event, no share", "[]", countersEvery, sli.Counts{Good: 57_000, Bad: 35_000}, ""},
		{"0 of 0", "NaN", countersEvery, sli.Counts{Good: 57_000, Bad: 35_000}, ""},
		{"an error of rates", "1.0000001", countersEvery, sli.Counts{Good: 57_000, Bad: 65_000}, ""},
		{"below 0 by as little", "-0.0000001", countersEvery, sli.Counts{Good: 87_000, Bad: 65_000}, ""},
		{"per cent", "12", countersEvery, sli.Counts{Good: 87_000, Bad: 65_000}, "the query is 12, which is no share: it must be from 0 to 1"},
		{"nobody answers", "!down", time.Minute, sli.Counts{Good: 87_000, Bad: 65_000}, "503"},
		{"again after a while", "0.5", 10 * time.Minute, sli.Counts{Good: 102_000, Bad: 80_000}, ""},
		{"the clock was set back", "0.5", -5 * time.Second, sli.Counts{Good: 102_000, Bad: 80_000}, ""},
	} {
		f.set(map[string]string{asked: step.answer})
		r.step(t, step.after)
		if got := r.counts["x"]; got != step.want {
			t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
		}
		if err := r.Err("x"); (err != nil) != (step.err != "") || err != nil && !strings.Contains(err.Error(), step.err) {
			t.Errorf("%s: error %v, want %q", step.name, err, step.err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, answer := range map[string]string{
		"HTML": "<html>", "an error": `{"status":"error","errorType":"bad_data","error":"parse error"}`,
		"a matrix": `{"status":"success","data":{"resultType":"matrix","result":[]}}`, "text": `{"status":"success","data":{"resultType":"string","result":[1,"a"]}}`,
		"nothing": "", "too many": `{"status":"success","data":{"resultType":"vector","result":[` + strings.Repeat(`{"metric":{},"value":[1,"1"]},`, maxSeries-1) + `{"metric":{},"value":[1,"1"]}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(answer)) }))
			defer server.Close()
			r := newRig(t)
			r.Set([]objective.SLO{queried("x", server.URL, "a", "b")})
			r.step(t, 0)
			if err := r.Err("x"); err == nil {
				t.Error("it is taken")
			}
			if len(r.counts) > 0 {
				t.Errorf("counted %+v", r.counts)
			}
		})
	}
}

func TestPasswordsAreNotTold(t *testing.T) {
	r := newRig(t)
	r.Set([]objective.SLO{queried("x", "http://user:secret@127.0.0.1:1", "a", "b")})
	r.step(t, 0)
	if err := r.Err("x"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}
