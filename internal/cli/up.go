package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
	"github.com/goshawk-io/goshawk/internal/export/console"
	"github.com/goshawk-io/goshawk/internal/export/otlp"
	"github.com/goshawk-io/goshawk/internal/export/prom"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/pipeline"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// stopTimeout bounds the end of `up` after a signal.
const stopTimeout = 4 * time.Second

// The names of the sinks that API and UI read from.
const (
	storeSink = "store"
	feedSink  = "feed"
)

type upOptions struct {
	access   accessOptions
	data     dataOptions
	config   configOptions
	judge    judgeOptions
	ringSize string
	demo     bool
}

func newUp(env Env) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up [--listen ADDR] [--data DIR] [--config FILE]... [--demo]",
		Short: "Observe this host and serve what is seen",
		Long: `Observe this host: all probes, a live view when stdout is a terminal, and over
HTTP the web UI at /, the API below /api/v1/, /metrics (Prometheus), /healthz,
/readyz and /health/config.

Events are kept in a folder, up to a size and an age, and are there again after
a restart. When the default folder cannot be written they are kept in memory.

Whoever can connect sees all commands with their arguments. On a loopback
address that is this machine. For any other address up needs --token-file (or
the token in ` + tokenVariable + `), or certificates of clients with
--tls-client-ca. Give --tls-cert and --tls-key as well, or the token crosses
the network in the clear.

--config names a file that says how probes work, or a folder of such files;
goshawk config example prints one. Files are followed: a change is loaded within
a second, or at once after SIGHUP. One that is wrong is rejected, and what was
in force stays.

Spans and metrics go to an OpenTelemetry collector when an
OTEL_EXPORTER_OTLP_ENDPOINT variable names one; the standard variables apply.

--slo names a file of service level objectives, or a folder of such files: their
error budgets and alerts are at /slos and in goshawk slo status. Files are followed.
For services that have none up proposes some that they keep already, which alert
nobody until goshawk slo accept puts them in force; --propose=false ends that.

With --demo a small shop service of Goshawk's own runs beside, which runs
commands in good and bad ways. Without it, up observes whatever runs.

When not root, up says so and executes itself through sudo.

Exit codes: 0 stopped, 2 bad usage, 3 this host cannot, 4 internal failure.`,
		Example: `  goshawk up
  goshawk up --demo
  goshawk up --data /srv/goshawk --data-size 10GiB --data-age 168h
  goshawk up --config /etc/goshawk/goshawk.yaml
  goshawk up --slo /etc/goshawk/slo
  goshawk up --listen :7788 --token-file token --tls-cert cert.pem --tls-key key.pem
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 goshawk up`,
		Args: exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUp(cmd.Context(), env, o)
		},
	}
	f := cmd.Flags()
	o.access.flags(f)
	o.data.flags(f)
	o.config.flags(f)
	o.judge.flags(f)
	f.StringVar(&o.ringSize, "ring-size", "", "`SIZE` of each probe's ring buffer in the kernel, such as 4MiB")
	f.BoolVar(&o.demo, "demo", false, "run a demo service and its load beside")
	return cmd
}

