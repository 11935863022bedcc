//go:build vm

package vm

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	exitOK          = 0
	exitUnsupported = 3
	exitInterrupted = 130
)

// checkRuns holds a kernel to running everything. Without memory, the kernel
// tells of a process's end when its memory is gone.
func checkRuns(t *testing.T, steps map[string]step, memory bool) {
	t.Helper()
	checkExit(t, steps["version"], exitOK)
	checkHint(t, steps["not-root"], "hint: run as root")
	checkHint(t, steps["no-btf"], "hint: use a kernel built with CONFIG_DEBUG_INFO_BTF")
	checkExit(t, steps["duration"], exitOK)

	watch := steps["watch"]
	checkExit(t, watch, exitInterrupted)
	checkCommands(t, watch, memory)
	tcp := steps["tcp"]
	checkExit(t, tcp, exitInterrupted)
	checkConnections(t, tcp)
	requests := steps["http"]
	checkExit(t, requests, exitInterrupted)
	checkRequests(t, requests)
	start := steps["startup"]
	checkExit(t, start, exitOK)
	checkStart(t, start)

	up := steps["up"]
	checkExit(t, up, exitOK)
	checkPages(t, up)
}

// checkRefuses holds a kernel that is too old to saying so.
func checkRefuses(t *testing.T, steps map[string]step) {
	t.Helper()
	checkExit(t, steps["version"], exitOK)
	checkHint(t, steps["not-root"], "hint: run as root")
	for _, name := range []string{"watch", "duration", "tcp", "http", "startup", "up"} {
		checkExit(t, steps[name], exitUnsupported)
		if stderr := steps[name].Stderr; !strings.Contains(stderr, "error: ") || !strings.Contains(stderr, "hint: ") {
			t.Errorf("%s: no error and hint on stderr:\n%s", name, stderr)
		}
	}
}

func checkExit(t *testing.T, s step, want int) {
	t.Helper()
	if s.Exit != want {
		t.Errorf("%s: exit code %d, want %d; stderr:\n%s", s.Name, s.Exit, want, s.Stderr)
	}
}

func checkHint(t *testing.T, s step, hint string) {
	t.Helper()
	checkExit(t, s, exitUnsupported)
	if !strings.HasPrefix(s.Stderr, "error: ") || !strings.Contains(s.Stderr, "\n"+hint) {
		t.Errorf("%s: stderr has no error and %q:\n%s", s.Name, hint, s.Stderr)
	}
}

// event is what `goshawk watch --json` prints, as far as it is compared.
type event struct {
	PID        int                     `json:"pid"`
	Service    string                  `json:"service"`
	DurationNS int64                   `json:"duration_ns"`
	TraceID    string                  `json:"trace_id"`
	SpanID     string                  `json:"span_id"`
	ParentID   string                  `json:"parent_span_id"`
	Goroutine  uint64                  `json:"goroutine_id"`
	Attributes map[string]any          `json:"attributes"`
	Stack      []struct{ Func string } `json:"stack"`
	Findings   []struct{ Rule string } `json:"findings"`
}

func (e *event) number(key string) int64 {
	n, _ := e.Attributes[key].(float64)
	return int64(n)
}

func (e *event) text(key string) string {
	s, _ := e.Attributes[key].(string)
	return s
}

func (e *event) args() string {
	args, ok := e.Attributes["process.command_args"]
	if !ok {
		return ""
	}
	return fmt.Sprint(args)
}

// ran says how a command ended, in short: "exited 3", "signaled SIGKILL",
// "failed ENOENT".
func (e *event) ran() string {
	outcome := e.text("goshawk.exec.outcome")
	switch outcome {
	case "exited":
		return fmt.Sprint(outcome, " ", e.number("process.exit.code"))
	case "signaled":
		return outcome + " " + e.text("goshawk.exec.signal")
	}
	return outcome + " " + e.text("error.type")
}

// victimCase is what test/vm/victim prints of a command.
type victimCase struct {
	Name      string `json:"name"`
	Func      string `json:"func"`
	PID       int    `json:"pid"`
	Parent    int    `json:"parent"`
	Goroutine uint64 `json:"goroutine"`
}

