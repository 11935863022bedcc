package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// The thresholds of the rules about processes.
const (
	// throttledShare is of the interval, as for starts (package startup), and
	// throttledPast of all periods of a group since it was made, of pastPeriods at
	// least: 10 s with periods of 100 ms.
	throttledShare = 0.05
	throttledPast  = 0.25
	pastPeriods    = 100
	// delayShare is of the time in which threads ran or were ready, as for starts;
	// delayLeast is the time ready, of the interval, below which it matters to nobody.
	delayShare = 0.30
	delayLeast = 0.10
	// descriptorsWarn and descriptorsError are of the limit.
	descriptorsWarn, descriptorsError = 0.80, 0.95
	// manyThreads is far beyond what GOMAXPROCS and the runtime's own need;
	// threadsError is of maxThreads, at which the runtime ends the program: the
	// default of debug.SetMaxThreads.
	manyThreads  = 500
	maxThreads   = 10000
	threadsError = 0.90
	// growthLeast and growthShare are those of package gotrace.
	growthLeast = 1000
	growthShare = 0.50
)

func processRules() []Rule {
	return []Rule{
		{"gomaxprocs-above-quota", ScopeProcess, model.SeverityWarn, "GOMAXPROCS is larger than the CPU quota allows for.", quotaRule},
		{"gomaxprocs-above-cpus", ScopeProcess, model.SeverityWarn, "GOMAXPROCS is larger than the number of CPUs that the process may run on.", aboveCPUs},
		{"throttled", ScopeProcess, model.SeverityWarn, "The CPU quota stopped the process for more than 5 % of the interval, or in a quarter of all periods before.", throttled},
		{"run-delay", ScopeProcess, model.SeverityWarn, "Its threads were ready, and no CPU took them up.", runDelay},
		{"descriptors", ScopeProcess, model.SeverityError, "80 % of the file descriptors that it may have are open.", descriptors},
		{"many-threads", ScopeProcess, model.SeverityError, "It has 500 threads or more.", threads},
		{"zombies", ScopeProcess, model.SeverityWarn, "Children have ended and were not waited for.", zombies},
		{"deleted-binary", ScopeProcess, model.SeverityWarn, "The file that it runs is gone, or was replaced.", deletedBinary},
		{"goroutine-growth", ScopeProcess, model.SeverityWarn, "There were 1,000 goroutines more at the end of the interval, and half as many again.", goroutineGrowth},
		{"godebug-process", ScopeProcess, model.SeverityInfo, "GODEBUG is set in its environment.", goDebugProcess},
	}
}

// start returns what package startup judges settings by.
func start(ev *Evidence) *startup.Start {
	p, s := ev.Process, &startup.Start{}
	s.Facts.GoDebug, s.Facts.CPUs = p.GoDebug, p.CPUs
	s.Facts.GoMaxProcs, _ = strconv.Atoi(p.GoMaxProcs)
	if g := p.narrowest(); g != nil {
		s.Facts.Quota = g.CPUs
	}
	if ev.Binary != nil {
		s.GoVersion, s.Facts.DefaultGoDebug = ev.Binary.GoVersion, ev.Binary.Settings["DefaultGODEBUG"]
	}
	return s
}

// startupFinding asks a rule of package startup.
func startupFinding(s *startup.Start, rule string) []model.Finding {
	return slices.DeleteFunc(startup.Find(s), func(f model.Finding) bool { return f.Rule != rule })
}

// narrowest returns the group with the smallest quota, nil when there is none.
func (p *Process) narrowest() *QuotaGroup {
	var least *QuotaGroup
	for i := range p.Groups {
		if g := &p.Groups[i]; least == nil || g.CPUs < least.CPUs {
			least = g
		}
	}
	return least
}

func quotaRule(ev *Evidence) []model.Finding {
	if ev.Process.GoMaxProcs == "" && ev.Binary != nil && slices.Contains(ev.Binary.Modules, "go.uber.org/automaxprocs") {
		return nil // it follows the quota by that module
	}
	if !ev.Process.HasEnvironment {
		return nil // GOMAXPROCS may be there
	}
	return startupFinding(start(ev), "gomaxprocs-above-quota")
}

