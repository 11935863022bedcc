package cli

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// plainWidth is the width of a report that goes to no terminal.
const plainWidth = 120

// startText renders reports about starts.
type startText struct {
	b bytes.Buffer
	// width is that of the terminal, 0 when there is none.
	width int
	color bool
	// all says that nothing is folded.
	all bool
}

func (t *startText) line(format string, args ...any) {
	fmt.Fprintf(&t.b, format, args...)
	t.b.WriteByte('\n')
}

// paint gives a text a colour, where there are colours.
func (t *startText) paint(code, text string) string {
	if !t.color || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (t *startText) room() int {
	if t.width > 0 {
		return t.width
	}
	return plainWidth
}

// start renders one start.
func (t *startText) start(v *v1.Startup) {
	t.head(v)
	t.b.WriteByte('\n')
	t.waterfall(v)
	t.calls(v)
	t.findings(v.Findings)
	if len(v.Unseen) > 0 {
		t.section("Not seen")
		for _, u := range v.Unseen {
			t.wrapped("  ", table.Printable(u.What)+": "+table.Printable(u.Why))
		}
	}
}

// section begins a part of the report.
func (t *startText) section(title string) {
	t.b.WriteByte('\n')
	t.line("%s", t.paint("1", title))
}

// head says what was started and how far it came.
func (t *startText) head(v *v1.Startup) {
	command := table.Command(slices.Values(v.Command))
	if command == "" {
		command = table.Printable(v.Exe)
	}
	t.line("%s", t.paint("1", cutEnd(command, t.room())))
	t.wrapped("", strings.Join(startCircumstances(v), ", "))
	var reached []string
	for _, p := range v.Phases {
		at := time.Duration(p.StartNS)
		switch p.Name {
		case startup.Main:
			reached = append(reached, "main.main after "+shortDuration(at))
		case startup.FirstListen:
			reached = append(reached, strings.TrimSpace("listens "+onAddress(p.Address))+" after "+shortDuration(at))
		case startup.FirstAccept:
			reached = append(reached, "first connection after "+shortDuration(at))
		case startup.FirstResponse:
			reached = append(reached, "first response after "+shortDuration(at+time.Duration(p.DurationNS)))
		}
	}
	reached = append(reached, startEnding(v))
	t.wrapped("", strings.Join(reached, "; "))
	if v.Lost > 0 {
		t.wrapped("", t.paint("31", counted(v.Lost, "record was", "records were")+" lost: what follows may be incomplete"))
	}
}

func onAddress(address string) string {
	if address == "" {
		return ""
	}
	return "on " + table.Printable(address)
}

func startCircumstances(v *v1.Startup) []string {
	list := []string{"pid " + strconv.Itoa(int(v.PID))}
	if v.GoVersion != "" {
		list = append([]string{table.Printable(v.GoVersion)}, list...)
	}
	if v.Facts.CPUs > 0 {
		list = append(list, counted(uint64(v.Facts.CPUs), "CPU", "CPUs"))
	}
	if v.Facts.QuotaCPUs > 0 {
		quota := "a quota of " + strconv.FormatFloat(v.Facts.QuotaCPUs, 'g', 3, 64) + " CPUs"
		if v.Facts.QuotaCPUs == 1 {
			quota = "a quota of 1 CPU"
		}
		list = append(list, quota)
	}
	if v.Facts.GoMaxProcs > 0 {
		list = append(list, "GOMAXPROCS="+strconv.Itoa(v.Facts.GoMaxProcs))
	}
	if v.Facts.GoDebug != "" {
		list = append(list, "GODEBUG="+table.Printable(v.Facts.GoDebug))
	}
	if v.Threads > 0 {
		list = append(list, "started "+counted(uint64(v.Threads), "thread", "threads"))
	}
	if v.Children > 0 {
		list = append(list, "started "+counted(uint64(v.Children), "process that is", "processes that are")+" not in the figures")
	}
	return list
}

// startEnding says what ended the observation.
func startEnding(v *v1.Startup) string {
	after := " after " + shortDuration(time.Duration(v.DurationNS))
	switch startup.Ended(v.Ended) {
	case startup.EndedMain:
		return "observed until main.main"
	case startup.EndedListen:
		return "observed until it listened"
	case startup.EndedAccept:
		return "observed until its first connection"
	case startup.EndedResponse:
		return "observed until its first response"
	case startup.EndedTimeout:
		return "nothing more came until" + strings.TrimPrefix(after, " after")
	case startup.EndedInterrupted:
		return "interrupted" + after
	case startup.EndedExec:
		return "executed another program" + after
	case startup.EndedExit:
		switch {
		case v.Signal != 0:
			name := unix.SignalName(unix.Signal(v.Signal))
			return strings.TrimSpace(fmt.Sprintf("killed by signal %d %s", v.Signal, name)) + after
		case v.ExitCode != nil:
			return fmt.Sprintf("exited with status %d%s", *v.ExitCode, after)
		}
		return "exited" + after
	}
	return "observed for" + strings.TrimPrefix(after, " after")
}

func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatUint(n, 10) + " " + many
}