// wanted is what the first event about a case of the victim says. Without args
// there are none.
type wanted struct {
	args  string
	ended string
	check func(e *event, c victimCase) string
}

// cases returns, by name, what must be seen of the victim's commands.
func cases() map[string]wanted {
	return map[string]wanted{
		"ok":      {args: "[/bin/true one two words]", ended: "exited 0", check: smallPeak},
		"code":    {args: "[/bin/sh -c exit 3]", ended: "exited 3", check: hasFinding("shell-wrapper")},
		"missing": {args: "[/nowhere/at-all x]", ended: "failed ENOENT"},
		"denied":  {args: "[/refused y]", ended: "failed EACCES"},
		"killed":  {args: "[/bin/sleep 1000]", ended: "signaled SIGKILL", check: killedByParent},
		"shell":   {args: "[/bin/sh -c /bin/true first; /bin/true second]", ended: "exited 0"},
		"chained": {args: "[/bin/sh -c exec /bin/env STEP=2 /bin/echo third]", ended: "exited 0", check: func(e *event, _ victimCase) string {
			return unequal("goshawk.exec.replaced_by", e.text("goshawk.exec.replaced_by"), "/bin/busybox")
		}},
		"traced": {args: "[/bin/true]", ended: "exited 0", check: func(e *event, _ victimCase) string {
			return unequal("trace_id", e.TraceID, "0123456789abcdef0123456789abcdef") + unequal("process.working_directory", e.text("process.working_directory"), "/tmp")
		}},
		"grown": {args: "[/proc/self/exe grow]", ended: "exited 0", check: func(e *event, _ victimCase) string {
			const least, most = 48 << 20, 96 << 20
			if n := e.number("goshawk.max_rss_bytes"); n < least || n > most {
				return fmt.Sprintf("; max_rss_bytes = %d, want %d to %d", n, least, most)
			}
			return unequal("process.executable.path", e.text("process.executable.path"), "/bin/victim")
		}},
		"piped": {args: "[/bin/cat]", ended: "exited 0", check: func(e *event, _ victimCase) string {
			return unequal("io_write_bytes", fmt.Sprint(e.number("goshawk.io_write_bytes")), "10000")
		}},
		"blocked": {args: "[/bin/yes]", ended: "signaled SIGKILL", check: func(e *event, c victimCase) string {
			return hasFinding("pipe-not-read")(e, c) + killedByParent(e, c)
		}},
	}
}

func unequal(what, got, want string) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("; %s = %q, want %q", what, got, want)
}

func hasFinding(rule string) func(*event, victimCase) string {
	return func(e *event, _ victimCase) string {
		for _, f := range e.Findings {
			if f.Rule == rule {
				return ""
			}
		}
		return fmt.Sprintf("; no finding %q in %v", rule, e.Findings)
	}
}

// smallPeak wants the command's own peak, not that of the Go program whose
// memory it shared before its exec.
func smallPeak(e *event, _ victimCase) string {
	const most = 4 << 20
	if n := e.number("goshawk.max_rss_bytes"); n <= 0 || n > most {
		return fmt.Sprintf("; max_rss_bytes = %d, want 1 to %d", n, most)
	}
	return ""
}

func killedByParent(e *event, c victimCase) string {
	return unequal("killed_by_pid", fmt.Sprint(e.number("goshawk.exec.killed_by_pid")), fmt.Sprint(c.Parent))
}

