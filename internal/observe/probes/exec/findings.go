package exec

import (
	"fmt"
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
	if f, ok := shellWrapper(e, p); ok {
		e.Findings = append(e.Findings, f)
	}
	if n := d.rates.count(p.site, i, e.Time); n > repeatsPerMinute {
		e.Findings = append(e.Findings, model.Finding{
			Rule: "repeated-command", Severity: model.SeverityWarn,
			Evidence: fmt.Sprintf("%s ran %d times within a minute from %s", path.Base(i.path), n, siteName(p.site)),
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
			Rule: "pipe-not-read", Severity: model.SeverityWarn,
			Evidence: fmt.Sprintf("blocked for at least %s writing to a full pipe (fd %d)", p.pipe.blocked.Round(time.Millisecond), p.pipe.fd),
			Remedy:   "Read the command's output while it runs: let exec.Cmd copy it (Stdout = a buffer or file), or read StdoutPipe and StderrPipe before Wait.",
		})
	}
	if zombie := zombieFor(p, reaped); zombie >= zombieAfter {
		e.Findings = append(e.Findings, model.Finding{
			Rule: "zombie", Severity: model.SeverityWarn,
			Evidence: fmt.Sprintf("a zombie for %s: its parent, pid %d, did not wait for it", zombie.Round(time.Millisecond), p.parent.pid),
			Remedy:   "Call Wait for each command that Start started, in a goroutine if need be.",
		})
	}
	if p.orphaned && p.site != nil {
		e.Findings = append(e.Findings, model.Finding{
			Rule: "orphaned", Severity: model.SeverityInfo,
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
		Rule: "killed-without-grace", Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("SIGKILL from its parent, pid %d, without a SIGTERM before: its context ended, or Process.Kill was called", p.parent.pid),
		Remedy:   "Set cmd.Cancel to send SIGTERM and cmd.WaitDelay to give the command time to clean up.",
	}, true
}

// shellWrapper recognises a Go program that runs a command line by a shell.
func shellWrapper(e *model.Event, p *process) (model.Finding, bool) {
	if p.site == nil || len(p.images) > 0 && e.Values[fieldPath].Str() != p.images[0].path {
		return model.Finding{}, false
	}
	n := 0
	shell := false
	for arg := range e.Values[fieldArgs].Strings() {
		switch {
		case n == 0:
			shell = isShell(path.Base(arg)) || isShell(e.Values[fieldName].Str())
		case shell && strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.Contains(arg, "c"):
			return model.Finding{
				Rule: "shell-wrapper", Severity: model.SeverityInfo,
				Evidence: fmt.Sprintf("%s runs a command line by %s -c", siteName(p.site), e.Values[fieldName].Str()),
				Remedy:   "Run the program itself with exec.Command: one process less, no quoting, no injection, and its own exit status.",
			}, true
		case !strings.HasPrefix(arg, "-"):
			return model.Finding{}, false
		}
		if n++; !shell || n > 4 {
			break
		}
	}
	return model.Finding{}, false
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

// rates counts, minute by minute, how often a call site runs an executable.
type rates struct {
	counts map[rateKey]int
	minute time.Time
}

type rateKey struct {
	site *callSite
	path string
}

// maxRates bounds the pairs that are counted at once.
const maxRates = 8192

func newRates() rates {
	return rates{counts: make(map[rateKey]int)}
}

// count adds a command that ended and returns how many there were in its
// minute. Commands of no known call site are not counted.
func (r *rates) count(site *callSite, i *image, at time.Time) int {
	if site == nil {
		return 0
	}
	if minute := at.Truncate(time.Minute); minute.After(r.minute) {
		clear(r.counts)
		r.minute = minute
	}
	k := rateKey{site, i.path}
	if _, ok := r.counts[k]; !ok && len(r.counts) >= maxRates {
		return 0
	}
	r.counts[k]++
	return r.counts[k]
}
