package hostsample

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// counterFile is a file of the kernel that is read again and again. It belongs to one
// goroutine.
type counterFile struct {
	fd  int
	buf []byte
}

func openCounters(path string, size int) (*counterFile, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &counterFile{fd: fd, buf: make([]byte, size)}, nil
}

// read returns the content, or as much as fits; it is good until the next read.
func (f *counterFile) read() ([]byte, error) {
	for {
		n, err := unix.Pread(f.fd, f.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		return f.buf[:n], nil
	}
}

func (f *counterFile) close() {
	if f != nil {
		unix.Close(f.fd)
	}
}

// schedstat is a thread's since it was created, in nanoseconds but for slices.
type schedstat struct{ cpu, delay, slices int64 }

// parseSchedstat parses /proc/PID/task/TID/schedstat: time on a CPU, time ready, and
// how often it got a CPU.
func parseSchedstat(text []byte) (s schedstat, ok bool) {
	var fields [3]int64
	rest := bytes.TrimSpace(text)
	for i := range fields {
		var word []byte
		word, rest, _ = bytes.Cut(rest, []byte{' '})
		n, good := parseCount(word)
		if !good {
			return schedstat{}, false
		}
		fields[i] = n
	}
	return schedstat{fields[0], fields[1], fields[2]}, true
}

// parseCount parses a decimal number without an allocation.
func parseCount(word []byte) (n int64, ok bool) {
	if len(word) == 0 || len(word) > 18 {
		return 0, false
	}
	for _, c := range word {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// processStat is what is of use of /proc/PID/stat.
type processStat struct {
	name             string
	dead             bool
	start, startCode uint64
}

// parseStat parses it. The name may hold anything, so that the fields are counted
// from its last parenthesis.
func parseStat(text []byte) (processStat, error) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return processStat{}, errors.New("stat: no name")
	}
	// Fields 3 and on of proc(5).
	fields := strings.Fields(string(text[end+1:]))
	const state, start, startCode = 0, 22 - 3, 26 - 3
	if len(fields) <= startCode {
		return processStat{}, fmt.Errorf("stat: %d fields", len(fields))
	}
	s := processStat{name: string(text[open+1 : end]), dead: fields[state] == "Z" || fields[state] == "X"}
	var err1, err2 error
	s.start, err1 = strconv.ParseUint(fields[start], 10, 64)
	s.startCode, err2 = strconv.ParseUint(fields[startCode], 10, 64)
	return s, errors.Join(err1, err2)
}

func readStat(proc string) (processStat, error) {
	text, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return processStat{}, err
	}
	return parseStat(text)
}

// nanosecondsPerTick is a tick of USER_HZ, which is 100 on every architecture that Go
// runs on under Linux.
const nanosecondsPerTick = 10_000_000

// machineTimes are those of /proc/stat since the machine was started.
type machineTimes struct{ busy, idle, steal int64 }

// parseMachine parses the first line of /proc/stat: user, nice, system, idle, iowait,
// irq, softirq, steal. Guests are in user and nice already.
func parseMachine(text []byte) (m machineTimes, ok bool) {
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	fields := bytes.Fields(line)
	if len(fields) < 5 || string(fields[0]) != "cpu" {
		return machineTimes{}, false
	}
	for i, word := range fields[1:] {
		n, good := parseCount(word)
		if !good {
			return machineTimes{}, false
		}
		n *= nanosecondsPerTick
		switch {
		case i == 3 || i == 4:
			m.idle += n
		case i == 7:
			m.steal += n
		case i < 7:
			m.busy += n
		}
	}
	return m, true
}

// parseLoad parses /proc/loadavg: the load of the last minute, and how many threads
// run or are ready now.
func parseLoad(text []byte) (load float64, running int, ok bool) {
	fields := strings.Fields(string(text))
	if len(fields) < 4 {
		return 0, 0, false
	}
	load, err1 := strconv.ParseFloat(fields[0], 64)
	now, _, _ := strings.Cut(fields[3], "/")
	running, err2 := strconv.Atoi(now)
	return load, running, err1 == nil && err2 == nil && load >= 0 && running >= 0
}

// monotonicOffset returns how far the CLOCK_MONOTONIC of a process is ahead of the
// host's, which a time namespace can move.
func monotonicOffset(proc string) int64 {
	text, err := os.ReadFile(filepath.Join(proc, "timens_offsets"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != "monotonic" {
			continue
		}
		seconds, err1 := strconv.ParseInt(f[1], 10, 64)
		ns, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 == nil && err2 == nil {
			return seconds*1e9 + ns
		}
	}
	return 0
}

// monotonic returns this thread's CLOCK_MONOTONIC in nanoseconds.
func monotonic() (int64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, fmt.Errorf("clock_gettime CLOCK_MONOTONIC: %w", err)
	}
	return ts.Nano(), nil
}

// threadCPU returns the CPU time of this thread in nanoseconds.
func threadCPU() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// environment returns a variable of a process's environment, empty when it has none
// or that may not be read.
func environment(proc, name string) string {
	text, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		return ""
	}
	for v := range strings.SplitSeq(string(text), "\x00") {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}