// checkCommands compares what Goshawk saw with what the victim did.
func checkCommands(t *testing.T, s step, memory bool) {
	t.Helper()
	events := decode[event](t, s.Stdout)
	if want := fmt.Sprintf("events=%d lost=0", len(events)); lastLine(s.Stderr) != want {
		t.Errorf("watch: the last line of stderr is %q, want %q", lastLine(s.Stderr), want)
	}
	if strings.Contains(s.Stderr, "part of a probe is off") {
		t.Errorf("watch: parts are off:\n%s", s.Stderr)
	}
	want := cases()
	if !memory {
		want["ok"] = wanted{args: want["ok"].args, ended: want["ok"].ended}
	}
	for _, c := range decode[victimCase](t, s.Cases) {
		w, ok := want[c.Name]
		if !ok {
			t.Errorf("victim: unknown case %q", c.Name)
			continue
		}
		delete(want, c.Name)
		i := slices.IndexFunc(events, func(e event) bool {
			if c.PID == 0 {
				return e.Goroutine == c.Goroutine && strings.HasPrefix(e.ran(), "failed ")
			}
			return e.args() == w.args && e.PID == c.PID
		})
		if i < 0 {
			t.Errorf("%s: no event with the arguments %s of pid %d, goroutine %d", c.Name, w.args, c.PID, c.Goroutine)
			continue
		}
		if wrong := judge(&events[i], c, w); wrong != "" {
			t.Errorf("%s%s", c.Name, wrong)
		}
	}
	for name := range want {
		t.Errorf("%s: the victim did not run it", name)
	}
	for _, args := range []string{"[/bin/true first]", "[/bin/true second]", "[/bin/env STEP=2 /bin/echo third]", "[/bin/echo third]"} {
		if !slices.ContainsFunc(events, func(e event) bool { return e.args() == args && e.ran() == "exited 0" }) {
			t.Errorf("no event %s, exited 0: a command of a command", args)
		}
	}
	if t.Failed() {
		t.Logf("events:\n%s", s.Stdout)
	}
}

func judge(e *event, c victimCase, w wanted) string {
	wrong := unequal("outcome", e.ran(), w.ended) +
		unequal("process.command_args", e.args(), w.args) +
		unequal("service", e.Service, "victim") +
		unequal("goroutine_id", fmt.Sprint(e.Goroutine), fmt.Sprint(c.Goroutine)) +
		unequal("process.parent_pid", fmt.Sprint(e.number("process.parent_pid")), fmt.Sprint(c.Parent))
	called := slices.ContainsFunc(e.Stack, func(f struct{ Func string }) bool { return f.Func == c.Func })
	if !called || !strings.HasPrefix(e.text("code.function.name"), "main.") {
		wrong += fmt.Sprintf("; %s is not on the stack, whose call site is %q", c.Func, e.text("code.function.name"))
	}
	if e.DurationNS <= 0 && !strings.HasPrefix(w.ended, "failed") {
		wrong += fmt.Sprintf("; duration_ns = %d", e.DurationNS)
	}
	if w.check != nil {
		wrong += w.check(e, c)
	}
	return wrong
}

// checkConnections wants a refused and a served connection of the guest.
func checkConnections(t *testing.T, s step) {
	t.Helper()
	events := decode[event](t, s.Stdout)
	if want := fmt.Sprintf("events=%d lost=0", len(events)); lastLine(s.Stderr) != want {
		t.Errorf("tcp: the last line of stderr is %q, want %q", lastLine(s.Stderr), want)
	}
	if strings.Contains(s.Stderr, "part of a probe is off") {
		t.Errorf("tcp: parts are off:\n%s", s.Stderr)
	}
	for port, outcome := range map[int64]string{1: "refused", 8080: "established"} {
		if !slices.ContainsFunc(events, func(e event) bool {
			return e.number("network.peer.port") == port && e.text("goshawk.tcp.outcome") == outcome && e.PID == 1 && e.Service == "guest"
		}) {
			t.Errorf("tcp: no connection to port %d that was %s, in\n%s", port, outcome, s.Stdout)
		}
	}
}

