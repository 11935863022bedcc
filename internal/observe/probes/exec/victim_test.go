package exec

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestLive compares what the probe says of real commands with what the
// programs that ran them say, for each way to build a program.
func TestLive(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "the errno of a refused command is known on amd64 only", "amd64")
	l := startLive(t, Spec(), probe.Options{}, nil)
	for _, build := range victimBuilds() {
		t.Run(build.name, func(t *testing.T) {
			path := build.path(t)
			since := time.Now()
			victim := testutil.StartTarget(t, path)
			c := comparison{l: l, since: since, victim: victim.PID, reports: map[string]victimReport{}}
			for line := range victim.Lines {
				if line == "done" {
					break
				}
				var r victimReport
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				c.reports[r.Name] = r
			}
			for _, name := range victimCommands() {
				t.Run(name, func(t *testing.T) { c.check(t, name) })
			}
			victim.Stdin.Close()
			victim.Wait()
		})
	}
	l.stop()
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 || len(h.Off) > 0 {
		t.Errorf("health = %+v", h)
	}
}

// victimCommands are the names of what the victim reports.
func victimCommands() []string {
	return []string{
		"ok", "exit 3", "burn", "ENOENT", "EACCES", "ENOEXEC", "chdir", "E2BIG", "context", "SIGTERM", "SIGTERM, SIGKILL",
		"200 KB", "as much as can be", "150 arguments", "odd arguments", "chdir'd", "script", "deleted", "TRACEPARENT", "chain",
		"deep", "parent of an orphan", "orphan", "never waited for", "unread",
	}
}

// comparison is of the reports of one victim with the probe's events.
type comparison struct {
	l       *live
	since   time.Time // when the victim was started
	victim  int
	reports map[string]victimReport
}

// check compares one command.
func (c *comparison) check(t *testing.T, name string) {
	r, ok := c.reports[name]
	if !ok {
		t.Fatal("the victim did not report it")
	}
	parent := c.victim
	if name == "orphan" {
		parent = c.reports["parent of an orphan"].PID
	}
	images := 1
	if name == "chain" {
		images = 2
	}
	var events []*model.Event
	// Process ids come again on a busy host.
	ofVictim := func(e *model.Event) bool { return !e.Time.Before(c.since) && ofParent(parent)(e) }
	if r.PID != 0 {
		events = c.l.wait(t, name, images, func(e *model.Event) bool { return ofVictim(e) && int(e.PID) == r.PID })
	} else {
		events = c.l.wait(t, name, images, func(e *model.Event) bool {
			return ofVictim(e) && e.Values[fieldLine].Int() == int64(r.Line) && e.Values[fieldFunction].Str() == r.Func
		})
	}
	if len(events) != images {
		t.Fatalf("%d events, want %d", len(events), images)
	}
	last := events[images-1]
	for _, e := range events {
		checkOrigin(t, e, r, parent)
	}
	checkEnd(t, last, r)
	if r.MaxRSS != 0 && images == 1 {
		checkUsage(t, last, r)
	}
	c.checkSpecial(t, name, r, events)
}

// checkOrigin compares who ran a command, and from where.
func checkOrigin(t *testing.T, e *model.Event, r victimReport, parent int) {
	t.Helper()
	v := e.Values
	if got := v[fieldParentPID].Int(); got != int64(parent) {
		t.Errorf("parent = %d, want %d", got, parent)
	}
	if got := v[fieldFunction].Str(); got != r.Func {
		t.Errorf("function = %s, want %s", got, r.Func)
	}
	if got := v[fieldLine].Int(); got != int64(r.Line) {
		t.Errorf("line = %d, want %d", got, r.Line)
	}
	if got := filepath.Base(v[fieldFile].Str()); got != "main.go" {
		t.Errorf("file = %s, want main.go", got)
	}
	if e.GoroutineID != r.Goroutine {
		t.Errorf("goroutine = %d, want %d", e.GoroutineID, r.Goroutine)
	}
	if e.Service != "victim" {
		t.Errorf("service = %q, want that of the victim", e.Service)
	}
	outermost := e.Stack[len(e.Stack)-1].Func
	if r.Goroutine == 1 && outermost != "runtime.main" && outermost != "runtime.goexit" {
		t.Errorf("the stack ends with %s, want where the program begins", outermost)
	}
}

// checkEnd compares how a command ended.
func checkEnd(t *testing.T, e *model.Event, r victimReport) {
	t.Helper()
	v := e.Values
	want := map[int]model.Value{fieldOutcome: model.StringValue("exited"), fieldExitCode: model.IntValue(int64(r.Code))}
	switch {
	case r.Signal != 0:
		name := unix.SignalName(unix.Signal(r.Signal))
		want = map[int]model.Value{
			fieldOutcome: model.StringValue("signaled"), fieldSignal: model.StringValue(name), fieldErrorType: model.StringValue(name),
			fieldKilledBy: v[fieldParentPID], fieldExitCode: {},
		}
	case r.Errno != "":
		want = map[int]model.Value{
			fieldOutcome: model.StringValue("failed"), fieldErrorType: model.StringValue(r.Errno), fieldExitCode: {}, fieldCPUUser: {},
		}
	case r.Code != 0:
		want[fieldErrorType] = model.StringValue(strconv.Itoa(r.Code))
	}
	for field, value := range want {
		if v[field] != value {
			t.Errorf("%s = %+v, want %+v", e.Schema.Fields[field].Key, v[field], value)
		}
	}
	begin, end := v[fieldCreationTime].Time(), v[fieldExitTime].Time()
	if e.Time.Before(begin) || end.Sub(e.Time) != e.Duration || e.Duration < 0 || time.Since(end) > time.Hour || time.Since(end) < 0 {
		t.Errorf("forked %s, started %s, ended %s, took %s", begin, e.Time, end, e.Duration)
	}
}

