package exec

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// zombieAfter is how long a dead process may wait for its parent before its
// commands are emitted without waiting for the reaping.
const zombieAfter = 5 * time.Second

// sweepEvery is how often processes are checked whose end may have been lost.
const sweepEvery = 5 * time.Second

// errRefusedRecord says that the parts of a record do not fit into it.
var errRefusedRecord = errors.New("refused record: its parts are longer than it is")

// errLateRefusal says that a process gave up executing a command after it did.
var errLateRefusal = errors.New("refused record: the process has executed a command")

// decoder joins records into commands.
type decoder struct {
	host      probe.Host
	schema    *model.Schema
	processes map[key]*process
	// dead are the exited processes that wait for their reaping, in the order
	// of their ends.
	dead []key
	// older are the processes that the probe did not see start.
	older    map[model.ProcessID]*target.Process
	free     []*process
	sites    *callSites
	names    names
	rates    rates
	event    model.Event
	pageSize int64
	sweepAt  time.Duration
	swept    uint64 // lost records at the last sweep
	// begun is when the decoder was made, after older was read.
	begun uint64
	// suspects are processes that were gone at a sweep and whose end is not
	// decoded yet; latest is the time of the latest record.
	suspects []suspect
	latest   uint64
}

// suspect is a process that was gone at some time without a record that said
// so. The record may still wait in the ring.
type suspect struct {
	key key
	at  time.Duration
}

func newDecoder(host probe.Host) probe.Decoder {
	d := &decoder{
		host:      host,
		schema:    Schema(),
		processes: make(map[key]*process),
		older:     make(map[model.ProcessID]*target.Process, len(host.Older)),
		sites:     newCallSites(host.Symbols, host.Processes),
		names:     newNames(),
		begun:     uint64(platform.BootTime()),
		rates:     newRates(),
		pageSize:  int64(os.Getpagesize()),
	}
	for n := range host.Older {
		d.older[host.Older[n].ID] = &host.Older[n]
	}
	return d
}

func (d *decoder) Decode(record []byte, emit func(*model.Event)) error {
	head, _, err := probe.View[bpfRecordHead](record)
	if err != nil {
		return err
	}
	d.latest = max(d.latest, head.Time)
	switch bpfRecordKind(head.Kind) {
	case bpfRecordKindRECORD_FORK:
		return d.fork(record)
	case bpfRecordKindRECORD_EXEC:
		return d.exec(record, emit)
	case bpfRecordKindRECORD_EXIT:
		return d.exit(record)
	case bpfRecordKindRECORD_REAP:
		return d.reap(record, emit)
	case bpfRecordKindRECORD_REFUSED:
		return d.refused(record, emit)
	case bpfRecordKindRECORD_PIPE:
		return d.pipe(record)
	}
	return fmt.Errorf("record of unknown kind %d", head.Kind)
}

// get returns the process of k, adding it when it is new.
func (d *decoder) get(k key) *process {
	if p, ok := d.processes[k]; ok {
		return p
	}
	var p *process
	if n := len(d.free); n > 0 {
		p = d.free[n-1]
		d.free = d.free[:n-1]
	} else {
		p = new(process)
	}
	p.key = k
	d.processes[k] = p
	return p
}

func (d *decoder) forget(p *process) {
	delete(d.processes, p.key)
	p.recycle()
	if len(d.free) < 1024 {
		d.free = append(d.free, p)
	}
}

func (d *decoder) fork(record []byte) error {
	r, rest, err := probe.View[bpfForkRecord](record)
	if err != nil {
		return err
	}
	if int(r.StackBytes) > len(rest) {
		return fmt.Errorf("fork record: stack of %d bytes in %d", r.StackBytes, len(rest))
	}
	child := key{r.Head.Pid, r.Head.Start}
	parent := key{r.ParentPid, r.ParentStart}
	d.host.Processes.Fork(parent.id(), child.id())
	p := d.get(child)
	p.forked = r.Head.Time
	p.parent = parent
	p.site = d.sites.of(r, rest[:r.StackBytes])
	p.goroutine = d.sites.goroutine(p.site, r)
	p.request = probe.TraceID(r.Trace)
	p.origin = probe.SpanID(r.Span)
	return nil
}

