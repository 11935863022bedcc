package evaluate

import (
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/sli"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// schema is that of a made-up probe of this name.
func schema(probe string) *model.Schema {
	return &model.Schema{Probe: probe, Tallied: probe == "http", Fields: []model.Field{
		{Key: "http.route", Kind: model.KindString},
		{Key: "http.response.status_code", Kind: model.KindInt},
		{Key: "error.type", Kind: model.KindString},
		{Key: "goshawk.tcp.outcome", Kind: model.KindString},
		{Key: "goshawk.cached", Kind: model.KindBool},
	}}
}

// at is when all events of these tests end.
var at = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// event is one of a service: a tally for http. Empty values are not set.
func event(probe, service, route string, status int64, failure string) *model.Event {
	e := &model.Event{}
	e.Reset(schema(probe))
	e.Service, e.Phase, e.Time, e.Duration = service, model.PhaseEnd, at, 0
	e.Values[0] = model.StringValue(route)
	if status > 0 {
		e.Values[1] = model.IntValue(status)
	}
	if failure != "" {
		e.Values[2] = model.StringValue(failure)
	}
	return e
}

func tally(service, route string, status int64, failure string, count uint64, over ...model.Over) *model.Event {
	e := event("http", service, route, status, failure)
	e.Phase, e.Tally = model.PhaseTally, &model.Tally{Count: count, Over: over}
	return e
}

func took(e *model.Event, d time.Duration) *model.Event {
	e.Duration = d
	return e
}

func attribute(key string, patterns ...string) objective.Selector {
	return objective.Selector{Attributes: []objective.Attribute{{Keys: []string{key}, Patterns: patterns}}}
}

func of(services ...string) objective.Selector { return objective.Selector{Service: services} }

func TestConsume(t *testing.T) {
	const ms = time.Millisecond
	latency := objective.Indicator{Signal: objective.SignalHTTP, Select: of("shop"), Threshold: 300 * ms}
	for _, test := range []struct {
		name      string
		indicator objective.Indicator
		excluded  []objective.Exclusion
		events    []*model.Event
		want      Reading
	}{
		{
			name: "by status", indicator: objective.Indicator{Signal: objective.SignalHTTP, Select: of("shop")},
			events: []*model.Event{
				tally("shop", "/a", 200, "", 5), tally("shop", "/a", 404, "", 4), tally("shop", "/a", 500, "500", 3), tally("shop", "/a", 0, "panic", 2),
				tally("other", "/a", 500, "500", 99),
			},
			want: Reading{Counts: sli.Counts{Good: 9, Bad: 5}},
		},
		{
			name:      "what is bad is chosen",
			indicator: objective.Indicator{Signal: objective.SignalHTTP, Select: of("shop"), Bad: []objective.Selector{attribute("http.response.status_code", "429", "5??")}},
			events:    []*model.Event{tally("shop", "/a", 429, "", 5), tally("shop", "/a", 503, "503", 1), tally("shop", "/a", 0, "panic", 2)},
			want:      Reading{Counts: sli.Counts{Good: 2, Bad: 6}},
		},
		{
			name:      "events that do not count",
			indicator: objective.Indicator{Signal: objective.SignalHTTP, Exclude: []objective.Selector{attribute("http.route", "/health*"), of("test-*")}},
			events:    []*model.Event{tally("shop", "/a", 200, "", 5), tally("shop", "/healthz", 500, "500", 7), tally("test-1", "/a", 500, "500", 7)},
			want:      Reading{Counts: sli.Counts{Good: 5}},
		},
		{
			name: "services by pattern", indicator: objective.Indicator{Signal: objective.SignalHTTP, Select: of("shop-*", "till")},
			events: []*model.Event{tally("shop-eu", "/", 200, "", 1), tally("till", "/", 200, "", 1), tally("shop", "/", 200, "", 1)},
			want:   Reading{Counts: sli.Counts{Good: 2}},
		},
		{
			name: "past the threshold, as the kernel counted", indicator: latency,
			events: []*model.Event{
				tally("shop", "/a", 200, "", 10, model.Over{Limit: 100 * ms, Count: 9}, model.Over{Limit: 300 * ms, Count: 4}),
				tally("shop", "/a", 500, "500", 3, model.Over{Limit: 300 * ms, Count: 1}),
			},
			want: Reading{Counts: sli.Counts{Good: 6, Bad: 7}},
		},
		{
			name: "the kernel did not count by the threshold all of the time", indicator: latency,
			events: []*model.Event{tally("shop", "/a", 200, "", 10, model.Over{Limit: 100 * ms, Count: 9}), tally("shop", "/a", 500, "500", 3)},
			want:   Reading{Unjudged: 13},
		},
		{
			name: "slow ones were read before they were counted", indicator: latency,
			events: []*model.Event{tally("shop", "/a", 200, "", 2, model.Over{Limit: 300 * ms, Count: 3}), tally("shop", "/a", 200, "", 2, model.Over{Limit: 300 * ms})},
			want:   Reading{Counts: sli.Counts{Good: 1, Bad: 3}},
		},
		{
			name: "single events", indicator: objective.Indicator{Signal: objective.SignalExec, Threshold: time.Second},
			events: []*model.Event{
				took(event("exec", "shop", "", 0, ""), time.Second), took(event("exec", "shop", "", 0, ""), time.Second+1),
				took(event("exec", "shop", "", 0, "exit"), ms), took(event("exec", "shop", "", 0, ""), -1),
			},
			want: Reading{Counts: sli.Counts{Good: 1, Bad: 2}, Unjudged: 1},
		},
		{
			name: "connects alone", indicator: objective.Indicator{Signal: objective.SignalTCP},
			events: []*model.Event{connect("established", ""), connect("refused", "ECONNREFUSED"), connect("", "ECONNRESET")},
			want:   Reading{Counts: sli.Counts{Good: 1, Bad: 1}},
		},
		{
			name: "times that do not count", indicator: objective.Indicator{Signal: objective.SignalHTTP},
			excluded: []objective.Exclusion{
				{From: at.Add(-time.Hour), To: at, Select: attribute("http.route", "/a")},
				{From: at, To: at.Add(time.Hour), Select: attribute("http.route", "/b")},
				{From: at.Add(-2 * time.Hour), To: at.Add(-time.Hour)},
			},
			events: []*model.Event{tally("shop", "/a", 500, "500", 1), tally("shop", "/b", 500, "500", 2), tally("shop", "/c", 200, "", 4)},
			want:   Reading{Counts: sli.Counts{Good: 4, Bad: 2}},
		},
		{
			name: "an attribute that the schema does not have is the empty text", indicator: objective.Indicator{
				Signal: objective.SignalHTTP, Exclude: []objective.Selector{attribute("url.path", "?*")}, Bad: []objective.Selector{attribute("goshawk.cached", "true")},
			},
			events: []*model.Event{tally("shop", "/a", 500, "500", 1)},
			want:   Reading{Counts: sli.Counts{Good: 1}},
		},
		{
			name: "events of another probe, and starts", indicator: objective.Indicator{Signal: objective.SignalExec},
			events: []*model.Event{tally("shop", "/a", 200, "", 1), started(event("exec", "shop", "", 0, ""))},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewCounting(Options{})
			c.Set([]objective.SLO{{Name: "a", Indicator: test.indicator, Exclusions: test.excluded}})
			for _, e := range test.events {
				c.Consume(e)
			}
			test.want.Name = "a"
			if got := c.Read(); len(got) != 1 || got[0] != test.want {
				t.Errorf("read %+v, want %+v", got, test.want)
			}
		})
	}
}