// checkRequests wants the request that ran a command, that command, and the
// call of which the request is the other end; and the one that panicked.
func checkRequests(t *testing.T, s step) {
	t.Helper()
	events := decode[event](t, s.Stdout)
	if strings.Contains(s.Stderr, "part of a probe is off") || !strings.HasSuffix(lastLine(s.Stderr), " lost=0") {
		t.Errorf("http: %s", s.Stderr)
	}
	find := func(what string, is func(*event) bool) event {
		i := slices.IndexFunc(events, func(e event) bool { return is(&e) })
		if i < 0 {
			t.Errorf("http: no %s, in\n%s", what, s.Stdout)
			return event{}
		}
		return events[i]
	}
	served := find("request", func(e *event) bool {
		return e.text("http.route") == "/run/{word}" && e.text("goshawk.role") == "server" && e.number("http.response.status_code") == 200
	})
	find("command of the request", func(e *event) bool {
		return e.args() == "[/bin/true word]" && e.TraceID == served.TraceID && e.ParentID == served.SpanID && served.SpanID != ""
	})
	find("call", func(e *event) bool {
		return e.text("goshawk.role") == "client" && e.text("url.path") == "/run/word" && e.number("http.response.status_code") == 200
	})
	panicked := find("panic", func(e *event) bool {
		return e.text("goshawk.http.outcome") == "panic" && e.text("http.route") == "/panic"
	})
	if !slices.ContainsFunc(panicked.Stack, func(f struct{ Func string }) bool { return strings.HasPrefix(f.Func, "main.requests.") }) {
		t.Errorf("http: the panic's stack is %v", panicked.Stack)
	}
}

// checkStart wants the phases and packages of a program that ended well.
func checkStart(t *testing.T, s step) {
	t.Helper()
	type part struct {
		Name     string `json:"name"`
		Duration int64  `json:"duration_ns"`
	}
	got := decode[struct {
		ExitCode *int   `json:"exit_code"`
		Lost     int    `json:"lost"`
		Phases   []part `json:"phases"`
		Packages []part `json:"packages"`
	}](t, s.Stdout)
	if len(got) != 1 || got[0].ExitCode == nil || *got[0].ExitCode != 0 || got[0].Lost != 0 || strings.Contains(s.Stderr, "part of a probe is off") {
		t.Fatalf("startup: %s\n%s", s.Stdout, s.Stderr)
	}
	for _, want := range []struct {
		in   []part
		name string
	}{
		{got[0].Phases, "loader"}, {got[0].Phases, "schedinit"}, {got[0].Phases, "package_inits"}, {got[0].Phases, "main"},
		{got[0].Packages, "runtime"}, {got[0].Packages, "net/http"},
	} {
		if !slices.ContainsFunc(want.in, func(p part) bool { return p.Name == want.name && p.Duration > 0 }) {
			t.Errorf("startup: no %s in %+v", want.name, want.in)
		}
	}
}

// checkPages reads what `goshawk up` served after the victim ran.
func checkPages(t *testing.T, s step) {
	t.Helper()
	var list struct {
		Items []struct {
			Name   string `json:"name"`
			Up     bool   `json:"up"`
			Events uint64 `json:"events"`
			Lost   uint64 `json:"lost"`
			Off    []any  `json:"off"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(s.Pages["/api/v1/probes"]), &list); err != nil {
		t.Errorf("up: /api/v1/probes: %v: %q; stderr:\n%s", err, s.Pages["/api/v1/probes"], s.Stderr)
		return
	}
	for _, p := range list.Items {
		if !p.Up || p.Lost > 0 || len(p.Off) > 0 || p.Name == "exec" && p.Events < uint64(len(cases())) {
			t.Errorf("up: /api/v1/probes: %+v", p)
		}
	}
	for path, want := range map[string]string{
		"/healthz": `"ok"`, "/readyz": `"ready"`, "/api/v1/services": `"guest"`,
		"/metrics": `goshawk_exec_total{outcome="failed",service="victim"} 2`,
	} {
		if !strings.Contains(s.Pages[path], want) {
			t.Errorf("up: %s has no %s:\n%s", path, want, s.Pages[path])
		}
	}
}

// decode reads one JSON object per line.
func decode[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	decoder := json.NewDecoder(strings.NewReader(text))
	for decoder.More() {
		var v T
		if err := decoder.Decode(&v); err != nil {
			t.Fatalf("read a line of JSON: %v", err)
		}
		all = append(all, v)
	}
	return all
}
