package cli

import (
	"context"

	"github.com/goshawk-io/goshawk/internal/agent"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/change/upgrades"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// backend is the host as the API sees it.
type backend struct {
	agent    *agent.Agent
	store    *kept
	upgrades *upgrades.Follower
}

func (b *backend) Ready() bool { return b.agent.Ready() }

func (b *backend) Probes() []v1.Probe {
	list := []v1.Probe{}
	for _, h := range b.agent.Health() {
		spec := probes.Find(h.Probe)
		list = append(list, v1.NewProbe(h, spec.Summary, spec.Schema))
	}
	return append(list, v1.NewProbe(b.upgrades.Health(), upgrades.Summary, upgrades.Schema()))
}

func (b *backend) Processes(ctx context.Context) ([]v1.Process, error) {
	processes, err := b.agent.Services(ctx)
	if err != nil {
		return nil, err
	}
	return wireProcesses(processes), nil
}

// Store adds to what the store knows what never reached it.
func (b *backend) Store() v1.Store {
	state := b.store.state()
	if n := dropped(b.agent)[storeSink]; n > 0 {
		state.Dropped["queue"] += n
	}
	return state
}

func wireProcesses(processes []model.Process) []v1.Process {
	list := make([]v1.Process, 0, len(processes))
	for i := range processes {
		list = append(list, v1.NewProcess(&processes[i], target.Hookable(processes[i].Go)))
	}
	return list
}
