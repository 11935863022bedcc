package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
)

const (
	// pollInterval bounds how long a record waits in a quiet ring.
	pollInterval = 100 * time.Millisecond
	// tickInterval is how often decoders hear of the time.
	tickInterval = time.Second
)

// Options configures one run of a probe. The zero value works.
type Options struct {
	// RingBytes is the size of the ring buffer, rounded up to a power of two
	// of at least a page; 0 takes the object's own.
	RingBytes int
	// Settings are what users set.
	Settings Settings
	// Targets chooses the Go programs that a probe of functions attaches to;
	// nil means all but this one.
	Targets func(*model.Process) bool
	// Files, if not nil, returns the executable files that a probe of functions
	// is to be attached to whether or not a process runs them. It is asked
	// several times a second: a file that is replaced is attached again, one that
	// is not returned any longer is let go of.
	Files func() []string
	// First is the executable file that [Probe.AttachFile] is called for first: what
	// the probe needs of it is read while its programs are loaded. Empty if there is
	// none.
	First string
	// Unguarded attaches to files that no process runs even where writing to
	// them cannot be held up; see [uprobe.Guard].
	Unguarded bool
	// Eager attaches to Go programs however young they are.
	Eager bool
	// Detail attaches the spec's points of detail too.
	Detail bool
	// BeforeRead, if not nil, is called before each record is read. Tests
	// stall the reader with it.
	BeforeRead func()
}

// Probe is a probe that is attached. Run reads it; Health may be called at any
// time and from any goroutine.
type Probe struct {
	spec       *Spec
	host       Host
	options    Options
	collection *ebpf.Collection
	ring       *ring
	links      []link.Link
	functions  *functions
	ahead      *ahead
	unpublish  func()
	iterators  []iterator
	faults     []model.ProbeFault
	events     atomic.Uint64
	bad        atomic.Uint64
	since      time.Time
	closed     atomic.Bool
	limits     limits
}

// iterator is an attached TaskIterator and when it runs next.
type iterator struct {
	link *link.Iter
	next time.Time
	AttachPoint
}

// Start loads and attaches spec. Programs run from here on; their records wait
// in the ring until Run reads them. The caller must call Close.
//
// The error wraps [platform.ErrUnsupported] when this host cannot run the
// probe at all.
func Start(spec *Spec, host Host, options Options) (*Probe, error) {
	for _, need := range spec.Needs {
		if err := need.Check(); err != nil {
			return nil, &platform.UnsupportedError{
				What: fmt.Sprintf("probe %s needs %s", spec.Name, need.What), Cause: err, Hint: need.Hint,
			}
		}
	}
	if !options.Detail {
		spec = spec.withoutDetail()
	}
	p := &Probe{spec: spec, host: host, options: options}
	p.host.Limits = p.limits.now
	collection, faults, err := p.load()
	if err != nil {
		p.ahead.wait()
		p.forgetContexts()
		return nil, &platform.UnsupportedError{What: "start probe " + spec.Name, Cause: err, Hint: hint(err)}
	}
	p.collection, p.faults = collection, faults
	if err := p.Apply(options.Settings); err != nil {
		p.Close()
		return nil, err
	}
	p.ring, err = openRing(collection.Maps[ringMap])
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("probe %s: %w", spec.Name, err)
	}
	if err := p.attachAll(); err != nil {
		p.Close()
		return nil, err
	}
	p.host.Object = collection
	if spec.Functions != nil {
		p.functions = newFunctions(spec, &p.host, collection, options)
		p.functions.ahead = p.ahead
		p.host.Attached, p.host.Refute = p.functions.attached, p.functions.refute
	}
	p.since = time.Now()
	return p, nil
}

func (p *Probe) attachAll() error {
	for _, point := range p.spec.Attach {
		if !point.Applies() {
			continue
		}
		l, err := attach(p.collection, point)
		if errors.Is(err, errNotLoaded) && p.isOff(point) {
			continue
		}
		if err != nil && point.Required {
			return &platform.UnsupportedError{
				What: fmt.Sprintf("attach probe %s to %s", p.spec.Name, point.Target), Cause: err, Hint: hint(err),
			}
		}
		if err != nil {
			p.faults = append(p.faults, fault(point, err))
			continue
		}
		p.links = append(p.links, l)
		if it, ok := l.(*link.Iter); ok {
			p.iterators = append(p.iterators, iterator{link: it, AttachPoint: point})
		}
	}
	return nil
}

// isOff reports whether point is among the faults already.
func (p *Probe) isOff(point AttachPoint) bool {
	return slices.ContainsFunc(p.faults, func(f model.ProbeFault) bool { return f.Part == point.Target })
}

// Spec returns what the probe was started from.
func (p *Probe) Spec() *Spec { return p.spec }

// Run reads records until ctx is done, then detaches, drains the ring and
// flushes the decoder. older are the processes that /proc showed after Start.
// It calls emit for each event, on the calling goroutine; the event is borrowed.
// It returns nil after a clean drain.
func (p *Probe) Run(ctx context.Context, older []target.Process, emit func(*model.Event)) error {
	p.host.Older = older
	// Limits that hold by now hold for all that is counted.
	decoder := p.spec.NewDecoder(p.host)
	attaching := p.attachFunctions(ctx)
	defer attaching.Wait()
	counted := func(e *model.Event) {
		if e.Phase == model.PhaseEnd {
			p.events.Add(1)
		}
		emit(e)
	}
	nextTick := time.Now().Add(tickInterval)
	for ctx.Err() == nil {
		now := time.Now()
		if now.After(nextTick) {
			p.tick(decoder, counted)
			nextTick = now.Add(tickInterval)
		}
		p.runIterators(now)
		busy, err := p.drain(decoder, func() bool { return ctx.Err() != nil || time.Now().After(nextTick) }, counted)
		if err != nil {
			return err
		}
		if busy {
			continue
		}
		if err := p.ring.wait(pollInterval); err != nil {
			return fmt.Errorf("probe %s: %w", p.spec.Name, err)
		}
	}
	attaching.Wait()
	p.detach()
	// On another processor a program may still be writing a record, and those
	// behind it wait for that.
	for deadline := time.Now().Add(tickInterval); ; time.Sleep(time.Millisecond) {
		_, err := p.drain(decoder, func() bool { return false }, counted)
		if err != nil || !p.ring.unread() || time.Now().After(deadline) {
			decoder.Flush(counted)
			return err
		}
	}
}

