package cli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	neturl "net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/agent/calls"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/config"
	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/notify"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/poll"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/sli"
)

// seriesFolder is below the folder of events.
const seriesFolder = "series"

//go:embed demo_slo.yaml
var demoSLO []byte

// judgeOptions are the flags that say which objectives are judged.
type judgeOptions struct {
	files   []string
	propose bool
}

func (o *judgeOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.files, "slo", nil, "judge the objectives of `FILE`, or of a folder's *.yaml files; may be repeated")
	f.BoolVar(&o.propose, "propose", true, "propose objectives for services that have none")
}

// judging is what judges objectives while the agent runs.
type judging struct {
	*evaluate.Judge
	engine  *series.Engine
	notify  *notify.Notifier
	writers []remoteWriter
	remove  string // a folder that goes at the end
	log     *slog.Logger
	calls   *calls.Counter
	// proposer is nil when nothing is to be proposed.
	proposer *proposer
	files    *sloFiles
	inForce  []objective.SLO // belongs to who reads the files

	mu    sync.Mutex
	known map[string]*objective.SLO
}

// judgingOptions is what openJudging needs.
type judgingOptions struct {
	judgeOptions
	demo bool
	// dir is where series are kept; empty is a folder that is removed at the end.
	dir       string
	agent     *agent.Agent
	rollups   func(context.Context, model.RollupQuery) (model.Rollups, error)
	receivers []notify.Receiver
	writes    []config.RemoteWrite
	url       string // of the pages
}

// wanted reports whether there is something to judge or to propose.
func (o *judgingOptions) wanted() bool {
	if len(o.files) > 0 || o.demo || o.propose {
		return true
	}
	accepted, problems := proposeFolder(o.dir).Load()
	return o.dir != "" && len(accepted)+len(problems) > 0
}

// openJudging opens what judges objectives, nil when there is nothing to judge.
// Files with errors are an error, and all of these are written to stderr.
func openJudging(ctx context.Context, env Env, o judgingOptions, log *slog.Logger) (*judging, error) {
	if !o.wanted() {
		return nil, nil
	}
	j := &judging{log: log}
	if o.dir == "" {
		temporary, err := os.MkdirTemp("", "goshawk-series-")
		if err != nil {
			return nil, fmt.Errorf("up: keep series: %w", err)
		}
		o.dir, j.remove = temporary, temporary
	}
	j.files = newSLOFiles(&o, log)
	all, problems, ok := j.files.load()
	printProblems(env.Stderr, problems)
	if !ok {
		return nil, errors.Join(usageError("they are listed above, each with its place", "up: --slo: the files have errors"), j.close())
	}
	err := j.open(ctx, o, all)
	if err == nil {
		return j, nil
	}
	err = errors.Join(err, j.close())
	if len(o.files) == 0 && !o.demo {
		// Nobody has asked for it.
		log.Warn("objectives are neither judged nor proposed", "error", err)
		return nil, nil
	}
	return nil, err
}

// open opens what keeps, judges, tells and proposes.
func (j *judging) open(ctx context.Context, o judgingOptions, slos []objective.SLO) error {
	dir := o.dir
	var err error
	if j.engine, err = series.Open(ctx, series.Options{Dir: filepath.Join(dir, seriesFolder), Log: j.log}); err != nil {
		return fmt.Errorf("up: keep series: %w", err)
	}
	if j.notify, err = notify.New(notify.Options{Receivers: o.receivers, Dir: dir, ExternalURL: o.url, Log: j.log}); err != nil {
		return fmt.Errorf("up: tell of alerts: %w", err)
	}
	for _, r := range o.receivers {
		if err := notify.Check(r, nil); err != nil {
			j.log.Warn("a receiver cannot be told of alerts as things are", "error", err)
		}
	}
	if err := j.openWriters(&o, j.log); err != nil {
		return err
	}
	j.calls = calls.New(calls.Options{
		Processes: func() []calls.Process { return goProcesses(o.agent) }, Log: j.log,
		Count: func(name string, events sli.Counts) { j.Counting().Add(name, time.Now(), events) },
	})
	j.Judge = evaluate.NewJudge(evaluate.JudgeOptions{
		Calls:  j.calls.Err,
		Engine: j.engine, Log: j.log, Version: buildVersion().Version, Limits: limits(o.agent),
		Judged: func() { j.notify.Notify(notifications(j.Firing(), o.url)) },
	})
	if err := j.set(slos); err != nil {
		return fmt.Errorf("up: --slo: %w", err)
	}
	if o.propose && o.rollups != nil {
		j.proposer = &proposer{folder: proposeFolder(dir), rollups: o.rollups, known: j.objectives, log: j.log}
	}
	return nil
}

// objectives returns those in force, and the proposals.
func (j *judging) objectives() []*objective.SLO {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Values(j.known))
}

