package probe

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
	"github.com/goshawk-io/goshawk/internal/platform"
)

const (
	ringMap        = "events"
	lostVariable   = "lost"
	recordVariable = "lost_records"
	wakeVariable   = "wake_bytes"

	// maxWakeBytes is what may wait in a ring before its reader is woken. What
	// waits is missing when the reader stalls.
	maxWakeBytes = 512 << 10
)

// loading is what is ready to be brought into the kernel.
type loading struct {
	object  *ebpf.CollectionSpec
	options ebpf.CollectionOptions
	// maps holds the object's maps, nil where they could not be made.
	maps *ebpf.Collection
}

// load brings the probe's maps and programs into the kernel, leaving out the
// programs that it refuses.
func (p *Probe) load() (*ebpf.Collection, []model.ProbeFault, error) {
	var l loading
	var err error
	var wait sync.WaitGroup
	wait.Go(func() { err = p.prepare(&l) })
	// To read these takes longest of all that a start takes, so that it is done here:
	// a goroutine may have to wait for a processor.
	if types := p.kernelTypes(); types != nil {
		// Who fits a program to them has the error again.
		_, _ = types.Kernel()
	}
	wait.Wait()
	if err != nil {
		return nil, nil, err
	}
	return l.create(p.spec)
}

// kernelTypes returns the kernel's types, nil where the probe reads its own.
func (p *Probe) kernelTypes() *btf.Cache {
	if p.host.Shared == nil {
		return nil
	}
	return p.host.Shared.kernelTypes()
}

// prepare reads the probe's object and makes its maps, and begins to read the first
// executable: all that needs nothing of the kernel's types.
func (p *Probe) prepare(l *loading) error {
	spec, shared := p.spec, p.host.Shared
	object, err := spec.Load()
	if err != nil {
		return fmt.Errorf("read eBPF object of probe %s: %w", spec.Name, err)
	}
	l.object, l.options.Cache = object, p.kernelTypes()
	dropUnnamed(spec, object)
	if err := size(spec, object, p.options.RingBytes); err != nil {
		return err
	}
	if len(spec.Shared) > 0 && shared != nil {
		if l.options.MapReplacements, err = shared.replacements(object, spec.Shared); err != nil {
			return fmt.Errorf("eBPF object of probe %s: %w", spec.Name, err)
		}
	}
	if spec.Functions != nil {
		uprobe.Prepare(object)
	}
	if p.unpublish, err = p.options.Settings.publish(object, &l.options); err != nil {
		return fmt.Errorf("probe %s: %w", spec.Name, err)
	}
	l.maps = createMaps(object, l.options)
	if spec.Functions != nil && p.options.First != "" {
		p.ahead = readAhead(p.host.Symbols, p.options.First, spec.Functions.names())
	}
	return nil
}

// create brings an object into the kernel, without the programs that it
// refuses.
func (l *loading) create(spec *Spec) (*ebpf.Collection, []model.ProbeFault, error) {
	if collection := l.createPrograms(); collection != nil {
		return collection, nil, nil
	}
	faults, lastErr := dropRefused(spec, l.object, l.options)
	if len(l.object.Programs) == 0 {
		return nil, faults, fmt.Errorf("load eBPF programs of probe %s: %w", spec.Name, lastErr)
	}
	collection, err := ebpf.NewCollectionWithOptions(l.object, l.options)
	if err != nil {
		return nil, faults, fmt.Errorf("load eBPF programs of probe %s: %w", spec.Name, err)
	}
	return collection, faults, nil
}

// size fits the maps to the host: the ring to ringBytes, per-CPU arrays to the
// possible CPUs.
func size(spec *Spec, object *ebpf.CollectionSpec, ringBytes int) error {
	ring, ok := object.Maps[ringMap]
	if !ok {
		return fmt.Errorf("eBPF object of probe %s: no ring buffer named %q", spec.Name, ringMap)
	}
	if ringBytes > 0 {
		ring.MaxEntries = ringSize(ringBytes)
	} else {
		ring.MaxEntries = min(ring.MaxEntries, ringShare(platform.Memory()))
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return fmt.Errorf("count possible CPUs: %w", err)
	}
	for _, name := range spec.PerCPU {
		m, ok := object.Maps[name]
		if !ok {
			return fmt.Errorf("eBPF object of probe %s: no map named %q", spec.Name, name)
		}
		m.MaxEntries = uint32(cpus)
	}
	if wake, ok := object.Variables[wakeVariable]; ok {
		if err := wake.Set(min(uint64(ring.MaxEntries)/8, maxWakeBytes)); err != nil {
			return fmt.Errorf("set %s of probe %s: %w", wakeVariable, spec.Name, err)
		}
	}
	return nil
}

