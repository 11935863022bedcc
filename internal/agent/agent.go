package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/pipeline"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// Options configures an agent. The zero value observes nothing.
type Options struct {
	// Log receives warnings and progress; nil discards them.
	Log *slog.Logger
	// Probes are the probes to start.
	Probes []*probe.Spec
	// Partial lets the agent run when only some of the probes start.
	Partial bool
	// Optional are those among Probes without which the agent runs, even if not
	// Partial.
	Optional []*probe.Spec
	// Probe configures each probe.
	Probe probe.Options
	// Configure, if not nil, adds to that what is one probe's own.
	Configure func(name string, o *probe.Options)
	// Pipeline configures the pipeline.
	Pipeline pipeline.Options
	// NoProcesses leaves out to read the processes that are there, for whoever
	// observes what starts later alone.
	NoProcesses bool
}

// Agent observes this host. Start it, add sinks to Pipeline, then Run it.
type Agent struct {
	// Pipeline takes the sinks.
	Pipeline *pipeline.Pipeline
	// Processes is the table of processes.
	Processes *target.Table

	shared  probe.Shared
	log     *slog.Logger
	reader  *target.Reader
	probes  []*probe.Probe
	refused []model.ProbeHealth
	ready   atomic.Bool
	older   []target.Process
}

// Start loads and attaches the probes and reads the processes that are there.
// Without Options.Partial the first probe that cannot start is the error;
// with it, only when none can. The caller must call Close.
func Start(ctx context.Context, options Options) (*Agent, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	a := &Agent{log: options.Log}
	a.shared.ReadTypes()
	defer a.shared.ForgetTypes()
	clock := new(platform.BootClock)
	executables := target.NewExecutables(0)
	reader := target.NewReader(target.ReaderOptions{Executables: executables, Clock: clock})
	cgroups, err := target.NewCgroups(target.CgroupsOptions{})
	if err != nil {
		options.Log.Warn("control groups are not resolved", "error", err)
	}
	a.Pipeline = pipeline.New(options.Pipeline)
	a.Processes = target.NewTable(target.TableOptions{Reader: reader, Cgroups: cgroups})
	a.reader = reader
	host := probe.Host{
		Processes: a.Processes,
		Cgroups:   cgroups,
		Symbols:   symbol.NewCache(symbol.Options{}),
		Clock:     clock,
		NewIDs:    NewIDs,
		Log:       options.Log,
		Shared:    &a.shared,
	}
	if err := a.startProbes(host, options); err != nil {
		a.Close()
		return nil, err
	}
	if options.NoProcesses {
		return a, nil
	}
	if err := a.readProcesses(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Agent) startProbes(host probe.Host, options Options) error {
	var errs []error
	for _, spec := range options.Probes {
		own := options.Probe
		if options.Configure != nil {
			options.Configure(spec.Name, &own)
		}
		p, err := probe.Start(spec, host, own)
		if err != nil && slices.Contains(options.Optional, spec) {
			a.log.Warn("a probe is off", "error", err)
			a.refused = append(a.refused, refusal(spec, err))
			continue
		}
		if err != nil {
			errs = append(errs, err)
			a.refused = append(a.refused, refusal(spec, err))
			continue
		}
		p.LogFaults(a.log)
		a.probes = append(a.probes, p)
		a.Pipeline.AddSource("probe "+spec.Name, func(ctx context.Context, emit func(*model.Event)) error {
			return p.Run(ctx, a.older, emit)
		})
	}
	if !options.NoProcesses && !slices.ContainsFunc(a.probes, func(p *probe.Probe) bool { return p.Spec().FeedsProcesses }) {
		a.Pipeline.AddSource("processes", a.refreshProcesses)
	}
	if len(errs) > 0 && (!options.Partial || len(a.probes) == 0) {
		return errors.Join(errs...)
	}
	for _, err := range errs {
		a.log.Warn("a probe is off", "error", err)
	}
	return nil
}

func refusal(spec *probe.Spec, err error) model.ProbeHealth {
	fault := model.ProbeFault{Cause: err.Error(), Missing: spec.Summary}
	var unsupported *platform.UnsupportedError
	if errors.As(err, &unsupported) {
		fault.Hint = unsupported.Hint
	}
	return model.ProbeHealth{Probe: spec.Name, CostSeconds: -1, Off: []model.ProbeFault{fault}}
}

// readProcesses fills the table with the processes that are older than the
// probes.
func (a *Agent) readProcesses(ctx context.Context) error {
	err := a.Processes.Sync(ctx, func(p target.Process) { a.older = append(a.older, p) })
	if err != nil {
		return fmt.Errorf("read processes: %w", err)
	}
	return nil
}

// refreshEvery is how often the table of processes is read from /proc when no
// probe feeds it. It costs about 50 us of CPU time for each process.
const refreshEvery = 30 * time.Second

// refreshProcesses is a source that emits nothing.
func (a *Agent) refreshProcesses(ctx context.Context, _ func(*model.Event)) error {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := a.Processes.Sync(ctx, nil); err != nil && ctx.Err() == nil {
			a.log.Warn("the table of processes was not refreshed", "error", err)
		}
	}
}

