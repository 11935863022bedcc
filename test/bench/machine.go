package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// threadCPU returns the CPU time of the threads that a process has, to the
// nanosecond. What threads that ended used is not in it.
func threadCPU(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("CPU time of process %d: no threads", pid)
	}
	var total time.Duration
	for _, name := range files {
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
		}
		first, _, _ := strings.Cut(string(data), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// memory returns a field of /proc/PID/status such as "VmRSS", in MiB.
func memory(pid int, field string) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(data) {
		var kib float64
		if n, _ := fmt.Sscanf(string(line), field+": %f kB", &kib); n == 1 {
			return kib / 1024, nil
		}
	}
	return 0, fmt.Errorf("status of process %d has no %s", pid, field)
}

// busy is a reading of how much CPU time this machine has spent.
type busy struct {
	at   time.Time
	used time.Duration
}

func readBusy() (busy, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return busy{}, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return busy{}, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks int64
	// user nice system - - irq softirq steal
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return busy{}, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return busy{time.Now(), time.Duration(ticks) * 10 * time.Millisecond}, nil
}

// foreign returns how many CPUs were used since b by others than those whose
// CPU time since then is known.
func (b busy) foreign(known time.Duration) (float64, error) {
	now, err := readBusy()
	if err != nil {
		return 0, err
	}
	return max(0, float64(now.used-b.used-known)/float64(now.at.Sub(b.at))), nil
}

// describe prints what the numbers below depend on.
func describe() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	model := "unknown"
	for line := range strings.Lines(string(cpuinfo)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			model = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), ":"))
		}
	}
	return fmt.Sprintf("kernel %s, %d CPUs (%s), load %s", strings.TrimSpace(string(release)),
		strings.Count(string(cpuinfo), "processor\t"), model, strings.TrimSpace(string(load)))
}

// tracers returns how many programs that trace are loaded, by whomever, and -1
// when that cannot be told.
func tracers() int {
	out, err := exec.Command("bpftool", "-j", "prog", "show").Output()
	var list []struct {
		Type string `json:"type"`
	}
	if err != nil || json.Unmarshal(out, &list) != nil {
		return -1
	}
	n := 0
	for _, p := range list {
		switch p.Type {
		case "tracing", "tracepoint", "raw_tracepoint", "kprobe", "perf_event":
			n++
		}
	}
	return n
}

// alone waits until no one else traces, for at most patience, and returns how
// many programs do nevertheless: they are a cost to every round.
func alone(patience time.Duration) int {
	n := tracers()
	for end := time.Now().Add(patience); n > 0 && time.Now().Before(end); n = tracers() {
		time.Sleep(500 * time.Millisecond)
	}
	return n
}
