package gotrace

import (
	"fmt"
	"time"

	"golang.org/x/exp/trace"
)

const (
	// SilenceGate is from when on time without any event counts as silence, in ns.
	// sysmon wakes at least each 10 ms while Ps run, so that a running program
	// seldom writes nothing for longer.
	SilenceGate = 10_000_000
	// StallGate is from when on silence of goroutines that run, or could, counts as a
	// stall, in ns. sysmon preempts a goroutine after 10 ms, which is an event, and may
	// itself sleep for 10 ms: a program that only computes shows gaps of 20 ms and more.
	StallGate = 50_000_000
	// IdlingGate is how long, in ns, a goroutine and an idle P must have waited for
	// each other before it counts as more than a wake-up under way.
	IdlingGate = 1_000_000
)

const (
	// maxTrace is how long a trace may be, in ns: 104 days. What a damaged one says of
	// times beyond would overflow sums.
	maxTrace = 1 << 53
	// latest is when a trace may begin at the latest, in ns: clocks count from when the
	// machine was started.
	latest = 1 << 62
)

// goroutine is what the analyser knows of one that lives.
type goroutine struct {
	state trace.GoState
	class Class
	// seen is false while the goroutine is in a state that began before the trace.
	seen  bool
	since int64
	fn    *functionTally
	// assisting is since when it marks for the collector, 0 when it does not.
	assisting int64
	// block is where it is, or was last, blocked.
	block *blockTally
	// by made it runnable; the rest is what held at that time.
	by                int64
	byFn              *functionTally
	ahead, idlePs     int32
	stw, gc, silentNS int64
}

// analyser takes the records of a trace in their order.
type analyser struct {
	strings []string
	stacks  []int32
	// blocks resolves a reason and stack of the generation at hand.
	blocks map[uint64]*blockTally

	// damage is why the rest of the trace cannot be understood.
	damage     error
	started    bool
	start, now int64
	wall       int64
	events     uint64

	goroutines map[int64]*goroutine
	states     [trace.GoSyscall + 1]int
	idle       map[int64]bool
	idlePs     int
	gc, stw    int
	// first counts the goroutines that were there before the trace.
	first int
	// stwNS, gcNS and silentNS are for how long these have held so far.
	stwNS, gcNS, silentNS int64
	idlingNow             int64

	latency   [classes]histogram
	cut       uint64
	waits     [classes]longest
	functions names[functionTally]
	allBlocks map[blockKey]*blockTally
	blocksOut uint64
	table     stackTable
	procs     Procs
	silence   histogram
	stall     histogram
	timeline  timeline
	user      annotations
	runtime   runtimeRanges
}

func newAnalyser() *analyser {
	return &analyser{
		goroutines: map[int64]*goroutine{},
		idle:       map[int64]bool{},
		functions:  names[functionTally]{limit: maxFunctions},
		allBlocks:  map[blockKey]*blockTally{},
		user:       newAnnotations(),
		runtime:    newRuntimeRanges(),
	}
}

// generation forgets the tables of the generation before.
func (a *analyser) generation() {
	a.strings, a.stacks = append(a.strings[:0], ""), append(a.stacks[:0], 0)
	a.blocks = map[uint64]*blockTally{}
}

// take takes the records of a chunk. The error is about their times; nothing is taken
// after it.
func (a *analyser) take(c *chunk) error {
	a.strings = append(a.strings, c.strings...)
	for _, frames := range c.stacks {
		a.stacks = append(a.stacks, a.table.add(frames))
	}
	a.events += c.events
	c.each(a.record)
	return a.damage
}

func (a *analyser) record(r *record) {
	if a.advance(r.time); a.damage != nil {
		return
	}
	switch r.op {
	case opGo:
		a.transition(r)
	case opProc:
		a.proc(id(r.args[0]), trace.ProcState(r.args[1]&15))
	case opRangeBegin, opRangeActive, opRangeEnd:
		a.ranged(r)
	case opRegionBegin, opRegionEnd:
		a.user.region(r.op, id(r.args[0]), a.strings[r.args[1]], a.now)
	case opTaskBegin, opTaskEnd:
		a.user.task(r.op, r.args[0], a.strings[r.args[2]], a.now)
	case opLog:
		a.user.log(id(r.args[0]), a.strings[r.args[1]], a.strings[r.args[2]], a.now-a.start)
	case opMetric:
		a.metric(a.strings[r.args[0]], r.args[1])
	case opSync:
		if r.args[0] == 1 && a.wall == 0 {
			a.wall = int64(r.args[2]) - (a.now - a.start)
		}
	}
}