func (d *decoder) exec(record []byte, emit func(*model.Event)) error {
	r, rest, err := probe.View[bpfExecRecord](record)
	if err != nil {
		return err
	}
	if uint64(r.PathsBytes)+uint64(r.ArgsBytes) > uint64(len(rest)) || r.ExeBytes > r.PathsBytes {
		return fmt.Errorf("exec record: paths of %d and arguments of %d bytes in %d", r.PathsBytes, r.ArgsBytes, len(rest))
	}
	p := d.get(key{r.Head.Pid, r.Head.Start})
	if p.forked == 0 {
		if len(p.images) == 0 && d.olderRanBefore(p.key, r, rest) {
			d.adoptOlder(p)
		}
		// A process with a parent already may be an orphan by now.
		if p.parent.pid == 0 || p.parent.pid == r.ParentPid {
			p.parent = key{r.ParentPid, r.ParentStart}
		}
	}
	i := p.addImage()
	flags := bpfRecordFlags(r.Flags)
	i.start = r.Head.Time
	i.path = d.names.path(rest[:r.ExeBytes], flags&bpfRecordFlagsFLAG_EXE_CUT != 0)
	i.directory = d.names.path(rest[r.ExeBytes:r.PathsBytes], flags&bpfRecordFlagsFLAG_CWD_CUT != 0)
	i.args = append(i.args, rest[r.PathsBytes:r.PathsBytes+r.ArgsBytes]...)
	i.argsTotal = r.ArgsTotal
	i.truncated = flags&bpfRecordFlagsFLAG_ARGS_CUT != 0
	i.noArgs = flags&bpfRecordFlagsFLAG_ARGS_UNREADABLE != 0
	i.cgroup = target.CgroupKey{V2: r.CgroupV2, V1: r.CgroupV1}
	if len(p.images) > 1 {
		i.base = usage(r.Usage)
	}
	i.base.Maxrss = r.Usage.Maxrss
	if n := r.TraceparentBytes; n > 0 && int(n) < len(r.Traceparent) {
		i.traceparent = string(probe.CString(r.Traceparent[:n]))
	}
	known := d.host.Processes.Exec(p.key.id(), target.ExecInfo{
		Exe: i.path, File: kernelFile(r.Exe), Cgroup: i.cgroup, Parent: p.parent.id(),
	})
	if known.Go != nil {
		d.sites.preload(p.key, i.path, r.Exe)
	}
	d.trace(p, i)
	d.announce(p, i, emit)
	return nil
}

func (d *decoder) exit(record []byte) error {
	r, _, err := probe.View[bpfExitRecord](record)
	if err != nil {
		return err
	}
	k := key{r.Head.Pid, r.Head.Start}
	p := d.get(k)
	if p.exited {
		return nil
	}
	if len(p.images) == 0 && !d.adopt(p, r) {
		d.drop(p)
		return nil
	}
	flags := bpfRecordFlags(r.Flags)
	p.exited = true
	p.exitTime = r.Head.Time
	p.exitCode = r.ExitCode
	p.signalPID = r.SignalPid
	p.termSeen = flags&bpfRecordFlagsFLAG_TERM_SEEN != 0
	p.orphaned = p.parent.pid != r.ParentPid
	p.awaited = flags&bpfRecordFlagsFLAG_AWAITED != 0
	p.final = usage(r.Usage)
	p.rssPages = r.RssPages
	p.cgroup = target.CgroupKey{V2: r.CgroupV2, V1: r.CgroupV1}
	delete(d.older, k.id())
	d.host.Processes.Exit(k.id())
	d.dead = append(d.dead, k)
	return nil
}

