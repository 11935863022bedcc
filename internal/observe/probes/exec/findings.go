package exec

import (
	"fmt"
	"maps"
	"math/bits"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
)

const (
	// blockedAfter is how long a write to a full pipe may sleep unremarked.
	blockedAfter = time.Second
	// repeatsPerMinute is how often one call site may run one executable in a
	// minute unremarked.
	repeatsPerMinute = 100
)

// judge adds the findings about a command that ended. reaped is 0 when its
// parent has not collected it, or nobody knows when.
func (d *decoder) judge(e *model.Event, p *process, i *image, reaped uint64) {
	if p.exited {
		d.judgeEnd(e, p, reaped)
	}
	if i == &p.images[0] {
		if f, ok := shellWrapper(e, p.site); ok {
			e.Findings = append(e.Findings, f)
		}
	}
	if evidence := d.rates.count(p.site, i, e.Time); evidence != "" {
		e.Findings = append(e.Findings, model.Finding{
			Rule: ruleRepeated, Severity: model.SeverityWarn,
			Evidence: evidence,
			Remedy:   "Keep one process and feed it, batch the inputs, cache the result, or call a library instead.",
		})
	}
}

func (d *decoder) judgeEnd(e *model.Event, p *process, reaped uint64) {
	last := p.current()
	if e.Values[fieldReplacedBy].IsSet() || last == nil {
		return
	}
	if f, ok := killedWithoutGrace(p); ok {
		e.Findings = append(e.Findings, f)
	}
	if p.pipe.blocked > blockedAfter {
		e.Findings = append(e.Findings, model.Finding{
			Rule: rulePipe, Severity: model.SeverityWarn,
			Evidence: fmt.Sprintf("blocked for at least %s writing to a full pipe (fd %d)", p.pipe.blocked.Round(time.Millisecond), p.pipe.fd),
			Remedy:   "Read the command's output while it runs: let exec.Cmd copy it (Stdout = a buffer or file), or read StdoutPipe and StderrPipe before Wait.",
		})
	}
	if zombie := zombieFor(p, reaped); zombie >= zombieAfter {
		e.Findings = append(e.Findings, model.Finding{
			Rule: ruleZombie, Severity: model.SeverityWarn,
			Evidence: fmt.Sprintf("a zombie for %s: its parent, pid %d, did not wait for it", zombie.Round(time.Millisecond), p.parent.pid),
			Remedy:   "Call Wait for each command that Start started, in a goroutine if need be.",
		})
	}
	if p.orphaned && p.site != nil {
		e.Findings = append(e.Findings, model.Finding{
			Rule: ruleOrphaned, Severity: model.SeverityInfo,
			Evidence: fmt.Sprintf("outlived its parent, pid %d", p.parent.pid),
			Remedy:   "Wait for the command, or end it with its parent (SysProcAttr.Pdeathsig, a context, a process group).",
		})
	}
}

// zombieFor returns how long a process has been a zombie. Tick finishes those
// that go on being one, with the time then.
func zombieFor(p *process, reaped uint64) time.Duration {
	if reaped <= p.exitTime {
		return 0
	}
	return time.Duration(reaped - p.exitTime)
}

// killedWithoutGrace recognises what a cancelled context does to a command:
// SIGKILL by its own Go parent, and no SIGTERM or SIGINT before.
func killedWithoutGrace(p *process) (model.Finding, bool) {
	killed := p.exitCode&0x7f == uint32(unix.SIGKILL)
	if !killed || p.site == nil || p.signalPID != p.parent.pid || p.termSeen {
		return model.Finding{}, false
	}
	return model.Finding{
		Rule: ruleKilled, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("SIGKILL from its parent, pid %d, without a SIGTERM before: its context ended, or Process.Kill was called", p.parent.pid),
		Remedy:   "Set cmd.Cancel to send SIGTERM and cmd.WaitDelay to give the command time to clean up.",
	}, true
}

// shellWrapper recognises a Go program that runs a command line by a shell.
func shellWrapper(e *model.Event, site *callSite) (model.Finding, bool) {
	if site == nil {
		return model.Finding{}, false
	}
	shell := ""
	value := false // the argument belongs to the option before
	for arg := range e.Values[fieldArgs].Strings() {
		switch {
		case shell == "":
			if shell = shellName(path.Base(arg), e.Values[fieldName].Str()); shell == "" {
				return model.Finding{}, false
			}
		case value:
			value = false
		case len(arg) < 2 || arg[0] != '-' && arg[0] != '+':
			return model.Finding{}, false
		case strings.HasPrefix(arg, "--"):
		case arg[0] == '-' && strings.Contains(arg, "c"):
			return model.Finding{
				Rule: ruleShell, Severity: model.SeverityInfo,
				Evidence: site.wrapperEvidence(shell),
				Remedy:   "Run the program itself with exec.Command: one process less, no quoting, no injection, and its own exit status.",
			}, true
		default:
			value = strings.HasSuffix(arg, "o") || strings.HasSuffix(arg, "O")
		}
	}
	return model.Finding{}, false
}

// wrapperEvidence says that a call site runs a shell, which it does again and
// again, and mostly the same one.
func (s *callSite) wrapperEvidence(shell string) string {
	if s.shell != shell {
		s.shell = strings.Clone(shell)
		s.wrapper = siteName(s) + " runs a command line by " + shell + " -c"
	}
	return s.wrapper
}

// shellName returns the first of names that is a shell's: a program with many
// names is what it is called as.
func shellName(names ...string) string {
	for _, name := range names {
		if isShell(name) {
			return name
		}
	}
	return ""
}

func isShell(name string) bool {
	switch strings.TrimPrefix(name, "-") {
	case "sh", "bash", "dash", "zsh", "ash", "ksh", "mksh", "fish":
		return true
	}
	return false
}

func siteName(s *callSite) string {
	if f, ok := s.frame(); ok {
		return f.Func
	}
	return "the Go program"
}

// rates counts how often a line of code runs an executable, in minutes that
// each begin with a command.
type rates struct {
	counts map[rateKey]rate
}

type rate struct {
	since time.Time
	n     int
}

type rateKey struct {
	function string
	line     int
	path     string
}

// maxRates bounds the pairs that are counted at once.
const maxRates = 8192

func newRates() rates { return rates{counts: make(map[rateKey]rate)} }

// count adds a command that ended. When its call site ran it too often in this
// minute it says so: at the mark, and whenever the number has doubled since, so
// that a loop that spawns does not fill the view with one finding. Commands of
// no known call site are not counted.
func (r *rates) count(site *callSite, i *image, at time.Time) (evidence string) {
	frame, ok := site.frame()
	if !ok {
		return ""
	}
	k := rateKey{frame.Func, frame.Line, i.path}
	c, ok := r.counts[k]
	if !ok && len(r.counts) >= maxRates && !r.forget(at) {
		return ""
	}
	if at.Sub(c.since) >= time.Minute {
		c = rate{since: at}
	}
	c.n++
	r.counts[k] = c
	n := c.n
	if said := n - 1; said%repeatsPerMinute != 0 || bits.OnesCount(uint(said/repeatsPerMinute)) != 1 {
		return ""
	}
	return fmt.Sprintf("%s ran more than %d times within a minute from %s", path.Base(i.path), n-1, siteName(site))
}

// forget drops the pairs whose minute is over and reports whether there are
// any.
func (r *rates) forget(now time.Time) bool {
	before := len(r.counts)
	maps.DeleteFunc(r.counts, func(_ rateKey, c rate) bool { return now.Sub(c.since) >= time.Minute })
	return len(r.counts) < before
}
