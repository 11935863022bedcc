package startup

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"path"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

const (
	// longWait is from when on waiting for the network is remarked, silence from
	// when on a proxy of modules is called silent.
	longWait = time.Second
	silence  = 5 * time.Second
	// soonAfter is within which time of its connect a command fails that was
	// refused.
	soonAfter = time.Second
	// manyAttempts is from how many connects to one address on they are attempts,
	// between which the program waits.
	manyAttempts = 3
	// slowLookup is from when on look-ups of the C library are worth a warning.
	slowLookup = 5 * time.Millisecond
)

// The results of connect that findings tell apart: negative errnos, which all
// architectures of Linux that Go programs are observed on share.
const (
	inProgress = -115
	refused    = -111
	timedOut   = -110
	noRoute    = -113
	noNetwork  = -101
)

// outcome says how a connect ended, as the end of a sentence.
func outcome(c *Call) string {
	switch {
	case c.Result == refused:
		return " (refused)"
	case c.Result == timedOut:
		return " (timed out)"
	case c.Result == noRoute || c.Result == noNetwork:
		return " (unreachable)"
	case c.Result < 0 && c.Result != inProgress:
		return fmt.Sprintf(" (failed, errno %d)", -c.Result)
	}
	return ""
}

// network finds the longest wait for a connection, after one was begun, or
// between attempts.
func (f *finder) network() {
	connects := f.calls(func(c *Call) bool {
		return c.Name == "connect" && !isNSCD(c) && (f.ready < 0 || c.Begin < f.ready)
	})
	var longest placed
	wait, how := longWait, ""
	for i, c := range connects {
		next := time.Duration(math.MaxInt64)
		switch {
		case c.Times() > 1:
			// When the next of them began is not known.
			next = 0
		case i+1 < len(connects):
			next = connects[i+1].Begin
		}
		if w := f.waited(&c, next); w > wait {
			longest, wait = c, w
			how = fmt.Sprintf("waited %s after %s connected to %s%s", short(w), c.where, orSomething(c.Operand), outcome(c.Call))
		}
	}
	if a := mostAttempts(connects); a.idle() > wait {
		longest, wait = a.first, a.idle()
		how = fmt.Sprintf("%s connected %d times within %s to %s%s, and did little else", longest.where, a.n, short(a.span()), orSomething(longest.Operand), outcome(longest.Call))
	}
	if longest.Call == nil {
		return
	}
	severity, listens := model.SeverityWarn, "; it listens after "+short(f.ready)
	if f.ready < 0 {
		// It may be a program that never does, and has nothing to do.
		severity, listens = model.SeverityInfo, "; it has not listened"
	}
	f.add(ruleWaits, severity, wait, fmt.Sprintf("%s, %s after exec%s", how, short(longest.Begin), listens),
		"Listen first and say not ready until the other side is there, or connect next to other work; give each connect and each request a timeout, and look at that address.")
}

// attempts are connects to one address that failed at once, or went on by
// themselves: of one that does not block it is not known how it ended.
type attempts struct {
	first placed
	last  time.Duration // when the last began
	n     int
}

func (a *attempts) span() time.Duration {
	if a.n < manyAttempts {
		return 0
	}
	return a.last - a.first.Begin
}

// idle is how much of it was waiting, at least.
func (a *attempts) idle() time.Duration {
	if a.n < manyAttempts || a.first.in.Unknown {
		return 0
	}
	return a.span() - a.first.in.CPU - a.first.in.RunDelay
}

// mostAttempts returns the attempts at one address that went on for longest.
func mostAttempts(connects []placed) (most attempts) {
	byAddress := make(map[string]attempts)
	for _, c := range connects {
		if c.Operand == "" || c.Result >= 0 {
			continue
		}
		a := byAddress[c.Operand]
		if a.n == 0 {
			a.first = c
		}
		a.n += c.Times()
		a.last = c.Begin
		byAddress[c.Operand] = a
		if a.span() > most.span() {
			most = a
		}
	}
	return most
}

// waited returns for how long the program waited for a connect, at least: as long
// as that took, or, of one that goes on by itself, until something else happened,
// without all time on a CPU or ready for one.
func (f *finder) waited(c *placed, next time.Duration) time.Duration {
	after := c.Begin + c.Duration
	if c.Duration > longWait {
		return c.Duration
	}
	if c.in.Unknown {
		// It may have computed all the time.
		return 0
	}
	if c.Result != inProgress && !isDNS(c.Operand) {
		return 0
	}
	if f.ready < 0 && !c.isPackage && f.lastCall > after+soonAfter {
		// It never listens, and went on: a program that works.
		return 0
	}
	until := min(next, c.in.End())
	if f.ready > after {
		until = min(until, f.ready)
	}
	return max(0, until-after-c.in.CPU-c.in.RunDelay)
}

