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

// network finds the longest wait for a connection, or after one was begun.
func (f *finder) network() {
	connects := f.calls(func(c *Call) bool { return c.Name == "connect" && !isNSCD(c) })
	var longest placed
	wait := longWait
	for i, c := range connects {
		if f.ready >= 0 && c.Begin >= f.ready {
			break
		}
		next := time.Duration(math.MaxInt64)
		if i+1 < len(connects) {
			next = connects[i+1].Begin
		}
		if w := f.waited(&c, next); w > wait {
			longest, wait = c, w
		}
	}
	if longest.Call == nil {
		return
	}
	evidence := fmt.Sprintf("waited %s after %s connected to %s%s, %s after exec", short(wait), longest.where, orSomething(longest.Operand), outcome(longest.Call), short(longest.Begin))
	if f.ready >= 0 {
		evidence += fmt.Sprintf("; it listens after %s", short(f.ready))
	} else {
		evidence += "; it has not listened"
	}
	f.add(ruleWaits, model.SeverityWarn, wait, evidence,
		"Listen first and say not ready until the other side is there, or connect next to other work; give each connect and each request a timeout, and look at that address.")
}

// waited returns for how long the program waited for a connect: as long as it
// took, or, of one that goes on by itself, until something else happened, as far
// as no CPU was used and none was waited for.
func (f *finder) waited(c *placed, next time.Duration) time.Duration {
	after := c.Begin + c.Duration
	if c.Duration > longWait {
		return c.Duration
	}
	if c.Result != inProgress && !isDNS(c.Operand) {
		return 0
	}
	until := min(next, c.in.End())
	if f.ready > after {
		until = min(until, f.ready)
	}
	idle := min(until-after, c.in.Duration-c.in.CPU-c.in.RunDelay-min(c.in.Throttled, c.in.Duration))
	if f.ready < 0 && !c.isPackage && !f.quietAfter(after) {
		// It never listens, and went on: a program that works.
		return 0
	}
	return max(0, idle)
}

// quietAfter reports whether nothing is known to have happened after a time.
func (f *finder) quietAfter(at time.Duration) bool {
	return len(f.calls(func(c *Call) bool { return c.Begin >= at })) == 0
}

// goProxy finds that a go command cannot reach its proxy.
func (f *finder) goProxy() {
	if !f.isGoCommand() || len(f.Facts.GoProxy) == 0 {
		return
	}
	connects := f.calls(func(c *Call) bool { return c.Name == "connect" && f.isProxy(c.Operand) })
	if len(connects) == 0 {
		return
	}
	const remedy = "Start the proxy, or set GOPROXY to one that answers, to direct, or to off with all modules in the cache (go mod download, -mod=vendor)."
	severity := model.SeverityWarn
	failed := f.Exit != nil && f.Exit.Code != 0
	if failed {
		severity = model.SeverityError
	}
	last := connects[len(connects)-1]
	end := last.Begin + last.Duration
	count := ""
	if n := len(connects); n > 1 {
		count = fmt.Sprintf(" (%d connects)", n)
	}
	after := f.Duration - end
	switch {
	case last.Result < 0 && last.Result != inProgress:
		f.add(ruleGoProxy, severity, last.Duration, fmt.Sprintf("connecting to the GOPROXY %s failed%s%s, %s after exec", last.Operand, outcome(last.Call), count, short(last.Begin)), remedy)
	case failed && last.Result == inProgress && after <= soonAfter:
		f.add(ruleGoProxy, severity, after, fmt.Sprintf("the command failed %s after it connected to the GOPROXY %s%s: it was refused, or nothing useful came", short(max(0, after)), last.Operand, count), remedy)
	case after >= silence && f.quietAfter(end):
		f.add(ruleGoProxy, severity, after, fmt.Sprintf("nothing happened for %s after it connected to the GOPROXY %s%s: the proxy is silent", short(after), last.Operand, count), remedy)
	}
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
	f.add(ruleNSS, severity, took,
		fmt.Sprintf("%s asks the C library's name service: %s %s at %s after exec, %d such calls over %s", first.where, first.Name, clipped(first.Operand), short(first.Begin), len(calls), short(took)),
		"Build with -tags netgo,osusergo, or CGO_ENABLED=0: Go then looks users and hosts up by itself, without loading modules of the C library.")
}

// isNSCD reports whether a call connects to the name service cache daemon.
func isNSCD(c *Call) bool {
	return c.Name == "connect" && strings.Contains(c.Operand, "/nscd/")
}