func aboveCPUs(ev *Evidence) []model.Finding {
	p := ev.Process
	n, err := strconv.Atoi(p.GoMaxProcs)
	if err != nil || p.CPUs == 0 || n <= p.CPUs {
		return nil
	}
	return one(model.SeverityWarn, fmt.Sprintf("GOMAXPROCS=%d, and it may run on %s: %d threads run Go code and take turns", n, cpus(float64(p.CPUs)), n),
		fmt.Sprintf("Unset GOMAXPROCS, or set it to %d: goroutines that seem to run wait for a CPU, where no trace shows it, and so do locks and the garbage collector that they hold up.", p.CPUs))
}

func throttled(ev *Evidence) []model.Finding {
	p := ev.Process
	const remedy = "Raise the CPU limit (limits.cpu, cpu.max), or remove it and set a weight. With Go before 1.25 set GOMAXPROCS to the quota, rounded up."
	for _, g := range p.Groups {
		if t := g.Seen; p.Interval > 0 && t.Throttled > 0 && float64(t.Time) > throttledShare*float64(p.Interval) {
			return one(model.SeverityWarn, fmt.Sprintf("its control group %s was stopped in %d of %s, for %s within %s (summed over CPUs), by a quota of %s",
				clipped(g.Path), t.Throttled, counted(t.Periods, "period", "periods"), short(t.Time), short(p.Interval), cpus(g.CPUs)), remedy)
		}
	}
	for _, g := range p.Groups {
		if t := g.Total; t.Periods >= pastPeriods && float64(t.Throttled) >= throttledPast*float64(t.Periods) {
			return one(model.SeverityInfo, fmt.Sprintf("not while it was looked at, but since its control group %s was made that was stopped in %d of %d periods (%s), for %s",
				clipped(g.Path), t.Throttled, t.Periods, percent(float64(t.Throttled), float64(t.Periods)), short(t.Time)), remedy)
		}
	}
	return nil
}

func runDelay(ev *Evidence) []model.Finding {
	p := ev.Process
	delay := p.RunDelay
	for _, g := range p.Groups {
		// Threads of a group that is throttled are ready, too.
		if g.Seen.Throttled > 0 {
			return nil
		}
	}
	if !p.HasSched || p.Interval <= 0 || float64(delay) < delayLeast*float64(p.Interval) || float64(delay) < delayShare*float64(p.CPU+delay) {
		return nil
	}
	return one(model.SeverityWarn, fmt.Sprintf("within %s its threads ran for %s and were ready, with no CPU to run on, for %s (%s of both)",
		short(p.Interval), short(p.CPU), short(delay), percent(float64(delay), float64(p.CPU+delay))),
		"The machine is busy, or GOMAXPROCS is above its CPUs: give the process a larger share (CPU requests, weight), or run less beside it. Requests are late by that much for no fault of the program.")
}

func descriptors(ev *Evidence) []model.Finding {
	p := ev.Process
	if p.DescriptorLimit == 0 {
		return nil
	}
	share := float64(p.Descriptors) / float64(p.DescriptorLimit)
	if share < descriptorsWarn {
		return nil
	}
	severity := model.SeverityWarn
	if share >= descriptorsError {
		severity = model.SeverityError
	}
	return one(severity, fmt.Sprintf("%d of %d file descriptors are open (%s)", p.Descriptors, p.DescriptorLimit, percent(share, 1)),
		"Look for what is not closed (response bodies, files, idle connections: ls -l /proc/PID/fd), then raise the limit (LimitNOFILE, ulimit -n): at the limit accept and open fail with EMFILE.")
}

func threads(ev *Evidence) []model.Finding {
	n := ev.Process.Threads
	if n < manyThreads {
		return nil
	}
	severity := model.SeverityWarn
	if float64(n) >= threadsError*maxThreads {
		severity = model.SeverityError
	}
	return one(severity, fmt.Sprintf("%d threads; at %d the runtime ends the program, unless debug.SetMaxThreads says otherwise", n, maxThreads),
		"Goroutines are blocked where the runtime has to give each a thread: in system calls (files on a slow disk or network), in C code, in look-ups by the C library. Bound how many do that at once. Threads are not given back.")
}

