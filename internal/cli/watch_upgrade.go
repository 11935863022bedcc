package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/pipeline"
)

// watchUpgrades shows upgrades of servers. No probe sees them: the servers tell of them,
// so that this needs no privilege for those of the same user.
func watchUpgrades(ctx context.Context, env Env, o watchOptions) error {
	switch {
	case o.ringSize != "":
		return usageError("leave it out", "watch: --ring-size %s: upgrades come through no ring buffer", o.ringSize)
	case o.starts:
		return usageError("leave it out: an upgrade is shown with its parts when it is over", "watch: --starts: upgrades have no such event")
	}
	seen := newSeenProcesses(env.logger())
	if err := seen.refresh(ctx); err != nil {
		return interruptedOr(ctx, fmt.Errorf("watch: %w", err))
	}
	accept, err := o.filter(seen.table, upgrades.Probe)
	if err != nil {
		return err
	}
	lines := pipeline.New(pipeline.Options{})
	follower := upgrades.New(upgrades.Options{
		NewIDs: agent.NewIDs, Since: time.Now(), Log: env.logger(),
		Processes: func() []upgrades.Process {
			if err := seen.refresh(ctx); err != nil && ctx.Err() == nil {
				seen.log.Warn("processes are not looked for", "error", err)
			}
			return seen.list
		},
	})
	lines.AddSource("upgrades", follower.Run)
	var shown atomic.Uint64
	sink := o.sink(env, upgrades.Schema(), &shown)
	sink.Accept = accept
	lines.AddQueued(sink)
	return o.limited(ctx, env.Stderr, &shown, lines.Run, func() uint64 {
		lost := uint64(0)
		for _, q := range lines.Stats() {
			lost += q.Dropped
		}
		return lost
	})
}

// limited runs for as long as was asked for, and then says how many events there were.
func (o *watchOptions) limited(ctx context.Context, w io.Writer, shown *atomic.Uint64, run func(context.Context) error, lost func() uint64) error {
	until := ctx
	if o.duration > 0 {
		var cancel context.CancelFunc
		until, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	err := run(until)
	fmt.Fprintf(w, "events=%d lost=%d\n", shown.Load(), lost())
	if err == nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// seenProcesses knows the Go processes of the host without a probe that tells of them. It
// belongs to one goroutine, but for the table.
type seenProcesses struct {
	log    *slog.Logger
	reader *target.Reader
	table  *target.Table
	list   []upgrades.Process
}

func newSeenProcesses(log *slog.Logger) *seenProcesses {
	cgroups, err := target.NewCgroups(target.CgroupsOptions{})
	if err != nil {
		log.Warn("control groups are not resolved", "error", err)
	}
	reader := target.NewReader(target.ReaderOptions{Executables: target.NewExecutables(0)})
	return &seenProcesses{log: log, reader: reader, table: target.NewTable(target.TableOptions{Reader: reader, Cgroups: cgroups})}
}

// refresh reads what processes there are now. The table may take one that was read just
// before it executed its program for what it was then.
func (g *seenProcesses) refresh(ctx context.Context) error {
	known := make(map[model.ProcessID]upgrades.Process, len(g.list))
	for _, p := range g.list {
		known[p.ID] = p
	}
	var list []upgrades.Process
	err := g.table.Sync(ctx, func(p target.Process) {
		if p.Go == nil {
			return
		}
		u, ok := known[p.ID]
		if !ok {
			u = upgrades.Process{ID: p.ID, PID: p.ID.PID, Service: g.reader.Service(&p.Process)}
			if at, ok := g.table.GetID(p.ID); ok {
				u.ContainerID, u.PodUID = at.ContainerID, at.PodUID
			}
		}
		list = append(list, u)
	})
	if err != nil {
		return err
	}
	g.list = list
	return nil
}
