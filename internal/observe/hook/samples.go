package hook

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

const (
	// DefaultSamples is how many calls a second of one function are sampled at
	// most, and fewer when there are many functions: see
	// [Report.SampleInterval].
	DefaultSamples = 10
	// maxSampleRate is how many a second are of all functions together, in the
	// long run. At first every function is due, and later those may be that were
	// not called for long: then the limit is that of sample.h, which keeps the
	// ring from running over.
	maxSampleRate = 100
	// maxPending is how many sampled calls are waited for. The oldest is given
	// up for a new one.
	maxPending = 1024

	recordEntry = 1
	recordExit  = 2
)

// Sample is one call of a function.
type Sample struct {
	Func string
	// Time is when it was entered.
	Time time.Time
	// Goroutine is the id of the goroutine that called it.
	Goroutine uint64
	Args      []Arg
	// Finished says that it returned while it was waited for; what follows is
	// known only then.
	Finished bool
	Duration time.Duration
	// Failed says that it returned an error that is not nil, Error its text in
	// quotes, or the name of its type.
	Failed bool
	Error  string
}

// sampler reads the sampled calls of a session.
type sampler struct {
	ring      *ringbuf.Reader
	unsampled *ebpf.Variable
	interval  time.Duration // between two samples of a function, at least
	functions []function
	constants *constants
	program   program // the constants
	// epoch is when the clock of the programs was 0.
	epoch   time.Time
	pending map[uint64]*Sample
	order   []uint64 // of pending, the oldest first; may name what is gone
	record  ringbuf.Record
}

// interval is how much time passes at least between two samples of one function.
// The programs make it up to a quarter longer by chance: functions that are due
// at the same time would be it again and again, more than there is room for.
func interval(functions int) time.Duration {
	return max(time.Second/DefaultSamples, time.Duration(functions)*time.Second/maxSampleRate)
}

// newSampler tells the programs where the arguments of the functions are and
// opens the ring. The caller must close it.
func (k *kernelTier) newSampler() (*sampler, error) {
	for i := range k.functions {
		f := &k.functions[i]
		plan := bpfPlan{Count: uint32(len(f.args))}
		for j := range f.args {
			plan.Slots[j] = f.args[j].slot
		}
		if err := k.objects.Plans.Put(uint32(i), &plan); err != nil {
			return nil, fmt.Errorf("plan the arguments of %s: %w", f.name, err)
		}
	}
	ring, err := ringbuf.NewReader(k.objects.Samples)
	if err != nil {
		return nil, fmt.Errorf("open the ring of samples: %w", err)
	}
	constants := k.target.constants()
	return &sampler{
		ring: ring, unsampled: k.objects.Unsampled, interval: k.interval, functions: k.functions, constants: constants, program: constants,
		epoch: time.Now().Add(-monotonic()), pending: map[uint64]*Sample{},
	}, nil
}

// drain takes what is in the ring and hands out the calls that have returned.
func (s *sampler) drain(done func(*Sample)) error {
	s.ring.SetDeadline(time.Now())
	for {
		err := s.ring.ReadInto(&s.record)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the ring of samples: %w", err)
		}
		s.take(s.record.RawSample, done)
	}
}

// take takes a record. One that makes no sense is left out: it is not of this
// session.
func (s *sampler) take(raw []byte, done func(*Sample)) {
	if len(raw) < 4 {
		return
	}
	switch binary.NativeEndian.Uint32(raw) {
	case recordEntry:
		var e bpfSampleEntry
		if binary.Read(bytes.NewReader(raw), binary.NativeEndian, &e) != nil || int(e.Function) >= len(s.functions) {
			return
		}
		s.begin(&e, done)
	case recordExit:
		var e bpfSampleExit
		if binary.Read(bytes.NewReader(raw), binary.NativeEndian, &e) == nil {
			s.end(&e, done)
		}
	}
}

func (s *sampler) begin(e *bpfSampleEntry, done func(*Sample)) {
	f := &s.functions[e.Function]
	call := &Sample{Func: f.name, Time: s.epoch.Add(time.Duration(e.Time)), Goroutine: e.Goid}
	call.Args = printAll(f.args, e.Values[:], s.program)
	s.pending[e.Id] = call
	s.order = append(s.order, e.Id)
	for len(s.pending) > maxPending {
		s.giveUp(done)
	}
	// What has returned leaves its place in the order behind.
	if len(s.order) > 2*maxPending {
		kept := s.order[:0]
		for _, id := range s.order {
			if s.pending[id] != nil {
				kept = append(kept, id)
			}
		}
		s.order = kept
	}
}

func (s *sampler) end(e *bpfSampleExit, done func(*Sample)) {
	call := s.pending[e.Id]
	if call == nil {
		return
	}
	delete(s.pending, e.Id)
	call.Finished, call.Duration, call.Failed = true, time.Duration(e.Took), e.Failed != 0
	if call.Failed {
		call.Error = interfaceText(&e.Error, "error", false, s.program)
	}
	done(call)
}

// giveUp hands out the oldest call that is waited for.
func (s *sampler) giveUp(done func(*Sample)) {
	for len(s.order) > 0 {
		id := s.order[0]
		s.order = s.order[1:]
		if call := s.pending[id]; call != nil {
			delete(s.pending, id)
			done(call)
			return
		}
	}
}

// finish hands out all that is left. Nothing may be attached.
func (s *sampler) finish(done func(*Sample)) error {
	err := s.drain(done)
	for len(s.pending) > 0 {
		s.giveUp(done)
	}
	return err
}

// lost returns how many samples the ring had no room for.
func (s *sampler) lost() (uint64, error) {
	var n uint64
	if err := s.unsampled.Get(&n); err != nil {
		return 0, fmt.Errorf("read the samples that were lost: %w", err)
	}
	return n, nil
}

func (s *sampler) close() error { return errors.Join(s.ring.Close(), s.constants.close()) }
