package exec

import (
	"path"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// begin fills the event with what is known of an image when it starts.
func (d *decoder) begin(p *process, i *image) *model.Event {
	e := &d.event
	e.Reset(d.schema)
	e.Time = d.host.Clock.Wall(i.start)
	e.PID = int32(p.key.pid)
	e.Service = d.service(p, i)
	e.GoroutineID = p.goroutine
	e.TraceID, e.SpanID, e.ParentSpanID, e.Requested = i.trace, i.span, i.parentSpan, i.requested
	p.site.setStack(e)
	v := e.Values
	v[fieldName] = model.StringValue(path.Base(i.path))
	if !i.shortName {
		v[fieldPath] = model.StringValue(i.path)
	}
	if !i.noArgs {
		v[fieldArgs] = model.StringsValue(probe.Text(i.args))
	}
	if i.truncated {
		v[fieldArgsTruncated] = model.BoolValue(true)
		v[fieldArgsBytes] = model.IntValue(int64(i.argsTotal))
	}
	if i.directory != "" {
		v[fieldDirectory] = model.StringValue(i.directory)
	}
	v[fieldPID] = model.IntValue(int64(p.key.pid))
	d.setParent(v, p)
	v[fieldCreationTime] = model.TimeValue(d.host.Clock.Wall(p.key.start))
	if p.forked != 0 && i == &p.images[0] {
		v[fieldSetup] = model.DurationValue(time.Duration(i.start - p.forked))
	}
	return e
}

// service returns for what service a command runs.
func (d *decoder) service(p *process, i *image) string {
	if !i.named {
		i.service, i.named = d.host.Processes.ServiceOfID(p.key.id()), true
	}
	return i.service
}

func (d *decoder) setParent(v []model.Value, p *process) {
	if p.parent.pid == 0 {
		return
	}
	v[fieldParentPID] = model.IntValue(int64(p.parent.pid))
	if !p.described && p.parent.start != 0 {
		if known, ok := d.host.Processes.GetID(p.parent.id()); ok && known.Exe != "" {
			p.parentName = path.Base(known.Exe)
		}
		p.described = true
	}
	if p.parentName != "" {
		v[fieldParentName] = model.StringValue(p.parentName)
	}
}

// place says where the command runs. A container runtime executes its helper
// before it moves it, so the end, the first of keys, knows better than the
// start; but a command that leaves its container was run in it.
func (d *decoder) place(e *model.Event, p *process, keys ...target.CgroupKey) {
	if d.host.Cgroups == nil {
		return
	}
	for n, k := range keys {
		if k == (target.CgroupKey{}) || n > 0 && k == keys[n-1] {
			continue
		}
		where := d.host.Cgroups.Resolve(k, int32(p.key.pid))
		if where.Path != "" && (where.ContainerID != "" || !e.Values[fieldCgroup].IsSet()) {
			e.Values[fieldCgroup] = model.StringValue(where.Path)
			e.ContainerID, e.PodUID = where.ContainerID, where.PodUID
		}
		if where.ContainerID != "" {
			return
		}
	}
}

// announce emits the start of an image.
func (d *decoder) announce(p *process, i *image, emit func(*model.Event)) {
	e := d.begin(p, i)
	e.Phase = model.PhaseStart
	d.place(e, p, i.cgroup)
	emit(e)
}

// finish emits the commands of a process that ended, and forgets it. reaped is
// when its parent collected it, 0 when that is not known.
func (d *decoder) finish(p *process, reaped uint64, emit func(*model.Event)) {
	for n := range p.images {
		i := &p.images[n]
		e := d.begin(p, i)
		d.place(e, p, p.cgroup, i.cgroup)
		e.Duration = time.Duration(p.exitTime - i.start)
		d.setEnd(e.Values, p, reaped)
		if n+1 < len(p.images) {
			next := &p.images[n+1]
			e.Values[fieldReplacedBy] = model.StringValue(next.path)
			d.setUsage(e.Values, i, next.base, 0)
		} else {
			d.setUsage(e.Values, i, p.final, p.rssPages)
			if p.pipe.blocked > 0 {
				e.Values[fieldPipeBlocked] = model.DurationValue(p.pipe.blocked)
			}
		}
		d.judge(e, p, i, reaped)
		emit(e)
	}
	d.forget(p)
}

func (d *decoder) setEnd(v []model.Value, p *process, reaped uint64) {
	v[fieldExitTime] = model.TimeValue(d.host.Clock.Wall(p.exitTime))
	if reaped >= p.exitTime {
		v[fieldUnreaped] = model.DurationValue(time.Duration(reaped - p.exitTime))
	}
	if signal := p.exitCode & 0x7f; signal != 0 {
		name := signalName(signal)
		v[fieldOutcome] = model.StringValue("signaled")
		v[fieldSignal] = model.StringValue(name)
		v[fieldErrorType] = model.StringValue(name)
		if p.signalPID != 0 {
			v[fieldKilledBy] = model.IntValue(int64(p.signalPID))
		}
		return
	}
	code := int(p.exitCode >> 8 & 0xff)
	v[fieldOutcome] = model.StringValue("exited")
	v[fieldExitCode] = model.IntValue(int64(code))
	if code != 0 {
		v[fieldErrorType] = model.StringValue(strconv.Itoa(code))
	}
}

// setUsage says what an image consumed until the accounts were end. resident
// is the peak of its memory, should the accounts not know it, and 0 when nobody
// does.
func (d *decoder) setUsage(v []model.Value, i *image, end usage, resident uint64) {
	used := end.sub(i.base)
	user, system := used.cpu()
	v[fieldCPUUser] = model.DurationValue(user)
	v[fieldCPUSystem] = model.DurationValue(system)
	v[fieldReadBytes] = model.IntValue(int64(used.Rchar))
	v[fieldWriteBytes] = model.IntValue(int64(used.Wchar))
	v[fieldRunDelay] = model.DurationValue(time.Duration(used.RunDelay))
	pages := resident
	if end.Maxrss > i.base.Maxrss {
		pages = end.Maxrss
	}
	if pages > 0 {
		v[fieldMaxRSS] = model.IntValue(int64(pages) * d.pageSize)
	}
}

// unfinished emits the running commands that ended ones name as parents of
// their spans, so that no exported parent id dangles.
func (d *decoder) unfinished(emit func(*model.Event)) {
	for _, p := range d.processes {
		for n := range p.images {
			if i := &p.images[n]; i.referenced {
				e := d.begin(p, i)
				e.Phase = model.PhaseUnfinished
				d.place(e, p, i.cgroup)
				emit(e)
			}
		}
	}
}

// refused emits a command that could not be started.
func (d *decoder) refused(record []byte, emit func(*model.Event)) error {
	r, rest, err := probe.View[bpfRefusedRecord](record)
	if err != nil {
		return err
	}
	if int(r.ArgsBytes) > len(rest) || int(r.PathBytes) > len(r.Path) || int(r.DirBytes) > len(r.Dir) || int(r.FrameBytes) > len(r.Frame) {
		return errRefusedRecord
	}
	p := d.get(key{r.Head.Pid, r.Head.Start})
	if p.exited || len(p.images) > 0 {
		return errLateRefusal
	}
	if p.forked == 0 {
		p.parent = key{r.ParentPid, r.ParentStart}
	}
	if p.site != nil && !p.site.execs {
		return nil
	}
	i := p.addImage()
	i.start = r.Head.Time
	if p.forked != 0 {
		i.start = p.forked
	}
	errno := unknownError
	i.noArgs = true
	// Only a frame of Go's fork code holds what is read here.
	if p.site != nil && r.FrameBytes > 0 {
		errno = errnoName(probe.Bytes(r.Frame[:r.FrameBytes]), p.site.program.errno, p.site.program.errnoOK)
		i.path = d.names.intern(probe.Bytes(r.Path[:r.PathBytes]))
		i.directory = d.names.intern(probe.Bytes(r.Dir[:r.DirBytes]))
		i.args = append(i.args, rest[:r.ArgsBytes]...)
		i.noArgs = r.ArgsCount == 0
		i.truncated = bpfRecordFlags(r.Flags)&bpfRecordFlagsFLAG_ARGS_CUT != 0
	}
	d.trace(p, i)
	e := d.begin(p, i)
	d.place(e, p, target.CgroupKey{V2: r.CgroupV2, V1: r.CgroupV1})
	e.Duration = time.Duration(r.Head.Time - i.start)
	e.Values[fieldOutcome] = model.StringValue("failed")
	e.Values[fieldErrorType] = model.StringValue(errno)
	e.Values[fieldExitTime] = model.TimeValue(d.host.Clock.Wall(r.Head.Time))
	e.Values[fieldSetup] = model.Value{}
	e.Values[fieldArgsBytes] = model.Value{}
	if i.path == "" {
		e.Values[fieldName], e.Values[fieldPath] = model.Value{}, model.Value{}
	}
	d.judge(e, p, i, 0)
	emit(e)
	p.images = p.images[:0]
	return nil
}

// signalName returns "SIGKILL" for 9.
func signalName(n uint32) string {
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(int(n))
}
