package startup

import (
	"fmt"
	"go/version"
	"math"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

// machine finds what the program cannot help.
func (f *finder) machine() {
	until := "main.main"
	if !f.reached {
		until = "the end of what was seen"
	}
	starved, throttled := f.toMain.shares()
	if starved > starvedShare {
		f.starved = true
		delay := max(0, f.toMain.RunDelay-f.toMain.Throttled)
		f.add(ruleStarved, model.SeverityWarn, delay,
			fmt.Sprintf("ready to run, and not running, for %s of the %s from exec to %s (%s)", short(delay), short(f.toMain.Duration), until, percent(starved)),
			"The machine was busy, not the program: start it when less else runs, give it more CPU (requests, weight, a larger machine), and start fewer programs at once.")
	}
	span, share := f.toMain, throttled
	if f.ready > 0 {
		whole, seen := f.between(f.ready)
		if whole.Duration = f.ready; seen > 0 {
			if _, s := whole.shares(); s > share {
				span, share, until = whole, s, "the first listen"
			}
		}
	}
	if share <= throttledShare {
		return
	}
	f.throttled = true
	evidence := fmt.Sprintf("throttled for %s of the %s from exec to %s (%s)", short(span.held()), short(span.Duration), until, percent(share))
	if f.Facts.Throttles > 0 {
		evidence += ", " + counted(uint64(f.Facts.Throttles), "time", "times")
	}
	if f.Facts.Quota > 0 {
		evidence += ", by a quota of " + cpus(f.Facts.Quota)
	}
	f.add(ruleThrottled, model.SeverityWarn, span.held(), evidence,
		"The CPU limit of its control group stopped the program: raise it (limits.cpu, cpu.max), at least while it starts, or remove it and set a weight.")
}

// died finds that the process failed before main.main, which is seen if its start
// was seen from the beginning on.
func (f *finder) died() {
	if !f.Exit.failed() || f.Phase(Main) != nil || f.toMain.Duration == 0 || f.Lost > 0 {
		return
	}
	where := "the runtime"
	for i := range f.Phases {
		if p := &f.Phases[i]; p.Duration > 0 {
			where = p.Name
		}
	}
	if n := len(f.Packages); n > 0 {
		where = "the init of " + f.Packages[n-1].Name
	}
	how := fmt.Sprintf("exit status %d", f.Exit.Code)
	if f.Exit.Signal != 0 {
		how = fmt.Sprintf("signal %d", f.Exit.Signal)
	}
	f.add(ruleDied, model.SeverityError, f.Duration, fmt.Sprintf("it ended with %s in %s, %s after exec", how, where, short(f.toMain.Duration)),
		"Read what the program wrote to standard error. Return errors from main instead of ending the process in init.")
}

// failed reports whether a process ended by its own fault: not in success, and
// not because somebody asked it to.
func (e *Exit) failed() bool {
	const hangUp, interrupt, terminate = 1, 2, 15
	return e != nil && (e.Code != 0 || e.Signal != 0) && e.Signal != hangUp && e.Signal != interrupt && e.Signal != terminate
}

// settings finds GODEBUG and GOMAXPROCS.
func (f *finder) settings() {
	facts := &f.Facts
	var parts []string
	if facts.GoDebug != "" {
		parts = append(parts, "the environment has GODEBUG="+clipped(facts.GoDebug))
	}
	// What the program was built with follows from go.mod, and nearly every one
	// has some: alone it is not worth a line.
	if facts.DefaultGoDebug != "" && len(parts) > 0 {
		parts = append(parts, "the program was built with "+clipped(facts.DefaultGoDebug))
	}
	if len(parts) > 0 {
		f.add(ruleGoDebug, model.SeverityInfo, 0, strings.Join(parts, "; "),
			"Nothing, if it is meant. Else unset GODEBUG; what the program was built with follows from the go line and the godebug lines of go.mod, and from //go:debug.")
	}
	if facts.Quota <= 0 {
		return
	}
	procs, why := f.procs()
	if limit := max(2, int(math.Ceil(min(facts.Quota, math.MaxInt32)))); procs > limit {
		f.add(ruleQuota, model.SeverityWarn, 0,
			fmt.Sprintf("%d goroutines may run at once (%s), and the quota is %s", procs, why, cpus(facts.Quota)),
			fmt.Sprintf("Set GOMAXPROCS=%d, or build with Go 1.25 or later, whose runtime follows the quota, and leave GOMAXPROCS unset: with more the garbage collector and bursts use up the quota, and all threads stop until the next period.", limit))
	}
}

// cpus renders a number of CPUs that need not be whole.
func cpus(n float64) string {
	text := fmt.Sprintf("%.4g", n)
	if text == "1" {
		return "1 CPU"
	}
	return text + " CPUs"
}

// procs returns GOMAXPROCS as far as it does not follow the quota, else 0.
func (f *finder) procs() (n int, why string) {
	facts := &f.Facts
	if facts.GoMaxProcs > 0 {
		return facts.GoMaxProcs, fmt.Sprintf("GOMAXPROCS=%d", facts.GoMaxProcs)
	}
	built, _, _ := strings.Cut(f.GoVersion, " ")
	switch {
	case !version.IsValid(built):
		return 0, ""
	case version.Compare(built, "go1.25") < 0:
		return facts.CPUs, fmt.Sprintf("%d CPUs; %s does not follow the quota", facts.CPUs, built)
	case ignoresQuota(facts):
		return facts.CPUs, fmt.Sprintf("%d CPUs; containermaxprocs=0 in GODEBUG", facts.CPUs)
	}
	return 0, ""
}

// ignoresQuota reports whether GODEBUG tells the runtime not to follow the quota.
// Of several settings the last counts, and the environment goes before the build.
func ignoresQuota(facts *Facts) bool {
	settings := strings.Split(facts.DefaultGoDebug+","+facts.GoDebug, ",")
	slices.Reverse(settings)
	for _, setting := range settings {
		if name, value, _ := strings.Cut(strings.TrimSpace(setting), "="); name == "containermaxprocs" {
			return value == "0"
		}
	}
	return false
}

// majorFaults finds what was read from the disk, but for the loader's part.
func (f *finder) majorFaults() {
	faults := f.toMain.MajorFaults
	loader := f.Phase(Loader)
	if loader != nil {
		faults -= min(faults, loader.MajorFaults)
	}
	if faults == 0 {
		return
	}
	most, where := uint64(0), ""
	consider := func(u *Usage, name string) {
		if u.MajorFaults > most {
			most, where = u.MajorFaults, name
		}
	}
	for i := range f.Packages {
		consider(&f.Packages[i].Usage, "the init of "+f.Packages[i].Name)
	}
	for i := range f.Phases {
		if p := &f.Phases[i]; p.Name != PackageInits && p.Name != Main && p.Name != Loader {
			consider(&p.Usage, p.Name)
		}
	}
	evidence := counted(faults, "page fault", "page faults") + " before main.main needed the disk"
	if where != "" {
		if faults == 1 {
			evidence += ", in " + where
		} else {
			evidence += fmt.Sprintf(", %d of them in %s", most, where)
		}
	}
	f.add(ruleMajor, model.SeverityInfo, 0, evidence,
		"The executable was not in memory yet: a second start is faster. Keep it on a fast disk, strip it (-ldflags=-s), and warm it up before it is needed.")
}

// clipped returns the beginning of a text that is too long to show.
func clipped(text string) string {
	const most = 200
	if text = strings.ToValidUTF8(text, "?"); len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
