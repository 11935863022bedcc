package remotewrite

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/sli"
)

// gather renders what a collector has.
func gather(t testing.TB, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// agent is an engine with a judge of so many objectives, as goshawk up has them.
type agent struct {
	engine *series.Engine
	judge  *evaluate.Judge
	end    func()
}

// requests is what the probe of requests says of a request, in short.
func requests() *model.Schema {
	return &model.Schema{Probe: "http", Tallied: true, Failure: "error.type", Fields: []model.Field{
		{Key: "error.type", Kind: model.KindString}, {Key: "goshawk.role", Kind: model.KindString},
	}}
}

// request returns one that failed or did not.
func request(schema *model.Schema, failed bool) *model.Event {
	e := new(model.Event)
	e.Reset(schema)
	e.Service, e.Phase, e.Duration = "shop", model.PhaseTally, time.Second
	e.Tally = &model.Tally{Count: 1}
	e.Values[1] = model.StringValue("server")
	if failed {
		e.Values[0] = model.StringValue("500")
	}
	return e
}

// startAgent counts requests, a fifth of which fail, until it is ended.
func startAgent(t testing.TB, dir string, objectives int) *agent {
	t.Helper()
	engine, err := series.Open(t.Context(), series.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	judge := evaluate.NewJudge(evaluate.JudgeOptions{Engine: engine})
	var slos []objective.SLO
	for i := range objectives {
		slos = append(slos, objective.SLO{
			Name: fmt.Sprintf("shop-%d", i), Service: "shop", Target: 0.999, Windows: []sli.Window{sli.Rolling(30 * 24 * time.Hour)},
			Indicator: objective.Indicator{Signal: objective.SignalHTTP, Select: objective.Selector{Service: []string{"shop"}}},
		})
	}
	if err := judge.Set(slos); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	counted, judged := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(counted)
		schema := requests()
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				judge.Counting().Consume(request(schema, i%5 == 0))
			}
		}
	}()
	go func() {
		defer close(judged)
		judge.Run(ctx)
	}()
	return &agent{engine, judge, func() {
		cancel()
		<-counted
		<-judged
	}}
}

// close ends all.
func (a *agent) close(t testing.TB) {
	t.Helper()
	a.end()
	if err := a.engine.Close(); err != nil {
		t.Error(err)
	}
}

// stored returns all that is stored later than a time, with the labels that
// instance and job are.
func stored(t testing.TB, engine *series.Engine, after int64) map[string][]series.Number {
	t.Helper()
	list, _, err := engine.Tail(t.Context(), series.Span{After: after})
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string][]series.Number)
	for _, s := range list {
		s.Name.Labels = labelsWithout(labelsOf(&s.Name, series.Labels{{Name: "instance", Value: "node-1"}, {Name: "job", Value: "goshawk"}}), nameLabel)
		all[s.Name.String()] = s.Numbers
	}
	return all
}

// TestAgent_withAReceiverThatIsDown lets an agent judge for half an hour, of which
// the receiver is down for ten minutes and the agent is killed in the middle of
// that: what is stored arrives, each sample once, and a minute after the receiver is
// back nothing waits.
func TestAgent_withAReceiverThatIsDown(t *testing.T) {
	for _, knows := range [][]Protocol{{V1, V2}, {V1}} {
		t.Run(fmt.Sprint(knows), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, r := t.TempDir(), newReceiver(knows...)
				began := time.Now().Add(-headStart).UnixMilli()
				a := startAgent(t, dir, 3)
				run := func() (*Writer, func()) {
					w := newWriter(t, a.engine, r, Options{Dir: dir})
					ctx, cancel := context.WithCancel(context.Background())
					done := make(chan struct{})
					go func() {
						defer close(done)
						w.Run(ctx)
					}()
					return w, func() {
						cancel()
						<-done
					}
				}
				w, stop := run()
				time.Sleep(8*time.Minute + 3*time.Second)
				if s := w.Stats(); s.Samples < 1000 || s.Failed+s.Dropped > 0 {
					t.Fatalf("before: %+v", s)
				}
				r.setDown(true)
				time.Sleep(5 * time.Minute)
				// The writer and the agent end at once, and begin again.
				stop()
				a.close(t)
				a = startAgent(t, dir, 2)
				w, stop = run()
				time.Sleep(5 * time.Minute)
				if s := w.Stats(); !s.Failing || s.Lag < 10*time.Minute {
					t.Errorf("down: %+v", s)
				}
				r.setDown(false)
				time.Sleep(time.Minute)
				if s := w.Stats(); s.Lag > DefaultEvery+evaluate.DefaultEvery || s.Failing || s.Dropped > 0 {
					t.Errorf("a minute after: %+v", s)
				}
				// All objectives are removed: some series end ten minutes later.
				if err := a.judge.Set(nil); err != nil {
					t.Fatal(err)
				}
				time.Sleep(12 * time.Minute)
				a.end()
				stop()
				if err := w.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				want := stored(t, a.engine, began)
				wantSame(t, r.got, want)
				if len(r.refused) > 0 {
					t.Errorf("it was sent what it had: %q", r.refused)
				}
				ends := 0
				for _, numbers := range want {
					if math.Float64bits(numbers[len(numbers)-1].Value) == math.Float64bits(stale()) {
						ends++
					}
				}
				if ends < 10 || len(want) < 60 {
					t.Errorf("%d series, of which %d end: the test tests nothing", len(want), ends)
				}
				if err := a.engine.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// setDown makes the receiver refuse connections, or no more.
func (r *receiver) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = nil
	if down {
		for range 10_000 {
			r.script = append(r.script, "down")
		}
	}
}
