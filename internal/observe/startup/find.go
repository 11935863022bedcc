package startup

import (
	"cmp"
	"slices"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The names of the rules.
const (
	ruleDied      = "failed-before-main"
	ruleThrottled = "throttled-start"
	ruleStarved   = "starved-start"
	ruleSlowInit  = "slow-init-package"
	ruleNetwork   = "init-does-network"
	ruleFiles     = "init-does-file-io"
	ruleLoader    = "slow-loader"
	ruleWaits     = "waits-on-network"
	ruleGoProxy   = "dead-goproxy"
	ruleNSS       = "nss-lookup"
	ruleQuota     = "gomaxprocs-above-quota"
	ruleMajor     = "major-faults"
	ruleGoDebug   = "godebug-set"
)

// The shares of its way to main.main from which on a start is starved, and
// throttled.
const (
	starvedShare   = 0.30
	throttledShare = 0.05
)

// Rules returns the rules by which [Find] judges a start.
func Rules() []model.Rule {
	return []model.Rule{
		{Name: ruleDied, Summary: "The process failed before main.main: in the runtime, or in a package's init."},
		{Name: ruleThrottled, Summary: "The CPU quota of its control group stopped the program for more than 5 % of the time up to main.main, or up to its first listen."},
		{Name: ruleStarved, Summary: "The program was ready to run, and no CPU took it up, for more than 30 % of the time up to main.main."},
		{Name: ruleSlowInit, Summary: "A package's init took 5 ms or more of its own, or 1 ms or more and a fifth of all time up to main.main."},
		{Name: ruleNetwork, Summary: "A package's init connected to something."},
		{Name: ruleFiles, Summary: "A package's init opened more than 20 files."},
		{Name: ruleLoader, Summary: "The dynamic loader took more than 5 ms, or more than 1 ms and read from the disk."},
		{Name: ruleWaits, Summary: "The program waited for more than a second for a connection, for an answer, or between attempts to connect, before it listened."},
		{Name: ruleGoProxy, Summary: "A go command found its GOPROXY refusing connections, or not answering for 5 s."},
		{Name: ruleNSS, Summary: "The C library looked up a user, a group or a host name before the program listened."},
		{Name: ruleQuota, Summary: "GOMAXPROCS is larger than the CPU quota allows for."},
		{Name: ruleMajor, Summary: "Pages of the program had to be read from the disk."},
		{Name: ruleGoDebug, Summary: "GODEBUG is set, or was when the program was built."},
	}
}

// judged is a finding with what it cost.
type judged struct {
	model.Finding
	cost time.Duration
}

// finder judges one start.
type finder struct {
	*Start
	toMain    Usage
	reached   bool
	ready     time.Duration // the first listen, or negative
	starved   bool
	throttled bool
	lastCall  time.Duration // when the last known system call began
	found     []judged
}

// Find judges one start by [Rules]. The findings are ordered, the most severe
// first, and of those the one that cost most time. Time that the program was
// starved or throttled is only ever named as that: what it is slow at is its own
// time, and, while it was starved or throttled, its CPU time alone, since waiting
// may have been for a thread that could not run. It neither keeps nor changes s.
func Find(s *Start) []model.Finding {
	f := &finder{Start: s, ready: -1}
	f.toMain, f.reached = s.ToMain()
	if p := s.Phase(FirstListen); p != nil {
		f.ready = max(0, p.Begin)
	}
	for _, c := range s.calls(func(*Call) bool { return true }) {
		f.lastCall = max(f.lastCall, c.Begin)
	}
	f.machine() // first: the others ask whether the machine was to blame
	f.died()
	f.packages()
	f.loader()
	if !f.goProxy() {
		f.network()
	}
	f.nss()
	f.settings()
	f.majorFaults()
	slices.SortStableFunc(f.found, func(a, b judged) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.cost, a.cost))
	})
	findings := make([]model.Finding, len(f.found))
	for i := range f.found {
		findings[i] = f.found[i].Finding
	}
	return findings
}

// Judge returns what [Find] finds in the start that these events are all of: its
// own, its phases, packages and system calls, in any order. It is nothing when the
// start's own event is not among them.
func Judge(events []*model.Event) []model.Finding {
	s, err := Read(events)
	if err != nil {
		return nil
	}
	return Find(s)
}

func (f *finder) add(rule string, severity model.Severity, cost time.Duration, evidence, remedy string) {
	f.found = append(f.found, judged{model.Finding{Rule: rule, Severity: severity, Evidence: evidence, Remedy: remedy}, cost})
}

// placed is a system call and what it was made in.
type placed struct {
	*Call
	where     string // "the init of net/http", "main"
	in        *Usage
	isPackage bool
}

// calls returns the system calls that a function chooses, in order of time. One
// that both a package and its phase list is the package's.
func (s *Start) calls(choose func(*Call) bool) []placed {
	var all []placed
	taken := make(map[Call]bool)
	collect := func(u *Usage, where string, isPackage bool) {
		for i := range u.Calls {
			c := &u.Calls[i]
			if !choose(c) || !isPackage && taken[*c] {
				continue
			}
			taken[*c] = isPackage || taken[*c]
			all = append(all, placed{c, where, u, isPackage})
		}
	}
	for i := range s.Packages {
		collect(&s.Packages[i].Usage, "the init of "+s.Packages[i].Name, true)
	}
	for i := range s.Phases {
		collect(&s.Phases[i].Usage, s.Phases[i].Name, false)
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.Begin, b.Begin) })
	return all
}