func runUp(ctx context.Context, env Env, o upOptions) error {
	ring, err := parseSize(o.ringSize)
	if err != nil {
		return usageError("write a number with KiB or MiB, such as 4MiB", "up: --ring-size %q: %w", o.ringSize, err)
	}
	size, err := o.data.check()
	if err != nil {
		return err
	}
	who, err := o.access.read(env)
	if err != nil {
		return err
	}
	if err := becomeRoot(env); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.access.listen)
	if err != nil {
		return usageError("choose another address with --listen, such as 127.0.0.1:0", "up: listen on %s: %w", o.access.listen, err)
	}
	defer listener.Close()
	log := env.logger()
	if env.Width() > 0 {
		// The live view owns the terminal; what it cannot show is in the API.
		log = slog.New(slog.DiscardHandler)
	}
	configuration, err := o.config.open(env, log)
	if err != nil {
		return err
	}
	defer configuration.close()
	store, err := openData(ctx, o.data, size, o.demo, log)
	if err != nil {
		return err
	}
	stats, err := probe.EnableCost()
	if err != nil {
		log.Warn("the cost of the probes is not measured", "error", err)
	} else {
		defer stats.Close()
	}
	a, err := agent.Start(ctx, agent.Options{
		Log: log, Probes: configuration.enabled(probes.All()), Partial: true, Probe: probe.Options{RingBytes: ring}, Configure: configuration.configure,
	})
	if errors.Is(err, context.Canceled) {
		return store.close()
	}
	if err != nil {
		return errors.Join(err, store.close())
	}
	defer a.Close()
	judging, err := openJudging(ctx, env, judgingOptions{judgeOptions: o.judge, demo: o.demo, dir: store.dir, agent: a, rollups: store.Rollups, receivers: configuration.Config().Receivers(), writes: configuration.Config().RemoteWrites(), url: who.url(listener.Addr())}, log)
	if err != nil {
		return errors.Join(err, store.close())
	}
	err = serveUp(ctx, env, o, &parts{a, store, judging, configuration, followUpgrades(a, log)}, listener, who, log)
	return errors.Join(err, judging.close(), store.close())
}

// parts is what an agent is made of.
type parts struct {
	agent         *agent.Agent
	store         *kept
	judging       *judging // nil without objectives
	configuration *configured
	upgrades      *upgrades.Follower
}

