package exec

import (
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// raw returns the bytes of a record: its head as the kernel lays it out, and
// what follows it.
func raw[T any](head *T, rest ...[]byte) []byte {
	b := append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(head)), unsafe.Sizeof(*head))...)
	for _, part := range rest {
		b = append(b, part...)
	}
	return b
}

// chars copies text into a C buffer.
func chars(dst []int8, text string) {
	for i := range min(len(dst), len(text)) {
		dst[i] = int8(text[i])
	}
}

// components writes a path the way the kernel does: from the leaf to the root,
// each component ended by a NUL.
func components(name string) []byte {
	var b []byte
	for name = strings.Trim(name, "/"); name != ""; {
		dir, last := path.Split(name)
		b = append(append(b, last...), 0)
		name = strings.TrimSuffix(dir, "/")
	}
	return b
}

// line is one line of a script: a word, and settings. A setting without a
// value is a flag.
type line struct {
	t    testing.TB
	text string
	verb string
	set  map[string]string
}

func parseLine(t testing.TB, text string) line {
	l := line{t: t, text: text, set: map[string]string{}}
	verb, rest, _ := strings.Cut(text, " ")
	l.verb = verb
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		end := strings.IndexAny(rest, "= ")
		if end < 0 || rest[end] == ' ' {
			word, after, _ := strings.Cut(rest, " ")
			l.set[word], rest = "", after
			continue
		}
		key := rest[:end]
		rest = rest[end+1:]
		switch {
		case strings.HasPrefix(rest, "["):
			n := l.listLength(rest)
			l.set[key], rest = rest[:n], rest[n:]
		case strings.HasPrefix(rest, `"`):
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			l.set[key], _ = strconv.Unquote(quoted)
			rest = rest[len(quoted):]
		default:
			l.set[key], rest, _ = strings.Cut(rest, " ")
		}
	}
	return l
}

// listLength returns the length of the list in brackets that text begins with.
func (l line) listLength(text string) int {
	for i := 1; i < len(text); {
		if text[i] == ']' {
			return i + 1
		}
		if text[i] == '"' {
			quoted, err := strconv.QuotedPrefix(text[i:])
			if err != nil {
				l.t.Fatalf("%s: %v", l.text, err)
			}
			i += len(quoted)
			continue
		}
		i++
	}
	l.t.Fatalf("%s: list without an end", l.text)
	return 0
}

func (l line) has(key string) bool { _, ok := l.set[key]; return ok }

func (l line) str(key, otherwise string) string {
	if v, ok := l.set[key]; ok {
		return v
	}
	return otherwise
}

func (l line) num(key string, otherwise uint64) uint64 {
	v, ok := l.set[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseUint(v, 0, 64)
	if err != nil {
		l.t.Fatalf("%s: %v", l.text, err)
	}
	return n
}

func (l line) duration(key string, otherwise time.Duration) time.Duration {
	v, ok := l.set[key]
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		l.t.Fatalf("%s: %v", l.text, err)
	}
	return d
}

// time returns a time on the boot clock.
func (l line) time(key string, otherwise time.Duration) time.Duration {
	if !l.has(key) {
		return otherwise
	}
	return epoch + l.duration(key, 0)
}

// list returns the texts of a list in brackets.
func (l line) list(key string) []string {
	text := strings.TrimSuffix(strings.TrimPrefix(l.set[key], "["), "]")
	list := []string{}
	for text != "" {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			l.t.Fatalf("%s: %v", l.text, err)
		}
		one, _ := strconv.Unquote(quoted)
		list = append(list, one)
		text = strings.TrimLeft(text[len(quoted):], ", ")
	}
	return list
}

// args returns the texts of a list, each ended by a NUL.
func (l line) args(key string) []byte {
	var b []byte
	for _, arg := range l.list(key) {
		b = append(append(b, arg...), 0)
	}
	return b
}

// epoch is when scripts begin, on the boot clock. All their times are counted
// from there.
const epoch = 1000 * time.Second

// script turns lines into records. Its processes need not exist: what it says
// of /proc and of control groups is in a folder.
type script struct {
	root    string
	now     time.Duration
	starts  map[uint64]time.Duration
	parents map[uint64]uint64
	pcs     map[string]uint64
	frames  []model.Frame
	cgroups map[string]uint64
	older   []target.Process
}

const (
	// goProgram and otherProgram are the inodes of the executables that fork.
	goProgram    = 1000
	otherProgram = 1001
	// fakeGoid is where the made-up Go program keeps goroutine ids, and
	// fakeErrno where its fork code keeps the errno.
	fakeGoid  = firstGoidOffset + 8
	fakeErrno = -24
)

func newScript(t testing.TB) *script {
	s := &script{
		root: t.TempDir(), now: epoch, starts: map[uint64]time.Duration{}, parents: map[uint64]uint64{},
		pcs: map[string]uint64{}, cgroups: map[string]uint64{},
	}
	for _, dir := range []string{"proc/self", "sys/fs/cgroup"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mount := "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	if err := os.WriteFile(filepath.Join(s.root, "proc/self/mountinfo"), []byte(mount), 0o644); err != nil {
		t.Fatal(err)
	}
	return s
}

