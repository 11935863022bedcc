package hostsample

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

const (
	// sysmonSightings is how often a thread must be seen asleep in runtime.usleep to
	// be taken for sysmon. Others sleep there for microseconds, between attempts at a
	// lock; sysmon spends its life there.
	sysmonSightings = 3
	// sysmonTicks is for how many samples it is looked for.
	sysmonTicks = 300
	// sysmonThreads bounds how many threads are looked at: sysmon is started by
	// runtime.main and thus among the first.
	sysmonThreads = 16
)

// sysmonFinder looks for the thread of runtime.sysmon, which has no name, no P and no
// goroutine: the one that sleeps in runtime.usleep. It belongs to one goroutine.
type sysmonFinder struct {
	proc      string
	low, high uint64 // the code of runtime.usleep in the process's memory
	seen      map[int32]int
	ticks     int
	found     int32
	why       string // why it is not found, empty while it is looked for
}

// newSysmonFinder reads the executable of the process.
func newSysmonFinder(proc string, startCode uint64) *sysmonFinder {
	f := &sysmonFinder{proc: proc, seen: map[int32]int{}}
	binary, err := symbol.Open(filepath.Join(proc, "exe"))
	if err != nil {
		f.why = fmt.Sprintf("the executable cannot be read: %v", err)
		return f
	}
	defer binary.Close()
	low, high, ok := binary.Func("runtime.usleep")
	if !ok {
		f.why = "the executable has no runtime.usleep"
		return f
	}
	bias := binary.LoadBias(startCode)
	f.low, f.high = low+bias, high+bias
	return f
}

// look looks once at the threads of the process, in the order of their ids.
func (f *sysmonFinder) look(threads []int32) {
	if f.found != 0 || f.why != "" {
		return
	}
	if f.ticks++; f.ticks > sysmonTicks {
		f.why = "no thread was seen asleep in runtime.usleep: sysmon sleeps otherwise while nothing runs"
		return
	}
	for _, tid := range threads[:min(len(threads), sysmonThreads)] {
		text, err := os.ReadFile(filepath.Join(f.proc, "task", strconv.Itoa(int(tid)), "syscall"))
		if errors.Is(err, fs.ErrPermission) {
			f.why = "where threads sleep may be told to root only"
			return
		}
		if pc, ok := sleepsAt(text); err != nil || !ok || pc < f.low || pc >= f.high {
			continue
		}
		if f.seen[tid]++; f.seen[tid] >= sysmonSightings {
			f.found = tid
			return
		}
	}
}

// result returns the thread, or why it is not known.
func (f *sysmonFinder) result() (tid int32, why string) {
	if f.found == 0 && f.why == "" {
		return 0, "it was looked for too shortly, or slept because nothing ran"
	}
	return f.found, f.why
}

// sleepsAt parses /proc/PID/task/TID/syscall: the number of the system call that a
// thread is in, its six arguments, the stack pointer and the program counter. It
// returns the latter when the thread is in nanosleep.
func sleepsAt(text []byte) (pc uint64, ok bool) {
	// asm/unistd.h of each.
	number := map[string]string{"amd64": "35", "arm64": "101"}[runtime.GOARCH]
	f := bytes.Fields(text)
	if len(f) != 9 || string(f[0]) != number {
		return 0, false
	}
	pc, err := strconv.ParseUint(string(bytes.TrimPrefix(f[8], []byte("0x"))), 16, 64)
	return pc, err == nil
}

// sortedIDs returns the ids of threads in order.
func sortedIDs[T any](threads map[int32]T) []int32 {
	ids := make([]int32, 0, len(threads))
	for tid := range threads {
		ids = append(ids, tid)
	}
	slices.Sort(ids)
	return ids
}
