package evaluate

import (
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/sli"
)

// since returns since when the alert over this long window fires, by the state.
func (c *court) since(long time.Duration) (since time.Time, fires bool) {
	c.t.Helper()
	s := c.States()[0]
	for i, a := range s.Statuses[0].Alerts {
		if a.Alert.Long == long {
			return s.Since[i], a.Firing
		}
	}
	c.t.Fatalf("no alert over %v: %+v", long, s)
	return time.Time{}, false
}

// told returns since when it fires by what is told of, and by the history.
func (c *court) told(long time.Duration) (told, history time.Time) {
	c.t.Helper()
	for _, a := range c.Firing() {
		if a.Labels.Get("long_window") == sli.Rolling(long).String() {
			told = a.FiredAt
		}
	}
	h, err := c.History(c.t.Context(), &c.slos[0], c.now.Add(-time.Hour), c.now, time.Minute)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range h.Firings {
		if f.Alert.Long == long && f.To.IsZero() {
			history = f.From
		}
	}
	return told, history
}

// TestAlarms_allSayTheSameTime compares what the page, the notification and the
// history say, and again after a restart.
func TestAlarms_allSayTheSameTime(t *testing.T) {
	c := openCourt(t)
	c.rules = true
	// Rules are not evaluated at whole seconds.
	c.now = c.now.Add(1234567 * time.Microsecond)
	c.set(availability("a"))
	c.run(time.Hour, 100, 0)
	c.run(15*time.Minute, 0, 100)
	first, fires := c.since(time.Hour)
	told, history := c.told(time.Hour)
	if !fires || first.IsZero() || !first.Equal(told) || !first.Equal(history) {
		t.Fatalf("it fires since %v by the page, %v by the notification, %v by the history", first, told, history)
	}
	c.restart(20 * time.Minute)
	c.set(availability("a"))
	for n := range 10 {
		c.run(30*time.Second, 0, 100)
		since, fires := c.since(time.Hour)
		if !fires || !since.Equal(first) {
			t.Fatalf("%d half minutes after the restart it fires since %v by the page, before since %v", n, since, first)
		}
		told, history := c.told(time.Hour)
		if n > 0 && !told.Equal(first) || n > 3 && !history.Equal(first) {
			t.Fatalf("%d half minutes after the restart it fires since %v by the notification, %v by the history, before since %v", n, told, history, first)
		}
	}
}

// TestAlarms_waitForAsLongAsTheyAreToldTo has an alert that must be met for 10
// minutes.
func TestAlarms_waitForAsLongAsTheyAreToldTo(t *testing.T) {
	for _, proposal := range []bool{false, true} {
		c := openCourt(t)
		c.rules = true
		slo := availability("a")
		slo.Proposal = proposal
		slo.Alerts = []objective.Alert{{Alert: sli.Alert{Severity: "page", Burn: 14.4, Long: time.Hour, Short: 5 * time.Minute}, Name: "Slow", For: 10 * time.Minute}}
		c.set(slo)
		c.run(time.Hour, 1_000_000, 0)
		c.run(2*time.Hour, 100, 0)
		began := c.now
		c.run(12*time.Minute, 0, 100)
		if s := c.States()[0].Statuses[0]; s.Alerts[0].LongBurn < 14.4 || s.Verdict != sli.OK {
			t.Fatalf("proposal %v: %+v", proposal, s)
		}
		if _, fires := c.since(time.Hour); fires {
			t.Errorf("proposal %v: it fires at once", proposal)
		}
		c.run(20*time.Minute, 0, 100)
		since, fires := c.since(time.Hour)
		if !fires || since.Before(began.Add(18*time.Minute)) || since.After(began.Add(20*time.Minute)) {
			t.Errorf("proposal %v: it fires %v since %v, bad from %v on", proposal, fires, since, began)
		}
		if v := c.States()[0].Statuses[0].Verdict; v != sli.Burning {
			t.Errorf("proposal %v: verdict %v", proposal, v)
		}
		told, _ := c.told(time.Hour)
		if !proposal && !told.Equal(since) || proposal && !told.IsZero() {
			t.Errorf("proposal %v: it fires since %v by the page, %v by the notification", proposal, since, told)
		}
	}
}

// TestAlarms_areForgottenWithTheirObjective takes an objective away while it burns.
func TestAlarms_areForgottenWithTheirObjective(t *testing.T) {
	c := openCourt(t)
	c.rules = true
	c.set(availability("a"), availability("b"))
	c.run(time.Hour, 100, 50)
	if len(c.alarms.seen) == 0 || len(c.handles) != 4 || len(c.kept.first) != 2 {
		t.Fatalf("known are %d alerts, %d series, %d first readings", len(c.alarms.seen), len(c.handles), len(c.kept.first))
	}
	c.set()
	c.run(time.Minute, 0, 0)
	if len(c.alarms.seen) != 0 || len(c.handles) != 0 || len(c.kept.first) != 0 || len(c.Firing()) != 0 {
		t.Errorf("known are %d alerts, %d series, %d first readings, and %d alerts fire", len(c.alarms.seen), len(c.handles), len(c.kept.first), len(c.Firing()))
	}
}

