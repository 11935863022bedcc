package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/internal/agent"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/pipeline"
)

type watchOptions struct {
	pids     []int32
	services []string
	all      bool
	starts   bool
	json     bool
	duration time.Duration
	ringSize string
}

func newWatch(env Env) *cobra.Command {
	var o watchOptions
	cmd := &cobra.Command{
		Use:   "watch PROBE [--pid N]... [--service S]... [--all]",
		Short: "Show live events of one probe",
		Long: `Show the events of one probe as they happen: of process N and what descends
from it, of a service, or of all.

With --json, watch http also prints what the requests caused: the commands and
connections that belong to their traces.

watch upgrade needs no probe: servers that can be upgraded tell of it, to root all of
this host, to others their own. An upgrade is shown when it is over, with its parts.

The last line on stderr is events=N lost=N: what was shown, and what is known
to be lost on the way.

Exit codes: 0 the duration is over, 2 bad usage, 3 this host cannot,
4 internal failure, 130 interrupted.

Probes:
` + probeList(),
		Example: `  goshawk watch exec --all
  goshawk watch exec --service gitea --json
  goshawk watch exec --pid 4711 --duration 30s
  goshawk watch http --service shop
  goshawk watch http --pid 4711 --json   # requests, and all that they caused
  goshawk watch upgrade --service shop`,
		Args:              exactArgs(1, "one PROBE"),
		ValidArgsFunction: completeProbes,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runWatch(cmd.Context(), env, args[0], o)
		},
	}
	f := cmd.Flags()
	f.Int32SliceVar(&o.pids, "pid", nil, "show process `N` and what descends from it; may be repeated")
	f.StringArrayVar(&o.services, "service", nil, "show the service named `S`; may be repeated")
	f.BoolVar(&o.all, "all", false, "show all events (the default without --pid and --service)")
	f.BoolVar(&o.starts, "starts", false, "show starts as well as ends")
	f.BoolVar(&o.json, "json", false, "print one JSON object per line")
	f.DurationVar(&o.duration, "duration", 0, "stop after `D` (30s, 5m); 0 goes on until interrupted")
	f.StringVar(&o.ringSize, "ring-size", "", "`SIZE` of the kernel's ring buffer, such as 64KiB or 32MiB (default the probe's own)")
	return cmd
}

// watched is what can be watched.
type watched struct{ name, summary string }

// watchable returns the probes, and what is watched without one.
func watchable() []watched {
	var list []watched
	for _, spec := range probes.All() {
		list = append(list, watched{spec.Name, spec.Summary})
	}
	return append(list, watched{upgrades.Probe, upgrades.Summary})
}

func probeList() string {
	var b strings.Builder
	for _, w := range watchable() {
		fmt.Fprintf(&b, "  %-8s %s\n", w.name, w.summary)
	}
	return strings.TrimRight(b.String(), "\n")
}

func completeProbes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, w := range watchable() {
		names = append(names, w.name+"\t"+w.summary)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// findProbe returns the probe named name, or the usage error.
func findProbe(name string) (*probe.Spec, error) {
	if spec := probes.Find(name); spec != nil {
		return spec, nil
	}
	var names []string
	for _, w := range watchable() {
		names = append(names, w.name)
	}
	return nil, usageError("the probes are: "+strings.Join(names, ", "), "watch: unknown probe %q", name)
}

func runWatch(ctx context.Context, env Env, name string, o watchOptions) error {
	if name == upgrades.Probe {
		if err := o.check(); err != nil {
			return err
		}
		return watchUpgrades(ctx, env, o)
	}
	spec, err := findProbe(name)
	if err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	ring, err := parseSize(o.ringSize)
	if err != nil {
		return usageError("write a number with KiB or MiB, such as 4MiB", "watch: --ring-size %q: %w", o.ringSize, err)
	}
	// Whoever attaches to functions sees requests, and with them what they
	// cause; and hears at once of processes that start.
	started := []*probe.Spec{spec}
	if spec.Functions != nil {
		started = append(started, slices.DeleteFunc(probes.All(), func(s *probe.Spec) bool { return s.Functions != nil })...)
	}
	a, err := agent.Start(ctx, agent.Options{
		Log: env.logger(), Probes: started, Optional: started[1:],
		Probe: probe.Options{RingBytes: ring, Eager: len(o.pids) > 0 || len(o.services) > 0},
	})
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(env.Stderr, "events=0 lost=0")
		return errInterrupted
	}
	if err != nil {
		return err
	}
	defer a.Close()
	accept, err := o.filter(a.Processes, spec.Schema.Probe)
	if err != nil {
		return err
	}
	var shown atomic.Uint64
	sink := o.sink(env, spec.Schema, &shown)
	sink.Accept = accept
	a.Pipeline.AddQueued(sink)

	return o.limited(ctx, env.Stderr, &shown, a.Run, a.Lost)
}