// drop forgets a process that ended without a command to report.
func (d *decoder) drop(p *process) {
	delete(d.older, p.key.id())
	d.host.Processes.Exit(p.key.id())
	d.forget(p)
}

// adopt gives a process that is older than the probe the image that /proc
// knew of, or at least its short name. It reports whether there was a command:
// a process that did not execute anything is none, and what a younger process
// executed while the ring was full is counted as lost.
func (d *decoder) adopt(p *process, r *bpfExitRecord) bool {
	flags := bpfRecordFlags(r.Flags)
	if flags&bpfRecordFlagsFLAG_NEVER_EXECED != 0 || flags&bpfRecordFlagsFLAG_OLDER == 0 {
		return false
	}
	if known, ok := d.older[p.key.id()]; ok && known.Forked {
		return false
	}
	if d.adoptOlder(p) {
		return true
	}
	if p.parent.pid == 0 {
		p.parent = key{pid: r.ParentPid}
	}
	i := p.addImage()
	i.start = p.key.start
	i.path = d.names.intern(probe.CString(r.Comm[:]))
	i.shortName = true
	i.noArgs = true
	d.trace(p, i)
	return true
}

// olderRanBefore reports whether /proc shows a command that the process ran
// before the exec that r records: /proc was read before, or it was read at the
// same time and shows another image.
func (d *decoder) olderRanBefore(k key, r *bpfExecRecord, rest []byte) bool {
	known, ok := d.older[k.id()]
	if !ok || known.Forked || r.Head.Time < known.Read {
		return false
	}
	if r.Head.Time > d.begun {
		return true
	}
	args := string(rest[r.PathsBytes : r.PathsBytes+r.ArgsBytes])
	return strings.Join(known.Args, "\x00")+"\x00" != args ||
		known.Exe != d.names.path(rest[:r.ExeBytes], false)
}

// adoptOlder gives a process the image that /proc knew of, if it did.
func (d *decoder) adoptOlder(p *process) bool {
	known, ok := d.older[p.key.id()]
	if !ok {
		return false
	}
	delete(d.older, p.key.id())
	p.parent = key{pid: uint32(known.Parent.PID), start: known.Parent.Start * clockTick}
	i := p.addImage()
	i.start = p.key.start
	i.path = known.Exe
	i.directory = known.Directory
	i.noArgs = known.Args == nil
	for _, arg := range known.Args {
		i.args = append(append(i.args, arg...), 0)
	}
	d.trace(p, i)
	return true
}

func (d *decoder) reap(record []byte, emit func(*model.Event)) error {
	r, _, err := probe.View[bpfReapRecord](record)
	if err != nil {
		return err
	}
	p, ok := d.processes[key{r.Head.Pid, r.Head.Start}]
	if !ok {
		return nil
	}
	if !p.exited {
		// The record of its end was lost, and its commands counted with it.
		d.drop(p)
		return nil
	}
	before := p.final
	p.final = usage(r.Usage)
	p.final.RunDelay = max(p.final.RunDelay, before.RunDelay)
	d.finish(p, reapedAt(p, r.LastWait, r.Head.Time), emit)
	return nil
}

// fallingAsleep is how long a parent may take from the begin of a wait until it
// sleeps in it.
const fallingAsleep = 5 * time.Millisecond

// reapedAt says when the parent collected p, whose memory the kernel freed at
// freed, a grace period later. A parent that slept in a wait at the end, or was
// about to, woke then; else a wait that began after the end succeeded at once.
// Without any wait nobody knows better than freed.
func reapedAt(p *process, lastWait, freed uint64) uint64 {
	switch {
	case p.awaited, lastWait <= p.exitTime && lastWait+uint64(fallingAsleep) > p.exitTime:
		return p.exitTime
	case lastWait > p.exitTime && lastWait <= freed:
		return lastWait
	}
	return freed
}

