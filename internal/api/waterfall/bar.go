package waterfall

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// The attributes that bars are made of.
const (
	keyName       = "process.executable.name"
	keyArgs       = "process.command_args"
	keyParentPID  = "process.parent_pid"
	keyParentName = "goshawk.parent.executable.name"
	keyCreation   = "process.creation.time"
	keyOutcome    = "goshawk.exec.outcome"
	keyExitCode   = "process.exit.code"
	keySignal     = "goshawk.exec.signal"
	keyError      = "error.type"
	keyReplacedBy = "goshawk.exec.replaced_by"
	keyUser       = "goshawk.cpu_user_ns"
	keySystem     = "goshawk.cpu_system_ns"
	keyRunDelay   = "goshawk.run_delay_ns"
	keyPipe       = "goshawk.exec.pipe_blocked_ns"
	keyUnreaped   = "goshawk.unreaped_ns"
	keyFunction   = "code.function.name"
	keyFile       = "code.file.path"
	keyLine       = "code.line.number"
)

// The longest texts of a bar in bytes: 10,000 of them are one answer. The event
// itself has all.
const (
	longestLabel  = 100
	longestDetail = 400
)

// describe fills b with what its event says.
func (r *row) describe(b *v1.Bar) {
	e := r.event
	b.ID, b.Href = r.id(), "/events/"+r.id()
	b.Failed = e.Failure().IsSet()
	for _, f := range e.Findings {
		if !slices.Contains(b.Findings, f.Rule) {
			b.Findings = append(b.Findings, f.Rule)
		}
	}
	switch e.Schema.Probe {
	case probeHTTP:
		describeRequest(b, e)
	case probeTCP:
		describeConnection(b, e)
	default:
		r.describeCommand(b)
	}
}

func (r *row) describeCommand(b *v1.Bar) {
	e := r.event
	b.Kind, b.Href = kindCommand, "/commands/"+b.ID
	b.Label = shorten(cmp.Or(e.Get(keyName).Str(), "process "+strconv.Itoa(int(e.PID))), longestLabel)
	b.Detail = commandLine(e.Get(keyArgs))
	b.Outcome = outcome(e)
	b.Parts = r.parts()
	if function := e.Get(keyFunction).Str(); function != "" {
		b.Caller = &v1.Frame{
			Func: shorten(function, longestDetail), File: shorten(e.Get(keyFile).Str(), longestDetail), Line: int(e.Get(keyLine).Int()),
		}
	}
}

func outcome(e *model.Event) string {
	if code := e.Get(keyExitCode); code.IsSet() {
		return "exit " + strconv.FormatInt(code.Int(), 10)
	}
	return shorten(cmp.Or(e.Get(keySignal).Str(), e.Get(keyError).Str(), e.Get(keyOutcome).Str()), longestLabel)
}

// parts divides what the accounts of the image say, over the time until the
// next image replaced it.
func (r *row) parts() []v1.Part {
	e := r.event
	own, known := max(int64(e.Duration), 0), !e.Get(keyReplacedBy).IsSet()
	if r.next != nil {
		own, known = min(own, max(int64(r.next.Time.Sub(e.Time)), 0)), true
	}
	spent := []v1.Part{
		{Kind: "cpu", NS: nanoseconds(e, keyUser) + nanoseconds(e, keySystem)},
		{Kind: "run_delay", NS: nanoseconds(e, keyRunDelay)},
		{Kind: "pipe", NS: nanoseconds(e, keyPipe)},
	}
	rest := divide(spent, own)
	if accounted := e.Get(keyUser).IsSet() || e.Get(keyRunDelay).IsSet(); accounted && known {
		spent = append(spent, v1.Part{Kind: "wait", NS: rest})
	}
	spent = append(spent, v1.Part{Kind: "zombie", NS: int64(r.zombie())})
	return slices.DeleteFunc(spent, func(p v1.Part) bool { return p.NS == 0 })
}

// zombie returns how long the process was dead and not collected; it is the
// last image's.
func (r *row) zombie() time.Duration {
	if r.event == nil || r.next != nil {
		return 0
	}
	return time.Duration(nanoseconds(r.event, keyUnreaped))
}

// divide returns what parts leave of whole. Several threads together can spend
// more than the time that passed: then parts keep their proportions and leave
// nothing.
func divide(parts []v1.Part, whole int64) (rest int64) {
	var sum int64
	for _, p := range parts {
		sum += p.NS
	}
	if sum <= whole {
		return whole - sum
	}
	for i := range parts {
		high, low := bits.Mul64(uint64(parts[i].NS), uint64(whole))
		quotient, _ := bits.Div64(high, low, uint64(sum))
		parts[i].NS = int64(quotient)
	}
	return 0
}

// nanoseconds returns a duration between 0 and 18 years, so that sums do not
// overflow whatever an event says.
func nanoseconds(e *model.Event, key string) int64 {
	return min(max(int64(e.Get(key).Duration()), 0), 1<<59)
}

// commandLine writes arguments as one would type them.
func commandLine(args model.Value) string {
	var b strings.Builder
	for arg := range args.Strings() {
		if b.Len() > longestDetail {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		arg = shorten(arg, longestDetail+1)
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`&|;<>()*?[]{}#~!") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		b.WriteString(arg)
	}
	return shorten(b.String(), longestDetail)
}

// shorten returns the begin of s as valid UTF-8 of at most n bytes, and a mark
// when that is not all.
func shorten(s string, n int) string {
	const mark = "…"
	if len(s) > n {
		cut := n - len(mark)
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut] + mark
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > n {
		return shorten(s, n)
	}
	return s
}
