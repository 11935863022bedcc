package evaluate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/poll"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/sli"
)

// DefaultEvery is how often readings are kept and objectives judged.
const DefaultEvery = 10 * time.Second

// errQuery is the state of objectives that the agent cannot judge.
var errQuery = errors.New("goshawk slo rules writes the rules for the server")

// errTooMany is the state of objectives that the engine has no room for.
var errTooMany = errors.New("there are more objectives before it than the agent has room for: name fewer, or leave alerts out")

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
	// Calls says why the calls of functions are not counted for an objective, nil
	// when they are; who counts them hands them to [Counting.Add].
	Calls func(*objective.SLO) error
	// PollEvery is how often the servers of queries are asked, 0 means as package
	// poll has it, and Transport how, nil means [http.DefaultTransport].
	PollEvery time.Duration
	Transport http.RoundTripper
	// MaxSeries is how many series there may be of objectives; 0 means nine tenths of
	// [series.DefaultMaxSeries].
	MaxSeries int
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
	poller   *poll.Poller
	kept     *Kept
	states   atomic.Pointer[[]State]
	firing   atomic.Pointer[[]series.Alert]

	setting sync.Mutex // held while the objectives change, and while they are judged
	slos    []objective.SLO
	batch   *series.Batch
	handles map[handle]*series.Series
	alarms  *alarms
	newest  time.Time // the time of what was kept last, or now
	fitting int       // how many of the objectives are judged
	failing bool
}

// handle names a series of readings.
type handle struct{ slo, service, result string }