func connect(outcome, failure string) *model.Event {
	e := event("tcp", "shop", "", 0, failure)
	if outcome != "" {
		e.Values[3] = model.StringValue(outcome)
	}
	return e
}

func started(e *model.Event) *model.Event {
	e.Phase = model.PhaseStart
	return e
}

// TestSet_goesOnWithTheCounts changes objectives while events come.
func TestSet_goesOnWithTheCounts(t *testing.T) {
	asked := 0
	c := NewCounting(Options{Resume: func(name string) sli.Counts {
		asked++
		if name == "old" {
			return sli.Counts{Good: 100, Bad: 1}
		}
		return sli.Counts{}
	}})
	http := func(name string, threshold time.Duration) objective.SLO {
		return objective.SLO{Name: name, Indicator: objective.Indicator{Signal: objective.SignalHTTP, Threshold: threshold}}
	}
	c.Set([]objective.SLO{http("old", 0), http("new", 0)})
	c.Consume(tally("shop", "/", 200, "", 10))
	c.Set([]objective.SLO{http("new", time.Second), http("old", 0), http("third", time.Millisecond)})
	c.Consume(tally("shop", "/", 200, "", 10))
	want := []Reading{
		{Name: "new", Counts: sli.Counts{Good: 10}, Unjudged: 10},
		{Name: "old", Counts: sli.Counts{Good: 120, Bad: 1}},
		{Name: "third", Unjudged: 10},
	}
	got := c.Read()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("read %+v, want %+v", got[i], want[i])
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times what was counted before", asked)
	}
	if limits := c.Limits(objective.SignalHTTP); len(limits) != 2 || limits[0] != time.Millisecond || limits[1] != time.Second {
		t.Errorf("limits %v", limits)
	}
	c.Set(nil)
	c.Consume(tally("shop", "/", 200, "", 10))
	if got := c.Read(); len(got) != 0 {
		t.Errorf("read %+v of no objectives", got)
	}
}

