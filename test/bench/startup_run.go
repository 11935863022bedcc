package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// startRun is one start of a program, alone or seen by Goshawk.
type startRun struct {
	cpu, wall time.Duration // of the program
	observer  time.Duration // CPU time of Goshawk itself
	before    time.Duration // from the start of Goshawk to the execution of the program
	seen      startSeen
	said      []byte // what the program printed
}

// startSeen is what the bench reads of what goshawk startup prints.
type startSeen struct {
	Time       time.Time `json:"time"`
	DurationNS int64     `json:"duration_ns"`
	Ended      string    `json:"ended"`
	Lost       uint64    `json:"lost"`
	Phases     []struct {
		Name       string `json:"name"`
		DurationNS int64  `json:"duration_ns"`
	} `json:"phases"`
	Packages []struct {
		Name       string `json:"name"`
		DurationNS int64  `json:"duration_ns"`
	} `json:"packages"`
}

// exec returns how long the kernel took to execute the program.
func (s *startSeen) exec() time.Duration {
	for _, p := range s.Phases {
		if p.Name == "kernel_exec" {
			return time.Duration(p.DurationNS)
		}
	}
	return 0
}

// inits returns the time of each package. A package that is there twice is an
// error.
func (s *startSeen) inits() (map[string]time.Duration, error) {
	inits := map[string]time.Duration{}
	for _, p := range s.Packages {
		if _, twice := inits[p.Name]; twice {
			return nil, fmt.Errorf("package %s is there twice", p.Name)
		}
		inits[p.Name] = time.Duration(p.DurationNS)
	}
	return inits, nil
}

// startEnv is this environment without what would change how a Go program
// starts, and with more.
func startEnv(more ...string) []string {
	var env []string
	for _, pair := range os.Environ() {
		switch name, _, _ := strings.Cut(pair, "="); name {
		case "GODEBUG", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GOTOOLCHAIN":
		default:
			env = append(env, pair)
		}
	}
	return append(append(env, "GOTOOLCHAIN=local"), more...)
}

// startAlone starts a program without Goshawk.
func startAlone(p startProgram, env ...string) (r startRun, err error) {
	cmd := exec.Command(p.command[0], p.command[1:]...)
	var said bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = startEnv(append(slices.Clone(p.env), env...)...), &said, &said
	began := time.Now()
	err = cmd.Run()
	r.wall, r.said = time.Since(began), said.Bytes()
	if err != nil {
		return r, fmt.Errorf("%s: %w: %.200s", p.name, err, r.said)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r, nil
}

// startUnder starts a program with goshawk startup. What the program itself
// used is what Goshawk and its children used, less Goshawk's own clock.
func (b *bench) startUnder(p startProgram) (r startRun, err error) {
	args := append(append([]string{"startup"}, b.goshawkArgs...), "--until", "exit", "--json", "--")
	cmd := exec.Command(b.goshawk, append(args, p.command...)...)
	var out, said bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = startEnv(p.env...), &out, &said
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return r, err
	}
	if r.observer, err = cpuAtEnd(cmd.Process.Pid); err != nil {
		return r, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	if err := cmd.Wait(); err != nil {
		return r, fmt.Errorf("goshawk startup -- %s: %w: %.500s", strings.Join(p.command, " "), err, said.Bytes())
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() - r.observer
	if err := json.Unmarshal(out.Bytes(), &r.seen); err != nil {
		return r, fmt.Errorf("goshawk startup -- %s: %w", strings.Join(p.command, " "), err)
	}
	r.said = said.Bytes()
	r.wall = r.seen.exec() + time.Duration(r.seen.DurationNS)
	r.before = r.seen.Time.Sub(began) - r.seen.exec()
	return r, nil
}

// startOther has Goshawk start a program that is not the one that is measured.
func (b *bench) startOther() (startRun, error) {
	return b.startUnder(startProgram{name: "goshawk", command: []string{b.goshawk, "version"}})
}

// cpuAtEnd waits until a child has ended, leaves it to be waited for, and
// returns the CPU time of it alone, without its own children.
func cpuAtEnd(pid int) (time.Duration, error) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("wait for process %d: %w", pid, err)
		}
	}
	// The clock of another process, as clock_getcpuclockid(3) makes it.
	const cpuClockSched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &ts); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// initLine is a line of GODEBUG=inittrace=1.
func initLine() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^init (\S+) @[0-9.]+ ms, ([0-9.]+) ms clock, \d+ bytes, \d+ allocs$`)
}

// readInits reads what GODEBUG=inittrace=1 printed. The linker escapes what is
// not plain in the last part of a path, which is undone.
func readInits(said []byte) (map[string]time.Duration, error) {
	inits := map[string]time.Duration{}
	for _, m := range initLine().FindAllSubmatch(said, -1) {
		name, err := url.PathUnescape(string(m[1]))
		if err != nil {
			return nil, fmt.Errorf("inittrace: package %s: %w", m[1], err)
		}
		ms, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return nil, fmt.Errorf("inittrace: package %s: %w", name, err)
		}
		if _, twice := inits[name]; twice {
			return nil, fmt.Errorf("inittrace: package %s is there twice", name)
		}
		inits[name] = time.Duration(ms * float64(time.Millisecond))
	}
	if len(inits) == 0 {
		return nil, fmt.Errorf("inittrace printed nothing: %.200s", said)
	}
	return inits, nil
}
