package evaluate

import (
	"context"
	"fmt"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
)

// The series in which the engine keeps which alerts are active: since when, to the
// second, and whether they fire.
const (
	activeMetric = "ALERTS_FOR_STATE"
	alertMetric  = "ALERTS"
)

// alarms knows since when alerts fire. The rules say it, so that the page says what
// the notification says; where they do not, as for proposals, and before they were
// evaluated, it is since when their condition was seen.
type alarms struct {
	engine *series.Engine
	// hold is how long the condition of an alert must be met until it fires.
	hold map[rules.AlertID]time.Duration
	// told are those that fire by the rules.
	told map[rules.AlertID]time.Time
	// seen is since when a condition is met, before since when what fired when the
	// last process ended, and fires still, did.
	seen, before map[rules.AlertID]time.Time
}

func newAlarms(engine *series.Engine) *alarms {
	return &alarms{engine: engine, seen: make(map[rules.AlertID]time.Time)}
}

// set makes these the objectives. The first time it looks for what fired before.
func (a *alarms) set(ctx context.Context, slos []objective.SLO, now time.Time) error {
	a.hold = make(map[rules.AlertID]time.Duration)
	for i := range slos {
		for _, alert := range slos[i].EveryAlert() {
			a.hold[rules.IDOf(&slos[i], &alert)] = alert.For
		}
	}
	var err error
	if a.before == nil {
		a.before, err = a.firedUntil(ctx, now)
	}
	for _, known := range []map[rules.AlertID]time.Time{a.seen, a.before} {
		for id := range known {
			if _, there := a.hold[id]; !there {
				delete(known, id)
			}
		}
	}
	return err
}

// firedUntil returns since when those alerts fired that did when the last reading
// before now was kept, if that is no longer ago than an agent may be away.
func (a *alarms) firedUntil(ctx context.Context, now time.Time) (map[rules.AlertID]time.Time, error) {
	fired := make(map[rules.AlertID]time.Time)
	last, err := a.engine.Query(ctx, fmt.Sprintf("max(max_over_time(timestamp(%s)[%s:1m]))", eventsMetric, rules.Text(series.DefaultOutage)), now)
	if err != nil || len(last) == 0 {
		return fired, wrapped(err)
	}
	active, err := a.engine.Query(ctx, firingAlerts(""), time.UnixMilli(int64(last[0].Value*1000)))
	for _, s := range active {
		id := rules.IDOfLabels(s.Labels.Get)
		fired[id] = time.Unix(int64(s.Value), 0).UTC().Add(a.hold[id])
	}
	return fired, wrapped(err)
}

// firingAlerts asks since when the alerts of an objective, or of all, are active that
// fire.
func firingAlerts(slo string) string {
	of := ""
	if slo != "" {
		of = fmt.Sprintf("sloth_id=%q,", slo)
	}
	return fmt.Sprintf(`%s{%s} and ignoring(alertstate) %s{%salertstate="firing"}`, activeMetric, of, alertMetric, of)
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read which alerts fired before: %w", err)
}

// look asks the rules, and returns the alerts that fire with since when they do, over
// a restart.
func (a *alarms) look() []series.Alert {
	a.told = make(map[rules.AlertID]time.Time)
	var firing []series.Alert
	for _, alert := range a.engine.Alerts() {
		if alert.State != series.Firing {
			continue
		}
		id := rules.IDOfLabels(alert.Labels.Get)
		// The series has whole seconds, and is what the history is made of.
		alert.FiredAt = alert.Since.Truncate(time.Second).UTC().Add(a.hold[id])
		if before, known := a.before[id]; known && before.Before(alert.FiredAt) {
			alert.FiredAt = before
		}
		a.told[id] = alert.FiredAt
		firing = append(firing, alert)
	}
	return firing
}

// settle says since when the alerts of a state fire. One whose condition has not been
// met for long enough does not.
func (a *alarms) settle(s *State, now time.Time) {
	if len(s.Statuses) == 0 {
		return
	}
	status, changed := &s.Statuses[0], false
	for i, alert := range s.SLO.EveryAlert() {
		id, fires := rules.IDOf(s.SLO, &alert), &status.Alerts[i].Firing
		since := time.Time{}
		switch {
		case !*fires:
			delete(a.seen, id)
			delete(a.before, id)
		case alert.Short < s.SLO.Slice.Width:
			// It has no rule.
			*fires, changed = false, true
		default:
			if since = a.since(id, now); since.After(now) {
				*fires, changed, since = false, true, time.Time{}
			}
		}
		s.Since = append(s.Since, since)
	}
	if changed {
		status.Verdict = s.SLO.Objectives()[0].Judge(status.Counts, status.Alerts)
	}
}

// since returns since when an alert fires whose condition is met, or from when on it
// will.
func (a *alarms) since(id rules.AlertID, now time.Time) time.Time {
	if _, seen := a.seen[id]; !seen {
		a.seen[id] = now
	}
	if told, fires := a.told[id]; fires {
		return told
	}
	if before, known := a.before[id]; known {
		return before
	}
	return a.seen[id].Add(a.hold[id])
}
