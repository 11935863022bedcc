package gotrace

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/exp/trace"
)

// The names of ranges that the analysis tells apart, as x/exp/trace's reader gives
// them.
const (
	stwPrefix   = "stop-the-world ("
	rangeGC     = "GC concurrent mark phase"
	rangeAssist = "GC mark assist"
)

// rangeKey is one range that can be open.
type rangeKey struct {
	name  string
	kind  uint64
	scope uint64
}

type openRange struct {
	since int64
	// cut says that it had begun before the trace.
	cut bool
}

// runtimeRanges follows the ranges of the runtime, and its metrics.
type runtimeRanges struct {
	open    map[rangeKey]openRange
	stw     names[rangeTally]
	other   names[rangeTally]
	assist  rangeTally
	metrics names[Metric]
	leftOut uint64
}

func newRuntimeRanges() runtimeRanges {
	return runtimeRanges{
		open:    map[rangeKey]openRange{},
		stw:     names[rangeTally]{limit: maxNames},
		other:   names[rangeTally]{limit: maxNames},
		metrics: names[Metric]{limit: maxNames},
	}
}

// ranged opens or closes a range of the runtime.
func (a *analyser) ranged(r *record) {
	key := rangeKey{name: a.strings[r.args[0]], kind: r.args[1], scope: r.args[2]}
	was, open := a.runtime.open[key]
	if r.op != opRangeEnd {
		if open {
			return
		}
		if len(a.runtime.open) >= maxOpen {
			a.runtime.leftOut++
			return
		}
		a.runtime.open[key] = openRange{since: a.now, cut: r.op == opRangeActive}
		a.hold(key.name, 1)
		a.assist(key, true)
		return
	}
	tally := a.runtime.tally(key.name)
	if !open {
		tally.cut++
		return
	}
	delete(a.runtime.open, key)
	a.hold(key.name, -1)
	a.assist(key, false)
	if was.cut {
		tally.cut++
		return
	}
	tally.add(a.now - was.since)
}

// assist notes that a goroutine begins or ends to mark for the collector.
func (a *analyser) assist(key rangeKey, begins bool) {
	if key.name != rangeAssist || key.kind != uint64(trace.ResourceGoroutine) {
		return
	}
	g, ok := a.goroutines[id(key.scope)]
	switch {
	case !ok:
	case begins:
		g.assisting = a.now
	default:
		if g.state == trace.GoRunning {
			a.assisted(g, a.functionOf(g))
		}
		g.assisting = 0
	}
}

// hold counts the stops of the world and mark phases that go on.
func (a *analyser) hold(name string, by int) {
	switch {
	case strings.HasPrefix(name, stwPrefix):
		a.stw += by
	case name == rangeGC:
		a.gc += by
	}
}

// tally returns where ranges of a name are counted.
func (r *runtimeRanges) tally(name string) *rangeTally {
	if reason, ok := strings.CutPrefix(name, stwPrefix); ok {
		return r.stw.get(strings.TrimSuffix(reason, ")"))
	}
	if name == rangeAssist {
		return &r.assist
	}
	return r.other.get(name)
}

// finish counts what is still open.
func (r *runtimeRanges) finish() {
	for key := range r.open {
		r.tally(key.name).open++
	}
}

// metric takes a sample of a runtime metric.
func (a *analyser) metric(name string, value uint64) {
	m := a.runtime.metrics.get(name)
	if m.Name == "" {
		*m = Metric{Name: name, First: value, Min: value}
	}
	m.Last, m.Min, m.Max = value, min(m.Min, value), max(m.Max, value)
	if name == "/sched/gomaxprocs:threads" {
		a.procs.Max = max(a.procs.Max, int(min(value, 1<<20)))
	}
}

// metricsReport returns the metrics by name.
func (r *runtimeRanges) metricsReport() []Metric {
	var out []Metric
	for _, m := range r.metrics.entries {
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b Metric) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
