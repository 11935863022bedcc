package http

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// patience bounds the wait for what must come.
const patience = time.Minute

// live is the probe at work on some processes of this host.
type live struct {
	t      *testing.T
	probe  *probe.Probe
	table  *target.Table
	cancel context.CancelFunc
	ended  chan error

	mu      sync.Mutex
	pids    map[int32]bool
	events  []*model.Event
	tallies map[kind]uint64
	took    map[kind]*model.Distribution
	over    map[time.Duration]uint64
	quiet   bool // events are not kept
}

// kind is what a tally counts.
type kind struct {
	pid                       int32
	role, method              string
	route, template, host     string
	status                    int64
	outcome, failure, service string
}

// everything has the probe tell of each request: the intervals are 0.
func everything() probe.Options {
	return probe.Options{Settings: probe.Settings{PerSecond: 1e10, FailedPerSecond: 1e10}, RingBytes: 16 << 20}
}

// spy is a decoder that shows the records.
type spy struct {
	probe.Decoder
	see func(*bpfHttpRecord)
}

func (s spy) Decode(record []byte, emit func(*model.Event)) error {
	if r, _, err := view(record); err == nil {
		s.see(r)
	}
	return s.Decoder.Decode(record, emit)
}

// startLive starts the probe, which looks at no process until attach is called. It
// counts by limits from the beginning.
func startLive(t *testing.T, options probe.Options, limits ...time.Duration) *live {
	t.Helper()
	return startSpec(t, Spec(), options, limits...)
}

// startSpec is startLive for a changed probe.
func startSpec(t *testing.T, spec *probe.Spec, options probe.Options, limits ...time.Duration) *live {
	t.Helper()
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points at calls and returns are found on amd64 only", "amd64")
	clock := new(platform.BootClock)
	cgroups, err := target.NewCgroups(target.CgroupsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l := &live{
		t: t, ended: make(chan error, 1), pids: map[int32]bool{},
		tallies: map[kind]uint64{}, took: map[kind]*model.Distribution{}, over: map[time.Duration]uint64{},
	}
	l.table = target.NewTable(target.TableOptions{Reader: target.NewReader(target.ReaderOptions{Clock: clock}), Cgroups: cgroups})
	host := probe.Host{
		Processes: l.table, Cgroups: cgroups, Clock: clock, Symbols: symbol.NewCache(symbol.Options{}),
		Log: slog.New(slog.DiscardHandler),
	}
	options.Targets = func(p *model.Process) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.pids[p.ID.PID]
	}
	if l.probe, err = probe.Start(spec, host, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.probe.Close() })
	if rest, err := l.probe.CountPast(limits); err != nil || rest != nil {
		t.Fatal(rest, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() { l.ended <- l.probe.Run(ctx, nil, l.add) }()
	t.Cleanup(l.stop)
	return l
}

func (l *live) add(e *model.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Phase != model.PhaseTally {
		if !l.quiet {
			l.events = append(l.events, e.Clone())
		}
		return
	}
	v := e.Values
	k := kind{
		pid: e.PID, role: v[fieldRole].Str(), method: v[fieldMethod].Str(),
		route: v[fieldRoute].Str(), template: v[fieldTemplate].Str(), host: v[fieldServerAddress].Str(),
		status: v[fieldStatus].Int(), outcome: v[fieldOutcome].Str(), failure: v[fieldErrorType].Str(), service: e.Service,
	}
	l.tallies[k] += e.Tally.Count
	if l.took[k] == nil {
		l.took[k] = new(model.Distribution)
	}
	l.took[k].Merge(e.Tally.Durations)
	for _, o := range e.Tally.Over {
		l.over[o.Limit] += o.Count
	}
}

// stop ends the run and drains it. It may be called twice.
func (l *live) stop() {
	l.cancel()
	if err, running := <-l.ended; running {
		close(l.ended)
		if err != nil {
			l.t.Errorf("Run: %v", err)
		}
	}
}

// follow has the probe look at processes and does not wait.
func (l *live) follow(pids ...int) {
	l.mu.Lock()
	for _, pid := range pids {
		l.pids[int32(pid)] = true
	}
	l.mu.Unlock()
	for _, pid := range pids {
		l.table.Get(int32(pid))
	}
}

// attach blocks until the probe is attached to processes.
func (l *live) attach(t *testing.T, pids ...int) {
	t.Helper()
	l.follow(pids...)
	for _, pid := range pids {
		at := l.target(t, pid)
		if at.Points == 0 || at.Off != 0 {
			t.Fatalf("process %d: attached to %d points; off: %+v", pid, at.Points, l.probe.Health().Off)
		}
	}
}

// target blocks until the probe has looked at a process.
func (l *live) target(t *testing.T, pid int) model.ProbeTarget {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		h := l.probe.Health()
		for _, at := range h.Targets {
			for _, one := range at.PIDs {
				if int(one) == pid {
					return at
				}
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the probe does not look at process %d: health = %+v", pid, h)
		}
	}
}

// where returns the events, so far, that keep says.
func (l *live) where(keep func(*model.Event) bool) []*model.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []*model.Event
	for _, e := range l.events {
		if keep(e) {
			list = append(list, e)
		}
	}
	return list
}

// wait blocks until there are n events that keep says.
func (l *live) wait(t *testing.T, what string, n int, keep func(*model.Event) bool) []*model.Event {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		list := l.where(keep)
		if len(list) >= n {
			return list
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d events of %s, want %d; health = %+v", len(list), what, n, l.probe.Health())
		}
	}
}

// one blocks until there is the event that keep says, and fails when there are
// several.
func (l *live) one(t *testing.T, what string, keep func(*model.Event) bool) *model.Event {
	t.Helper()
	list := l.wait(t, what, 1, keep)
	if len(list) > 1 {
		t.Fatalf("%d events of %s, want one", len(list), what)
	}
	return list[0]
}

// sum adds up the tallies, so far, that keep says.
func (l *live) sum(keep func(kind) bool) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var n uint64
	for k, count := range l.tallies {
		if keep(k) {
			n += count
		}
	}
	return n
}

// checkDurations compares the distribution of what was counted with that of the
// events, which are as many.
func (l *live) checkDurations(t *testing.T) {
	t.Helper()
	const shortest = 1 << 13 // what is shorter counts in the first bucket
	var counted, told model.Distribution
	var sum uint64
	for _, d := range l.took {
		counted.Merge(d)
	}
	for _, e := range l.where(func(*model.Event) bool { return true }) {
		told.Add(max(e.Duration, shortest))
		sum += uint64(e.Duration)
	}
	var want, got []string
	told.EachBucket(func(low, _, n uint64) { want = append(want, fmt.Sprint(n, " from ", low)) })
	counted.EachBucket(func(low, _, n uint64) { got = append(got, fmt.Sprint(n, " from ", low)) })
	if len(want) < 3 || !slices.Equal(got, want) || counted.Sum() != sum || counted.Max() != told.Max() {
		t.Errorf("counted %q, sum %d, max %s; events say %q, sum %d, max %s", got, counted.Sum(), counted.Max(), want, sum, told.Max())
	}
}

// ofPath is for the requests that process pid served below a path.
func ofPath(pid int, path string) func(*model.Event) bool {
	return func(e *model.Event) bool {
		return int(e.PID) == pid && e.Values[fieldRole].Str() == roleServer && e.Values[fieldPath].Str() == path
	}
}

// text writes a field as text, "-" when it is unset.
func text(e *model.Event, field int) string {
	return textOf(e.Schema.Fields[field].Kind, e.Values[field])
}
