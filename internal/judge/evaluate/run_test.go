package evaluate

import (
	"math"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/sli"
)

// court is a judge whose clock the test moves.
type court struct {
	*Judge
	t      *testing.T
	engine *series.Engine
	dir    string
	now    time.Time
	rules  bool // they are evaluated too
	// stepped is by how much the clock was set.
	stepped time.Duration
}

func openCourt(t *testing.T) *court {
	c := &court{t: t, dir: t.TempDir(), now: at}
	c.open()
	return c
}

func (c *court) open() {
	c.t.Helper()
	var err error
	c.engine, err = series.Open(c.t.Context(), series.Options{
		Dir: c.dir, Manual: true, MinFree: -1, Now: func() time.Time { return c.now }, Elapsed: func() time.Duration { return c.now.Sub(at) - c.stepped },
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.engine.Close() })
	c.Judge = NewJudge(JudgeOptions{Engine: c.engine, Now: func() time.Time { return c.now }})
}

// restart kills the process, and starts the next one after some time.
func (c *court) restart(away time.Duration) {
	c.t.Helper()
	if err := c.engine.Close(); err != nil {
		c.t.Fatal(err)
	}
	c.now = c.now.Add(away)
	c.open()
}

// setClock steps the clock.
func (c *court) setClock(by time.Duration) { c.now, c.stepped = c.now.Add(by), c.stepped+by }

// set makes these the objectives.
func (c *court) set(slos ...objective.SLO) {
	c.t.Helper()
	if err := c.Set(slos); err != nil {
		c.t.Fatal(err)
	}
}