// AttachFile attaches a probe of functions to an executable file, as
// [Options.Files] does, for as long as the probe is open: the next start is seen
// from its first instruction on. It returns when the probe is attached, or why it
// is not.
//
// The error matches [symbol.ErrNotGo] for a file that is no Go program, and
// [ErrNoFunctions] for one that has nothing that the probe is about.
func (p *Probe) AttachFile(path string) error { return p.functions.attachFile(path) }

// attachFunctions attaches to the Go programs that run, and keeps doing so until
// ctx is done, which the result waits for.
func (p *Probe) attachFunctions(ctx context.Context) *sync.WaitGroup {
	attaching := new(sync.WaitGroup)
	if p.functions != nil {
		attaching.Go(func() { p.functions.run(ctx) })
	}
	return attaching
}

// drain decodes records until the ring is empty or, asked now and then, stop
// says so. It reports whether it decoded any.
func (p *Probe) drain(d Decoder, stop func() bool, emit func(*model.Event)) (bool, error) {
	for n := 0; ; n++ {
		if p.options.BeforeRead != nil {
			p.options.BeforeRead()
		}
		record, after, err := p.ring.next()
		if err != nil {
			return false, fmt.Errorf("probe %s: %w", p.spec.Name, err)
		}
		if record == nil {
			return n > 0, nil
		}
		if err := d.Decode(record, emit); err != nil {
			p.bad.Add(1)
			p.host.Log.Debug("record not decoded", "probe", p.spec.Name, "error", err)
		}
		p.ring.release(after)
		if n%1024 == 1023 && stop() {
			return true, nil
		}
	}
}

func (p *Probe) tick(d Decoder, emit func(*model.Event)) {
	if _, err := p.host.Clock.Refresh(); err != nil {
		p.host.Log.Debug("wall clock not read", "error", err)
	}
	d.Tick(platform.BootTime(), p.variable(recordVariable), emit)
}

func (p *Probe) runIterators(now time.Time) {
	for i := range p.iterators {
		it := &p.iterators[i]
		if now.Before(it.next) {
			continue
		}
		it.next = now.Add(it.Every)
		if err := runIterator(it.link); err != nil {
			p.host.Log.Debug("iterator failed", "probe", p.spec.Name, "target", it.Target, "error", err)
		}
	}
}

func runIterator(it *link.Iter) error {
	r, err := it.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// variable reads a counter of the eBPF object, 0 when it has none.
func (p *Probe) variable(name string) uint64 {
	v, ok := p.collection.Variables[name]
	if !ok || p.closed.Load() {
		return 0
	}
	var n uint64
	if err := v.Get(&n); err != nil {
		return 0
	}
	return n
}

// Lost returns how many events are known to be lost between the kernel and
// Run.
func (p *Probe) Lost() uint64 { return p.variable(lostVariable) }

// Health returns the state of the probe.
func (p *Probe) Health() model.ProbeHealth {
	h := model.ProbeHealth{
		Probe:       p.spec.Name,
		Up:          !p.closed.Load(),
		Since:       p.since,
		Events:      p.events.Load(),
		Lost:        p.Lost(),
		LostRecords: p.variable(recordVariable) + p.bad.Load(),
		CostSeconds: -1,
		Off:         p.faults,
	}
	if p.functions != nil {
		targets, off := p.functions.health()
		h.Targets, h.Off = targets, append(slices.Clip(p.faults), off...)
	}
	var cost time.Duration
	for _, program := range p.collection.Programs {
		stats, err := program.Stats()
		if err != nil {
			continue
		}
		cost += stats.Runtime
		h.LostRecords += stats.RecursionMisses
	}
	if cost > 0 {
		h.CostSeconds = cost.Seconds()
	}
	return h
}

// LogFaults writes one warning for each part of the probe that is off.
func (p *Probe) LogFaults(log *slog.Logger) {
	for i := range p.faults {
		logFault(log, p.spec.Name, &p.faults[i])
	}
}

func logFault(log *slog.Logger, probe string, f *model.ProbeFault) {
	log.Warn("part of a probe is off", "probe", probe, "part", f.Part, "cause", f.Cause, "missing", f.Missing, "hint", f.Hint)
}

func (p *Probe) detach() {
	for _, l := range p.links {
		l.Close()
	}
	p.links = nil
	p.iterators = nil
	if p.functions != nil {
		p.functions.close()
	}
}

// Close detaches the probe and frees what it holds in the kernel. It must not
// be called while Run runs.
func (p *Probe) Close() error {
	if !p.closed.CompareAndSwap(false, true) {
		return nil
	}
	p.detach()
	p.ahead.wait()
	var err error
	if p.ring != nil {
		err = p.ring.close()
	}
	p.collection.Close()
	p.forgetContexts()
	return err
}

// forgetContexts takes back the map of trace contexts that the probe pinned.
func (p *Probe) forgetContexts() {
	if p.unpublish != nil {
		p.unpublish()
	}
}
