package doctor

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
)

func binaryCases() []ruleCase {
	setting := func(name, value string) func(*Evidence) {
		return func(e *Evidence) { e.Binary.Settings[name] = value }
	}
	built := func(version string) func(*Evidence) {
		return func(e *Evidence) {
			e.Binary.GoVersion, e.Binary.Source = version, nil
			e.Process.Groups = nil // an old one does not follow the quota
		}
	}
	return []ruleCase{
		{"built by an old Go", "old-go", model.SeverityWarn, "built by go1.25.9, 2 major releases before " + newestGo, built("go1.25.9 X:foo")},
		{"the installed Go is newer than what is known", "old-go", model.SeverityWarn, "go1.29.1, which is installed here", changes(built("go1.27.1"), func(e *Evidence) { e.Binary.Installed = "go1.29.1" })},
		{"built by the last but one", "", 0, "", built("go1.26.0")},
		{"built by an unreleased Go", "", 0, "", built("devel go1.28-abcdef")},
		{"built before go.mod was changed", "built-with-another-go", model.SeverityWarn, "asks for go1.27.0", func(e *Evidence) { e.Binary.Source.Go = "go1.27.0" }},
		{"another Go is installed", "built-with-another-go", model.SeverityInfo, "go1.27.1 is installed", func(e *Evidence) { e.Binary.Installed = "go1.27.1" }},
		{"another patch release is installed", "", 0, "", func(e *Evidence) { e.Binary.Installed = "go1.26.2" }},
		{"it is not in its module", "", 0, "", func(e *Evidence) { e.Binary.Source, e.Binary.Installed = nil, "go1.27.1" }},
		{"race detector", "instrumented", model.SeverityWarn, "-race", setting("-race", "true")},
		{"coverage", "instrumented", model.SeverityWarn, "-cover", setting("-cover", "true")},
		{"no race detector", "", 0, "", setting("-race", "false")},
		{"no optimisations", "optimisations-off", model.SeverityWarn, "-N (no optimisations), -l (no inlining)", setting("-gcflags", "all=-N -l")},
		{"other compiler flags", "", 0, "", setting("-gcflags", "all=-d=checkptr -lang=go1.20")},
		{"uncommitted changes", "modified-source", model.SeverityInfo, "abc", changes(setting("vcs.modified", "true"), setting("vcs.revision", "abc"))},
		{"looks up users by the C library", "cgo-nss", model.SeverityInfo, "getpwnam_r", func(e *Evidence) { e.Binary.Cgo, e.Binary.NSS = true, []string{"getpwnam_r"} }},
		{"C code, and no look-ups", "", 0, "", func(e *Evidence) { e.Binary.Cgo = true }},
		{"stripped", "no-debug-info", model.SeverityInfo, "no symbol table and no DWARF", func(e *Evidence) { e.Binary.SymbolTable, e.Binary.DWARF = false, false }},
	}
}