// run lets time go on, with so many requests each 10 s. It is judged each 30 s.
func (c *court) run(d time.Duration, good, bad uint64) {
	c.t.Helper()
	for end := c.now.Add(d); c.now.Before(end); {
		if good+bad > 0 {
			c.Counting().Consume(tally("shop", "/", 200, "", 3*good))
			c.Counting().Consume(tally("shop", "/", 500, "500", 3*bad))
		}
		c.now = c.now.Add(30 * time.Second)
		c.Step(c.t.Context())
		if c.rules {
			if err := c.engine.Evaluate(c.t.Context(), c.now); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

func availability(name string) objective.SLO {
	return objective.SLO{
		Name: name, Service: "shop", Target: 0.99, Windows: []sli.Window{sli.Rolling(30 * 24 * time.Hour)},
		Indicator: objective.Indicator{Signal: objective.SignalHTTP, Select: of("shop")},
	}
}

func TestJudge_countsKeepsAndJudges(t *testing.T) {
	c := openCourt(t)
	c.rules = true
	c.set(availability("a"))
	c.Step(t.Context())
	if s := c.States()[0]; s.Err != nil || s.Statuses[0].Verdict != sli.InsufficientData {
		t.Fatalf("before any event: %+v", s)
	}
	c.run(2*time.Hour, 100, 0)
	s := c.States()[0]
	if s.Err != nil || s.Statuses[0].Counts != (sli.Counts{Good: 72000}) || s.Statuses[0].Verdict != sli.OK {
		t.Fatalf("after two good hours: %+v", s)
	}
	c.run(10*time.Minute, 50, 50)
	s = c.States()[0]
	if s.Statuses[0].Counts != (sli.Counts{Good: 75000, Bad: 3000}) || s.Statuses[0].Verdict != sli.Exhausted {
		t.Fatalf("after ten bad minutes: %+v", s)
	}
	fires := 0
	for i, a := range s.Statuses[0].Alerts {
		if a.Firing {
			fires++
			if since := s.Since[i]; since.After(c.now) || since.Before(c.now.Add(-10*time.Minute)) {
				t.Errorf("%+v fires since %s", a.Alert, since)
			}
		}
	}
	if fires == 0 {
		t.Errorf("no alert fires: %+v", s.Statuses[0].Alerts)
	}
	// The rules of the engine agree.
	firing := 0
	for _, a := range c.engine.Alerts() {
		if a.State == series.Firing {
			firing++
		}
	}
	if firing != fires {
		t.Errorf("%d alerts fire by the rules, %d by package sli: %+v", firing, fires, c.engine.Alerts())
	}
}

// TestJudge_goesOnAfterARestart has the agent away for longer than a query looks
// back.
func TestJudge_goesOnAfterARestart(t *testing.T) {
	c := openCourt(t)
	c.set(availability("a"))
	c.run(time.Hour, 100, 1)
	c.restart(3 * time.Hour)
	c.set(availability("a"))
	c.run(time.Hour, 100, 1)
	if s := c.States()[0]; s.Err != nil || s.Statuses[0].Counts != (sli.Counts{Good: 72000, Bad: 720}) {
		t.Errorf("%+v", s)
	}
	history, err := c.History(t.Context(), &c.slos[0], at, c.now, 30*time.Minute)
	if err != nil || len(history.Points) != 10 {
		t.Fatalf("%d points, %v", len(history.Points), err)
	}
	for i, p := range history.Points {
		away := i >= 2 && i < 7
		if p.Known == away {
			t.Errorf("point %d at %s: %+v", i, p.At.Sub(at), p)
		}
		if want := uint64(18000); !away && i != 7 && p.Step.Good != want {
			t.Errorf("point %d has %d good events, want %d", i, p.Step.Good, want)
		}
	}
	if last := history.Points[9]; last.Window != (sli.Counts{Good: 72000, Bad: 720}) || last.Lookbacks[time.Hour] != (sli.Counts{Good: 36000, Bad: 360}) {
		t.Errorf("the last point: %+v", last)
	}
}

// TestJudge_exclusionsCorrectThePast learns of maintenance when it is over.
func TestJudge_exclusionsCorrectThePast(t *testing.T) {
	c := openCourt(t)
	slo := availability("a")
	c.set(slo)
	c.run(time.Hour, 100, 0)
	from := c.now
	c.run(10*time.Minute, 0, 100)
	to := c.now
	c.run(time.Hour, 100, 0)
	if v := c.States()[0].Statuses[0].Verdict; v != sli.Exhausted {
		t.Fatalf("verdict %s", v)
	}
	slo.Exclusions = []objective.Exclusion{{Reason: "maintenance", From: from, To: to}}
	c.set(slo)
	c.Step(t.Context())
	if s := c.States()[0].Statuses[0]; s.Verdict != sli.OK || s.Counts != (sli.Counts{Good: 72000}) {
		t.Errorf("%+v", s)
	}
}

func TestJudge_historyOfAnAlert(t *testing.T) {
	c := openCourt(t)
	c.rules = true
	c.set(availability("a"))
	c.run(time.Hour, 100, 0)
	c.run(20*time.Minute, 0, 100)
	c.run(2*time.Hour, 100, 0)
	history, err := c.History(t.Context(), &c.slos[0], at, c.now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var page *Firing
	for i := range history.Firings {
		if f := &history.Firings[i]; f.Alert.Long == time.Hour {
			page = f
		}
	}
	if page == nil || page.From.Sub(at) < time.Hour || page.From.Sub(at) > 70*time.Minute || page.To.IsZero() || page.To.Sub(at) > 90*time.Minute {
		t.Fatalf("firings %+v", history.Firings)
	}
	worst := math.Inf(1)
	promise := c.slos[0].Objectives()[0]
	for _, p := range history.Points {
		worst = min(worst, promise.Budget(p.Window).RemainingRatio)
	}
	if worst > -10 {
		t.Errorf("at the worst %f of the budget was left", worst)
	}
}

func TestJudge_refusesRulesThatAreWrongAndStaysWithTheOthers(t *testing.T) {
	c := openCourt(t)
	c.set(availability("a"))
	broken := availability("b")
	broken.Target = 2
	if err := c.Set([]objective.SLO{broken}); err == nil {
		t.Error("an objective that is not valid is taken")
	}
	c.run(time.Minute, 10, 0)
	if s := c.States(); len(s) != 1 || s[0].SLO.Name != "a" || s[0].Statuses[0].Counts.Good != 60 {
		t.Errorf("states %+v", s)
	}
}
