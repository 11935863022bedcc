package exec

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// key names a process for good: its pid and when it was forked, in ns of the
// boot clock.
type key struct {
	pid   uint32
	start uint64
}

// clockTick is the resolution in which /proc gives the start of a process.
const clockTick = uint64(time.Second / 100)

// id returns the key in the resolution that crosses rooms.
func (k key) id() model.ProcessID {
	return model.ProcessID{PID: int32(k.pid), Start: k.start / clockTick}
}

// usage is what a process has consumed, as the kernel counts it.
type usage bpfUsage

// sub returns u - base, field by field, never below zero: the kernel updates
// the parts of its accounts one by one. The peak memory is not a sum and stays.
func (u usage) sub(base usage) usage {
	return usage{
		Utime: saturatingSub(u.Utime, base.Utime), Stime: saturatingSub(u.Stime, base.Stime),
		Runtime: saturatingSub(u.Runtime, base.Runtime), RunDelay: saturatingSub(u.RunDelay, base.RunDelay),
		Rchar: saturatingSub(u.Rchar, base.Rchar), Wchar: saturatingSub(u.Wchar, base.Wchar),
		Maxrss: u.Maxrss,
	}
}

func saturatingSub(a, b uint64) uint64 {
	if a < b {
		return 0
	}
	return a - b
}

// cpu splits the exact run time into user and system time by the ratio of the
// tick-sampled ones, as the kernel does for getrusage (cputime_adjust).
func (u usage) cpu() (user, system time.Duration) {
	switch {
	case u.Stime == 0:
		return time.Duration(u.Runtime), 0
	case u.Utime == 0:
		return 0, time.Duration(u.Runtime)
	}
	share := float64(u.Stime) / float64(u.Stime+u.Utime)
	system = time.Duration(share * float64(u.Runtime))
	return time.Duration(u.Runtime) - system, system
}

// process is what is known of a living process, or of a dead one whose
// commands are not emitted yet.
type process struct {
	key       key
	parent    key
	forked    uint64 // when, 0 when the fork record was not seen
	site      *callSite
	goroutine uint64
	// request is the trace of the request that it was forked for, and origin
	// that request's span; all zeros when there was none.
	request model.TraceID
	origin  model.SpanID
	images  []image

	exited    bool
	exitTime  uint64
	exitCode  uint32
	signalPID uint32
	termSeen  bool
	orphaned  bool
	awaited   bool // its parent slept in a wait when it ended
	final     usage
	rssPages  uint64
	cgroup    target.CgroupKey
	pipe      pipeWait

	// parentName and described are the parent's executable, and whether it was
	// asked for.
	parentName string
	described  bool
}

// image is one executable that a process ran: one command.
type image struct {
	start       uint64
	base        usage
	path        string
	directory   string
	args        []byte // each ended by a NUL
	argsTotal   uint32
	truncated   bool
	noArgs      bool // the arguments could not be read
	shortName   bool // path is no more than the kernel's name for the process
	cgroup      target.CgroupKey
	trace       model.TraceID
	span        model.SpanID
	parentSpan  model.SpanID
	requested   bool // trace is that of a request
	traceparent string
	referenced  bool // a child's span names this one as parent
	// service is for what service the command runs, once named.
	service string
	named   bool
}

// pipeWait is what is known of a process that sleeps in a write to a pipe.
type pipeWait struct {
	inode    uint64
	switches uint64
	since    uint64
	fd       uint32
	blocked  time.Duration
}

// current returns the running image, nil before the first exec.
func (p *process) current() *image {
	if len(p.images) == 0 {
		return nil
	}
	return &p.images[len(p.images)-1]
}

// addImage appends an empty image, reusing the memory of an earlier process.
func (p *process) addImage() *image {
	if len(p.images) < cap(p.images) {
		p.images = p.images[:len(p.images)+1]
		i := p.current()
		*i = image{args: i.args[:0]}
		return i
	}
	p.images = append(p.images, image{})
	return p.current()
}

// Bounds of the memory that a recycled process keeps.
const (
	maxKeptImages = 4
	maxKeptArgs   = 4096
)

// recycle empties p for another process, keeping its memory.
func (p *process) recycle() {
	images := p.images[:0]
	if cap(images) > maxKeptImages {
		images = nil
	}
	all := images[:cap(images)]
	for n := range all {
		kept := all[n].args[:0]
		if cap(kept) > maxKeptArgs {
			kept = nil
		}
		all[n] = image{args: kept}
	}
	*p = process{images: images}
}
