package startup

import (
	"fmt"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

const (
	// slowInit is from when on an init is slow by itself; slowInitLeast when it
	// is slowInitShare of the way to main.main.
	slowInit      = 5 * time.Millisecond
	slowInitLeast = time.Millisecond
	slowInitShare = 0.20
	// manyOpens is how many files an init may open unremarked.
	manyOpens = 20
	// slowLoader is from when on the loader is slow by itself; slowLoaderLeast
	// when it reads from the disk.
	slowLoader      = 5 * time.Millisecond
	slowLoaderLeast = time.Millisecond
)

func (f *finder) packages() {
	for i := range f.Packages {
		p := &f.Packages[i]
		f.slowPackage(p)
		f.packageConnects(p, f.elsewhere(p))
		f.packageOpens(p)
	}
}

// blamed returns how much of an interval is the program's own doing: while it was
// starved or throttled its CPU time alone.
func (f *finder) blamed(u *Usage) time.Duration {
	if f.starved || f.throttled {
		return min(u.CPU, u.Duration)
	}
	return u.Own()
}

// slowPackage finds an init that takes long by itself. The share counts where all
// time up to main.main is known, and is the program's.
func (f *finder) slowPackage(p *Package) {
	own, whole := f.blamed(&p.Usage), f.toMain.Own()
	large := f.reached && !f.starved && !f.throttled && own >= slowInitLeast && float64(own) >= slowInitShare*float64(whole)
	if own < slowInit && !large {
		return
	}
	evidence := fmt.Sprintf("the init of %s took %s", p.Name, short(own))
	if f.reached && whole > 0 {
		evidence += fmt.Sprintf(", %s of the program's own %s up to main.main", percent(min(1, float64(own)/float64(whole))), short(whole))
	}
	remedy := "Do at first use what not every start needs: sync.OnceValue instead of a variable's initializer, and generate tables when building."
	spins, waits := p.CPU, min(p.OffCPU, own)
	if f.starved || f.throttled {
		waits = 0 // it is not blamed for that
	}
	switch {
	case p.Unknown: // what it was made of
	case spins >= 2*waits:
		evidence += fmt.Sprintf(": it computes (%s on a CPU, %s waiting)", short(spins), short(waits))
	case waits >= 2*spins:
		evidence += fmt.Sprintf(": it sleeps or waits (%s waiting, %s on a CPU)", short(waits), short(spins))
		remedy = "An init has nothing to wait for: connect, read and sleep in main, with a context, and next to other work."
	default:
		evidence += fmt.Sprintf(": %s on a CPU, %s waiting", short(spins), short(waits))
	}
	if p.HasSyscalls && p.Syscalls > 0 {
		evidence += fmt.Sprintf(", %s for %s", counted(p.Syscalls, "system call", "system calls"), short(p.SyscallTime))
	}
	f.add(ruleSlowInit, model.SeverityWarn, own, evidence, remedy)
}

// elsewhere returns the system calls that other threads made while the init of a
// package ran: they are told of the phase.
func (f *finder) elsewhere(p *Package) []*Call {
	phase := f.Phase(PackageInits)
	if phase == nil {
		return nil
	}
	var calls []*Call
	for i := range phase.Calls {
		if c := &phase.Calls[i]; c.Begin >= p.Begin && c.Begin < p.End() {
			calls = append(calls, c)
		}
	}
	return calls
}

func (f *finder) packageConnects(p *Package, elsewhere []*Call) {
	n, total := 0, time.Duration(0)
	var first *Call
	own := false
	consider := func(c *Call, isOwn bool) {
		// The name service cache is a look-up: see nss.
		if c.Name != "connect" || isNSCD(c) {
			return
		}
		n += c.Times()
		total += c.Duration
		if first == nil || c.Begin < first.Begin {
			first, own = c, isOwn
		}
	}
	for i := range p.Calls {
		consider(&p.Calls[i], true)
	}
	for _, c := range elsewhere {
		consider(c, false)
	}
	if n == 0 {
		return
	}
	who := "the init of " + p.Name
	if !own {
		who = "during " + who + " another thread"
	}
	evidence := fmt.Sprintf("%s connects to %s%s", who, orSomething(first.Operand), outcome(first))
	if n > 1 {
		evidence += fmt.Sprintf(", the first of %d connects", n)
	}
	f.add(ruleNetwork, model.SeverityWarn, max(total, p.Own()),
		evidence+fmt.Sprintf("; the init took %s", short(p.Own())),
		"Connect in main or at first use, with a timeout: an init cannot return an error, and the whole program waits for it.")
}

func (f *finder) packageOpens(p *Package) {
	n, failed, total := 0, 0, time.Duration(0)
	var longest *Call
	for i := range p.Calls {
		c := &p.Calls[i]
		if !isOpen(c) {
			continue
		}
		n++
		total += c.Duration
		if c.Result < 0 {
			failed++
		}
		if longest == nil || c.Duration > longest.Duration {
			longest = c
		}
	}
	if n <= manyOpens {
		return
	}
	evidence := fmt.Sprintf("the init of %s opens at least %d files", p.Name, n)
	if failed > 0 {
		evidence += fmt.Sprintf(" (%d could not be opened)", failed)
	}
	f.add(ruleFiles, model.SeverityWarn, max(total, p.Own()),
		evidence+fmt.Sprintf(" in %s; the longest took %s: %s", short(total), short(longest.Duration), orSomething(longest.Operand)),
		"Embed the files (package embed), or read them in main or at first use: on a cold or remote disk each may take milliseconds.")
}

func (f *finder) loader() {
	p := f.Phase(Loader)
	if p == nil {
		return
	}
	own := f.blamed(&p.Usage)
	// What it waits for is the disk, whoever else is busy.
	if p.MajorFaults > 0 && !f.throttled {
		own = p.Own()
	}
	if own <= slowLoader && (p.MajorFaults == 0 || own < slowLoaderLeast) {
		return
	}
	libraries := 0
	for i := range p.Calls {
		if c := &p.Calls[i]; isOpen(c) && c.Result >= 0 && strings.Contains(c.Operand, ".so") && !strings.HasSuffix(c.Operand, "ld.so.cache") {
			libraries++
		}
	}
	evidence := fmt.Sprintf("%s from exec to the program's first instruction, %d minor and %s", short(own), p.MinorFaults, counted(p.MajorFaults, "major page fault", "major page faults"))
	if libraries > 0 {
		evidence += fmt.Sprintf(", %s opened", counted(uint64(libraries), "shared library", "shared libraries"))
	}
	f.add(ruleLoader, model.SeverityWarn, own, evidence,
		"Link statically (CGO_ENABLED=0) and without PIE where that is allowed, link fewer shared libraries, and keep the executable in memory or on a fast disk.")
}

func isOpen(c *Call) bool {
	return c.Name == "open" || c.Name == "openat" || c.Name == "openat2"
}

func orSomething(operand string) string {
	if operand == "" {
		return "an unknown place"
	}
	return clipped(operand)
}