// record returns the bytes of a line, nil when it stands for no record.
func (s *script) record(l line) []byte {
	s.now = l.time("at", s.now+time.Millisecond)
	switch l.verb {
	case "fork":
		return s.fork(l)
	case "exec":
		return s.exec(l)
	case "exit":
		return s.exit(l)
	case "reap":
		r := bpfReapRecord{Head: s.head(l, bpfRecordKindRECORD_REAP), Usage: s.usage(l)}
		r.LastWait = uint64(l.time("wait", 0))
		return raw(&r)
	case "refused":
		return s.refused(l)
	case "pipe":
		r := bpfPipeRecord{Head: s.head(l, bpfRecordKindRECORD_PIPE), Inode: l.num("inode", 77)}
		r.Switches, r.Fd, r.Readers = l.num("switches", 5), uint32(l.num("fd", 1)), uint32(l.num("readers", 1))
		return raw(&r)
	case "bytes":
		return []byte(l.str("text", ""))
	}
	l.t.Fatalf("unknown line %q", l.text)
	return nil
}

// start returns when a process was forked: as the line says, or as an earlier
// one did.
func (s *script) start(l line, key string, pid uint64) time.Duration {
	at, ok := s.starts[pid]
	if !ok || l.has(key) {
		at = l.time(key, epoch)
		s.starts[pid] = at
	}
	return at
}

func (s *script) head(l line, kind bpfRecordKind) bpfRecordHead {
	pid := l.num("pid", 0)
	return bpfRecordHead{Kind: uint32(kind), Pid: uint32(pid), Time: uint64(s.now), Start: uint64(s.start(l, "start", pid))}
}

// parent returns the parent that the line names, or that a fork did.
func (s *script) parent(l line) (pid uint32, start uint64) {
	n := l.num("parent", s.parents[l.num("pid", 0)])
	return uint32(n), uint64(s.start(l, "parent_start", n))
}

func (s *script) usage(l line) bpfUsage {
	return bpfUsage{
		Utime: uint64(l.duration("utime", 0)), Stime: uint64(l.duration("stime", 0)),
		Runtime: uint64(l.duration("runtime", 0)), RunDelay: uint64(l.duration("delay", 0)),
		Rchar: l.num("rchar", 0), Wchar: l.num("wchar", 0), Maxrss: l.num("maxrss", 0),
	}
}

func (s *script) cgroup(l line) uint64 {
	name := l.str("cgroup", "")
	if name == "" {
		return 0
	}
	id, ok := s.cgroups[name]
	if !ok {
		dir := filepath.Join(s.root, "sys/fs/cgroup", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			l.t.Fatal(err)
		}
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			l.t.Fatal(err)
		}
		id = st.Ino
		s.cgroups[name] = id
	}
	return id
}

func (s *script) fork(l line) []byte {
	pid := l.num("pid", 0)
	if !l.has("start") {
		s.starts[pid] = s.now
	}
	s.parents[pid] = l.num("parent", 1)
	r := bpfForkRecord{Head: s.head(l, bpfRecordKindRECORD_FORK), StackLo: 4096, StackHi: 8192, Sp: 5000}
	r.ParentPid, r.ParentStart = s.parent(l)
	r.ParentExe.Inode = otherProgram
	if l.has("foreign_g") {
		r.Sp = 9000
	}
	var stack []byte
	if text, ok := l.set["stack"]; ok {
		r.ParentExe.Inode = goProgram
		for call := range strings.SplitSeq(text, ",") {
			stack = binary.LittleEndian.AppendUint64(stack, s.pc(l, call))
		}
	}
	r.Goid[1] = l.num("goid", 0)
	r.StackBytes = uint32(len(stack))
	return raw(&r, stack)
}

// pc returns the address of a call, "function" or "function:line".
func (s *script) pc(l line, call string) uint64 {
	if pc, ok := s.pcs[call]; ok {
		return pc
	}
	f := model.Frame{Func: call, File: "main.go"}
	if name, number, ok := strings.Cut(call, ":"); ok {
		n, err := strconv.Atoi(number)
		if err != nil {
			l.t.Fatalf("%s: %v", l.text, err)
		}
		f.Func, f.Line = name, n
	}
	s.frames = append(s.frames, f)
	s.pcs[call] = uint64(len(s.frames))
	return s.pcs[call]
}

