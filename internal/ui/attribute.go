package ui

import (
	"net/http"
	"strconv"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
)

// text returns an attribute as text, empty when it is unset.
func text(a v1.Attributes, key string) string {
	switch v := a[key].(type) {
	case string:
		return v
	case []string:
		return strings.Join(v, " ")
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// number returns an attribute that is a whole number, and whether it is set.
func number(a v1.Attributes, key string) (int64, bool) {
	switch v := a[key].(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	}
	return 0, false
}

// texts returns an attribute that is a list.
func texts(a v1.Attributes, key string) []string {
	switch v := a[key].(type) {
	case []string:
		return v
	case []any: // an empty list has no type in JSON
		list := make([]string, 0, len(v))
		for _, item := range v {
			s, _ := item.(string)
			list = append(list, s)
		}
		return list
	}
	return nil
}

// The attributes that pages know by name. All others are shown as the schema
// describes them.
const (
	keyName      = "process.executable.name"
	keyPath      = "process.executable.path"
	keyArgs      = "process.command_args"
	keyTruncated = "goshawk.args_truncated"
	keyArgsBytes = "goshawk.args_bytes"
	keyDirectory = "process.working_directory"
	keyParentPID = "process.parent_pid"
	keyParent    = "goshawk.parent.executable.name"
	keyExitTime  = "process.exit.time"
	keyOutcome   = "goshawk.exec.outcome"
	keyExitCode  = "process.exit.code"
	keySignal    = "goshawk.exec.signal"
	keyKilledBy  = "goshawk.exec.killed_by_pid"
	keyError     = "error.type"
	keySetup     = "goshawk.exec.setup_ns"
	keyCPUUser   = "goshawk.cpu_user_ns"
	keyCPUSystem = "goshawk.cpu_system_ns"
	keyMaxRSS    = "goshawk.max_rss_bytes"
	keyRead      = "goshawk.io_read_bytes"
	keyWrite     = "goshawk.io_write_bytes"
	keyRunDelay  = "goshawk.run_delay_ns"
	keyUnreaped  = "goshawk.unreaped_ns"
	keyPipe      = "goshawk.exec.pipe_blocked_ns"
	keyReplaced  = "goshawk.exec.replaced_by"
	keyCgroup    = "process.linux.cgroup"
	keyFunction  = "code.function.name"
	keyFile      = "code.file.path"
	keyLine      = "code.line.number"
	keyEvent     = "goshawk.tcp.event"
	keyRole      = "goshawk.role"
	keyPeer      = "network.peer.address"
	keyPort      = "server.port"
	keyMethod    = "http.request.method"
	keyRoute     = "http.route"
	keyTemplate  = "url.template"
	keyURLPath   = "url.path"
	keyStatus    = "http.response.status_code"
	keyServer    = "server.address"
	keyHTTPEnd   = "goshawk.http.outcome"

	probeExec = "exec"
	probeHTTP = "http"
	probeTCP  = "tcp"

	roleServer = "server"
	roleClient = "client"
)

// argv returns the arguments of a command, or for one that has none recorded
// its executable.
func argv(a v1.Attributes) []string {
	if list := texts(a, keyArgs); len(list) > 0 {
		return list
	}
	for _, key := range []string{keyPath, keyName} {
		if s := text(a, key); s != "" {
			return []string{s}
		}
	}
	return nil
}

// Outcome is how an event ended: a colour, a shape and a word, each of which
// says it alone.
type Outcome struct {
	// Class is ok, bad or neutral.
	Class string
	// Icon is a symbol of the sprite.
	Icon string
	// Text is short, Title a sentence.
	Text, Title string
}

// outcomeOf reads how an event ended. Any probe's event that failed says so by
// error.type.
func outcomeOf(e *v1.Event) Outcome {
	a := e.Attributes
	failure := text(a, keyError)
	switch e.Probe {
	case probeExec:
	case probeHTTP:
		return requestOutcome(e, failure)
	default:
		return plainOutcome(e, failure)
	}
	code, hasCode := number(a, keyExitCode)
	signal := text(a, keySignal)
	by := text(a, keyReplaced)
	switch {
	case e.Phase == "start":
		return Outcome{"neutral", "run", "running", "it has started"}
	case by != "":
		return Outcome{"neutral", "next", "replaced", "the process replaced itself with " + by}
	case text(a, keyOutcome) == "failed":
		return Outcome{"bad", "stop", orWord(failure, "failed"), "it could not be started: " + orWord(failure, "unknown error")}
	case signal != "":
		return Outcome{"bad", "kill", signal, "it was ended by the signal " + signal}
	case hasCode && code == 0:
		return Outcome{"ok", "ok", "exit 0", "it ended well"}
	case hasCode:
		return Outcome{"bad", "fail", "exit " + strconv.FormatInt(code, 10), "it ended with exit code " + strconv.FormatInt(code, 10)}
	case failure != "":
		return Outcome{"bad", "fail", failure, "it failed: " + failure}
	}
	return Outcome{"neutral", "unknown", "unknown", "nobody saw how it ended"}
}

// requestOutcome reads the status of a request, or why it has none.
func requestOutcome(e *v1.Event, failure string) Outcome {
	status, known := number(e.Attributes, keyStatus)
	code := strconv.FormatInt(status, 10)
	end := text(e.Attributes, keyHTTPEnd)
	switch {
	case end == "panic":
		return Outcome{"bad", "kill", "panic", "the handler panicked"}
	case failure != "" && failure != code:
		return Outcome{"bad", "fail", failure, "it failed: " + failure}
	case failure != "":
		return Outcome{"bad", "fail", code, "it failed with the status " + statusText(status)}
	case end == "hijacked":
		return Outcome{"neutral", "next", "taken over", "the handler took over the connection"}
	case !known:
		return Outcome{"neutral", "unknown", "unknown", "nobody saw how it ended"}
	case status >= 400:
		return Outcome{"neutral", "info", code, "the status was " + statusText(status) + ": the caller's fault"}
	}
	return Outcome{"ok", "ok", code, "the status was " + statusText(status)}
}

func statusText(status int64) string {
	return strings.TrimSpace(strconv.FormatInt(status, 10) + " " + http.StatusText(int(status)))
}

func plainOutcome(e *v1.Event, failure string) Outcome {
	what := text(e.Attributes, keyEvent)
	switch {
	case failure != "":
		return Outcome{"bad", "fail", failure, "it failed: " + failure}
	case what != "" && what != "connect":
		return Outcome{"neutral", "", unknown, strings.ReplaceAll(what, "_", " ") + ": neither good nor bad by itself"}
	}
	return Outcome{"ok", "ok", "ok", "it did not fail"}
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

// site is a line of code.
type site struct {
	Func, Short, File, Line string
}

// siteOf returns the line of code that caused an event.
func siteOf(a v1.Attributes) site {
	return newSite(text(a, keyFunction), text(a, keyFile), text(a, keyLine))
}

func siteOfFrame(f v1.Frame) site {
	line := ""
	if f.Line > 0 {
		line = strconv.Itoa(f.Line)
	}
	return newSite(f.Func, f.File, line)
}

func newSite(function, file, line string) site {
	return site{Func: visible(function), Short: visible(model.ShortFunction(function)), File: visible(file), Line: line}
}

// At renders file and line, without folders.
func (s site) At() string {
	if s.File == "" {
		return ""
	}
	at := visible(s.File[strings.LastIndexByte(s.File, '/')+1:])
	if s.Line != "" {
		at += ":" + s.Line
	}
	return at
}

// Whole renders everything that is known of the line.
func (s site) Whole() string {
	whole := s.Func
	if s.File != "" {
		whole += "\n" + s.File
		if s.Line != "" {
			whole += ":" + s.Line
		}
	}
	return whole
}
