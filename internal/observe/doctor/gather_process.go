package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// UnseenGoroutines is what is not seen of a process whose net/http/pprof is not known.
const UnseenGoroutines = "how many goroutines there are"

// ProcessOptions say how [Evidence.GatherProcess] looks.
type ProcessOptions struct {
	// Root is where the host's /proc and /sys are; "/" by default.
	Root string
	// PID is the process, and Start its start time as /proc has it; 0 is not checked.
	PID   int32
	Start uint64
	// Interval is between both looks; there is one look when it is 0.
	Interval time.Duration
	// Now is the clock, and Wait returns after a time or with the error of ctx.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
	// Goroutines returns how many there are; nil when nobody knows.
	Goroutines func(ctx context.Context) (int, error)
}

// GatherProcess adds what a process does. It blocks for the interval. The error is of
// ctx, with what was seen by then gathered, or matches [target.ErrGone].
func (e *Evidence) GatherProcess(ctx context.Context, o ProcessOptions) error {
	if o.Root == "" {
		o.Root = "/"
	}
	r := &procReader{root: o.Root}
	p := &Process{PID: o.PID}
	first, err := r.stat(int(o.PID))
	if err != nil || o.Start != 0 && first.start != o.Start {
		return target.ErrGone
	}
	e.Process = p
	look := &looker{Evidence: e, r: r, p: p, o: &o}
	// At the end, since what cannot be read is the same at both looks.
	defer func() { e.unseenOnce(look.failed) }()
	look.facts()
	before := look.sample(ctx)
	begin := o.Now()
	if o.Interval > 0 {
		if err := o.Wait(ctx, o.Interval); err != nil {
			e.unseen("what changes over time", "interrupted before the second look")
			return err
		}
		last, err := r.stat(int(o.PID))
		if err != nil || last.start != first.start || last.state == 'Z' {
			return target.ErrGone
		}
		p.Interval = o.Now().Sub(begin)
		look.compare(before, look.sample(ctx))
	} else {
		e.unseen("what changes over time", "it was looked at once: --for 0")
	}
	return ctx.Err()
}

func (e *Evidence) unseenOnce(list []Unseen) {
	seen := make(map[Unseen]bool)
	for _, u := range list {
		if !seen[u] {
			seen[u] = true
			e.Unseen = append(e.Unseen, u)
		}
	}
}

// looker looks at one process.
type looker struct {
	*Evidence
	r      *procReader
	p      *Process
	o      *ProcessOptions
	failed []Unseen
}

func (l *looker) fail(what string, err error) {
	if err != nil {
		l.failed = append(l.failed, Unseen{What: what, Why: withoutPath(err).Error()})
	}
}

// facts reads what does not change.
func (l *looker) facts() {
	p, r, pid := l.p, l.r, l.o.PID
	env, err := r.file(pid, "environ")
	l.fail("GOMAXPROCS, GOMEMLIMIT, GOGC and GODEBUG", err)
	p.HasEnvironment = err == nil
	for pair := range strings.SplitSeq(string(env), "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "GODEBUG":
			p.GoDebug = strings.Clone(value)
		case "GOMAXPROCS":
			p.GoMaxProcs = strings.Clone(value)
		case "GOMEMLIMIT":
			p.GoMemLimit = strings.Clone(value)
		case "GOGC":
			p.GoGC = strings.Clone(value)
		}
	}
	status, err := r.file(pid, "status")
	l.fail("how many CPUs it may run on", err)
	p.CPUs = allowedCPUs(string(status))
	l.executable()
	if l.o.Goroutines == nil {
		l.fail(UnseenGoroutines, errors.New("no address of its net/http/pprof was given (--pprof URL)"))
	}
}

// executable tells what became of the file that the process runs.
func (l *looker) executable() {
	dir := l.r.dir(int(l.o.PID))
	exe, err := os.Readlink(filepath.Join(dir, "exe"))
	if err != nil {
		l.fail("the file that it runs", err)
		return
	}
	l.p.Exe, l.p.Deleted = strings.CutSuffix(exe, " (deleted)")
	if !l.p.Deleted {
		return
	}
	// As the process sees it, which may be in a container.
	_, err = os.Stat(filepath.Join(dir, "root", l.p.Exe))
	l.p.Replaced = err == nil
}

// sample is one look.
type sample struct {
	groups  []QuotaGroup
	threads map[int]schedstat
	zombies map[int]stat
	running int // goroutines
	counted bool
}

func (l *looker) sample(ctx context.Context) sample {
	p, r, pid := l.p, l.r, l.o.PID
	var s sample
	var err error
	s.groups, err = r.quotas(pid)
	l.fail("the CPU quota and throttling", err)
	p.Groups = s.groups
	p.Memory, err = r.memory(pid)
	l.fail("the memory limit", err)
	p.Descriptors, p.DescriptorLimit, err = r.descriptors(pid)
	l.fail("file descriptors", err)
	s.threads, err = r.threads(pid)
	l.fail("how long its threads ran and were ready", err)
	p.Threads = len(s.threads)
	s.zombies, err = r.zombiesOf(int(pid))
	l.fail("children that were not waited for", err)
	if l.o.Goroutines != nil {
		s.running, err = l.o.Goroutines(ctx)
		l.fail(UnseenGoroutines, err)
		s.counted = err == nil
	}
	return s
}

// compare fills in what follows from two looks.
func (l *looker) compare(before, after sample) {
	p := l.p
	for i := range p.Groups {
		for _, old := range before.groups {
			if old.Path == p.Groups[i].Path {
				p.Groups[i].Seen = p.Groups[i].Total.Since(old.Total)
			}
		}
	}
	for tid, now := range after.threads {
		was, ok := before.threads[tid]
		if !ok || now.cpu < was.cpu || now.delay < was.delay {
			was = schedstat{} // it began meanwhile
		}
		p.CPU += now.cpu - was.cpu
		p.RunDelay += now.delay - was.delay
	}
	p.HasSched = len(after.threads) > 0 && len(before.threads) > 0
	for pid, z := range after.zombies {
		if was, ok := before.zombies[pid]; ok && was.start == z.start {
			p.Zombies = append(p.Zombies, Zombie{PID: pid, Name: z.name})
		}
	}
	sortZombies(p.Zombies)
	if before.counted && after.counted {
		p.Goroutines = &Goroutines{First: before.running, Last: after.running}
	}
}

// allowedCPUs counts the CPUs of a process's status, 0 when it does not tell.
func allowedCPUs(status string) int {
	n := 0
	for line := range strings.Lines(status) {
		list, ok := strings.CutPrefix(line, "Cpus_allowed_list:")
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
			first, last, isRange := strings.Cut(part, "-")
			if !isRange {
				last = first
			}
			from, err := strconv.ParseUint(first, 10, 16)
			to, err2 := strconv.ParseUint(last, 10, 16)
			if err != nil || err2 != nil || to < from {
				return 0
			}
			n += int(to-from) + 1
		}
	}
	return n
}

// parseLimit reads the soft limit of open files from /proc/PID/limits; unlimited is
// none, 0.
func parseLimit(limits string) (uint64, error) {
	for line := range strings.Lines(limits) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			fields := strings.Fields(rest)
			if len(fields) < 2 {
				break
			}
			if fields[0] == "unlimited" {
				return 0, nil
			}
			return strconv.ParseUint(fields[0], 10, 63)
		}
	}
	return 0, fmt.Errorf("limits has no line of open files")
}
