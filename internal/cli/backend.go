package cli

import (
	"context"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/api"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/store/recent"
)

// backend answers the API from the agent and the recent events.
type backend struct {
	agent  *agent.Agent
	events *recent.Store
}

func (b *backend) Ready() bool { return b.agent.Ready() }

func (b *backend) Probes() []v1.Probe {
	list := []v1.Probe{}
	for _, h := range b.agent.Health() {
		spec := probes.Find(h.Probe)
		list = append(list, v1.NewProbe(h, spec.Summary, spec.Schema))
	}
	return list
}

func (b *backend) Services(ctx context.Context) ([]v1.Service, error) {
	processes, err := b.agent.Services(ctx)
	if err != nil {
		return nil, err
	}
	return v1.NewServices(wireProcesses(processes)), nil
}

func (b *backend) Events(q api.EventQuery) []v1.Event {
	list := []v1.Event{}
	for _, e := range b.events.Select(recent.Query{Probe: q.Probe, Service: q.Service, PID: q.PID, Findings: q.Findings, Limit: q.Limit}) {
		list = append(list, v1.NewEvent(e))
	}
	return list
}

func wireProcesses(processes []model.Process) []v1.Process {
	list := make([]v1.Process, 0, len(processes))
	for i := range processes {
		list = append(list, v1.NewProcess(&processes[i], target.Hookable(processes[i].Go)))
	}
	return list
}