// mostCalls is how many system calls are listed.
const mostCalls = 10

// startCall is a system call and where it belongs.
type startCall struct {
	*v1.StartupCall
	in string
}

// slowCalls returns the system calls of a start, the longest first, each with
// the innermost phase or package that has it.
func slowCalls(v *v1.Startup) []startCall {
	type key struct {
		name, operand string
		at            int64
	}
	var list []startCall
	known := make(map[key]int)
	for _, step := range v.Steps() {
		for i := range step.Usage.SlowestSyscalls {
			c := &step.Usage.SlowestSyscalls[i]
			k := key{c.Name, c.Operand, c.StartNS}
			if at, ok := known[k]; ok {
				list[at].in = step.Label() // below the one before
				continue
			}
			known[k] = len(list)
			list = append(list, startCall{c, step.Label()})
		}
	}
	slices.SortStableFunc(list, func(a, b startCall) int { return cmp.Compare(b.DurationNS, a.DurationNS) })
	return list
}

func (t *startText) calls(v *v1.Startup) {
	list := slowCalls(v)
	if len(list) == 0 {
		return
	}
	t.section("Slowest system calls")
	shown := list
	if !t.all && len(list) > mostCalls {
		shown = list[:mostCalls]
	}
	in := 0
	for _, c := range shown {
		in = max(in, utf8.RuneCountInString(table.Printable(c.in)))
	}
	in = min(in, t.room()/3)
	for _, c := range shown {
		what := c.Name
		if c.Operand != "" {
			what += " " + c.Operand
		}
		if c.Count > 1 {
			what += fmt.Sprintf(" (%d times)", c.Count)
		}
		if c.Result < 0 {
			what += " = " + errnoName(c.Result)
		}
		row := fmt.Sprintf("  %8s ms at %8s  %s  %s", millis(c.DurationNS), millis(c.StartNS), padEnd(cutStart(table.Printable(c.in), in), in), table.Printable(what))
		t.line("%s", cutEnd(row, t.room()))
	}
	if more := len(list) - len(shown); more > 0 {
		t.line("  … and %s", counted(uint64(more), "shorter one", "shorter ones"))
	}
}

// errnoName is the name of a negative errno.
func errnoName(result int64) string {
	if name := unix.ErrnoName(unix.Errno(-result)); name != "" {
		return name
	}
	return strconv.FormatInt(result, 10)
}

func (t *startText) findings(list []v1.Finding) {
	if len(list) == 0 {
		return
	}
	t.section("Findings")
	for _, f := range list {
		code := map[string]string{"error": "31", "warn": "33"}[f.Severity]
		t.wrapped("  ", t.paint(code, f.Severity+" "+f.Rule)+": "+table.Printable(f.Evidence))
		t.wrapped("      ", table.Printable(f.Remedy))
	}
}

// wrapped prints a text in lines that fit the width, each after an indent.
func (t *startText) wrapped(indent, text string) {
	used := 0
	for _, word := range strings.Fields(text) {
		cells := utf8.RuneCountInString(word) - uncounted(word)
		switch {
		case used == 0:
			t.b.WriteString(indent)
			used = len(indent)
		case used+1+cells > t.room():
			t.b.WriteString("\n" + indent)
			used = len(indent)
		default:
			t.b.WriteByte(' ')
			used++
		}
		t.b.WriteString(word)
		used += cells
	}
	t.b.WriteByte('\n')
}

// uncounted is how many characters of a word are of colours.
func uncounted(word string) int {
	n, in := 0, false
	for _, r := range word {
		switch {
		case r == '\x1b':
			in = true
			n++
		case in:
			n++
			in = r != 'm'
		}
	}
	return n
}

// millis renders nanoseconds in milliseconds, with no more digits than tell.
func millis(ns int64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	ms := float64(ns) / 1e6
	switch {
	case ns == 0:
		return "0"
	case ms < 0.005:
		return "<0.01"
	case ms < 99.995:
		return sign + strconv.FormatFloat(ms, 'f', 2, 64)
	case ms < 999.95:
		return sign + strconv.FormatFloat(ms, 'f', 1, 64)
	}
	return sign + strconv.FormatFloat(ms, 'f', 0, 64)
}

func padEnd(text string, width int) string {
	return text + strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0))
}

func padStart(text string, width int) string {
	return strings.Repeat(" ", max(width-utf8.RuneCountInString(text), 0)) + text
}