func zombies(ev *Evidence) []model.Finding {
	p := ev.Process
	if len(p.Zombies) == 0 {
		return nil
	}
	const shown = 5
	var names []string
	for _, z := range p.Zombies[:min(len(p.Zombies), shown)] {
		names = append(names, fmt.Sprintf("%s (%d)", clipped(z.Name), z.PID))
	}
	if more := len(p.Zombies) - shown; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return one(model.SeverityWarn, fmt.Sprintf("%s ended and %s not waited for within %s: %s", counted(uint64(len(p.Zombies)), "child has", "children have"),
		map[bool]string{true: "was", false: "were"}[len(p.Zombies) == 1], short(p.Interval), strings.Join(names, ", ")),
		"Call Wait after each exec.Cmd.Start, also when what came between fails. A program that is process 1 of a container also has to collect what others left behind: start it under an init (docker run --init).")
}

func deletedBinary(ev *Evidence) []model.Finding {
	p := ev.Process
	if !p.Deleted {
		return nil
	}
	if p.Replaced {
		return one(model.SeverityWarn, "it runs a file that was replaced: another one is at "+p.Exe+" now",
			"Restart it: what was installed, and what it fixes, does not run yet.")
	}
	return one(model.SeverityWarn, "it runs "+p.Exe+", which is no longer there",
		"Install the program again: the process cannot be started a second time, nor upgrade itself.")
}

func goroutineGrowth(ev *Evidence) []model.Finding {
	p, g := ev.Process, ev.Process.Goroutines
	if g == nil {
		return nil
	}
	grown := g.Last - g.First
	if grown < growthLeast || float64(grown) < growthShare*float64(g.First) {
		return nil
	}
	return one(model.SeverityWarn, fmt.Sprintf("%d goroutines, and %d after %s", g.First, g.Last, short(p.Interval)),
		"Compare two profiles to see where they wait: go tool pprof -diff_base. Give each goroutine an end: a context, a closed channel, a timeout. Bound how many are started for what comes in.")
}

func goDebugProcess(ev *Evidence) []model.Finding {
	built := ""
	if ev.Binary != nil {
		built = ev.Binary.Settings["DefaultGODEBUG"]
	}
	return goDebugFinding(ev.Process.GoDebug, built, "")
}

// goDebugFinding adds to what package startup says of GODEBUG what the settings in it
// cost. Those of schedtrace were measured: with 1, that is 1,000 lines a second, the
// CPU time of a start rose from 106-119 to 121-155 ms, and the delay of goroutines
// did not change; with 1000 nothing was to be seen.
func goDebugFinding(value, built, goVersion string) []model.Finding {
	s := &startup.Start{GoVersion: goVersion}
	s.Facts.GoDebug, s.Facts.DefaultGoDebug = value, built
	found := startupFinding(s, "godebug-set")
	if len(found) == 0 {
		return nil
	}
	var costs []string
	for setting := range strings.SplitSeq(value, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(setting), "=")
		if cost := debugCost(name, v); cost != "" && v != "" {
			costs = append(costs, name+"="+clipped(v)+" "+cost)
		}
	}
	if len(costs) > 0 {
		found[0].Evidence += "; " + strings.Join(costs, "; ")
	}
	return found
}

// debugCost says what a setting of GODEBUG does to a program, as far as that is
// known: see `go doc runtime`.
func debugCost(name, value string) string {
	const seldom = 100 * time.Millisecond
	switch name {
	case "schedtrace":
		every, err := strconv.Atoi(value)
		switch {
		case err != nil || every <= 0:
			return ""
		case time.Duration(every)*time.Millisecond >= seldom:
			return "costs nothing that can be measured: its unit is milliseconds"
		}
		return fmt.Sprintf("writes a line every %d ms; with 1 a start took 14 to 30 %% more CPU, and goroutines were no later", every)
	case "scheddetail":
		return "makes each report of schedtrace many lines"
	case "inittrace":
		return "writes a line for each package at the start, and nothing later"
	case "gctrace":
		return "writes a line for each garbage collection"
	case "gcstoptheworld":
		return "stops all goroutines while the garbage collector marks"
	case "asyncpreemptoff":
		return "lets a loop without calls hold up stops of the world, and so all goroutines"
	case "clobberfree", "gccheckmark":
		return "is for debugging the garbage collector, and slow"
	case "http2debug":
		return "logs each HTTP/2 connection, with 2 each frame"
	}
	return ""
}
