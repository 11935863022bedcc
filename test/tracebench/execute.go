package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// command is a process to start.
type command struct {
	args []string
	env  []string // in addition
}

// outcome is what a process cost, and how it ended. CPU is user and system time of
// the process and those it waited for, peak the largest resident set of one of them.
type outcome struct {
	wall, cpu time.Duration
	peak      int64   // bytes
	others    float64 // CPUs that were used by others meanwhile
	exit      int
	said      string // the end of standard error
}

// execute runs a command with its standard output in a file, and waits for it. The
// error says that it could not be run; how it ended is in the outcome.
func execute(ctx context.Context, c command, output string) (outcome, error) {
	out, err := os.Create(output)
	if err != nil {
		return outcome{}, err
	}
	defer out.Close()
	said := tail{}
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = out, &said
	before, err := machineCPU()
	if err != nil {
		return outcome{}, err
	}
	begin := time.Now()
	err = cmd.Run()
	o := outcome{wall: time.Since(begin), said: string(said)}
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		return o, err
	}
	if ctx.Err() != nil {
		return o, ctx.Err()
	}
	after, err := machineCPU()
	if err != nil {
		return o, err
	}
	o.exit = cmd.ProcessState.ExitCode()
	o.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	o.others = max(0, float64(after-before-o.cpu)/float64(o.wall))
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		o.peak = usage.Maxrss << 10 // Linux counts in KiB.
	}
	return o, nil
}

// tail keeps the last of what is written, at most 1 KiB.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if over := len(*t) - 1024; over > 0 {
		*t = (*t)[over:]
	}
	return len(p), nil
}

// machineCPU returns the CPU time that the machine has spent since its start, by
// /proc/stat, whose ticks are hundredths of a second for every architecture.
func machineCPU() (time.Duration, error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var ticks int64
	// user nice system - - irq softirq steal
	for _, i := range []int{1, 2, 3, 6, 7, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}