// Tick emits the commands of processes that nobody reaps, or whose reaping was
// not heard of.
func (d *decoder) Tick(now time.Duration, lostRecords uint64, emit func(*model.Event)) {
	done := 0
	for _, k := range d.dead {
		p, ok := d.processes[k]
		if ok && p.exited {
			if time.Duration(p.exitTime)+zombieAfter > now {
				break
			}
			reaped := uint64(0)
			if d.host.Processes.Zombie(k.id()) {
				reaped = uint64(now)
			}
			d.finish(p, reaped, emit)
		}
		done++
	}
	d.dead = append(d.dead[:0], d.dead[done:]...)
	if now >= d.sweepAt {
		d.sweepAt = now + sweepEvery
		d.sweep(now, lostRecords)
	}
}

// sweep forgets living processes that are gone, once records were lost: the
// kernel's program has counted their commands as lost already. The record of
// an end may be late, though, so a process must be gone before something that
// was recorded after.
func (d *decoder) sweep(now time.Duration, lostRecords uint64) {
	waiting := d.suspects[:0]
	for _, s := range d.suspects {
		if time.Duration(d.latest) <= s.at {
			waiting = append(waiting, s)
		} else if p, ok := d.processes[s.key]; ok && !p.exited {
			d.drop(p)
		}
	}
	d.suspects = waiting
	if lostRecords == d.swept {
		return
	}
	d.swept = lostRecords
	d.suspects = d.suspects[:0]
	for k, p := range d.processes {
		if !p.exited && !d.host.Processes.Alive(k.id()) {
			d.suspects = append(d.suspects, suspect{k, now})
		}
	}
}

// Flush emits the commands of dead processes that were not reaped yet.
func (d *decoder) Flush(emit func(*model.Event)) {
	for _, k := range d.dead {
		if p, ok := d.processes[k]; ok && p.exited {
			d.finish(p, 0, emit)
		}
	}
	d.dead = d.dead[:0]
	d.unfinished(emit)
}

func (d *decoder) pipe(record []byte) error {
	r, _, err := probe.View[bpfPipeRecord](record)
	if err != nil {
		return err
	}
	p, ok := d.processes[key{r.Head.Pid, r.Head.Start}]
	if !ok || p.exited || len(p.images) == 0 {
		return nil
	}
	w := &p.pipe
	if w.inode != r.Inode || w.switches != r.Switches {
		*w = pipeWait{inode: r.Inode, switches: r.Switches, since: r.Head.Time, fd: r.Fd, blocked: w.blocked}
		return nil
	}
	w.fd = r.Fd
	w.blocked = max(w.blocked, time.Duration(r.Head.Time-w.since))
	return nil
}

// names interns the path names that commands repeat.
type names struct {
	known map[string]string
	bytes int
}

// maxNameBytes bounds the texts of the interned names; when full, they start
// anew.
const maxNameBytes = 4 << 20

func newNames() names { return names{known: make(map[string]string)} }

// intern returns b as a string that is shared by equal ones.
func (n *names) intern(b []byte) string {
	// No components are the root directory, no text is none.
	if len(b) == 0 {
		return ""
	}
	if s, ok := n.known[string(b)]; ok {
		return s
	}
	text := string(b)
	return n.add(text, text)
}

func (n *names) add(raw, name string) string {
	if n.bytes += len(raw) + len(name); n.bytes > maxNameBytes {
		clear(n.known)
		n.bytes = len(raw) + len(name)
	}
	n.known[raw] = name
	return name
}

// path joins the components that the kernel collected, each ended by a NUL,
// from the leaf to the root. A path that was cut begins with an ellipsis.
func (n *names) path(raw []byte, cut bool) string {
	if s, ok := n.known[string(raw)]; ok && !cut {
		return s
	}
	components := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	var b strings.Builder
	if cut {
		b.WriteString("…")
	}
	for i := len(components) - 1; i >= 0; i-- {
		b.WriteString("/")
		b.WriteString(components[i])
	}
	if cut {
		return b.String()
	}
	return n.add(string(raw), b.String())
}