// goProxy finds that a go command cannot reach its proxy, and reports whether it
// did.
func (f *finder) goProxy() bool {
	if !f.isGoCommand() {
		return false
	}
	connects := f.calls(func(c *Call) bool { return c.Name == "connect" && f.isProxy(c.Operand) })
	if len(connects) == 0 {
		return false
	}
	severity, failed := model.SeverityWarn, f.Exit.failed()
	if failed {
		severity = model.SeverityError
	}
	last := connects[len(connects)-1]
	to, end := "the GOPROXY "+last.Operand, last.Begin+last.Duration
	if n := times(connects); n > 1 {
		to += fmt.Sprintf(" (%d connects)", n)
	}
	after := max(0, f.Duration-end)
	quiet := f.Duration - max(end, f.lastCall)
	evidence := ""
	switch {
	case last.Result < 0 && last.Result != inProgress:
		evidence = fmt.Sprintf("connecting to %s failed%s, %s after exec", to, outcome(last.Call), short(last.Begin))
	case failed && last.Result == inProgress && after <= soonAfter:
		evidence = fmt.Sprintf("the command failed %s after it connected to %s: that refused, or had no useful answer", short(after), to)
	case quiet >= silence && !last.in.Unknown && last.in.CPU < quiet/2:
		evidence = fmt.Sprintf("nothing happened for %s after it connected to %s: the proxy is silent", short(quiet), to)
	default:
		return false
	}
	f.add(ruleGoProxy, severity, after, evidence,
		"Start the proxy, or set GOPROXY to one that answers, to direct, or to off with all modules in the cache (go mod download) or vendored.")
	return true
}

// times returns how many calls a list stands for.
func times(calls []placed) int {
	n := 0
	for _, c := range calls {
		n += c.Times()
	}
	return n
}

func (f *finder) isGoCommand() bool {
	return path.Base(f.Exe) == "go" || len(f.Command) > 0 && path.Base(f.Command[0]) == "go"
}

// isProxy reports whether an address may be one of the GOPROXY hosts: a name may
// be any address with the same port.
func (f *finder) isProxy(operand string) bool {
	host, port, err := net.SplitHostPort(operand)
	if err != nil {
		return false
	}
	for _, proxy := range f.Facts.GoProxy {
		h, p, err := net.SplitHostPort(proxy)
		if err != nil {
			h, p = strings.Trim(proxy, "[]"), "443"
		}
		if p != port {
			continue
		}
		want, notIP := netip.ParseAddr(h)
		is, err := netip.ParseAddr(host)
		if notIP != nil || err == nil && want.Unmap() == is.Unmap() {
			return true
		}
	}
	return false
}

// isDNS reports whether an address is a name server's.
func isDNS(operand string) bool {
	_, port, err := net.SplitHostPort(operand)
	return err == nil && port == "53"
}

// nss finds look-ups by the C library before the program listens. That Go's own
// resolver reads nsswitch.conf too is no sign of it, unless the C library is
// there.
func (f *finder) nss() {
	libc := len(f.calls(func(c *Call) bool {
		name := path.Base(c.Operand)
		return isOpen(c) && (strings.HasPrefix(name, "libc.so") || strings.HasPrefix(name, "ld-musl"))
	})) > 0
	certain := false
	calls := f.calls(func(c *Call) bool {
		if f.ready >= 0 && c.Begin >= f.ready {
			return false
		}
		module := isOpen(c) && strings.HasPrefix(path.Base(c.Operand), "libnss_")
		if module || isNSCD(c) {
			certain = true
			return true
		}
		return isOpen(c) && path.Base(c.Operand) == "nsswitch.conf"
	})
	if len(calls) == 0 || !certain && !libc {
		return
	}
	total := time.Duration(0)
	for _, c := range calls {
		total += c.Duration
	}
	first, last := calls[0], calls[len(calls)-1]
	took := max(total, last.Begin+last.Duration-first.Begin)
	severity := model.SeverityInfo
	if took >= slowLookup && !f.starved && !f.throttled {
		severity = model.SeverityWarn
	}
	evidence := first.where + " asks the C library's name service"
	if !certain {
		evidence = "the C library is linked in, and " + first.where + " reads what its name service is configured by"
	}
	evidence += fmt.Sprintf(": %s %s at %s after exec", first.Name, clipped(first.Operand), short(first.Begin))
	if n := times(calls); n > 1 {
		evidence += fmt.Sprintf(", %d such calls over %s", n, short(took))
	}
	f.add(ruleNSS, severity, took, evidence,
		"Build with -tags netgo,osusergo, or CGO_ENABLED=0: Go then looks users and hosts up by itself, without loading modules of the C library.")
}

// isNSCD reports whether a call connects to the name service cache daemon.
func isNSCD(c *Call) bool {
	return c.Name == "connect" && strings.Contains(c.Operand, "/nscd/")
}