// ringShare is the most that a ring takes by itself of a host with so many
// bytes of memory: the largest power of two of at most 1/256, but at least
// 1 MiB.
func ringShare(memory uint64) uint32 {
	share := min(max(memory/256, 1<<20), 1<<31)
	return uint32(1) << (bits.Len64(share) - 1)
}

// ringSize rounds up to what the kernel accepts: a power of two that is a
// multiple of the page size.
func ringSize(n int) uint32 {
	n = min(max(n, os.Getpagesize()), 1<<31)
	return uint32(1) << bits.Len32(uint32(n-1))
}

// programs returns a point for each program that the spec uses on this kernel.
func (s *Spec) programs() []AttachPoint {
	points := slices.DeleteFunc(slices.Clone(s.Attach), func(p AttachPoint) bool { return !p.Applies() })
	if s.Functions == nil {
		return points
	}
	for f := range s.Functions.all() {
		if !slices.ContainsFunc(points, func(p AttachPoint) bool { return p.Program == f.Program }) {
			points = append(points, AttachPoint{Program: f.Program, Target: f.Function, Missing: f.Missing})
		}
	}
	return points
}

// dropUnnamed removes from object the programs that no attach point names, or
// only one of other kernels.
func dropUnnamed(spec *Spec, object *ebpf.CollectionSpec) {
	used := spec.programs()
	for name := range object.Programs {
		if !slices.ContainsFunc(used, func(p AttachPoint) bool { return p.Program == name }) {
			delete(object.Programs, name)
		}
	}
}

// dropRefused removes from object each program that the kernel does not take
// by itself. It returns the faults and the last cause.
func dropRefused(spec *Spec, object *ebpf.CollectionSpec, options ebpf.CollectionOptions) ([]model.ProbeFault, error) {
	var faults []model.ProbeFault
	var last error
	for _, point := range spec.programs() {
		alone := object.Copy()
		for name := range alone.Programs {
			if name != point.Program {
				delete(alone.Programs, name)
			}
		}
		collection, err := ebpf.NewCollectionWithOptions(alone, options)
		if err == nil {
			collection.Close()
			continue
		}
		last = err
		delete(object.Programs, point.Program)
		faults = append(faults, fault(point, err))
		if point.Required {
			clear(object.Programs)
			return faults, err
		}
	}
	return faults, last
}

// attach attaches point's program and returns the link.
func attach(collection *ebpf.Collection, point AttachPoint) (link.Link, error) {
	program, ok := collection.Programs[point.Program]
	if !ok {
		return nil, errNotLoaded
	}
	switch point.Kind {
	case RawTracepoint, FunctionEntry:
		return link.AttachTracing(link.TracingOptions{Program: program})
	case TaskIterator:
		return link.AttachIter(link.IterOptions{Program: program})
	}
	return nil, fmt.Errorf("attach kind %d is not known", point.Kind)
}

// errNotLoaded marks a point whose program was refused earlier, and reported
// then, or is not in the object.
var errNotLoaded = errors.New("program not loaded")

func fault(point AttachPoint, err error) model.ProbeFault {
	return model.ProbeFault{
		Part:    point.Target,
		Cause:   err.Error(),
		Missing: point.Missing,
		Hint:    hint(err),
	}
}

// hint says what would help against a refusal of the kernel.
func hint(err error) string {
	var refused *ebpf.VerifierError
	switch {
	case errors.As(err, &refused):
		return "the verifier of this kernel refuses the program: report the cause with the output of uname -r"
	case errors.Is(err, os.ErrPermission):
		return "run as root, or grant CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE"
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, os.ErrNotExist):
		return "this kernel lacks the hook; a newer kernel (5.17 or later, with BTF) has it"
	}
	return "report the cause with the output of uname -r"
}
