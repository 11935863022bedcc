package gotrace

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/exp/trace"
)

const (
	// maxFrames is how many frames of a stack are kept: the innermost, and the
	// outermost, which names the goroutine.
	maxFrames = 32
	// deepest is how many frames the runtime records of a stack at most.
	deepest = 128
	// deeper stands for the outermost frame of a stack that the runtime cut.
	deeper = "(deeper frames are not in the trace)"
	// maxLogs is how many messages are kept of a generation's logs.
	maxLogs = 64
	// maxMessage is how many bytes of a log message are kept.
	maxMessage = 200
)

// parser turns the events of one generation into records.
type parser struct {
	reader *trace.Reader
	// first is the first event, once loaded.
	first   trace.Event
	loaded  bool
	chunk   *chunk
	strings map[string]uint64
	stacks  map[trace.Stack]uint64
	logs    int
	// lastString was asked for last, and is so again more often than not.
	lastString string
	lastIndex  uint64
	// apart is whether events are read beside the writing of their records.
	apart bool
	// fresh gives an empty chunk, send takes a full one over.
	fresh func() *chunk
	send  func(*chunk) error
}

// load reads a generation into memory. Its first event comes with it: the reader
// gives none before it has all of a generation.
func (p *parser) load(g *generation) (err error) {
	defer damaged(&err)
	p.strings, p.stacks = map[string]uint64{"": 0}, map[trace.Stack]uint64{trace.NoStack: 0}
	if p.reader, err = trace.NewReader(g); err != nil {
		return err
	}
	p.first, err = p.reader.ReadEvent()
	p.loaded = err == nil
	return err
}

// parse sends the records of the generation that was loaded. The event that ends it
// is left out when another follows: the beginning of that one is the same event.
func (p *parser) parse(last bool) (err error) {
	defer damaged(&err)
	p.chunk = p.fresh()
	if p.apart {
		err = p.relay(last)
	} else {
		err = p.events(last)
	}
	if sendErr := p.send(p.chunk); sendErr != nil {
		return sendErr
	}
	return err
}

// damaged makes an error of a panic: the reader trusts its input in places, and a
// damaged trace must not end the program.
func damaged(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("damaged: the reader failed: %v", r)
	}
}

// events reads the events of the generation and writes their records.
func (p *parser) events(last bool) error {
	var next trace.Event
	return p.read(last, func() *trace.Event { return &next }, func(e *trace.Event) error {
		var ended trace.Task
		if e.Kind() == trace.EventTaskEnd {
			ended = e.Task()
		}
		return p.write(e, ended)
	})
}

// read calls take with each event of the generation, in order, which it puts where
// place says: they are large to copy.
func (p *parser) read(last bool, place func() *trace.Event, take func(*trace.Event) error) (err error) {
	defer damaged(&err)
	e := place()
	*e = p.first
	if err := take(e); err != nil {
		return err
	}
	for {
		e := place()
		if *e, err = p.reader.ReadEvent(); errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Kind() == trace.EventSync && !last {
			continue
		}
		if err := take(e); err != nil {
			return err
		}
	}
}

// write writes the record of an event, and sends the chunk that this fills. ended is
// the task that it ends.
func (p *parser) write(e *trace.Event, ended trace.Task) error {
	p.event(e, ended)
	if len(p.chunk.data) < chunkSize-256 {
		return nil
	}
	if err := p.send(p.chunk); err != nil {
		return err
	}
	p.chunk = p.fresh()
	return nil
}

// event writes the record of an event.
func (p *parser) event(e *trace.Event, ended trace.Task) {
	t := int64(e.Time())
	switch e.Kind() {
	case trace.EventStateTransition:
		p.transition(e, t)
	case trace.EventRangeBegin:
		p.ranged(opRangeBegin, e, t)
	case trace.EventRangeActive:
		p.ranged(opRangeActive, e, t)
	case trace.EventRangeEnd:
		p.ranged(opRangeEnd, e, t)
	case trace.EventRegionBegin, trace.EventRegionEnd:
		o, region := opRegionBegin, e.Region()
		if e.Kind() == trace.EventRegionEnd {
			o = opRegionEnd
		}
		p.chunk.put(o, t, shifted(e.Goroutine()), p.string(region.Type), uint64(region.Task))
	case trace.EventTaskBegin:
		p.task(opTaskBegin, e.Task(), t)
	case trace.EventTaskEnd:
		p.task(opTaskEnd, ended, t)
	case trace.EventLog:
		p.log(e, t)
	case trace.EventMetric:
		p.metric(e.Metric(), t)
	case trace.EventSync:
		p.sync(e.Sync(), t)
	default:
		p.chunk.put(opTick, t)
	}
}

