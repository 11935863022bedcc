package cli

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/propose"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
)

const (
	// sloFolder is below the folder of events, and has what was proposed or accepted.
	sloFolder = "slo"
	// proposeEvery is how often it is looked whether a service can be proposed for,
	// baselineTime from how much of the past, and baselineStep how finely.
	proposeEvery = time.Minute
	baselineTime = 6 * time.Hour
	baselineStep = time.Minute
	// maxProposals bounds those that wait: an engine judges each.
	maxProposals = 20
	// maxThresholds leaves some of the limits that a probe counts by to whoever
	// writes objectives.
	maxThresholds = 8
)

// proposeFolder is where an agent that keeps its data in dir has proposals.
func proposeFolder(dir string) propose.Folder {
	return propose.Folder{Path: filepath.Join(dir, sloFolder)}
}

// proposer proposes objectives for services that have none.
type proposer struct {
	folder  propose.Folder
	rollups func(context.Context, model.RollupQuery) (model.Rollups, error)
	// known returns the objectives in force, and the proposals.
	known   func() []*objective.SLO
	options propose.Options
	log     *slog.Logger
}

// run looks every minute until ctx is done.
func (p *proposer) run(ctx context.Context) {
	tick := time.NewTicker(proposeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.look(ctx, now)
		}
	}
}

// look proposes what can be proposed now.
func (p *proposer) look(ctx context.Context, now time.Time) {
	known := p.known()
	waiting := 0
	for _, s := range known {
		if s.Proposal {
			waiting++
		}
	}
	for _, b := range p.baselines(ctx, now) {
		options := p.options
		options.Threshold = func(d time.Duration) bool { return mayCount(known, d) }
		for _, s := range propose.For(b, options) {
			if waiting >= maxProposals {
				return
			}
			if slices.ContainsFunc(known, func(k *objective.SLO) bool { return k.Name == s.Name || propose.Covers(k, &s) }) {
				continue
			}
			added, err := p.folder.Add(&s)
			if err != nil {
				p.log.Warn("an objective was not proposed", "error", err)
				return
			}
			if added {
				known, waiting = append(known, &s), waiting+1
				p.log.Info("an objective is proposed", "objective", s.Name, "folder", p.folder.Path)
			}
		}
	}
}

// mayCount reports whether the probe of requests has room for a threshold.
func mayCount(known []*objective.SLO, d time.Duration) bool {
	thresholds := map[time.Duration]bool{}
	for _, s := range known {
		if s.Indicator.Signal == objective.SignalHTTP && s.Indicator.Threshold > 0 {
			thresholds[s.Indicator.Threshold] = true
		}
	}
	return thresholds[d] || len(thresholds) < maxThresholds
}

// baselines returns what was seen of services, those with the most events first.
func (p *proposer) baselines(ctx context.Context, now time.Time) []*propose.Baseline {
	all := make(map[[2]string]*propose.Baseline)
	for _, signal := range []objective.Signal{objective.SignalHTTP, objective.SignalExec} {
		q := model.RollupQuery{Probe: string(signal), From: now.Add(-baselineTime), To: now, Step: baselineStep}
		role := -1
		if signal == objective.SignalHTTP {
			q.By, role = model.ByGroup, slices.Index(probes.Find(q.Probe).Schema.Groups, "goshawk.role")
		}
		sums, err := p.rollups(ctx, q)
		if err != nil {
			p.log.Warn("objectives are not proposed", "error", err)
			return nil
		}
		for i := range sums.Items {
			sum := &sums.Items[i]
			if role >= 0 && (role >= len(sum.Group) || sum.Group[role] != "server") {
				continue
			}
			// What runs commands and serves nobody is a tool more often than a service.
			if signal == objective.SignalExec && all[[2]string{string(objective.SignalHTTP), sum.Service}] == nil {
				continue
			}
			key := [2]string{string(signal), sum.Service}
			b := all[key]
			if b == nil {
				b = &propose.Baseline{Service: sum.Service, Signal: signal, From: sum.Time}
				all[key] = b
			}
			// They are in the order of time.
			b.To = sum.Time.Add(baselineStep)
			b.Total, b.Bad = b.Total+sum.Count, b.Bad+sum.Failed
			b.Durations.Merge(&sum.Durations)
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *propose.Baseline) int {
		if a.Total != b.Total {
			return int(min(max(int64(b.Total)-int64(a.Total), -1), 1))
		}
		return a.From.Compare(b.From)
	})
}

// withProposals returns the objectives of files together with those of the folder:
// a name that a file has is the file's, and nothing is proposed that a file has an
// objective for.
func withProposals(written, own []objective.SLO) []objective.SLO {
	all := slices.Clone(written)
	for i := range own {
		s := &own[i]
		taken := slices.ContainsFunc(written, func(w objective.SLO) bool {
			return w.Name == s.Name || s.Proposal && propose.Covers(&w, s)
		})
		if !taken {
			all = append(all, *s)
		}
	}
	return all
}