func (s *script) exec(l line) []byte {
	r := bpfExecRecord{Head: s.head(l, bpfRecordKindRECORD_EXEC), Usage: s.usage(l), CgroupV2: s.cgroup(l)}
	r.ParentPid, r.ParentStart = s.parent(l)
	r.Exe.Inode = goProgram
	if !l.has("go") {
		r.Exe.Inode = otherProgram
	}
	exe, cwd := components(l.str("exe", "/usr/bin/true")), components(l.str("cwd", "/"))
	args := l.args("args")
	r.ExeBytes, r.PathsBytes = uint32(len(exe)), uint32(len(exe)+len(cwd))
	r.ArgsBytes = uint32(len(args))
	r.ArgsTotal = uint32(l.num("total", uint64(len(args))))
	for name, flag := range map[string]bpfRecordFlags{
		"args_cut": bpfRecordFlagsFLAG_ARGS_CUT, "exe_cut": bpfRecordFlagsFLAG_EXE_CUT,
		"cwd_cut": bpfRecordFlagsFLAG_CWD_CUT, "args_unreadable": bpfRecordFlagsFLAG_ARGS_UNREADABLE,
	} {
		if l.has(name) {
			r.Flags |= uint32(flag)
		}
	}
	traceparent := l.str("traceparent", "")
	chars(r.Traceparent[:], traceparent)
	r.TraceparentBytes = uint32(len(traceparent))
	chars(r.Comm[:], l.str("comm", ""))
	return raw(&r, exe, cwd, args)
}

func (s *script) exit(l line) []byte {
	r := bpfExitRecord{Head: s.head(l, bpfRecordKindRECORD_EXIT), Usage: s.usage(l), CgroupV2: s.cgroup(l)}
	r.ParentPid, _ = s.parent(l)
	r.ExitCode = uint32(l.num("code", 0)<<8 | l.num("signal", 0))
	r.SignalPid = uint32(l.num("by", 0))
	r.RssPages = l.num("rss", 0)
	r.ExecsSent, r.ExecsLost = uint32(l.num("execs_sent", 1)), uint32(l.num("execs_lost", 0))
	for name, flag := range map[string]bpfRecordFlags{
		"term_seen": bpfRecordFlagsFLAG_TERM_SEEN, "never": bpfRecordFlagsFLAG_NEVER_EXECED,
		"awaited": bpfRecordFlagsFLAG_AWAITED, "older": bpfRecordFlagsFLAG_OLDER,
	} {
		if l.has(name) {
			r.Flags |= uint32(flag)
		}
	}
	chars(r.Comm[:], l.str("comm", ""))
	return raw(&r)
}

func (s *script) refused(l line) []byte {
	r := bpfRefusedRecord{Head: s.head(l, bpfRecordKindRECORD_REFUSED), CgroupV2: s.cgroup(l)}
	r.ParentPid, r.ParentStart = s.parent(l)
	r.ExitCode = uint32(l.num("code", 253) << 8)
	r.Flags = uint32(bpfRecordFlagsFLAG_NEVER_EXECED)
	if l.has("args_cut") {
		r.Flags |= uint32(bpfRecordFlagsFLAG_ARGS_CUT)
	}
	chars(r.Path[:], l.str("path", ""))
	chars(r.Dir[:], l.str("dir", ""))
	r.PathBytes, r.DirBytes = uint32(len(l.str("path", ""))), uint32(len(l.str("dir", "")))
	if !l.has("no_frame") {
		r.FrameBytes = uint32(len(r.Frame))
		binary.LittleEndian.PutUint64(unsafe.Slice((*byte)(unsafe.Pointer(&r.Frame)), len(r.Frame))[len(r.Frame)+fakeErrno:], l.num("errno", 0))
	}
	args := l.args("args")
	r.ArgsBytes, r.ArgsCount = uint32(len(args)), uint32(len(l.list("args")))
	return raw(&r, args)
}

// addOlder records a process that the reading of /proc found.
func (s *script) addOlder(l line) {
	pid := l.num("pid", 0)
	id := func(pid uint64) model.ProcessID {
		return model.ProcessID{PID: int32(pid), Start: target.Ticks(uint64(s.starts[pid]))}
	}
	s.start(l, "start", pid)
	p := target.Process{Read: uint64(l.time("read", s.now))}
	p.ID = id(pid)
	if l.has("parent") {
		s.start(l, "parent_start", l.num("parent", 0))
		s.parents[pid] = l.num("parent", 0)
		p.Parent = id(l.num("parent", 0))
	}
	p.Exe, p.Directory, p.Forked = l.str("exe", ""), l.str("cwd", ""), l.has("forked")
	if l.has("args") {
		p.Args = l.list("args")
	}
	s.older = append(s.older, p)
}

// setProc writes what /proc says of a process.
func (s *script) setProc(l line) {
	pid := l.num("pid", 0)
	dir := filepath.Join(s.root, "proc", strconv.FormatUint(pid, 10))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
	// The fields from the state on; the 22nd is the start.
	stat := fmt.Sprintf("%d (x) %s 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0 0 0 4096 0 0\n",
		pid, l.str("state", "S"), target.Ticks(uint64(s.starts[pid])))
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644); err != nil {
		l.t.Fatal(err)
	}
}
