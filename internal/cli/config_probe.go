package cli

import (
	"context"

	"github.com/goshawk-io/goshawk/internal/agent"
	"github.com/goshawk-io/goshawk/internal/config"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
)

// configure gives a probe what the configuration says of it. Which services and
// files it attaches to is asked anew each time, so that a change takes effect.
func (c *configured) configure(name string, o *probe.Options) {
	o.Settings = settingsOf(c.Config().Probe(name))
	o.Targets = func(p *model.Process) bool { return c.Config().Probe(name).Targets.Match(p.Service) }
	o.Files = func() []string { return c.Config().Probe(name).Targets.Executables }
}

// settingsOf translates what users write. To them no events is 0, which a probe
// takes for its default.
func settingsOf(p config.ProbeConfig) probe.Settings {
	rate := func(n int) float64 {
		if n == 0 {
			return -1
		}
		return float64(n)
	}
	return probe.Settings{
		PerSecond: rate(p.Sampling.PerSecond), FailedPerSecond: rate(p.Sampling.FailedPerSecond), Slow: p.Sampling.Slow,
		Routes: p.Routes.Limit, PublishContexts: p.TraceContextMap,
	}
}

// liveProbes tells the running probes of functions when their configuration
// changes from what they were started with.
func liveProbes(a *agent.Agent, started *config.Config) map[string]liveProbe {
	live := make(map[string]liveProbe)
	for _, spec := range probes.All() {
		if spec.Functions == nil {
			continue
		}
		published := started.Probe(spec.Name).TraceContextMap
		live[spec.Name] = func(_ context.Context, c config.ProbeConfig) error {
			if c.TraceContextMap != published {
				return config.ErrNeedsRestart
			}
			return a.Apply(spec.Name, settingsOf(c))
		}
	}
	return live
}
