package gotrace_test

import (
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/exp/trace"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

// oracle is what a trace says by the plainest way there is: the reader, from the
// beginning to the end, and every single duration kept.
type oracle struct {
	events    uint64
	latency   map[string][]int64
	functions map[string][]int64
	blocked   map[string][]int64
	stw       map[string]int
	assists   int
	regions   map[string]int
	tasks     map[string]int
	logs      map[string]uint64
	running   int64
	created   map[string]uint64
	runnable  int64
	saturated int64
}

type oracleGoroutine struct {
	state   trace.GoState
	since   trace.Time
	seen    bool
	from    trace.GoState
	reason  string
	fn      string
	started bool
}

// consult reads a whole trace.
func consult(t *testing.T, r io.Reader) *oracle {
	t.Helper()
	reader, err := trace.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{latency: map[string][]int64{}, functions: map[string][]int64{}, blocked: map[string][]int64{},
		stw: map[string]int{}, regions: map[string]int{}, tasks: map[string]int{}, logs: map[string]uint64{}, created: map[string]uint64{}}
	gs, idle := map[trace.GoID]*oracleGoroutine{}, map[trace.ProcID]bool{}
	open := map[trace.Range]bool{}
	openTasks := map[trace.TaskID]bool{}
	var last trace.Time
	for {
		e, err := reader.ReadEvent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if o.events++; o.events > 1 {
			o.elapsed(gs, idle, int64(e.Time()-last))
		}
		last = e.Time()
		switch e.Kind() {
		case trace.EventStateTransition:
			o.transition(e, gs, idle)
		case trace.EventRangeBegin:
			open[e.Range()] = true
		case trace.EventRangeEnd:
			if r := e.Range(); open[r] {
				delete(open, r)
				if reason, ok := strings.CutPrefix(r.Name, "stop-the-world ("); ok {
					o.stw[strings.TrimSuffix(reason, ")")]++
				} else if r.Name == "GC mark assist" {
					o.assists++
				}
			}
		case trace.EventRegionEnd:
			o.regions[e.Region().Type]++
		case trace.EventTaskBegin:
			openTasks[e.Task().ID] = true
		case trace.EventTaskEnd:
			if openTasks[e.Task().ID] {
				o.tasks[e.Task().Type]++
			}
		case trace.EventLog:
			o.logs[e.Log().Category]++
		}
	}
	for _, g := range gs {
		if g.state == trace.GoRunning {
			o.running += int64(last - g.since)
		}
	}
	return o
}

func (o *oracle) elapsed(gs map[trace.GoID]*oracleGoroutine, idle map[trace.ProcID]bool, ns int64) {
	for _, g := range gs {
		if g.state == trace.GoRunnable {
			o.runnable += ns
			for _, is := range idle {
				if is {
					return
				}
			}
			o.saturated += ns
			return
		}
	}
}

func (o *oracle) transition(e trace.Event, gs map[trace.GoID]*oracleGoroutine, idle map[trace.ProcID]bool) {
	st := e.StateTransition()
	if st.Resource.Kind == trace.ResourceProc {
		_, to := st.Proc()
		idle[st.Resource.Proc()] = to == trace.ProcIdle
		return
	}
	from, to := st.Goroutine()
	g := gs[st.Resource.Goroutine()]
	if g == nil {
		g = &oracleGoroutine{fn: "(not seen)"}
		gs[st.Resource.Goroutine()] = g
	}
	if from == to {
		return
	}
	lasted := int64(e.Time() - g.since)
	switch {
	case from == trace.GoRunning:
		o.running += lasted
	case from == trace.GoRunnable && to == trace.GoRunning && g.seen:
		class := map[trace.GoState]string{trace.GoNotExist: "create", trace.GoWaiting: "wake", trace.GoRunning: "preempt", trace.GoSyscall: "syscall"}[g.from]
		o.latency[class] = append(o.latency[class], lasted)
		if g.started {
			o.functions[g.fn] = append(o.functions[g.fn], lasted)
		}
	case from == trace.GoWaiting && g.seen:
		o.blocked[g.reason] = append(o.blocked[g.reason], lasted)
	}
	if from == trace.GoNotExist {
		for f := range st.Stack.Frames() {
			g.fn = f.Func
		}
		g.started = true
		o.created[g.fn]++
	}
	g.state, g.since, g.seen, g.from, g.reason = to, e.Time(), from != trace.GoUndetermined, from, st.Reason
	if to == trace.GoNotExist {
		delete(gs, st.Resource.Goroutine())
	}
}

// compare fails the test where a report says something else.
func (o *oracle) compare(t *testing.T, r *gotrace.Report) {
	t.Helper()
	equal(t, "events", r.Events, o.events)
	for _, class := range gotrace.Classes() {
		same(t, "latency of "+class.String(), r.Latency[class], o.latency[class.String()])
	}
	var running int64
	for _, f := range r.Functions {
		running += f.Running
		if f.Created == 0 || f.Created != f.Goroutines {
			continue
		}
		equal(t, "created "+f.Name, f.Created, o.created[f.Name])
		var n uint64
		for _, s := range f.Latency {
			n += s.Count
		}
		equal(t, "waits of "+f.Name, n, uint64(len(o.functions[f.Name])))
		same(t, "all waits of "+f.Name, f.Waits, o.functions[f.Name])
		equal(t, "waiting of "+f.Name, f.Latency.Total(), sum(o.functions[f.Name]))
	}
	equal(t, "running", running, o.running)
	equal(t, "runnable", r.Procs.Runnable, o.runnable)
	equal(t, "saturated", r.Procs.Saturated, o.saturated)
	blocked := map[string]gotrace.Stats{}
	for _, b := range r.Blocking {
		s := blocked[b.Reason]
		s.Count, s.Total, s.Max = s.Count+b.Count, s.Total+b.Total, max(s.Max, b.Max)
		blocked[b.Reason] = s
	}
	for reason, durations := range o.blocked {
		s := blocked[reason]
		equal(t, "blocked by "+reason, s.Count, uint64(len(durations)))
		equal(t, "time blocked by "+reason, s.Total, sum(durations))
		equal(t, "longest blocked by "+reason, s.Max, slices.Max(durations))
	}
	equalCounts(t, "stops of the world", r.STW, o.stw)
	equal(t, "assists", r.Assist.Count, uint64(o.assists))
	equalCounts(t, "tasks", r.Tasks, o.tasks)
	for _, region := range r.Regions {
		equal(t, "regions "+region.Name, region.Count+region.Cut, uint64(o.regions[region.Name]))
	}
	for _, c := range r.Logs.Categories {
		equal(t, "logs "+c.Name, c.Count, o.logs[c.Name])
	}
}

func equalCounts(t *testing.T, what string, got []gotrace.Range, want map[string]int) {
	t.Helper()
	counted := map[string]int{}
	for _, r := range got {
		if r.Count > 0 {
			counted[r.Name] = int(r.Count)
		}
	}
	if len(counted) != len(want) {
		t.Errorf("%s: got %v, want %v", what, counted, want)
	}
	for name, n := range want {
		equal(t, what+" "+name, counted[name], n)
	}
}

// same compares a summary with the durations: counts, sums and the longest exactly,
// quantiles to 6 %.
func same(t *testing.T, what string, got gotrace.Stats, durations []int64) {
	t.Helper()
	equal(t, what+": count", got.Count, uint64(len(durations)))
	if len(durations) == 0 {
		return
	}
	slices.Sort(durations)
	equal(t, what+": total", got.Total, sum(durations))
	equal(t, what+": longest", got.Max, durations[len(durations)-1])
	for q, value := range map[float64]int64{0.50: got.P50, 0.90: got.P90, 0.99: got.P99} {
		exact := float64(durations[int(q*float64(len(durations)))])
		if math.Abs(float64(value)-exact) > 0.06*exact+1 {
			t.Errorf("%s: quantile %g: got %d, want %g within 6 %%", what, q, value, exact)
		}
	}
}

func sum(values []int64) int64 {
	var total int64
	for _, v := range values {
		total += v
	}
	return total
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
