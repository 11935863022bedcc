package hook

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

const (
	// DefaultBudget is the share of a core that hooks may take of a process.
	DefaultBudget = 0.02
	// DefaultSample is how long rates are sampled.
	DefaultSample = 200 * time.Millisecond
	// sampleCost bounds the CPU time that sampling takes from the process.
	sampleCost = 10 * time.Millisecond
)

// Estimate says what hooking will cost, from rates that were sampled before.
type Estimate struct {
	// Functions are those that can be hooked, the dearest first.
	Functions []FunctionEstimate
	// Share is the CPU time that all take, as a share of one core.
	Share float64
	// Budget is the share that is allowed, 0 when any is.
	Budget float64
	// Took is for how long rates were sampled. A process that is busier than
	// it was then costs more.
	Took time.Duration
}

// FunctionEstimate is what hooking one function will cost.
type FunctionEstimate struct {
	Func string
	// Rate is in calls a second.
	Rate float64
	// Cost is what one call costs.
	Cost time.Duration
	// Share is of one core.
	Share float64
}

// Exceeds reports whether the budget is too small.
func (e *Estimate) Exceeds() bool { return e.Budget > 0 && e.Share > e.Budget }

// sample estimates what hooking the functions costs. It counts their entries
// for a short while, and stops when that has cost too much itself.
func sample(ctx context.Context, t tier, p *prices, functions []function, d time.Duration) (Estimate, error) {
	dearest := p.count
	for i := range functions {
		if slices.ContainsFunc(functions[i].entries, func(e symbol.Point) bool { return e.Stepped }) {
			dearest = p.countStepped
		}
	}
	calls, took, err := t.sample(ctx, d, max(uint64(sampleCost/max(dearest, 1)), 1))
	if err != nil {
		return Estimate{}, fmt.Errorf("sample how often the functions are called: %w", err)
	}
	return estimate(p, functions, calls, took), nil
}

// estimate is what calls within took make hooking cost.
func estimate(p *prices, functions []function, calls []uint64, took time.Duration) Estimate {
	e := Estimate{Took: took}
	for i := range functions {
		f := &functions[i]
		if f.refused != nil {
			continue
		}
		one := FunctionEstimate{Func: f.name, Rate: float64(calls[i]) / took.Seconds(), Cost: p.call(f)}
		one.Share = one.Rate * one.Cost.Seconds()
		e.Share += one.Share
		e.Functions = append(e.Functions, one)
	}
	slices.SortStableFunc(e.Functions, func(a, b FunctionEstimate) int { return cmp.Compare(b.Share, a.Share) })
	return e
}

// exceeded returns the error for an estimate above the budget.
func (e *Estimate) exceeded() error {
	first := e.Functions[0]
	return inputError(fmt.Sprintf("name fewer functions, leave out %s, or allow it with --budget %.0f or --force", first.Func, e.Share*100+1),
		"hook: would cost %.1f%% of a core, the budget is %.1f%%: %s alone takes %.1f%%: %.0f calls/s at %v each",
		e.Share*100, e.Budget*100, first.Func, first.Share*100, first.Rate, first.Cost)
}
