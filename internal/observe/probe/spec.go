package probe

import (
	"log/slog"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// Spec describes one probe. It is a constant value: starting it twice gives
// two independent probes.
//
// Its eBPF object follows the conventions of bpf/ring.h: a ring buffer named
// "events", the counters "lost" and "lost_records", and the constant
// "wake_bytes".
type Spec struct {
	// Name is what users call the probe, "exec".
	Name string
	// Summary is one line for help texts and the reference docs.
	Summary string
	// Needs lists what the host must offer for the probe to work at all.
	Needs []Need
	// Attach lists where the probe's programs attach.
	Attach []AttachPoint
	// Schema describes the events.
	Schema *model.Schema
	// Load returns the eBPF object that bpf2go generated.
	Load func() (*ebpf.CollectionSpec, error)
	// Functions says where the probe attaches in Go programs; nil for a probe of
	// the kernel alone.
	Functions *Functions
	// Shared names the maps that all probes of one agent have in common.
	Shared []string
	// PerCPU names the array maps that need one entry for each possible CPU.
	PerCPU []string
	// Tune returns the variables of the object that follow from settings; nil
	// for a probe without.
	Tune func(Settings) map[string]uint64
	// OnRequest says that an agent starts the probe only when it is asked to, by
	// its name or by a configuration.
	OnRequest bool
	// FeedsProcesses says that the decoder tells Host.Processes of every fork,
	// exec and exit. Without such a probe the table is refreshed from /proc.
	FeedsProcesses bool
	// NewDecoder returns the decoder for one run of the probe.
	NewDecoder func(Host) Decoder
}

// Need is a requirement on the host.
type Need struct {
	// What names the requirement, "kernel BTF".
	What string
	// Check returns nil when the host meets it, else why it does not.
	Check func() error
	// Hint says what would help.
	Hint string
}

// AttachKind is the kind of hook that an attach point uses.
type AttachKind uint8

const (
	// RawTracepoint is a tracepoint whose program reads the kernel's own
	// arguments by type ("tp_btf").
	RawTracepoint AttachKind = iota
	// FunctionEntry is a program at the entry of a kernel function ("fentry"),
	// which reads its arguments by type.
	FunctionEntry
	// TaskIterator is a program that user space runs once per Every and that
	// the kernel calls for each task.
	TaskIterator
)

// AttachPoint ties one eBPF program to one hook.
type AttachPoint struct {
	// Program is the program's name in the object.
	Program string
	// Kind is the kind of hook.
	Kind AttachKind
	// Target names the hook for messages, "sched:sched_process_fork".
	Target string
	// Every is the interval of a TaskIterator.
	Every time.Duration
	// Required marks a point without which the probe makes no sense.
	Required bool
	// Before, if set, leaves the point out from that kernel version on, which
	// needs it no more.
	Before Kernel
	// Detail leaves the point out unless [Options] ask for detail: it costs
	// every process of the host something.
	Detail bool
	// Missing says what users do not see when the point cannot attach.
	Missing string
}

// Kernel is a version of Linux; the zero value is none.
type Kernel struct{ Major, Minor int }

// Applies reports whether the running kernel needs the point.
func (p *AttachPoint) Applies() bool {
	return p.Before == Kernel{} || platform.CheckKernel(p.Before.Major, p.Before.Minor) != nil
}

// withoutDetail returns the spec without its points of detail.
func (s *Spec) withoutDetail() *Spec {
	if !slices.ContainsFunc(s.Attach, func(p AttachPoint) bool { return p.Detail }) {
		return s
	}
	plain := *s
	plain.Attach = slices.DeleteFunc(slices.Clone(s.Attach), func(p AttachPoint) bool { return p.Detail })
	return &plain
}

// Decoder turns ring records into events. It is used by one goroutine.
type Decoder interface {
	// Decode reads one record and emits the events that it completes. The
	// record is valid until Decode returns; emitted events are borrowed.
	Decode(record []byte, emit func(*model.Event)) error
	// Tick is called at least once a second with the boot clock and the number
	// of records known to be lost, for events that time completes.
	Tick(now time.Duration, lostRecords uint64, emit func(*model.Event))
	// Flush emits what is complete but held back, when the probe stops.
	Flush(emit func(*model.Event))
}

// Host is what decoders may ask of the host. Its zero value is not usable.
type Host struct {
	// Processes is the table of processes, which the exec probe feeds.
	Processes *target.Table
	// Older are the processes found in /proc after the probe attached, so that
	// none is missed between; those that the probe saw start are among them.
	Older []target.Process
	// Cgroups resolves control groups to containers and pods.
	Cgroups *target.Cgroups
	// Symbols symbolises Go stacks.
	Symbols *symbol.Cache
	// Clock converts the kernel's boot clock to wall time.
	Clock *platform.BootClock
	// NewIDs returns fresh trace and span ids.
	NewIDs func() (model.TraceID, model.SpanID)
	// Log receives what a decoder has to say beyond its events.
	Log *slog.Logger
	// Shared holds the maps that probes share. Probes of one agent have the
	// same; without it each has maps of its own.
	Shared *Shared

	// Object is the probe's own eBPF object, as loaded. [Start] sets it.
	Object *ebpf.Collection
	// Attached returns the executable that the programs know by an index, for
	// a probe of functions. [Start] sets it.
	Attached func(index uint32) (Attached, bool)
	// Refute tells that what the programs read of an executable is wrong: the
	// probe lets go of it. [Start] sets it.
	Refute func(index uint32, cause error)
	// Limits returns the limits that the programs count by now, each at its
	// index, 0 where there is none. [Start] sets it.
	Limits func() [MaxLimits]time.Duration
}

// Stateless adapts a function that decodes one record into one event to a
// decoder. A nil error with an untouched event emits nothing.
func Stateless(schema *model.Schema, decode func(record []byte, e *model.Event) (bool, error)) Decoder {
	return &stateless{schema: schema, decode: decode}
}

type stateless struct {
	schema *model.Schema
	decode func([]byte, *model.Event) (bool, error)
	event  model.Event
}

func (d *stateless) Decode(record []byte, emit func(*model.Event)) error {
	d.event.Reset(d.schema)
	ok, err := d.decode(record, &d.event)
	if ok {
		emit(&d.event)
	}
	return err
}

func (d *stateless) Tick(time.Duration, uint64, func(*model.Event)) {}

func (d *stateless) Flush(func(*model.Event)) {}
