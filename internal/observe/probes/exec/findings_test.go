package exec

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// goStack is the setting of a fork by a Go program.
const goStack = "stack=syscall.forkAndExecInChild1,os/exec.(*Cmd).Start,main.run:12"

func TestShellWrapper(t *testing.T) {
	for _, test := range []struct {
		name, exe, args string
		other           bool // the parent is no Go program
		want            string
	}{
		{name: "sh -c", exe: "/usr/bin/dash", args: `["sh","-c","ls | wc"]`, want: "main.run runs a command line by sh -c"},
		{name: "full path", exe: "/usr/bin/bash", args: `["/bin/bash","-c","ls"]`, want: "main.run runs a command line by bash -c"},
		{name: "login shell", exe: "/usr/bin/bash", args: `["bash","-lc","ls"]`, want: "main.run runs a command line by bash -c"},
		{name: "login shell by its name", exe: "/usr/bin/bash", args: `["-bash","-c","ls"]`, want: "main.run runs a command line by -bash -c"},
		{name: "options before", exe: "/usr/bin/bash", args: `["bash","--norc","-e","-c","ls"]`, want: "main.run runs a command line by bash -c"},
		{name: "option with a value", exe: "/usr/bin/bash", args: `["bash","-euo","pipefail","-c","ls"]`, want: "main.run runs a command line by bash -c"},
		{name: "option switched off", exe: "/usr/bin/bash", args: `["bash","+O","extglob","-c","ls"]`, want: "main.run runs a command line by bash -c"},
		{name: "dash", exe: "/usr/bin/dash", args: `["dash","-ec","ls"]`, want: "main.run runs a command line by dash -c"},
		{name: "busybox as sh", exe: "/bin/busybox", args: `["sh","-c","ls"]`, want: "main.run runs a command line by sh -c"},
		{name: "another name for the shell", exe: "/usr/bin/dash", args: `["myshell","-c","ls"]`, want: "main.run runs a command line by dash -c"},
		{name: "busybox, applet as argument", exe: "/bin/busybox", args: `["busybox","sh","-c","ls"]`},
		{name: "env", exe: "/usr/bin/env", args: `["env","sh","-c","ls"]`},
		{name: "a script", exe: "/usr/bin/dash", args: `["sh","deploy.sh","-c"]`},
		{name: "a script after options", exe: "/usr/bin/dash", args: `["sh","-x","deploy.sh","-c"]`},
		{name: "standard input", exe: "/usr/bin/dash", args: `["sh","-","-c"]`},
		{name: "no arguments", exe: "/usr/bin/dash", args: `[]`},
		{name: "empty argument", exe: "/usr/bin/dash", args: `["sh","","-c"]`},
		{name: "another program's -c", exe: "/usr/bin/python3", args: `["python3","-c","print()"]`},
		{name: "not by a Go program", exe: "/usr/bin/dash", args: `["sh","-c","ls"]`, other: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			stack := goStack
			if test.other {
				stack = ""
			}
			end := lastEvent(t, fmt.Sprintf("fork pid=10 parent=5 %s\nexec pid=10 exe=%s args=%s\nexit pid=10\nreap pid=10\n",
				stack, test.exe, test.args))
			if got := evidence(end, "shell-wrapper"); got != test.want {
				t.Errorf("evidence = %q, want %q", got, test.want)
			}
		})
	}
}

func TestShellWrapperIsTheCommandThatWasRun(t *testing.T) {
	script := "fork pid=10 parent=5 " + goStack + "\n" +
		`exec pid=10 exe=/usr/bin/dash args=["sh","-c","exec sh -c true"]` + "\n" +
		`exec pid=10 exe=/usr/bin/dash args=["sh","-c","true"]` + "\nexit pid=10\nreap pid=10\n"
	if events := decodeScript(t, script); len(events) != 2 ||
		evidence(events[0], "shell-wrapper") == "" || evidence(events[1], "shell-wrapper") != "" {
		t.Errorf("want the finding for the first of two commands: %v", events)
	}
}

func TestRepeatedCommand(t *testing.T) {
	var text strings.Builder
	add := func(n int, at time.Duration, settings string) {
		for i := range n {
			// 40 s apart at most: within a minute of the wall clock, whenever it is.
			fmt.Fprintf(&text, "fork pid=%d at=%s parent=5 %s\nexec pid=%d exe=/bin/convert args=[\"convert\"]\nexit pid=%d\nreap pid=%d\n",
				i+10, at, settings, i+10, i+10, i+10)
		}
	}
	add(repeatsPerMinute, 0, goStack)
	add(repeatsPerMinute, 0, "stack=syscall.forkAndExecInChild1,main.other:4")
	add(repeatsPerMinute+50, 0, "")
	add(repeatsPerMinute, 2*time.Minute, goStack)
	add(250, 10*time.Minute, goStack)
	var got []string
	counted := 0
	for _, e := range decodeScript(t, text.String()) {
		counted++
		if words := evidence(e, "repeated-command"); words != "" {
			got = append(got, fmt.Sprint(counted, " ", words))
		}
	}
	// Two sites of 100 each are not remarkable, nor what no Go program runs, nor
	// 100 more when the minute is over.
	want := []string{
		fmt.Sprint(5*repeatsPerMinute+50+1, " convert ran more than 100 times within a minute from main.run"),
		fmt.Sprint(6*repeatsPerMinute+50+1, " convert ran more than 200 times within a minute from main.run"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("findings = %q, want %q", got, want)
	}
}

func TestRatesAreBounded(t *testing.T) {
	r := newRates()
	site := &callSite{frames: []model.Frame{{Func: "main.run"}}}
	for n := range 2 * maxRates {
		r.count(site, &image{path: fmt.Sprint(n)}, time.Unix(0, 0))
	}
	if len(r.counts) != maxRates {
		t.Errorf("%d pairs are counted, want %d", len(r.counts), maxRates)
	}
	r.count(site, &image{path: "later"}, time.Unix(61, 0))
	if len(r.counts) != 1 {
		t.Errorf("%d pairs are counted after their minute, want the new one", len(r.counts))
	}
}

// decodeScript returns the events that end, in order.
func decodeScript(t *testing.T, text string) []*model.Event {
	t.Helper()
	s := newScript(t)
	_, d := scriptDecoder(t, s)
	var events []*model.Event
	for one := range strings.Lines(text) {
		err := d.Decode(s.record(parseLine(t, strings.TrimSpace(one))), func(e *model.Event) {
			if e.Phase == model.PhaseEnd {
				events = append(events, e.Clone())
			}
		})
		if err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
	return events
}

func lastEvent(t *testing.T, text string) *model.Event {
	t.Helper()
	events := decodeScript(t, text)
	if len(events) == 0 {
		t.Fatal("no event")
	}
	return events[len(events)-1]
}

// evidence returns the evidence of the finding of a rule, empty without one.
func evidence(e *model.Event, rule string) string {
	for _, f := range e.Findings {
		if f.Rule == rule {
			return f.Evidence
		}
	}
	return ""
}
