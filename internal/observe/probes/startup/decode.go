package startup

import (
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

const (
	// giveUpAfter is how long a start is observed at most that does not end,
	// where nobody said when to stop: give_up of startup.bpf.c.
	giveUpAfter = time.Minute
	// maxStarts bounds the starts that go on at the same time.
	maxStarts = 1024
	// maxHeld bounds the events of one start that wait for its end.
	maxHeld = 4096
)

var errRecord = errors.New("startup record: of a start whose begin was not seen")

// decoder puts starts together from records, and emits their parts as they end.
type decoder struct {
	host   probe.Host
	schema *model.Schema
	event  model.Event
	starts map[uint32]*start
	frames []model.Frame
	names  map[uint16]string // of system calls
	// entry is what the kernel takes at each system call to run the programs.
	entry time.Duration
	// single says that somebody asked for one start: it goes on when the program
	// listens, and nothing of it is held back.
	single bool
}

func newDecoder(host probe.Host) probe.Decoder {
	d := &decoder{host: host, schema: Schema(), starts: make(map[uint32]*start), names: syscallNames()}
	d.single = d.variable("until_listen") == 0
	if d.single {
		d.entry = entryCost(time.Duration(d.variable("untraced")), callTime())
	}
	return d
}

// variable reads a variable of the programs.
func (d *decoder) variable(name string) (n uint64) {
	if v, ok := d.host.Object.Variables[name]; ok {
		_ = v.Get(&n) // it is of this type
	}
	return n
}

// start is one that goes on.
type start struct {
	process *model.Process
	trace   model.TraceID
	root    model.SpanID
	exec    uint64 // boot clock
	code    uint64 // where the program is loaded
	last    bpfStartupRecord
	// layout is the executable's, once a point was passed.
	layout uint32
	known  bool
	// phase, part and pkg are what goes on: a phase, the part of schedinit, the
	// init of a package. Their names are empty for none.
	phase, part, pkg interval
	// ended is the last phase that has ended without another one after it.
	ended       endedPhase
	environment environment
	sawMain     bool
	joined      bool // it has started before
	inits       bool // of packages other than the runtime's own
	sawPackage  bool
	listens     bool
	listenTold  bool
	throttles   uint32
	lost        uint64
	bound       map[uint32]string // what sockets were bound to
	held        []*model.Event
}

// endedPhase is a phase that was emitted: system calls that began in it may end
// later.
type endedPhase struct {
	span model.SpanID
	end  uint64
}

// interval is a phase or an init that goes on.
type interval struct {
	kind, name, within string
	begin              bpfStartupRecord
	span               model.SpanID
	calls              calls
}

func (d *decoder) Decode(record []byte, emit func(*model.Event)) error {
	r, rest, err := probe.View[bpfStartupRecord](record)
	if err != nil {
		return err
	}
	kind := bpfRecordKind(r.Kind)
	switch kind {
	case bpfRecordKindRECORD_EXEC:
		m, _, err := probe.View[bpfMomentRecord](record)
		if err != nil {
			return err
		}
		d.begin(m, emit)
		return nil
	case bpfRecordKindRECORD_JOINED:
		d.join(r)
		return nil
	}
	s := d.starts[r.Tgid]
	if s == nil {
		return errRecord
	}
	operand := operandText(r, rest)
	switch kind {
	case bpfRecordKindRECORD_POINT:
		d.point(s, r, emit)
	case bpfRecordKindRECORD_SYSCALL:
		d.syscall(s, r, operand, emit)
	case bpfRecordKindRECORD_LISTEN:
		d.listen(s, r, operand, emit)
	case bpfRecordKindRECORD_ACCEPT:
		d.instant(s, r, startup.FirstAccept, operand, emit)
	case bpfRecordKindRECORD_RESPONSE:
		m, _, err := probe.View[bpfMomentRecord](record)
		if err != nil {
			return err
		}
		d.respond(s, m, emit)
	case bpfRecordKindRECORD_EXIT:
		d.end(s, r, startup.EndedExit, emit)
	case bpfRecordKindRECORD_REPLACED:
		d.end(s, r, startup.EndedExec, emit)
	}
	s.last = *r
	return nil
}

// begin begins a start.
func (d *decoder) begin(m *bpfMomentRecord, emit func(*model.Event)) {
	r := &m.Record
	s := d.add(r)
	if s == nil {
		return
	}
	if !d.single {
		// Who asks for one start knows with what he began it, and the program has
		// the CPUs for itself.
		s.environment = d.readEnvironment(s.process.ID)
	}
	if m.Since.Time != 0 && m.Since.Time < r.Time {
		e := d.new(s, startup.KindPhase, startup.KernelExec)
		d.place(s, e, m.Since.Time, r.Time)
		d.use(e, m.since(), r, false)
		e.SpanID = d.span()
		d.send(s, e, emit)
	}
	d.open(s, &s.phase, startup.KindPhase, startup.Loader, "", r)
}

// since returns a record of the moment at which something began.
func (m *bpfMomentRecord) since() *bpfStartupRecord {
	r := m.Record
	r.Time, r.Quota.Throttled = m.Since.Time, m.Since.Throttled
	r.Thread, r.Process = m.Since.Counters, m.Since.Counters
	return &r
}

// join begins with a process that has started before: its zero is when it was
// forked.
func (d *decoder) join(r *bpfStartupRecord) {
	s := d.add(r)
	if s == nil {
		return
	}
	s.exec, s.sawMain, s.joined = r.Start, true, true
	s.environment = d.readEnvironment(s.process.ID)
}

// add adds a start, nil when there are too many.
func (d *decoder) add(r *bpfStartupRecord) *start {
	if len(d.starts) >= maxStarts {
		return nil
	}
	id := model.ProcessID{PID: int32(r.Tgid), Start: target.Ticks(r.Start)}
	s := &start{exec: r.Time, code: r.Code, last: *r, process: &model.Process{ID: id}, throttles: r.Quota.Throttles, lost: r.Value, bound: make(map[uint32]string)}
	if known, ok := d.host.Processes.GetID(id); ok {
		s.process = known
	}
	s.trace, s.root = d.host.NewIDs()
	d.starts[r.Tgid] = s
	return s
}

// span returns a fresh span id.
func (d *decoder) span() model.SpanID {
	_, span := d.host.NewIDs()
	return span
}

// open begins an interval in place of the one that goes on.
func (d *decoder) open(s *start, i *interval, kind, name, within string, r *bpfStartupRecord) {
	*i = interval{kind: kind, name: name, within: within, begin: *r, span: d.span()}
}

// close ends an interval, if one goes on, and emits it and its system calls.
func (d *decoder) close(s *start, i *interval, r *bpfStartupRecord, emit func(*model.Event)) {
	if i.name == "" {
		return
	}
	e := d.new(s, i.kind, i.name)
	d.place(s, e, i.begin.Time, r.Time)
	e.SpanID = i.span
	if i.within != "" {
		e.Values[fieldWithin] = model.StringValue(i.within)
	}
	// The init of package main is of one thread, as all are.
	d.use(e, &i.begin, r, i.kind == startup.KindPhase && i.name == startup.Main)
	d.send(s, e, emit)
	for _, c := range i.calls.kept() {
		d.tell(s, &c, i.span, emit)
	}
	*i = interval{}
}

// next ends the phase that goes on, with what is in it, and begins another one;
// without a name none.
func (d *decoder) next(s *start, name string, r *bpfStartupRecord, emit func(*model.Event)) {
	d.close(s, &s.pkg, r, emit)
	d.close(s, &s.part, r, emit)
	if s.phase.name != "" {
		s.ended = endedPhase{span: s.phase.span, end: r.Time}
	}
	d.close(s, &s.phase, r, emit)
	if name != "" {
		d.open(s, &s.phase, startup.KindPhase, name, "", r)
	}
}

// instant emits what has no length.
func (d *decoder) instant(s *start, r *bpfStartupRecord, name, address string, emit func(*model.Event)) {
	e := d.new(s, startup.KindPhase, name)
	d.place(s, e, r.Time, r.Time)
	d.use(e, r, r, false)
	e.SpanID = d.span()
	if address != "" {
		e.Values[fieldAddress] = model.StringValue(address)
	}
	d.send(s, e, emit)
}

// point is a point of the runtime that a start passes.
func (d *decoder) point(s *start, r *bpfStartupRecord, emit func(*model.Event)) {
	point := bpfPoint(r.Point)
	s.layout, s.known = r.Layout, true
	// procresize and others run again later, and on other threads. Of the main
	// goroutine the runtime lets go just before main.main, so that another thread
	// may take it up there.
	anyThread := point == bpfPointPOINT_SYSMON || point == bpfPointPOINT_MAIN_MAIN
	if s.sawMain && point != bpfPointPOINT_SYSMON || !anyThread && r.Tid != r.Tgid {
		return
	}
	switch point {
	case bpfPointPOINT_ENTRY:
		d.next(s, startup.RuntimeEntry, r, emit)
	case bpfPointPOINT_OSINIT:
		d.next(s, startup.OSInit, r, emit)
	case bpfPointPOINT_SCHEDINIT:
		d.next(s, startup.SchedInit, r, emit)
	case bpfPointPOINT_MAIN:
		d.next(s, startup.RuntimeMain, r, emit)
	case bpfPointPOINT_SYSMON:
		d.instant(s, r, startup.Sysmon, "", emit)
	case bpfPointPOINT_GCENABLE:
		d.next(s, startup.GCEnable, r, emit)
	case bpfPointPOINT_GCENABLE | bpfPointPOINT_RETURN:
		d.next(s, "", r, emit)
		s.inits = true
	case bpfPointPOINT_INIT:
		d.init(s, r, emit)
	case bpfPointPOINT_MAIN_MAIN:
		s.sawMain = true
		d.next(s, startup.Main, r, emit)
		d.mark(s, r, startup.Main, emit)
	default:
		d.partOf(s, point, r, emit)
	}
}

// mark passes an instant on to whoever asked for one start, and may wait for it.
func (d *decoder) mark(s *start, r *bpfStartupRecord, name string, emit func(*model.Event)) {
	if !d.single {
		return
	}
	e := d.new(s, startup.KindMark, name)
	d.place(s, e, r.Time, r.Time)
	e.SpanID = d.span()
	emit(e)
}

// partOf begins or ends a part of schedinit.
func (d *decoder) partOf(s *start, point bpfPoint, r *bpfStartupRecord, emit func(*model.Event)) {
	name := partName(point &^ bpfPointPOINT_RETURN)
	switch {
	case point&bpfPointPOINT_RETURN == 0 && s.phase.name == startup.SchedInit:
		d.close(s, &s.part, r, emit)
		d.open(s, &s.part, startup.KindPhase, name, startup.SchedInit, r)
	case point&bpfPointPOINT_RETURN != 0 && s.part.name == name:
		d.close(s, &s.part, r, emit)
	}
}

func partName(point bpfPoint) string {
	switch point {
	case bpfPointPOINT_MALLOCINIT:
		return startup.MallocInit
	case bpfPointPOINT_MODULESINIT:
		return startup.ModulesInit
	case bpfPointPOINT_GCINIT:
		return startup.GCInit
	}
	return startup.ProcResize
}

// init begins the init of a package. Those of the runtime run before gcenable.
func (d *decoder) init(s *start, r *bpfStartupRecord, emit func(*model.Event)) {
	d.close(s, &s.pkg, r, emit)
	if s.inits && s.phase.name == "" {
		d.open(s, &s.phase, startup.KindPhase, startup.PackageInits, "", r)
	}
	s.sawPackage = true
	d.open(s, &s.pkg, startup.KindPackage, d.packageAt(s, r), "", r)
}

// packageAt returns the package that has the function whose address a record has.
func (d *decoder) packageAt(s *start, r *bpfStartupRecord) string {
	const unknown = "(unknown)"
	at, ok := d.host.Attached(r.Layout)
	if !ok {
		return unknown
	}
	b := at.Program.Binary()
	d.frames = at.Program.AppendFrames(d.frames[:0], r.Value-b.LoadBias(s.code), false)
	if len(d.frames) == 0 {
		return unknown
	}
	// The outermost: what the function calls may be inlined into it.
	name, ok := symbol.PackageOf(d.frames[len(d.frames)-1].Func)
	if !ok {
		return unknown
	}
	return name
}

func (d *decoder) listen(s *start, r *bpfStartupRecord, address string, emit func(*model.Event)) {
	if s.listens {
		return
	}
	s.listens = true
	if s.phase.name == startup.Main {
		d.next(s, "", r, emit)
	}
	d.instant(s, r, startup.FirstListen, address, emit)
	if !d.single {
		d.end(s, r, startup.EndedListen, emit)
	}
}

func (d *decoder) respond(s *start, m *bpfMomentRecord, emit func(*model.Event)) {
	since := m.since()
	e := d.new(s, startup.KindPhase, startup.FirstResponse)
	d.place(s, e, since.Time, m.Record.Time)
	d.use(e, since, &m.Record, true)
	e.SpanID = d.span()
	d.send(s, e, emit)
}

// end ends a start and emits it.
func (d *decoder) end(s *start, r *bpfStartupRecord, ended startup.Ended, emit func(*model.Event)) {
	d.next(s, "", r, emit)
	if now, ok := d.host.Processes.Read(s.process.ID); ok {
		s.process = now
	}
	e := d.new(s, startup.KindStart, "")
	d.place(s, e, s.exec, r.Time)
	e.SpanID, e.ParentSpanID = s.root, model.SpanID{}
	v := e.Values
	v[fieldEnded] = model.StringValue(string(ended))
	if ended == startup.EndedExit {
		code, signal := int64(r.Value>>8&0xff), int64(r.Value&0x7f)
		if signal != 0 {
			code = -1
			v[fieldSignal] = model.IntValue(signal)
		}
		v[fieldExitCode] = model.IntValue(code)
	}
	d.describe(s, v)
	if ended != startup.EndedExec {
		// What it executed may have been there when the environment was read.
		s.environment.describe(v)
	}
	v[fieldChildren], v[fieldThreads] = model.IntValue(int64(r.Children)), model.IntValue(int64(r.Threads))
	if s.joined {
		v[fieldChildren], v[fieldThreads] = model.Value{}, model.Value{}
	}
	v[fieldThrottles] = model.IntValue(int64(r.Quota.Throttles - s.throttles))
	if r.Quota.Share > 0 {
		v[fieldQuota] = model.IntValue(int64(r.Quota.Share))
	}
	if lost := d.variable("lost_records") - s.lost; lost > 0 {
		v[fieldLost] = model.IntValue(int64(lost))
	}
	delete(d.starts, r.Tgid)
	// A command that has done its work is no service that starts.
	if !d.single && ended == startup.EndedExit && r.Value == 0 {
		return
	}
	root := e.Clone()
	if !d.single {
		root.Findings = startup.Judge(append(slices.Clone(s.held), root))
	}
	for _, part := range s.held {
		part.Service, part.ContainerID, part.PodUID = root.Service, root.ContainerID, root.PodUID
		emit(part)
	}
	emit(root)
}

// send emits a part of a start. Where all programs are observed it waits until it
// is known whether the program is a service.
func (d *decoder) send(s *start, e *model.Event, emit func(*model.Event)) {
	switch {
	case d.single:
		emit(e)
	case len(s.held) < maxHeld:
		s.held = append(s.held, e.Clone())
	}
}

// describe says which program it is.
func (d *decoder) describe(s *start, v []model.Value) {
	p := s.process
	if p.Exe != "" {
		v[fieldExe] = model.StringValue(p.Exe)
		v[fieldName] = model.StringValue(path.Base(p.Exe))
	}
	if len(p.Args) > 0 {
		v[fieldArgs] = list(p.Args)
	}
	if at, ok := d.host.Attached(s.layout); ok && s.known {
		describeProgram(at.Program.Binary(), v)
	}
	var unseen []string
	if s.sawMain && !s.sawPackage && !s.joined {
		unseen = append(unseen, "package inits: the runtime of this release does not run them one by one through a function of its own (Go 1.21 and later do)")
	}
	if !d.single {
		unseen = append(unseen, "system calls, first_accept, first_response: they are traced for one start at a time, by goshawk startup")
	}
	if len(unseen) > 0 {
		v[fieldUnseen] = list(unseen)
	}
}

// describeProgram says what the executable tells of itself.
func describeProgram(b *symbol.Binary, v []model.Value) {
	v[fieldGoVersion] = model.StringValue(b.GoVersion())
	for _, setting := range b.BuildInfo().Settings {
		if setting.Key == "DefaultGODEBUG" {
			v[fieldDefaultGoDebug] = model.StringValue(setting.Value)
		}
	}
}

// list returns texts as a value.
func list(texts []string) model.Value {
	return model.StringsValue(strings.Join(texts, "\x00") + "\x00")
}

// new returns an event of a start, a child of it.
func (d *decoder) new(s *start, kind, name string) *model.Event {
	e := &d.event
	e.Reset(d.schema)
	e.PID = s.process.ID.PID
	e.Service, e.ContainerID, e.PodUID = s.process.Service, s.process.ContainerID, s.process.PodUID
	e.TraceID, e.ParentSpanID = s.trace, s.root
	e.Values[fieldKind] = model.StringValue(kind)
	if name != "" {
		e.Values[fieldName] = model.StringValue(name)
	}
	e.Values[fieldPID] = model.IntValue(int64(e.PID))
	return e
}

// place says when an event was, from begin to end on the boot clock.
func (d *decoder) place(s *start, e *model.Event, begin, end uint64) {
	e.Time = d.host.Clock.Wall(begin)
	e.Duration = max(0, time.Duration(end-begin))
	e.Values[fieldBegin] = model.DurationValue(time.Duration(begin - s.exec))
}

// use says what happened between two records: on their thread, or in the process
// as a whole.
func (d *decoder) use(e *model.Event, from, to *bpfStartupRecord, whole bool) {
	took := time.Duration(to.Time - from.Time)
	a, b := &from.Thread, &to.Thread
	delay := min(took, time.Duration(b.RunDelay-a.RunDelay))
	// The kernel and the probe tell by clocks of their own how long the thread
	// was not on a CPU.
	off := min(took, max(delay, time.Duration(b.Off-a.Off)))
	cpu := took - off
	off -= delay
	if whole || from.Tid != to.Tid {
		a, b = &from.Process, &to.Process
		cpu, delay = time.Duration(b.Cpu-a.Cpu), time.Duration(b.RunDelay-a.RunDelay)
		off = max(0, took-cpu-delay)
	}
	v := e.Values
	v[fieldCPU], v[fieldRunDelay], v[fieldOffCPU] = model.DurationValue(cpu), model.DurationValue(delay), model.DurationValue(off)
	v[fieldThrottled] = model.DurationValue(time.Duration(to.Quota.Throttled - from.Quota.Throttled))
	v[fieldMinorFaults], v[fieldMajorFaults] = model.IntValue(int64(b.MinorFaults-a.MinorFaults)), model.IntValue(int64(b.MajorFaults-a.MajorFaults))
	if d.single {
		calls := b.Syscalls - a.Syscalls
		v[fieldSyscalls], v[fieldSyscallTime] = model.IntValue(int64(calls)), model.DurationValue(time.Duration(b.SyscallTime-a.SyscallTime))
		v[fieldObserved] = model.DurationValue(time.Duration(b.Observed-a.Observed) + time.Duration(calls)*d.entry)
	}
}

// Tick gives up starts that do not end.
func (d *decoder) Tick(now time.Duration, _ uint64, emit func(*model.Event)) {
	if d.single {
		return
	}
	for _, s := range d.starts {
		if now-time.Duration(s.exec) > giveUpAfter {
			last := s.last
			last.Time = uint64(now)
			d.end(s, &last, startup.EndedTimeout, emit)
		}
	}
}

// Flush ends the starts that go on.
func (d *decoder) Flush(emit func(*model.Event)) {
	for _, s := range d.starts {
		last := s.last
		d.end(s, &last, startup.EndedInterrupted, emit)
	}
}