// advance sums up what held since the event before. Times rise strictly, as they do
// in the reader, which cannot see that of the generation before.
func (a *analyser) advance(t int64) {
	if a.damage != nil || a.impossible(t) {
		return
	}
	if !a.started {
		a.started, a.start, a.now = true, t, t
		return
	}
	t = max(t, a.now+1)
	dt := t - a.now
	runnable := a.states[trace.GoRunnable]
	l := level{running: a.states[trace.GoRunning], runnable: runnable, syscall: a.states[trace.GoSyscall],
		waiting: a.states[trace.GoWaiting], idlePs: a.idlePs, stw: a.stw > 0, gc: a.gc > 0, silent: dt >= SilenceGate}
	a.timeline.add(a.now, t, l)
	if l.silent {
		a.silence.add(dt)
		a.silentNS += dt
		if dt >= StallGate && l.running+l.runnable > 0 {
			a.stall.add(dt)
		}
	}
	if l.stw {
		a.stwNS += dt
	}
	if l.gc {
		a.gcNS += dt
	}
	a.procs.Running += dt * int64(len(a.idle)-a.idlePs)
	a.procs.Idle += dt * int64(a.idlePs)
	a.waiting(runnable, dt)
	a.now = t
}

// impossible notes a time that no clock shows.
func (a *analyser) impossible(t int64) bool {
	switch {
	case a.started && t <= a.start+maxTrace:
		return false
	case a.started:
		a.damage = fmt.Errorf("damaged: an event is %s after the first one", time.Duration(t-a.start))
	case t >= 0 && t <= latest:
		return false
	default:
		a.damage = fmt.Errorf("damaged: the first event is at %s", time.Duration(t))
	}
	return true
}

// waiting sums up time in which goroutines waited for a P.
func (a *analyser) waiting(runnable int, dt int64) {
	if runnable == 0 || a.idlePs == 0 {
		a.endIdling()
	}
	if runnable == 0 {
		return
	}
	a.procs.Runnable += dt
	if a.idlePs == 0 {
		a.procs.Saturated += dt
		return
	}
	a.procs.Idling += dt
	a.idlingNow += dt
}

// endIdling ends a time in which a goroutine and an idle P waited for each other.
func (a *analyser) endIdling() {
	if a.idlingNow >= IdlingGate {
		a.procs.LongIdling += a.idlingNow
		a.procs.LongIdlings++
	}
	a.idlingNow = 0
}

// living counts the goroutines that exist.
func (a *analyser) living() int {
	return a.states[trace.GoRunnable] + a.states[trace.GoRunning] + a.states[trace.GoWaiting] + a.states[trace.GoSyscall]
}

// transition takes a goroutine from one state to another.
func (a *analyser) transition(r *record) {
	gid, by := id(r.args[0]), id(r.args[1])
	from, to := trace.GoState(r.args[2]>>4), trace.GoState(r.args[2]&15)
	stack := a.stacks[r.args[3]]
	g, known := a.goroutines[gid]
	if !known {
		g = &goroutine{}
		a.goroutines[gid] = g
	}
	if from == trace.GoUndetermined || from == to {
		a.status(g, known, to, stack)
		return
	}
	if !known {
		// The reader lets only new goroutines come up without a status.
		from, g.since = trace.GoNotExist, a.now
	}
	a.leave(g, from, to, gid)
	a.name(g, from, stack)
	if known {
		a.states[g.state]--
	}
	if to == trace.GoNotExist {
		if g.fn != nil {
			g.fn.ended++
		}
		a.user.ended(gid)
		delete(a.goroutines, gid)
		return
	}
	g.state, g.since, g.seen = to, a.now, true
	a.states[to]++
	a.enter(g, from, by, r)
}

// status takes the state in which a goroutine is as a generation begins. The runtime
// writes it some time within the generation, before the goroutine's first event.
func (a *analyser) status(g *goroutine, known bool, state trace.GoState, stack int32) {
	a.name(g, state, stack)
	switch {
	case known && g.state == state:
		return
	case known:
		a.states[g.state]--
	default:
		a.first++
		a.timeline.late()
	}
	g.state, g.since, g.seen, g.by = state, a.now, false, -1
	a.states[state]++
	if state == trace.GoWaiting || state == trace.GoSyscall {
		g.block = a.blockOf(blockKey{reason: notSeen, stack: stack})
	}
}

// name gives a goroutine its entry function once a stack shows it: the outermost
// frame.
func (a *analyser) name(g *goroutine, from trace.GoState, stack int32) {
	if g.fn != nil {
		return
	}
	frames := a.table.at(stack)
	if len(frames) == 0 || frames[len(frames)-1].Func == deeper {
		return
	}
	g.fn = a.function(frames[len(frames)-1].Func)
	g.fn.goroutines++
	if from == trace.GoNotExist {
		g.fn.created++
	}
}

