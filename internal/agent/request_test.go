package agent_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// sdkDir has the program that traces what it does by itself.
const sdkDir = "../../test/targets/otelsdk"

// sdkBuild is a way to build it: with one of two releases of the SDK.
type sdkBuild struct {
	name, toolchain string
	old             bool
	flags           []string
}

func sdkBuilds() []sdkBuild {
	stripped := []string{"-trimpath", "-ldflags=-s -w"}
	return []sdkBuild{
		{name: "new"}, {name: "new stripped", flags: stripped},
		{name: "old", old: true}, {name: "old stripped", old: true, flags: stripped},
		{name: "old by go1.21.13", old: true, toolchain: "go1.21.13", flags: stripped},
	}
}

func (b sdkBuild) path(t *testing.T) string {
	t.Helper()
	files, dir := testutil.Files{}, t.TempDir()
	add := func(as, name string) {
		text, err := os.ReadFile(filepath.Join(sdkDir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[as] = string(text)
		if err := os.WriteFile(filepath.Join(dir, as), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	variant := "go"
	if b.old {
		variant = "old"
	}
	for as, name := range map[string]string{"main.go": "main.go", "scenes.go": "scenes.go", "go.mod": variant + ".mod", "go.sum": variant + ".sum"} {
		add(as, name)
	}
	testutil.RequireModules(t, dir)
	return testutil.BuildGo(t, files, testutil.BuildOptions{Toolchain: b.toolchain, Flags: b.flags})
}

// sdkSpan is a span that the program exported.
type sdkSpan struct{ Name, Trace, Span, Parent string }

const (
	clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	clientSpan  = "00f067aa0ba902b7"
	sampled     = "00-" + clientTrace + "-" + clientSpan + "-01"
	unsampled   = "00-" + clientTrace + "-" + clientSpan + "-00"
)

// Where something belongs that is no span of the program; of what belongs anywhere
// the parent is not checked.
const (
	theRequest = "the request"
	theClient  = "the client"
	nowhere    = "nowhere"
	anywhere   = "anywhere"
)

// scene is a request of the program and what must become of it. Parents are the
// names of spans, or where else something belongs.
type scene struct {
	name        string
	traceparent string
	// request is the parent of the request.
	request string
	// commands are the parents of the commands.
	commands map[string]string
	// calls are the parents of the requests that are made, by path.
	calls map[string]string
}

func scenes() []scene {
	nested := map[string]string{
		"outer": "server", "inner": "inner", "elsewhere": "inner", "between": "server", "second": "second", "after": "server", "end": theRequest,
	}
	alone := map[string]string{}
	for command := range nested {
		alone[command] = theRequest
	}
	deep := map[string]string{"a": "a", "b": "b", "c": "c", "server": "server"}
	return []scene{
		{name: "nested", request: "server", commands: nested},
		{name: "traced", traceparent: sampled, request: "server", commands: nested},
		{name: "unsampled", traceparent: unsampled, request: theClient, commands: alone},
		{name: "deep", request: "server", commands: deep},
		{name: "crossed", request: "server", commands: map[string]string{"b": "b", "after": "a"}},
		{name: "goroutines", request: "server", commands: map[string]string{
			"first": "server", "inner": "inner", "below": "inner", "innermost": "innermost", "after-innermost": "inner", "after": "server", "server": "server",
		}},
		{name: "ended-elsewhere", request: "server", commands: map[string]string{"inner": "inner", "after-elsewhere": "server", "after": "server"}},
		{name: "begun-elsewhere", request: "server", commands: map[string]string{"inner": "inner", "between": "server", "after": "server"}},
		{name: "early", request: "server", commands: map[string]string{"early": theRequest, "server": "server"}},
		{name: "early-traced", traceparent: sampled, request: "server", commands: map[string]string{"early": theRequest, "server": "server"}},
		{name: "outlives", request: "server", commands: map[string]string{"late": "server"}},
		{name: "early-outlives", request: "server", commands: map[string]string{"late": theRequest}},
		// What refers to the request's own trace keeps it there.
		{name: "before", request: nowhere, commands: map[string]string{"before": theRequest, "server": theRequest}},
		{name: "before-traced", traceparent: sampled, request: "server", commands: map[string]string{"before": theRequest, "server": "server"}},
		{name: "roots", request: "server", commands: map[string]string{"other": "server", "server": "server"}},
		{name: "hole", request: "server", commands: map[string]string{"hole": "server", "below": "below", "after": "server", "server": "server"}},
		{name: "hole-first", request: "below", commands: map[string]string{"below": "below", "inner": "inner", "after": "below", "hole": theRequest}},
		{name: "hole-elsewhere", request: "server", commands: map[string]string{"below": "below", "after": "server"}},
		{name: "recorded", request: nowhere, commands: map[string]string{"recorded": theRequest, "elsewhere": theRequest}},
		{name: "client", request: "server", calls: map[string]string{"/called-in-a-span": "inner", "/called-elsewhere": "server"}},
		{name: "panics", request: "server", commands: map[string]string{"inner": "inner", "after": theRequest}},
		// A span that never ends; the request after it must not be in it.
		{name: "leak", request: anywhere, commands: map[string]string{"leak": anywhere}},
		{name: "none", request: nowhere, commands: map[string]string{"none": theRequest, "elsewhere": theRequest}},
		// Where the handler runs on a goroutine of its own the spans are not
		// taken, unless they are in the request's trace anyway.
		{name: "timeout", request: nowhere, commands: alone},
		{name: "timeout-traced", traceparent: sampled, request: theClient, commands: nested},
	}
}

// TestRequest_isPartOfTheTraceOfTheProgramsSDK compares which spans requests and
// what they cause are children of with the spans that the program exported.
func TestRequest_isPartOfTheTraceOfTheProgramsSDK(t *testing.T) {
	for _, b := range sdkBuilds() {
		t.Run(b.name, func(t *testing.T) {
			exe := b.path(t)
			o := observe(t, exe)
			victim := testutil.StartTarget(t, exe)
			address := victim.WaitLine("")
			o.attached(t, victim.PID)
			// All by one connection, so that each has to forget the one before.
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for _, s := range scenes() {
				t.Run(s.name, func(t *testing.T) { s.run(t, o, victim, client, address) })
			}
		})
	}
}

func (s scene) run(t *testing.T, o *observer, victim *testutil.Target, client *http.Client, address string) {
	r, err := http.NewRequest("GET", "http://"+address+"/"+s.name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.traceparent != "" {
		r.Header.Set("Traceparent", s.traceparent)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("status %d", response.StatusCode)
	}
	pid := int32(victim.PID)
	request := o.wait(t, "the request", 1, func(e *model.Event) bool {
		return e.Schema.Probe == "http" && e.PID == pid && e.Get("goshawk.role").Str() == "server" && e.Get("url.path").Str() == "/"+s.name
	})[0]
	caused := map[string]*model.Event{}
	for command := range s.commands {
		caused["command "+command] = o.wait(t, command, 1, func(e *model.Event) bool {
			return e.Schema.Probe == "exec" && e.Get("process.parent_pid").Int() == int64(pid) &&
				slices.Equal(slices.Collect(e.Get("process.command_args").Strings()), []string{"/bin/true", s.name + "/" + command})
		})[0]
	}
	for path := range s.calls {
		caused["call "+path] = o.wait(t, path, 1, func(e *model.Event) bool {
			return e.Schema.Probe == "http" && e.PID == pid && e.Get("goshawk.role").Str() == "client" && e.Get("url.path").Str() == path
		})[0]
	}
	places := s.places(t, victim, request)
	check := func(what string, e *model.Event, want string) {
		t.Helper()
		if want == anywhere {
			return
		}
		at, ok := places[want]
		if !ok {
			t.Fatalf("the program exported no span %s", want)
		}
		if got := fmt.Sprintf("%x", e.ParentSpanID); got != at.Span {
			t.Errorf("%s is below %s, want %s", what, nameOf(places, got), want)
		}
		if got := fmt.Sprintf("%x", e.TraceID); at.Trace != "" && got != at.Trace {
			t.Errorf("%s is in trace %s, its parent, %s, in %s", what, got, want, at.Trace)
		}
	}
	check("the request", request, s.request)
	for what, e := range caused {
		kind, name, _ := strings.Cut(what, " ")
		if kind == "call" {
			check(what, e, s.calls[name])
		} else {
			check(what, e, s.commands[name])
		}
	}
}

// places are the spans that can be a parent in the scene, by name.
func (s scene) places(t *testing.T, victim *testutil.Target, request *model.Event) map[string]sdkSpan {
	t.Helper()
	var exported []sdkSpan
	if _, err := io.WriteString(victim.Stdin, "spans\n"); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte("["+victim.WaitLine("[")), &exported); err != nil {
		t.Fatal(err)
	}
	places := map[string]sdkSpan{
		theRequest: {Trace: fmt.Sprintf("%x", request.TraceID), Span: fmt.Sprintf("%x", request.SpanID)},
		theClient:  {Trace: clientTrace, Span: clientSpan},
		nowhere:    {Span: strings.Repeat("0", 16)},
	}
	for _, span := range exported {
		if name, ok := strings.CutPrefix(span.Name, s.name+"/"); ok {
			places[name] = span
		}
	}
	return places
}

func nameOf(places map[string]sdkSpan, span string) string {
	for name, at := range places {
		if at.Span == span {
			return name
		}
	}
	return "a span that nobody tells of, " + span
}
