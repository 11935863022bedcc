package slofile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/openslo"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// The readers must not panic, must say why they refuse in a way that a terminal can
// show, and where; what they take must be right, and the same when it is written
// as OpenSLO and read again.

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "#", "---\n", "a: *b", "a: &a [*a]", "{}", "[", "\xff", "\ufeffa: b", "? {a: b}\n: c", "%YAML 1.2\n---\na", "version: 1\n", "apiVersion: []\n"} {
		f.Add([]byte(text))
	}
	seed(f, "*.yaml", "")
	f.Fuzz(func(t *testing.T, data []byte) { check(t, data) })
}

func FuzzOpenSLO(f *testing.F) {
	const head = "apiVersion: openslo/v1\n"
	seed(f, "openslo.yaml", head)
	for _, text := range []string{
		asked("goshawk.io/extra: '{\"a\": [1.0, \"<\"]}', goshawk.io/receivers: 'a, b'", "  budgetingMethod: Timeslices\n  objectives: [{target: 1e-3, timeSliceTarget: 1, timeSliceWindow: 2.5}, {targetPercent: 99.99, timeSliceTarget: 0.5, timeSliceWindow: 90s}]\n"),
		counted("signal: http, status: [404, 5XX], role: any, attributes: [{key: [a, b], values: ['', 1]}], bad: [{service: x, error: '?*'}, panic, 200]", "  objectives: [{target: 0.5, op: lt, value: 1.5}]\n"),
		counted("signal: exec, command: [git, 'go*'], exitCode: 1", "  objectives: [{target: 0.9}]\n  alertPolicies: []\n"),
		asked("goshawk.io/windows: '1M from 2024-02-29 Asia/Kathmandu, 90s', goshawk.io/exclusions: \"- {from: 2026-01-01T00:00:00Z, to: 2026-01-02T00:00:00+02:00, select: {peer: x}}\"",
			"  budgetingMethod: Occurrences\n  objectives: [{target: 0.9}]\n  timeWindow: [{duration: 2w, calendar: {startTime: 2022-01-01, timeZone: UTC}}]\n"),
	} {
		f.Add([]byte(strings.TrimPrefix(text, head)))
	}
	f.Fuzz(func(t *testing.T, data []byte) { check(t, append([]byte(head), data...)) })
}

func FuzzSloth(f *testing.F) {
	const head = "version: prometheus/v1\n"
	seed(f, "sloth*.yaml", head)
	f.Fuzz(func(t *testing.T, data []byte) { check(t, append([]byte(head), data...)) })
}

func FuzzPyrra(f *testing.F) {
	const head = "apiVersion: pyrra.dev/v1alpha1\nkind: ServiceLevelObjective\n"
	seed(f, "pyrra.yaml", head)
	f.Fuzz(func(t *testing.T, data []byte) { check(t, append([]byte(head), data...)) })
}

// seed adds the documents of files, without their head.
func seed(f *testing.F, pattern, head string) {
	files, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimPrefix(data, []byte(head)))
		for _, document := range strings.Split(string(data), "---\n") {
			f.Add([]byte(strings.TrimPrefix(document, head)))
		}
	}
}

func check(t *testing.T, data []byte) {
	if len(data) > yamldoc.MaxFileBytes {
		return
	}
	set, problems := Parse([]yamldoc.Source{{Name: "fuzz.yaml", Data: data}}, Options{})
	if len(problems) > 2*yamldoc.MaxErrors+2 {
		t.Errorf("%d problems", len(problems))
	}
	// YAML counts a lone carriage return as the end of a line, too.
	lines, errors := bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte("\r"))+2, 0
	for _, p := range problems {
		if text := p.Error(); !utf8.ValidString(text) || strings.ContainsFunc(text+p.Hint, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("not fit for a terminal: %q", text)
		}
		whole := p.Line == 0 && (strings.Contains(p.Cause, "has no document") || strings.Contains(p.Cause, " more "))
		if p.Cause == "" || p.Hint == "" || !whole && (p.Line < 1 || p.Line > lines || p.Column < 1) {
			t.Errorf("incomplete: %#v", p)
		}
		if !p.Warning {
			errors++
		}
	}
	if (set == nil) != (errors > 0) {
		t.Fatalf("set %v, problems %v", set, problems)
	}
	if set == nil {
		return
	}
	for _, s := range set.SLOs {
		if err := objective.Errors(s.Validate()); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if len(set.SLOs) == 0 {
		return
	}
	var text bytes.Buffer
	if _, err := openslo.Write(&text, set.SLOs); err != nil {
		t.Fatal(err)
	}
	twice, more := Parse([]yamldoc.Source{{Name: "again.yaml", Data: text.Bytes()}}, Options{})
	if twice == nil {
		t.Fatalf("%v\n%s", more, text.Bytes())
	}
	if diff := cmp.Diff(set.SLOs, twice.SLOs, equal()); diff != "" {
		t.Errorf("(-read +read again)\n%s\n%s", diff, text.Bytes())
	}
}