// notifications returns the alerts that fire.
func notifications(alerts []series.Alert, url string) []notify.Alert {
	list := []notify.Alert{}
	for _, a := range alerts {
		if a.State != series.Firing {
			continue
		}
		n := notify.Alert{
			SLO: a.Labels.Get("sloth_id"), Service: a.Labels.Get("sloth_service"), Name: a.Name, Severity: a.Labels.Get("sloth_severity"),
			State: notify.Firing, StartsAt: a.FiredAt, Value: a.Value, Labels: make(map[string]string), Annotations: make(map[string]string),
		}
		n.GeneratorURL = url + "/slos/" + neturl.PathEscape(n.SLO)
		for _, l := range a.Labels {
			n.Labels[l.Name] = l.Value
		}
		for _, l := range a.Annotations {
			n.Annotations[l.Name] = l.Value
		}
		if names := a.Labels.Get("goshawk_receivers"); names != "" {
			n.Receivers = strings.Split(names, ",")
		}
		list = append(list, n)
	}
	return list
}

// applyReceiver makes a change of a receiver take effect.
func (j *judging) applyReceiver(_ context.Context, name string, _, now *config.Config) error {
	if j == nil {
		return config.ErrNeedsRestart
	}
	receivers := now.Receivers()
	if err := j.notify.Set(receivers); err != nil {
		return err
	}
	for _, u := range unknownReceivers(j.objectives(), receivers) {
		j.log.Warn("a receiver that objectives name is not configured: it is told nothing", "receiver", u)
	}
	for _, r := range receivers {
		if r.Name == name {
			return notify.Check(r, nil)
		}
	}
	return nil
}

// unknownReceivers returns the names that alerts have of receivers and nobody else.
func unknownReceivers(slos []*objective.SLO, receivers []notify.Receiver) []string {
	var names []string
	for _, s := range slos {
		for _, a := range s.Alerts {
			for _, name := range a.Receivers {
				if !slices.ContainsFunc(receivers, func(r notify.Receiver) bool { return r.Name == name }) {
					names = append(names, name)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// limits tells the probes by which thresholds they must count.
func limits(a *agent.Agent) func(objective.Signal, []time.Duration) error {
	return func(s objective.Signal, wanted []time.Duration) error {
		_, err := a.CountPast(string(s), wanted)
		if errors.Is(err, probe.ErrNoLimits) {
			return nil
		}
		return err
	}
}

// goProcesses returns the Go processes of the host.
func goProcesses(a *agent.Agent) []calls.Process {
	var list []calls.Process
	for _, p := range a.Processes.GoProcesses() {
		list = append(list, calls.Process{ID: p.ID, Service: p.Service})
	}
	return list
}

func (j *judging) set(slos []objective.SLO) error {
	if err := j.Set(slos); err != nil {
		return err
	}
	j.inForce = slos
	j.calls.Set(slos)
	known := make(map[string]*objective.SLO, len(slos))
	for i := range slos {
		known[slos[i].Name] = &slos[i]
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.known = known
	return nil
}

// run judges, and follows the files, until ctx is done; the channel is closed then.
func (j *judging) run(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	if j == nil {
		close(done)
		return done
	}
	var running sync.WaitGroup
	running.Go(func() { j.Run(ctx) })
	running.Go(func() { j.follow(ctx) })
	running.Go(func() { j.notify.Run(ctx) })
	running.Go(func() { j.calls.Run(ctx) })
	for _, w := range j.writers {
		running.Go(func() { w.Run(ctx) })
	}
	if j.proposer != nil {
		running.Go(func() { j.proposer.run(ctx) })
	}
	go func() {
		defer close(done)
		running.Wait()
		j.flush(ctx)
	}()
	return done
}

// close gives back what openJudging took.
func (j *judging) close() error {
	if j == nil {
		return nil
	}
	var err error
	if j.engine != nil {
		err = j.engine.Close()
	}
	if j.remove != "" {
		err = errors.Join(err, os.RemoveAll(j.remove))
	}
	return err
}

// SLOs implements api.Judge.
func (j *judging) SLOs(context.Context) ([]v1.SLO, error) {
	states := j.States()
	list := make([]v1.SLO, len(states))
	for i := range states {
		list[i] = v1.NewSLO(&states[i])
	}
	return list, nil
}

// History implements api.Judge.
func (j *judging) History(ctx context.Context, name string, from, to time.Time, step time.Duration) (v1.SLOHistory, error) {
	j.mu.Lock()
	slo := j.known[name]
	j.mu.Unlock()
	if slo == nil || !countable(slo) {
		return v1.NewSLOHistory(nil, evaluate.History{}, from, to, step), nil
	}
	history, err := j.Judge.History(ctx, slo, from, to, step)
	if err != nil {
		return v1.SLOHistory{}, err
	}
	return v1.NewSLOHistory(slo, history, from, to, step), nil
}

// countable reports whether the agent can count what an objective is about.
func countable(slo *objective.SLO) bool {
	if slo.Indicator.Signal != objective.SignalQuery {
		return true
	}
	_, err := poll.Counts(slo)
	return err == nil
}