func TestConsume_fromSeveralProbesAtOnce(t *testing.T) {
	c := NewCounting(Options{})
	slos := []objective.SLO{{Name: "a", Indicator: objective.Indicator{Signal: objective.SignalHTTP}}}
	c.Set(slos)
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 1000 {
				c.Consume(tally("shop", "/", 200, "", 1))
			}
		})
	}
	for range 100 {
		c.Set(slos)
		c.Tick(at)
		c.Read()
	}
	running.Wait()
	if got := c.Read()[0].Counts.Good; got != 4000 {
		t.Errorf("%d of 4000 events are counted", got)
	}
}

func TestTick(t *testing.T) {
	bad, good := tally("shop", "/", 500, "500", 1), tally("shop", "/", 200, "", 9)
	type step struct {
		after  time.Duration // since the last one
		events []*model.Event
		want   sli.Counts
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"good and bad ones", []step{
			{after: 0}, {30 * time.Second, []*model.Event{good, bad}, sli.Counts{}},
			{30 * time.Second, []*model.Event{bad}, sli.Counts{Good: 1}}, {time.Minute, nil, sli.Counts{Good: 1, Bad: 1}},
		}},
		{"without events", []step{{after: 0}, {time.Minute, nil, sli.Counts{Good: 1}}, {time.Minute, nil, sli.Counts{Good: 2}}}},
		{"one whose begin was not seen does not count", []step{
			{after: 20 * time.Second}, {10 * time.Second, []*model.Event{bad}, sli.Counts{}}, {30 * time.Second, nil, sli.Counts{}}, {time.Minute, nil, sli.Counts{Good: 1}},
		}},
		{"nor those while the agent slept", []step{
			{after: 0}, {30 * time.Second, []*model.Event{bad}, sli.Counts{}}, {time.Hour, nil, sli.Counts{}}, {30 * time.Second, nil, sli.Counts{}}, {time.Minute, nil, sli.Counts{Good: 1}},
		}},
		{"a clock that is set back begins another slice", []step{
			{after: 0}, {30 * time.Second, []*model.Event{bad}, sli.Counts{}}, {-10 * time.Minute, nil, sli.Counts{}},
			{30 * time.Second, []*model.Event{good}, sli.Counts{}}, {time.Minute, nil, sli.Counts{Good: 1}},
		}},
		{"a clock that is set back a little does not", []step{
			{after: 0}, {30 * time.Second, []*model.Event{bad}, sli.Counts{}}, {-10 * time.Second, nil, sli.Counts{}}, {40 * time.Second, nil, sli.Counts{Bad: 1}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewCounting(Options{})
			c.Set([]objective.SLO{{Name: "a", Indicator: objective.Indicator{Signal: objective.SignalHTTP}, Slice: objective.Slice{Width: time.Minute, Target: 0.9}}})
			now := at
			for i, s := range test.steps {
				now = now.Add(s.after)
				c.Tick(now)
				if got := c.Read()[0].Counts; got != s.want {
					t.Errorf("step %d: %+v, want %+v", i, got, s.want)
				}
				for _, e := range s.events {
					c.Consume(e)
				}
			}
		})
	}
}
