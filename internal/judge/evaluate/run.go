package evaluate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/sli"
)

// DefaultEvery is how often readings are kept and objectives judged.
const DefaultEvery = 10 * time.Second

// errQuery is the state of objectives that the agent cannot judge.
var errQuery = errors.New("it is about what a Prometheus server counts: goshawk slo rules writes the rules for that")

// JudgeOptions configures [NewJudge].
type JudgeOptions struct {
	// Engine keeps the readings. It must be set; the judge does not close it.
	Engine *series.Engine
	// Limits is told by which thresholds a signal's events must be counted; nil
	// tells nobody.
	Limits func(objective.Signal, []time.Duration) error
	// Judged is called each time that the objectives were judged, by the goroutine
	// of Run; nil is not.
	Judged func()
	// Every is how often; 0 means [DefaultEvery].
	Every time.Duration
	// Version labels the recorded series.
	Version string
	// Log hears what goes wrong; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Judge counts the events of objectives, keeps the counts and says how the
// objectives stand. It may be used by several goroutines.
type Judge struct {
	options  JudgeOptions
	counting *Counting
	kept     *Kept
	states   atomic.Pointer[[]State]

	setting sync.Mutex // held while the objectives change, and while they are judged
	slos    []objective.SLO
	batch   *series.Batch
	handles map[handle]*series.Series
	since   map[alertKey]time.Time
	failing bool
}

// handle names a series of readings.
type handle struct{ slo, service, result string }

// alertKey names an alert of an objective.
type alertKey struct {
	slo         string
	long, short time.Duration
}

// NewJudge returns a judge without objectives.
func NewJudge(o JudgeOptions) *Judge {
	if o.Every == 0 {
		o.Every = DefaultEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	j := &Judge{
		options: o, kept: NewKept(o.Engine), batch: o.Engine.Batch(),
		handles: make(map[handle]*series.Series), since: make(map[alertKey]time.Time),
	}
	j.counting = NewCounting(Options{Resume: j.resume})
	j.states.Store(new([]State))
	return j
}

// Counting is what events go to.
func (j *Judge) Counting() *Counting { return j.counting }

// Set makes these the objectives. On an error those before stay.
func (j *Judge) Set(slos []objective.SLO) error {
	groups, warnings, err := rules.Groups(slos, rules.Options{ResetFree: true, Version: j.options.Version})
	if err != nil {
		return fmt.Errorf("write the rules of the objectives: %w", err)
	}
	j.setting.Lock()
	defer j.setting.Unlock()
	if err := j.options.Engine.SetRules(ruleGroups(groups)); err != nil {
		return fmt.Errorf("take the rules of the objectives: %w", err)
	}
	for _, w := range warnings {
		j.options.Log.Debug("the rules of an objective", "slo", w.SLO, "note", w.Text)
	}
	j.slos = slos
	j.counting.Set(slos)
	j.setLimits()
	// What an objective counts from is kept before it counts anything.
	j.keep(context.Background(), j.options.Now())
	return nil
}

// ruleGroups translates rules for the engine.
func ruleGroups(groups []rules.Group) []series.RuleGroup {
	all := make([]series.RuleGroup, 0, len(groups))
	for _, g := range groups {
		w := series.RuleGroup{Name: g.Name, Interval: g.Interval}
		for _, r := range g.Rules {
			w.Rules = append(w.Rules, series.Rule{
				Record: r.Record, Alert: r.Alert, Expr: r.Expr, For: r.For, Labels: r.Labels, Annotations: r.Annotations,
			})
		}
		all = append(all, w)
	}
	return all
}

// setLimits tells who counts in the kernel.
func (j *Judge) setLimits() {
	if j.options.Limits == nil {
		return
	}
	if err := j.options.Limits(objective.SignalHTTP, j.counting.Limits(objective.SignalHTTP)); err != nil {
		j.options.Log.Warn("not all requests can be judged by the thresholds of objectives", "error", err)
	}
}

// resume returns what an objective had counted when the agent ended.
func (j *Judge) resume(name string) sli.Counts {
	counts, err := j.kept.Last(context.Background(), name, j.options.Now())
	if err != nil {
		j.options.Log.Warn("an objective counts from nothing", "slo", name, "error", err)
	}
	return counts
}

// Run keeps and judges until ctx is done.
func (j *Judge) Run(ctx context.Context) {
	tick := time.NewTicker(j.options.Every)
	defer tick.Stop()
	for {
		j.Step(ctx)
		if j.options.Judged != nil && ctx.Err() == nil {
			j.options.Judged()
		}
		select {
		case <-ctx.Done():
			j.setting.Lock()
			defer j.setting.Unlock()
			// What was counted since the last time is kept.
			j.keep(context.WithoutCancel(ctx), j.options.Now())
			return
		case <-tick.C:
		}
	}
}

// Step keeps what was counted and judges all objectives.
func (j *Judge) Step(ctx context.Context) {
	j.setting.Lock()
	defer j.setting.Unlock()
	now := j.options.Now()
	unjudged := j.keep(ctx, now)
	view := j.kept.View(now)
	states := make([]State, len(j.slos))
	for i := range j.slos {
		slo := &j.slos[i]
		if slo.Indicator.Signal == objective.SignalQuery {
			states[i] = State{SLO: slo, Err: errQuery}
			continue
		}
		states[i] = Evaluate(ctx, now, slo, view)
		states[i].Unjudged = unjudged[slo.Name]
		j.setSince(&states[i], now)
	}
	if ctx.Err() == nil {
		j.states.Store(&states)
	}
}

// keep stores the readings and returns how many events were not judged. The lock
// is held.
func (j *Judge) keep(ctx context.Context, now time.Time) map[string]uint64 {
	j.counting.Tick(now)
	readings := j.counting.Read()
	unjudged := make(map[string]uint64, len(readings))
	services := make(map[string]string, len(j.slos))
	for i := range j.slos {
		services[j.slos[i].Name] = j.slos[i].Service
	}
	for _, r := range readings {
		unjudged[r.Name] = r.Unjudged
		service, known := services[r.Name]
		if !known {
			continue
		}
		j.add(handle{r.Name, service, resultGood}, r.Counts.Good)
		j.add(handle{r.Name, service, resultBad}, r.Counts.Bad)
	}
	_, err := j.batch.Commit(ctx, now)
	if failing := err != nil && ctx.Err() == nil; failing != j.failing {
		// Once for each time that it begins and ends.
		j.failing = failing
		if failing {
			j.options.Log.Warn("the counts of objectives are not kept", "error", err)
		} else {
			j.options.Log.Info("the counts of objectives are kept again")
		}
	}
	return unjudged
}

func (j *Judge) add(h handle, value uint64) {
	s, ok := j.handles[h]
	if !ok {
		var err error
		s, err = j.options.Engine.NewSeries(eventsMetric,
			series.Label{Name: "slo", Value: h.slo}, series.Label{Name: "service", Value: h.service}, series.Label{Name: "result", Value: h.result})
		if err != nil {
			j.options.Log.Warn("an objective is not kept", "slo", h.slo, "error", err)
		}
		j.handles[h] = s
	}
	if s != nil {
		j.batch.Add(s, float64(value))
	}
}

// setSince says since when the alerts of a state fire.
func (j *Judge) setSince(s *State, now time.Time) {
	if len(s.Statuses) == 0 {
		return
	}
	for _, a := range s.Statuses[0].Alerts {
		key := alertKey{s.SLO.Name, a.Alert.Long, a.Alert.Short}
		switch since, fires := j.since[key]; {
		case !a.Firing:
			delete(j.since, key)
			s.Since = append(s.Since, time.Time{})
			continue
		case !fires:
			j.since[key] = j.firedSince(key, now)
			s.Since = append(s.Since, j.since[key])
		default:
			s.Since = append(s.Since, since)
		}
	}
}

// firedSince asks the engine, which knows over a restart.
func (j *Judge) firedSince(key alertKey, now time.Time) time.Time {
	for _, a := range j.options.Engine.Alerts() {
		if a.Labels.Get("sloth_id") == key.slo && a.Labels.Get("long_window") == rules.Text(key.long) &&
			a.Labels.Get("short_window") == rules.Text(key.short) && a.State == series.Firing && a.Since.Before(now) {
			return a.Since
		}
	}
	return now
}

// States returns how the objectives stand, in their order, as it was judged last.
// They are shared and must not be changed.
func (j *Judge) States() []State { return *j.states.Load() }