func (p *parser) transition(e *trace.Event, t int64) {
	st := e.StateTransition()
	switch st.Resource.Kind {
	case trace.ResourceGoroutine:
		from, to := st.Goroutine()
		var stack, reason uint64
		if from != trace.GoRunnable && from != trace.GoWaiting {
			stack = p.stack(st.Stack)
		}
		if from == trace.GoRunning {
			reason = p.string(st.Reason)
		}
		p.chunk.put(opGo, t, shifted(st.Resource.Goroutine()), shifted(e.Goroutine()),
			uint64(from)<<4|uint64(to), stack, reason)
	case trace.ResourceProc:
		from, to := st.Proc()
		p.chunk.put(opProc, t, shifted(st.Resource.Proc()), uint64(from)<<4|uint64(to))
	default:
		p.chunk.put(opTick, t)
	}
}

func (p *parser) ranged(o op, e *trace.Event, t int64) {
	r := e.Range()
	var scope uint64
	switch r.Scope.Kind {
	case trace.ResourceGoroutine:
		scope = shifted(r.Scope.Goroutine())
	case trace.ResourceProc:
		scope = shifted(r.Scope.Proc())
	case trace.ResourceThread:
		scope = shifted(r.Scope.Thread())
	}
	p.chunk.put(o, t, p.string(r.Name), uint64(r.Scope.Kind), scope)
}

func (p *parser) task(o op, task trace.Task, t int64) {
	p.chunk.put(o, t, uint64(task.ID), uint64(task.Parent), p.string(task.Type))
}

func (p *parser) log(e *trace.Event, t int64) {
	l := e.Log()
	var message uint64
	if p.logs < maxLogs {
		p.logs++
		message = p.string(l.Message[:min(len(l.Message), maxMessage)])
	}
	p.chunk.put(opLog, t, shifted(e.Goroutine()), p.string(l.Category), message, uint64(l.Task))
}

func (p *parser) metric(m trace.Metric, t int64) {
	if m.Value.Kind() != trace.ValueUint64 {
		p.chunk.put(opTick, t)
		return
	}
	p.chunk.put(opMetric, t, p.string(m.Name), m.Value.Uint64())
}

func (p *parser) sync(s trace.Sync, t int64) {
	if s.ClockSnapshot == nil {
		p.chunk.put(opSync, t, 0, 0, 0)
		return
	}
	p.chunk.put(opSync, t, 1, s.ClockSnapshot.Mono, uint64(s.ClockSnapshot.Wall.UnixNano()))
}

// string returns the index of a string in the generation's table.
func (p *parser) string(s string) uint64 {
	if s == p.lastString {
		return p.lastIndex
	}
	i, ok := p.strings[s]
	if !ok {
		i = uint64(len(p.strings))
		p.strings[s] = i
		p.chunk.strings = append(p.chunk.strings, s)
	}
	p.lastString, p.lastIndex = s, i
	return i
}

// stack returns the index of a stack in the generation's table.
func (p *parser) stack(s trace.Stack) uint64 {
	if s == trace.NoStack {
		return 0
	}
	i, ok := p.stacks[s]
	if !ok {
		i = uint64(len(p.stacks))
		p.stacks[s] = i
		p.chunk.stacks = append(p.chunk.stacks, frames(s))
	}
	return i
}

// frames returns a stack's innermost frames and its outermost.
func frames(s trace.Stack) []Frame {
	var kept []Frame
	depth := 0
	for f := range s.Frames() {
		depth++
		frame := Frame{Func: f.Func, File: f.File, Line: int(f.Line)}
		if len(kept) == maxFrames {
			kept[maxFrames-1] = frame
			continue
		}
		kept = append(kept, frame)
	}
	if depth >= deepest {
		kept[maxFrames-1] = Frame{Func: deeper}
	}
	return kept
}