func (o *watchOptions) check() error {
	if o.all && (len(o.pids) > 0 || len(o.services) > 0) {
		return usageError("leave out --all, or --pid and --service", "watch: --all with --pid or --service: they contradict each other")
	}
	if o.duration < 0 {
		return usageError("write a positive duration such as 30s", "watch: --duration %s: is negative", o.duration)
	}
	for _, pid := range o.pids {
		if pid <= 0 {
			return usageError("goshawk ps lists the Go processes", "watch: --pid %d: is not a process id", pid)
		}
		if err := syscall.Kill(int(pid), 0); errors.Is(err, syscall.ESRCH) {
			return usageError("goshawk ps lists the Go processes", "watch: --pid %d: no such process", pid)
		}
	}
	return nil
}

// filter returns which events are shown: those of the probe called name, and
// what requests caused.
func (o *watchOptions) filter(processes *target.Table, name string) (func(*model.Event) bool, error) {
	var roots []model.ProcessID
	for _, pid := range o.pids {
		p, ok := processes.Get(pid)
		if !ok {
			return nil, usageError("goshawk ps lists the Go processes", "watch: --pid %d: no such process", pid)
		}
		roots = append(roots, p.ID)
	}
	selective := len(roots) > 0 || len(o.services) > 0
	return func(e *model.Event) bool {
		if e.Phase != model.PhaseEnd && (e.Phase != model.PhaseStart || !o.starts) {
			return false
		}
		if e.Schema.Probe != name && !(o.json && e.Requested) {
			return false
		}
		if !selective {
			return true
		}
		for _, s := range o.services {
			if s == e.Service {
				return true
			}
		}
		for _, root := range roots {
			if e.PID == root.PID || processes.Descends(e.PID, root) {
				return true
			}
		}
		return false
	}, nil
}

// The bounds of the queue before stdout: some seconds of the fastest spawning
// that a small machine can do, with arguments of some KiB.
const (
	stdoutQueue      = 4 * pipeline.DefaultQueue
	stdoutQueueBytes = 4 * pipeline.DefaultQueueBytes
)

// sink returns what writes events to stdout and counts the ends among them.
func (o *watchOptions) sink(env Env, schema *model.Schema, shown *atomic.Uint64) pipeline.Queued {
	sink := pipeline.Queued{Name: "stdout", Length: stdoutQueue, Bytes: stdoutQueueBytes}
	count := func(e *model.Event) {
		if e.Phase == model.PhaseEnd {
			shown.Add(1)
		}
	}
	if !o.json {
		t := table.New(env.Stdout, schema, table.Options{Width: env.Width(), Color: env.color()})
		sink.Consume = func(e *model.Event) {
			if t.Event(e) == nil {
				count(e)
			}
		}
		return sink
	}
	out := bufio.NewWriterSize(env.Stdout, 1<<16)
	var line []byte
	sink.Consume = func(e *model.Event) {
		line = append(v1.AppendEvent(line[:0], e), '\n')
		if _, err := out.Write(line); err == nil {
			count(e)
		}
	}
	sink.Idle = func() { out.Flush() }
	return sink
}