// checkUsage compares what a command consumed with its rusage. The peak of the
// memory there includes what it shared with its parent before it executed.
func checkUsage(t *testing.T, e *model.Event, r victimReport) {
	t.Helper()
	v := e.Values
	cpu := v[fieldCPUUser].Duration() + v[fieldCPUSystem].Duration()
	if diff := math.Abs(float64(cpu - time.Duration(r.CPU))); diff > float64(5*time.Millisecond)+0.05*float64(r.CPU) {
		t.Errorf("processor time = %s, rusage says %s", cpu, time.Duration(r.CPU))
	}
	// The kernel's counters of pages are per processor and lag behind: for a
	// command that was killed at once they may say nothing.
	const slack = 1 << 20
	rss := v[fieldMaxRSS].Int()
	early := r.Signal != 0 && !v[fieldMaxRSS].IsSet()
	if rss <= 0 && !early || rss > r.MaxRSS+slack {
		t.Errorf("peak memory = %d, rusage says %d", rss, r.MaxRSS)
	}
	if r.Name == "burn" && rss < 64<<20 {
		t.Errorf("peak memory = %d of a program that touched 64 MiB", rss)
	}
}

// checkSpecial compares what is special about a command.
func (c *comparison) checkSpecial(t *testing.T, name string, r victimReport, events []*model.Event) {
	e := events[0]
	v := e.Values
	text := func(field int, want string) {
		t.Helper()
		if got := v[field].Str(); got != want {
			t.Errorf("%s = %q, want %q", e.Schema.Fields[field].Key, got, want)
		}
	}
	number := func(field int, want int64) {
		t.Helper()
		if got := v[field].Int(); got != want {
			t.Errorf("%s = %d, want %d", e.Schema.Fields[field].Key, got, want)
		}
	}
	finding := func(rule string, want bool) {
		t.Helper()
		if got := evidence(e, rule) != ""; got != want {
			t.Errorf("finding %s: %t, want %t", rule, got, want)
		}
	}
	args := func(want ...string) {
		t.Helper()
		if got := slices.Collect(v[fieldArgs].Strings()); !slices.Equal(got, want) {
			t.Errorf("arguments = %.300q, want %.300q", got, want)
		}
	}
	switch name {
	case "ok":
		text(fieldPath, realPath(t, "/bin/true"))
		args("/bin/true")
	case "exit 3":
		finding("shell-wrapper", true)
	case "ENOENT":
		text(fieldPath, "/no/such/command")
		args("/no/such/command", "with", "arguments")
	case "chdir":
		text(fieldPath, "/bin/true")
		text(fieldDirectory, "/no/such/directory")
	case "E2BIG":
		number(fieldArgsTruncated, 1)
	case "context":
		finding("killed-without-grace", true)
	case "SIGTERM", "SIGTERM, SIGKILL":
		finding("killed-without-grace", false)
	case "200 KB":
		number(fieldArgsTruncated, 1)
		number(fieldArgsBytes, int64(len("/bin/true")+1+2*(100<<10+1)))
		c.checkCut(t, e)
	case "as much as can be":
		n, err := strconv.Atoi(r.Extra)
		if err != nil || n < 10 {
			t.Fatalf("%q arguments of 100 KiB: %v", r.Extra, err)
		}
		number(fieldArgsBytes, int64(len("/bin/true")+1+n*(100<<10+1)))
		c.checkCut(t, e)
	case "150 arguments":
		want := []string{"/bin/true"}
		for n := range 150 {
			want = append(want, strconv.Itoa(n))
		}
		args(want...)
		number(fieldArgsTruncated, 0)
	case "odd arguments":
		args("/bin/true", "new\nline", "\x1b[31mred\x1b[0m", "\xff\xfe\xc3(", "", " ")
	case "chdir'd":
		text(fieldDirectory, "/usr")
	case "script":
		text(fieldPath, realPath(t, "/bin/sh"))
		args("/bin/sh", r.Extra, "argument")
		finding("shell-wrapper", false)
	case "deleted":
		text(fieldPath, r.Extra)
	case "TRACEPARENT":
		if hex.EncodeToString(e.TraceID[:]) != "4bf92f3577b34da6a3ce929d0e0e4736" || hex.EncodeToString(e.ParentSpanID[:]) != "00f067aa0ba902b7" {
			t.Errorf("trace %x, parent %x", e.TraceID, e.ParentSpanID)
		}
	case "chain":
		text(fieldReplacedBy, realPath(t, "/bin/sh"))
		second := events[1]
		if second.TraceID != e.TraceID || second.ParentSpanID != e.SpanID || second.Values[fieldReplacedBy].IsSet() {
			t.Errorf("the second image is not a child of the first: %+v", second)
		}
	case "orphan":
		finding("orphaned", true)
	case "never waited for":
		finding("zombie", true)
	case "unread":
		finding("pipe-not-read", true)
	}
}

// checkCut checks arguments that were cut at 64 KiB.
func (c *comparison) checkCut(t *testing.T, e *model.Event) {
	t.Helper()
	total := 0
	for arg := range e.Values[fieldArgs].Strings() {
		total += len(arg) + 1
	}
	if total < 64<<10-1 || total > 64<<10+1 {
		t.Errorf("%d bytes of arguments are kept", total)
	}
	if got := slices.Collect(e.Values[fieldArgs].Strings()); got[0] != "/bin/true" || !strings.HasPrefix(got[1], "0123456789") {
		t.Errorf("arguments = %.300q", got)
	}
}

// realPath returns a path without symbolic links, as the kernel names it.
func realPath(t *testing.T, name string) string {
	t.Helper()
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}