func processCases() []ruleCase {
	process := func(change func(p *Process)) func(*Evidence) {
		return func(e *Evidence) { change(e.Process) }
	}
	seen := func(t cgroup.Throttling) func(*Evidence) {
		return process(func(p *Process) { p.Groups[0].Seen = t })
	}
	return []ruleCase{
		{"GOMAXPROCS above the quota", "gomaxprocs-above-quota", model.SeverityWarn, "the quota is 0.5 CPUs", process(func(p *Process) { p.GoMaxProcs, p.Groups[0].CPUs = "4", 0.5 })},
		{"an old runtime above the quota", "gomaxprocs-above-quota", model.SeverityWarn, "go1.24.1 does not follow", func(e *Evidence) { e.Binary.GoVersion = "go1.24.1" }},
		{"GOMAXPROCS as the quota", "", 0, "", process(func(p *Process) { p.GoMaxProcs = "2" })},
		{"GOMAXPROCS above the CPUs", "gomaxprocs-above-cpus", model.SeverityWarn, "GOMAXPROCS=16, and it may run on 4 CPUs", process(func(p *Process) { p.GoMaxProcs, p.Groups = "16", nil })},
		{"GOMAXPROCS as many as CPUs", "", 0, "", process(func(p *Process) { p.GoMaxProcs, p.Groups = "4", nil })},
		{"throttled now", "throttled", model.SeverityWarn, "stopped in 8 of 10 periods, for 400ms within 1s", seen(cgroup.Throttling{Periods: 10, Throttled: 8, Time: 400 * time.Millisecond})},
		{"throttled for a moment", "", 0, "", seen(cgroup.Throttling{Periods: 10, Throttled: 1, Time: 20 * time.Millisecond})},
		{"throttled before", "throttled", model.SeverityInfo, "300 of 1000 periods (30 %)", process(func(p *Process) {
			p.Groups[0].Total = cgroup.Throttling{Periods: 1000, Throttled: 300, Time: time.Minute}
		})},
		{"throttled in a short past", "", 0, "", process(func(p *Process) { p.Groups[0].Total = cgroup.Throttling{Periods: 20, Throttled: 10, Time: time.Second} })},
		{"ready and not running", "run-delay", model.SeverityWarn, "ran for 200ms and were ready, with no CPU to run on, for 300ms (60 % of both)", process(func(p *Process) { p.CPU, p.RunDelay = 200*time.Millisecond, 300*time.Millisecond })},
		{"idle, and late now and then", "", 0, "", process(func(p *Process) { p.CPU, p.RunDelay = time.Millisecond, 5*time.Millisecond })},
		{"descriptors run out", "descriptors", model.SeverityWarn, "900 of 1024", process(func(p *Process) { p.Descriptors = 900 })},
		{"descriptors ran out", "descriptors", model.SeverityError, "(100 %)", process(func(p *Process) { p.Descriptors = 1024 })},
		{"many descriptors of more", "", 0, "", process(func(p *Process) { p.Descriptors, p.DescriptorLimit = 5000, 1<<20 })},
		{"many threads", "many-threads", model.SeverityWarn, "700 threads", process(func(p *Process) { p.Threads = 700 })},
		{"nearly too many threads", "many-threads", model.SeverityError, "9500 threads", process(func(p *Process) { p.Threads = 9500 })},
		{"some threads", "", 0, "", process(func(p *Process) { p.Threads = 120 })},
		{"a child was not waited for", "zombies", model.SeverityWarn, "1 child has ended and was not waited for within 1s: true (8)", process(func(p *Process) { p.Zombies = []Zombie{{8, "true"}} })},
		{"many children were not", "zombies", model.SeverityWarn, "7 children have ended and were not waited for within 1s: x (0), x (0), x (0), x (0), x (0), 2 more", process(func(p *Process) {
			for range 7 {
				p.Zombies = append(p.Zombies, Zombie{0, "x"})
			}
		})},
		{"upgraded on disk", "deleted-binary", model.SeverityWarn, "another one is at /src/m", process(func(p *Process) { p.Deleted, p.Replaced = true, true })},
		{"gone from disk", "deleted-binary", model.SeverityWarn, "no longer there", process(func(p *Process) { p.Deleted = true })},
		{"goroutines grow", "goroutine-growth", model.SeverityWarn, "900 goroutines, and 2000 after 1s", process(func(p *Process) { p.Goroutines.Last = 2000 })},
		{"goroutines of many grow a little", "", 0, "", process(func(p *Process) { p.Goroutines = &Goroutines{50000, 52000} })},
		{"GODEBUG in the process", "godebug-process", model.SeverityInfo, "asyncpreemptoff=1 lets a loop", process(func(p *Process) { p.GoDebug = "asyncpreemptoff=1" })},
	}
}

func memoryCases() []ruleCase {
	process := func(change func(p *Process)) func(*Evidence) {
		return func(e *Evidence) { change(e.Process) }
	}
	return []ruleCase{
		{"GOMEMLIMIT above the limit", "gomemlimit", model.SeverityWarn, "GOMEMLIMIT=2GiB is 2048 MiB, and its control group /app may use 1024 MiB", process(func(p *Process) { p.GoMemLimit = "2GiB" })},
		{"no GOMEMLIMIT", "gomemlimit", model.SeverityInfo, "GOMEMLIMIT is not set", process(func(p *Process) { p.GoMemLimit = "" })},
		{"no GOMEMLIMIT, and much in use", "gomemlimit", model.SeverityWarn, "GOMEMLIMIT is off", process(func(p *Process) { p.GoMemLimit, p.Memory.Used = "off", 700<<20 })},
		{"no GOMEMLIMIT, a module sets it", "", 0, "", func(e *Evidence) {
			e.Process.GoMemLimit, e.Binary.Modules = "", []string{"github.com/KimMachineGun/automemlimit"}
		}},
		{"no GOMEMLIMIT, and no limit", "", 0, "", process(func(p *Process) { p.GoMemLimit, p.Memory = "", Memory{} })},
		{"no collection", "gogc-off", model.SeverityWarn, "nothing is ever collected", process(func(p *Process) { p.GoGC, p.GoMemLimit, p.Memory = "off", "", Memory{} })},
		{"no collection below a limit", "", 0, "", process(func(p *Process) { p.GoGC = "off" })},
		{"memory nearly used up", "memory-near-limit", model.SeverityError, "(95 %)", process(func(p *Process) { p.Memory.Used = 973 << 20 })},
		{"killed before", "oom-kills", model.SeverityWarn, "killed 2 processes", process(func(p *Process) { p.Memory.OOMKills = 2 })},
	}
}
