package console

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/model"
)

func schema() *model.Schema {
	return &model.Schema{
		Probe: "exec",
		Fields: []model.Field{
			{Key: "process.executable.name", Kind: model.KindString}, {Key: "error.type", Kind: model.KindString},
			{Key: "code.function.name", Kind: model.KindString}, {Key: "process.command_args", Kind: model.KindStrings},
			{Key: "goshawk.exec.outcome", Kind: model.KindString},
		},
		Failure: "error.type",
		Span:    &model.Span{Name: "process.executable.name"},
	}
}

func command(s *model.Schema, at time.Time, name, function, failure string, d time.Duration) *model.Event {
	e := new(model.Event)
	e.Reset(s)
	e.Time, e.Service, e.Duration = at, "shop", d
	e.Values[0], e.Values[2] = model.StringValue(name), model.StringValue(function)
	e.Values[3], e.Values[4] = model.StringsValue(name+"\x00\x1b[31m\x00"), model.StringValue("exited")
	if failure != "" {
		e.Values[1] = model.StringValue(failure)
		e.Findings = []model.Finding{{Rule: "bad-habit", Severity: model.SeverityWarn, Evidence: "it \x1b[2J failed", Remedy: "mend it"}}
	}
	return e
}

func TestRender_showsSitesFindingsAndTheLastCommands(t *testing.T) {
	s := NewState()
	sc := schema()
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for i := range 40 {
		s.Add(command(sc, now.Add(-time.Minute), "git", "example.com/a/shop.revision", "", time.Duration(i+1)*time.Millisecond))
	}
	s.Add(command(sc, now, "grep", "example.com/a/shop.find", "1", time.Second))
	started := command(sc, now, "never", "f", "", 0)
	started.Phase = model.PhaseStart
	s.Add(started)
	lines := s.Render(Frame{
		Width: 120, Height: 40, Now: now, Title: "the title",
		Probes: []model.ProbeHealth{
			{Probe: "exec", Up: true, Events: 41},
			{Probe: "tcp", Off: []model.ProbeFault{{Cause: "no BTF\n"}}},
		},
	})
	text := strings.Join(lines, "\n")
	for _, want := range []string{
		"the title", "41 commands, 1 failed", "probe exec  up   41 events, 0 lost", `probe tcp   off  no BTF\n`,
		"shop           shop.revision                            git                   40    40.0   21.0ms   40.0ms      0",
		"shop           shop.find                                grep                   1     6.0    1.00s    1.00s      1",
		`warn  bad-habit ×1  shop.find: it \x1b[2J failed`, "      mend it",
		`exited 1           grep $'\x1b[31m'`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the view lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "never") {
		t.Error("a start is shown as a command")
	}
	if strings.ContainsRune(text, 0x1b) {
		t.Error("the view without colours has an escape sequence")
	}
}

func TestRender_fitsTheTerminal(t *testing.T) {
	s := NewState()
	sc := schema()
	for i := range 600 {
		s.Add(command(sc, time.Now(), fmt.Sprint("name", i), fmt.Sprint("pkg.function", i), "1", time.Second))
	}
	for _, size := range []struct{ width, height int }{{160, 50}, {80, 24}, {40, 10}, {20, 3}, {1, 1}} {
		lines := s.Render(Frame{Width: size.width, Height: size.height, Now: time.Now(), Title: strings.Repeat("t", 200), Probes: []model.ProbeHealth{{Probe: "exec", Up: true}}})
		if len(lines) > max(size.height-1, 1) {
			t.Errorf("%dx%d: %d lines", size.width, size.height, len(lines))
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > size.width {
				t.Errorf("%dx%d: a line of %d cells: %q", size.width, size.height, n, line)
			}
		}
	}
}

func TestAdd_boundsWhatItRemembers(t *testing.T) {
	s := NewState()
	sc := schema()
	for i := range 5000 {
		s.Add(command(sc, time.Now(), fmt.Sprint("name", i), fmt.Sprint("f", i), "1", time.Second))
	}
	if len(s.sites) > maxSites || len(s.findings) > maxFindings || len(s.last) > maxLast {
		t.Errorf("%d sites, %d findings, %d events are remembered", len(s.sites), len(s.findings), len(s.last))
	}
	if s.total != 5000 || s.failed != 5000 {
		t.Errorf("total %d, failed %d, want 5000 both", s.total, s.failed)
	}
}

func TestAdd_showsOfATalliedSchemaWhatWasFound(t *testing.T) {
	s := NewState()
	sc := schema()
	sc.Probe, sc.Tallied = "http", true
	tally := command(sc, time.Now(), "never", "f", "500", time.Second)
	tally.Phase, tally.Tally = model.PhaseTally, &model.Tally{Count: 1000}
	s.Add(tally)
	s.Add(command(sc, time.Now(), "never", "f", "500", time.Second))
	text := strings.Join(s.Render(Frame{Width: 120, Height: 40, Now: time.Now()}), "\n")
	if !strings.Contains(text, "warn  bad-habit ×1") || !strings.Contains(text, "0 commands, 0 failed") || strings.Contains(text, "never") {
		t.Errorf("the view lacks the finding, or has a sample among the commands:\n%s", text)
	}
}