// leave closes the state in which a goroutine was.
func (a *analyser) leave(g *goroutine, from, to trace.GoState, gid int64) {
	lasted := a.now - g.since
	fn := a.functionOf(g)
	switch from {
	case trace.GoRunning:
		fn.running += lasted
		a.assisted(g, fn)
	case trace.GoWaiting, trace.GoSyscall:
		if from == trace.GoWaiting {
			fn.waiting += lasted
		} else {
			fn.syscall += lasted
		}
		if g.seen && g.block != nil {
			g.block.add(lasted)
		}
	case trace.GoRunnable:
		if to != trace.GoRunning {
			return
		}
		if !g.seen {
			a.cut++
			return
		}
		a.latency[g.class].add(lasted)
		fn.latency[g.class].add(lasted)
		if a.waits[g.class].admits(lasted) {
			a.waits[g.class].add(a.wait(g, fn, gid, lasted))
		}
	}
}

// assisted counts what a goroutine that runs has run of its assist since it came on
// CPU: an assist also waits, for work and for a P.
func (a *analyser) assisted(g *goroutine, fn *functionTally) {
	if g.assisting != 0 {
		fn.assist += a.now - max(g.since, g.assisting)
	}
}

// enter opens the state that a goroutine comes into.
func (a *analyser) enter(g *goroutine, from trace.GoState, by int64, r *record) {
	switch g.state {
	case trace.GoWaiting:
		g.block = a.blocked(r.args[4], r.args[3], a.strings[r.args[4]])
	case trace.GoSyscall:
		g.block = a.blocked(uint64(len(a.strings)), r.args[3], "syscall")
	case trace.GoRunnable:
		g.class = classOf(from)
		g.by, g.byFn = by, nil
		if waker, ok := a.goroutines[by]; ok {
			g.byFn = waker.fn
		}
		g.ahead, g.idlePs = int32(a.states[trace.GoRunnable]-1), int32(a.idlePs)
		g.stw, g.gc, g.silentNS = a.stwNS, a.gcNS, a.silentNS
	}
}

// classOf says what a goroutine waits for that comes from a state to be runnable.
func classOf(from trace.GoState) Class {
	switch from {
	case trace.GoNotExist:
		return Create
	case trace.GoRunning:
		return Preempt
	case trace.GoSyscall:
		return Syscall
	}
	return Wake
}

// wait describes a wait that ends.
func (a *analyser) wait(g *goroutine, fn *functionTally, gid, lasted int64) Wait {
	w := Wait{Class: g.class, At: g.since - a.start, Duration: lasted, Goroutine: gid, Function: fn.name,
		By: g.by, Ahead: int(g.ahead), IdlePs: int(g.idlePs),
		STW: a.stwNS - g.stw, GC: a.gcNS - g.gc, Silence: a.silentNS - g.silentNS}
	if g.byFn != nil {
		w.ByFunction = g.byFn.name
	}
	if g.block != nil && (g.class == Wake || g.class == Syscall) {
		w.Stack = a.table.at(g.block.stack)
	}
	return w
}

// functionOf returns the tally of a goroutine's entry function.
func (a *analyser) functionOf(g *goroutine) *functionTally {
	if g.fn != nil {
		return g.fn
	}
	return a.function(notSeen)
}

// function returns the tally of an entry function.
func (a *analyser) function(name string) *functionTally {
	fn := a.functions.get(name)
	if fn.name != "" {
		return fn
	}
	fn.name = name
	if a.functions.entries[name] != fn {
		fn.name = others
	}
	return fn
}

// blocked returns the tally of a reason and a stack of this generation.
func (a *analyser) blocked(reason, stack uint64, text string) *blockTally {
	key := reason<<32 | stack
	b, ok := a.blocks[key]
	if !ok {
		b = a.blockOf(blockKey{reason: text, stack: a.stacks[stack]})
		a.blocks[key] = b
	}
	return b
}

func (a *analyser) blockOf(key blockKey) *blockTally {
	b, ok := a.allBlocks[key]
	if ok {
		return b
	}
	if len(a.allBlocks) >= maxBlocks {
		a.blocksOut++
		if key = (blockKey{reason: key.reason}); len(a.allBlocks) >= maxBlocks+maxNames {
			key.reason = others
		}
		if b, ok := a.allBlocks[key]; ok {
			return b
		}
	}
	b = &blockTally{blockKey: key}
	a.allBlocks[key] = b
	return b
}

// proc takes a P to a state.
func (a *analyser) proc(p int64, to trace.ProcState) {
	was, known := a.idle[p]
	if to == trace.ProcNotExist {
		delete(a.idle, p)
	} else {
		a.idle[p] = to == trace.ProcIdle
	}
	if known && was {
		a.idlePs--
	}
	if to == trace.ProcIdle {
		a.idlePs++
	}
	a.procs.Max = max(a.procs.Max, len(a.idle))
}