// NewJudge returns a judge without objectives.
func NewJudge(o JudgeOptions) *Judge {
	if o.Every == 0 {
		o.Every = DefaultEvery
	}
	if o.MaxSeries == 0 {
		o.MaxSeries = series.DefaultMaxSeries / 10 * 9
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	j := &Judge{
		options: o, kept: NewKept(o.Engine), batch: o.Engine.Batch(),
		handles: make(map[handle]*series.Series), alarms: newAlarms(o.Engine),
	}
	j.counting = NewCounting(Options{Resume: j.resume})
	j.poller = poll.New(poll.Options{Count: func(name string, events sli.Counts) { j.counting.Add(name, o.Now(), events) }, Transport: o.Transport, Every: o.PollEvery, Log: o.Log, Now: o.Now})
	j.states.Store(new([]State))
	j.firing.Store(new([]series.Alert))
	return j
}

// Counting is what events go to.
func (j *Judge) Counting() *Counting { return j.counting }

// Set makes these the objectives. On an error those before stay.
func (j *Judge) Set(slos []objective.SLO) error {
	groups, fitting, err := j.rules(slos)
	if err != nil {
		return err
	}
	j.setting.Lock()
	defer j.setting.Unlock()
	if err := j.options.Engine.SetRules(ruleGroups(groups)); err != nil {
		return fmt.Errorf("take the rules of the objectives: %w", err)
	}
	now := j.options.Now()
	if err := j.alarms.set(context.Background(), slos, now); err != nil {
		j.options.Log.Warn("since when alerts fire is not known from before", "error", err)
	}
	if fitting < len(slos) && fitting != j.fitting {
		j.options.Log.Warn("not all objectives are judged: there is no room for the series of more", "objectives", len(slos), "judged", fitting)
	}
	j.slos, j.fitting = slos, fitting
	// The others are not judged.
	slos = slos[:fitting]
	j.poller.Set(slos)
	// Also when the clock was set back since it was kept.
	j.newest = slices.MaxFunc([]time.Time{now, j.options.Engine.Stats().Newest}, time.Time.Compare)
	j.counting.Set(slos)
	j.setLimits()
	// What an objective counts from is kept before it counts anything.
	j.keep(context.Background(), now)
	j.forget()
	return nil
}

// rules returns the rules of the first objectives, as many of them as the engine has
// room for the series of: some are of those before, and stay for a while.
func (j *Judge) rules(slos []objective.SLO) (groups []rules.Group, fitting int, err error) {
	o := rules.Options{
		ResetFree: true, Version: j.options.Version, Counted: func(s *objective.SLO) bool { _, err := poll.Counts(s); return err == nil },
	}
	if groups, _, err = rules.Groups(slos, o); err != nil {
		return nil, 0, fmt.Errorf("write the rules of the objectives: %w", err)
	}
	room := j.options.MaxSeries
	for i := range slos {
		own, warnings, err := rules.Groups(slos[i:i+1], o)
		if err != nil {
			return nil, 0, fmt.Errorf("write the rules of the objectives: %w", err)
		}
		for _, w := range warnings {
			j.options.Log.Debug("the rules of an objective", "slo", w.SLO, "note", w.Text)
		}
		if room -= rules.Series(own) + 2; room < 0 {
			break
		}
		fitting++
	}
	if fitting == len(slos) {
		return groups, fitting, nil
	}
	groups, _, err = rules.Groups(slos[:fitting], o)
	return groups, fitting, err
}

// forget gives up what is known of objectives that are gone.
func (j *Judge) forget() {
	services := make(map[string]string, len(j.slos))
	for i := range j.slos {
		services[j.slos[i].Name] = j.slos[i].Service
	}
	maps.DeleteFunc(j.handles, func(h handle, _ *series.Series) bool {
		service, there := services[h.slo]
		return !there || service != h.service
	})
	j.kept.forget(func(name string) bool { _, there := services[name]; return !there })
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

// resume returns what an objective had counted when the agent ended. The lock is held.
func (j *Judge) resume(name string) sli.Counts {
	counts, err := j.kept.Last(context.Background(), name, j.newest)
	if err != nil {
		j.options.Log.Warn("an objective counts from nothing", "slo", name, "error", err)
	}
	return counts
}

// Run keeps and judges until ctx is done.
func (j *Judge) Run(ctx context.Context) {
	var asking sync.WaitGroup
	asking.Go(func() { j.poller.Run(ctx) })
	defer asking.Wait()
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
	readings := j.keep(ctx, now)
	view := j.kept.View(now, readings)
	firing := j.alarms.look()
	states := make([]State, len(j.slos))
	for i := range j.slos {
		slo := &j.slos[i]
		if i >= j.fitting {
			states[i] = State{SLO: slo, Err: errTooMany}
			continue
		}
		if err := j.asked(slo); err != nil {
			states[i] = State{SLO: slo, Err: err}
			continue
		}
		states[i] = Evaluate(ctx, now, slo, view)
		states[i].Unjudged = readings[slo.Name].Unjudged
		if slo.Indicator.Signal == objective.SignalQuery && slo.Slice.Width == 0 {
			// It was counted, so that it can be.
			states[i].Unit, _ = poll.Counts(slo)
		}
		j.alarms.settle(&states[i], now)
	}
	if ctx.Err() == nil {
		j.states.Store(&states)
		j.firing.Store(&firing)
	}
}

// asked returns why the events of an objective are not known now that is about a
// query or functions, nil when they are, and of all others.
func (j *Judge) asked(slo *objective.SLO) error {
	switch slo.Indicator.Signal {
	case objective.SignalQuery:
	case objective.SignalFunc:
		if j.options.Calls == nil {
			return nil
		}
		return j.options.Calls(slo)
	default:
		return nil
	}
	if _, err := poll.Counts(slo); err != nil {
		return fmt.Errorf("the agent cannot count its query: %w (%w)", err, errQuery)
	}
	return j.poller.Err(slo.Name)
}

// keep stores the readings, and returns them by their names. The lock is held.
func (j *Judge) keep(ctx context.Context, now time.Time) map[string]Reading {
	j.counting.Tick(now)
	readings := make(map[string]Reading)
	services := make(map[string]string, len(j.slos))
	for i := range j.slos {
		services[j.slos[i].Name] = j.slos[i].Service
	}
	for _, r := range j.counting.Read() {
		readings[r.Name] = r
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
	return readings
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

// States returns how the objectives stand, in their order, as it was judged last.
// They are shared and must not be changed.
func (j *Judge) States() []State { return *j.states.Load() }

// Firing returns the alerts that fired by the rules when the objectives were judged
// last, which are those to tell of. FiredAt is since when, as [State.Since] says, and
// over a restart. They are shared and must not be changed.
func (j *Judge) Firing() []series.Alert { return *j.firing.Load() }