// TestJudge_historyHasShortAlerts looks for an alert of minutes in a history of
// hours.
func TestJudge_historyHasShortAlerts(t *testing.T) {
	c := openCourt(t)
	c.rules = true
	c.set(availability("a"))
	c.run(time.Hour, 100, 0)
	c.run(10*time.Minute, 0, 100)
	c.run(3*time.Hour, 100, 0)
	history, err := c.History(t.Context(), &c.slos[0], at, c.now, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range history.Firings {
		if took := f.To.Sub(f.From); f.Alert.Long == time.Hour && took > time.Minute && took < 15*time.Minute {
			return
		}
	}
	t.Errorf("firings %+v", history.Firings)
}

// TestJudge_countsWithAClockThatIsSet sets the clock forward, so that nothing is
// kept for a while, and back.
func TestJudge_countsWithAClockThatIsSet(t *testing.T) {
	c := openCourt(t)
	c.set(availability("a"))
	c.run(time.Hour, 100, 1)
	c.setClock(time.Hour)
	c.run(5*time.Minute, 0, 100)
	s := c.States()[0]
	if s.Err != nil || s.Statuses[0].Counts != (sli.Counts{Good: 36000, Bad: 360 + 3000}) || s.Statuses[0].Verdict != sli.Exhausted {
		t.Errorf("after the clock was set forward: %+v", s)
	}
	c.run(time.Hour, 100, 1)
	c.setClock(-time.Hour)
	c.run(5*time.Minute, 0, 100)
	if s := c.States()[0]; s.Err != nil || s.Statuses[0].Counts != (sli.Counts{Good: 72000, Bad: 720 + 6000}) {
		t.Errorf("after the clock was set back: %+v", s)
	}
	c.restart(time.Minute)
	c.set(availability("a"))
	if got := c.Counting().Read()[0].Counts; got != (sli.Counts{Good: 72000, Bad: 720 + 3000}) {
		t.Errorf("after a restart, what was kept goes on with %+v", got)
	}
}

// TestJudge_serviceOfAnObjectiveChanges has two series of one objective for a while.
func TestJudge_serviceOfAnObjectiveChanges(t *testing.T) {
	c := openCourt(t)
	slo := availability("a")
	c.set(slo)
	c.run(time.Hour, 100, 1)
	slo.Service = "store"
	c.set(slo)
	for n := range 20 {
		c.run(30*time.Second, 100, 1)
		total := uint64(3600/10 + (n+1)*3)
		if s := c.States()[0]; s.Err != nil || s.Statuses[0].Counts != (sli.Counts{Good: total * 100, Bad: total}) || s.Statuses[0].Alerts[0].Short.Good > 3000 {
			t.Fatalf("%d half minutes later: %+v", n, s.Statuses)
		}
	}
	history, err := c.History(t.Context(), &c.slos[0], at, c.now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range history.Points {
		if p.Known && p.Step != (sli.Counts{Good: 600, Bad: 6}) {
			t.Fatalf("at %v: %+v", p.At, p.Step)
		}
	}
}

// TestJudge_hasRoomForSoMany has more objectives than series can be kept of: the first
// are judged, and their rules have all of their series.
func TestJudge_hasRoomForSoMany(t *testing.T) {
	c := openCourt(t)
	c.rules = true
	c.options.MaxSeries = 200
	var slos []objective.SLO
	for n := range 6 {
		slos = append(slos, availability(string(rune('a'+n))))
	}
	c.set(slos...)
	c.run(10*time.Minute, 10, 10)
	judged := 0
	for _, s := range c.States() {
		if s.Err == nil {
			judged++
		} else if len(s.Statuses) > 0 {
			t.Errorf("%s is judged and is not: %+v", s.SLO.Name, s)
		}
	}
	stats := c.engine.Stats()
	if judged < 2 || judged > 5 || c.States()[0].Err != nil || c.States()[5].Err == nil {
		t.Errorf("%d of 6 objectives are judged", judged)
	}
	if stats.Series > 200 || stats.Series < 200*judged/(judged+1)*8/10 {
		t.Errorf("%d objectives have %d series", judged, stats.Series)
	}
	c.set(slos[3:]...)
	c.run(time.Minute, 10, 10)
	if s := c.States()[2]; s.Err != nil {
		t.Errorf("an objective that has room is not judged: %v", s.Err)
	}
}
