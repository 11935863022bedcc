package hook

import (
	"context"
	"fmt"
	"time"
)

// Ending says why a measurement ended.
type Ending string

// The endings of a measurement.
const (
	// EndDuration means that the time was over.
	EndDuration Ending = "duration"
	// EndInterrupted means that the context was done.
	EndInterrupted Ending = "interrupted"
	// EndExited means that the process ended.
	EndExited Ending = "exited"
	// EndReplaced means that the process executed another program.
	EndReplaced Ending = "replaced"
	// EndBudget means that every function was given up for what it cost.
	EndBudget Ending = "budget"
)

// watch waits for the end of the measurement and guards the budget meanwhile.
func (s *Session) watch(ctx context.Context, begin time.Time, o RunOptions) (Ending, error) {
	g := guard{budget: s.estimate.Budget, costs: make([]time.Duration, len(s.functions))}
	for i := range s.functions {
		g.costs[i] = s.prices.call(&s.functions[i])
	}
	calls := make([]uint64, len(s.functions))
	g.observe(0, calls, s.groups)
	ticks := time.NewTicker(guardEvery)
	defer ticks.Stop()
	var over <-chan time.Time
	if o.Duration > 0 {
		timer := time.NewTimer(o.Duration)
		defer timer.Stop()
		over = timer.C
	}
	next := begin.Add(o.Every)
	for {
		select {
		case <-ctx.Done():
			return EndInterrupted, nil
		case <-over:
			return EndDuration, nil
		case <-ticks.C:
		}
		if err := s.tier.counter().calls(calls); err != nil {
			return "", err
		}
		if err := s.giveUp(&g, g.observe(time.Since(begin), calls, s.groups), o.Warn); err != nil {
			return "", err
		}
		if s.sampler != nil {
			if err := s.sampler.drain(o.sampled); err != nil {
				return "", err
			}
		}
		switch {
		case s.idle():
			return EndBudget, nil
		case s.target.gone():
			return EndExited, nil
		case s.target.runsOther():
			return EndReplaced, nil
		}
		if now := time.Now(); o.Every > 0 && o.Tick != nil && !now.Before(next) {
			next = now.Add(o.Every)
			report, err := s.report(now.Sub(begin), "")
			if err != nil {
				return "", err
			}
			o.Tick(report)
		}
	}
}

// giveUp detaches the groups that cost too much.
func (s *Session) giveUp(g *guard, over []overrun, warn func(string)) error {
	for _, o := range over {
		if s.links[o.group] == nil {
			continue
		}
		why := fmt.Sprintf("it cost %.1f%% of a core within a second, the budget is %.1f%%", o.share*100, g.budget*100)
		group := s.groups[o.group]
		if len(group) > 1 {
			why = fmt.Sprintf("%d functions together cost %.1f%% of a core within a second, the budget is %.1f%%", len(group), o.share*100, g.budget*100)
		}
		now := time.Now()
		for _, f := range group {
			s.off(f, now, why)
			g.forget(f)
		}
		link := s.links[o.group]
		s.links[o.group] = nil
		if err := link.Close(); err != nil {
			return err
		}
		if warn != nil {
			warn(fmt.Sprintf("%s: detached: %s", s.functions[group[0]].name, why))
		}
	}
	return nil
}

// idle reports whether no function is hooked any more.
func (s *Session) idle() bool {
	for _, link := range s.links {
		if link != nil {
			return false
		}
	}
	return true
}