// Run moves events to the sinks until ctx is done and everything is drained.
func (a *Agent) Run(ctx context.Context) error {
	a.ready.Store(true)
	return a.Pipeline.Run(ctx)
}

// Apply makes what settings say of sampling take effect for a running probe. It
// does nothing for one that does not run.
func (a *Agent) Apply(name string, settings probe.Settings) error {
	for _, p := range a.probes {
		if p.Spec().Name == name {
			return p.Apply(settings)
		}
	}
	return nil
}

// CountPast makes a probe count how many of its events take longer than each of
// limits: see [probe.Probe.CountPast]. A probe that does not run is an error.
func (a *Agent) CountPast(name string, limits []time.Duration) (rest []time.Duration, err error) {
	for _, p := range a.probes {
		if p.Spec().Name == name {
			return p.CountPast(limits)
		}
	}
	return nil, fmt.Errorf("count by limits: probe %s does not run", name)
}

// AttachFile attaches a probe to an executable file before it runs; see
// [probe.Probe.AttachFile]. A probe that does not run is an error.
func (a *Agent) AttachFile(name, path string) error {
	for _, p := range a.probes {
		if p.Spec().Name == name {
			return p.AttachFile(path)
		}
	}
	return fmt.Errorf("attach to %s: probe %s does not run", path, name)
}

// Ready reports whether the agent observes.
func (a *Agent) Ready() bool { return a.ready.Load() }

// Health returns the state of every probe that was asked for.
func (a *Agent) Health() []model.ProbeHealth {
	health := make([]model.ProbeHealth, 0, len(a.probes)+len(a.refused))
	for _, p := range a.probes {
		health = append(health, p.Health())
	}
	return append(health, a.refused...)
}

// Lost returns how many events are known to be lost, in the kernel and in the
// queues.
func (a *Agent) Lost() uint64 {
	var lost uint64
	for _, p := range a.probes {
		lost += p.Lost()
	}
	for _, q := range a.Pipeline.Stats() {
		lost += q.Dropped
	}
	return lost
}

// Services returns the Go processes of the host, each with its service's name.
func (a *Agent) Services(ctx context.Context) ([]model.Process, error) {
	return a.reader.List(ctx)
}

// Close detaches the probes. It must not be called while Run runs.
func (a *Agent) Close() error {
	var errs []error
	for _, p := range a.probes {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, a.shared.Close())...)
}

// NewIDs returns the ids of a new trace and a new span. They are random, as W3C trace
// context asks for, and no secrets.
func NewIDs() (trace model.TraceID, span model.SpanID) {
	for i := range 2 {
		putUint64(trace[8*i:], rand.Uint64())
	}
	putUint64(span[:], rand.Uint64()|1)
	trace[15] |= 1
	return trace, span
}

func putUint64(b []byte, n uint64) {
	for i := range 8 {
		b[i] = byte(n >> (8 * i))
	}
}