// serveUp connects the agent to its sinks and runs everything until ctx is
// done.
func serveUp(ctx context.Context, env Env, o upOptions, p *parts, listener net.Listener, who access, log *slog.Logger) error {
	a, store, configuration := p.agent, p.store, p.configuration
	registry := prometheus.NewRegistry()
	metrics, err := prom.New(registry, schemas()...)
	if err != nil {
		return fmt.Errorf("up: %w", err)
	}
	registry.MustRegister(prom.Health(a.Health, func() map[string]uint64 { return dropped(a) }),
		prom.Store((&backend{agent: a, store: store}).Store), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	configuration.register(registry)
	web := newSite(p, registry, listener, who, log)
	a.Pipeline.AddSource("upgrades", p.upgrades.Run)
	a.Pipeline.AddDirect(metrics.Consume)
	if p.judging != nil {
		a.Pipeline.AddDirect(p.judging.Counting().Consume)
	}
	a.Pipeline.AddQueued(pipeline.Queued{Name: storeSink, Accept: storable, Consume: store.add})
	a.Pipeline.AddQueued(pipeline.Queued{
		Name: feedSink, Consume: web.feed.Add,
		Accept: func(e *model.Event) bool { return ended(e) && web.feed.Wanted() },
	})
	stopOTLP, err := exportOTLP(ctx, env, p, registry, log)
	if err != nil {
		return err
	}
	state := console.NewState()
	if env.Width() > 0 {
		a.Pipeline.AddQueued(pipeline.Queued{Name: "console", Accept: ended, Consume: state.Add})
	}

	run, stop := context.WithCancel(ctx)
	defer stop()
	judged := p.judging.run(run)
	followed := configuration.follow(run, stop, liveProbes(a, configuration.Config()), p.judging.applyReceiver)
	serving := make(chan error, 1)
	go func() { serving <- web.serve() }()
	demo := startDemo(run, env, o.demo, log)
	drawn := startConsole(run, env, state, a, upTitle(o, web.url, store.state().Kind))
	log.Info("observing this host", "url", web.url, "demo", o.demo, "store", store.state().Kind)

	running := make(chan error, 1)
	go func() { running <- a.Run(run) }()
	var failure error
	select {
	case <-run.Done():
	case err := <-serving:
		failure = fmt.Errorf("up: serve on %s: %w", listener.Addr(), err)
	}
	stop()
	web.feed.Close()
	failure = errors.Join(failure, <-running, <-demo)
	<-drawn
	<-followed
	<-judged
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	stopOTLP(ending)
	web.stop(ending)
	return failure
}

func upTitle(o upOptions, url, kind string) string {
	title := "goshawk up   " + url
	if kind == "memory" {
		title += "   events are kept in memory only"
	}
	if o.demo {
		title += "   DEMO: the service \"shop\" is Goshawk's own and misbehaves on purpose"
	}
	return title
}

// ended accepts events that are complete.
func ended(e *model.Event) bool { return e.Phase == model.PhaseEnd }

// storable accepts what the store takes: events that are complete, and tallies.
func storable(e *model.Event) bool { return ended(e) || e.Counts() }

func schemas() []*model.Schema {
	var list []*model.Schema
	for _, spec := range probes.All() {
		list = append(list, spec.Schema)
	}
	return append(list, upgrades.Schema())
}

// followUpgrades returns who listens to the processes that can be upgraded.
func followUpgrades(a *agent.Agent, log *slog.Logger) *upgrades.Follower {
	return upgrades.New(upgrades.Options{
		NewIDs: agent.NewIDs, Since: time.Now(), Log: log,
		Processes: func() []upgrades.Process {
			var list []upgrades.Process
			for _, p := range a.Processes.GoProcesses() {
				list = append(list, upgrades.Process{ID: p.ID, PID: p.ID.PID, Service: p.Service, ContainerID: p.ContainerID, PodUID: p.PodUID})
			}
			return list
		},
	})
}

func dropped(a *agent.Agent) map[string]uint64 {
	drops := make(map[string]uint64)
	for _, q := range a.Pipeline.Stats() {
		drops[q.Sink] = q.Dropped
	}
	return drops
}

// exportOTLP adds the OTLP exporter when the environment asks for one. The
// returned function flushes it.
func exportOTLP(ctx context.Context, env Env, p *parts, gatherer prometheus.Gatherer, log *slog.Logger) (func(context.Context), error) {
	if !otlp.Enabled(env.Getenv) {
		return func(context.Context) {}, nil
	}
	o := otlp.Options{Getenv: env.Getenv, Log: log, Gatherer: gatherer, Schemas: schemas(), Version: buildVersion().Version}
	if p.judging != nil {
		o.Judge, o.Series = p.judging, p.judging.engine
	}
	exporter, err := otlp.Start(ctx, o)
	if err != nil {
		return nil, usageError("see the OTEL_EXPORTER_OTLP_ variables", "up: start the OTLP exporter: %w", err)
	}
	p.agent.Pipeline.AddDirect(exporter.Consume)
	return func(ctx context.Context) {
		if err := exporter.Shutdown(ctx); err != nil {
			log.Warn("OTLP export did not finish", "error", err)
		}
	}, nil
}

// startConsole draws the live view when stdout is a terminal. The channel is
// closed when the screen is restored.
func startConsole(ctx context.Context, env Env, state *console.State, a *agent.Agent, title string) <-chan struct{} {
	done := make(chan struct{})
	if env.Width() == 0 {
		close(done)
		return done
	}
	go func() {
		defer close(done)
		// A terminal that is gone ends the view, not the agent.
		_ = console.Run(ctx, env.Stdout, state, func() console.Frame {
			return console.Frame{
				Width: env.Width(), Height: env.Height(), Now: time.Now(),
				Title: title, Probes: a.Health(), Color: env.color(),
			}
		})
	}()
	return done
}

// becomeRoot replaces a process without privilege by itself under sudo.
func becomeRoot(env Env) error {
	if platform.CheckPrivilege() == nil {
		return nil
	}
	io.WriteString(env.Stderr, "goshawk: eBPF needs root: executing myself through sudo\n")
	return sudo()
}
