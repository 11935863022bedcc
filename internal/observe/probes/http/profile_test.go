package http

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// profileFlag returns the flag of go build that makes it inline the calls of
// testdata/profile.txt. The file stays for the next run, which then need not
// build the standard library again.
func profileFlag(t *testing.T) string {
	t.Helper()
	root, err := os.UserCacheDir()
	if err != nil {
		root = t.TempDir()
	}
	dir := filepath.Join(root, "goshawk-test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	if err := hotCalls(t).Write(&data); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "http.pgo")
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data.Bytes()) {
		return "-pgo=" + path
	}
	if err := os.WriteFile(path, data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return "-pgo=" + path
}

// hotCalls reads the calls of testdata/profile.txt as a CPU profile in which
// nothing else was ever seen.
func hotCalls(t *testing.T) *profile.Profile {
	t.Helper()
	file, err := os.Open("testdata/profile.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 10_000_000,
	}
	at := func(function string, start, line int64) *profile.Location {
		id := uint64(len(p.Location) + 1)
		f := &profile.Function{ID: id, Name: function, SystemName: function, StartLine: start}
		l := &profile.Location{ID: id, Address: id, Line: []profile.Line{{Function: f, Line: line}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		return l
	}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var caller, callee string
		var start, line int64
		if lines.Text()[0] == '#' {
			continue
		}
		if _, err := fmt.Sscan(lines.Text(), &caller, &start, &line, &callee); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		calls := []*profile.Location{at(callee, 1, 2), at(caller, start, line)}
		p.Sample = append(p.Sample, &profile.Sample{Location: calls, Value: []int64{1000, 10_000_000_000}})
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProfileInlines holds the build with a profile to what it is there for.
func TestProfileInlines(t *testing.T) {
	b, err := symbol.Open(profiledBuild(t).path(t))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	calls := hotCalls(t)
	for _, s := range calls.Sample {
		callee, caller := s.Location[0].Line[0].Function.Name, s.Location[1].Line[0].Function.Name
		if into := b.InlinedInto(callee)[callee]; len(into) == 0 || into[0] != caller {
			t.Errorf("%s is inlined into %q, not %s: has the line moved that calls it?", callee, into, caller)
		}
	}
}

func profiledBuild(t *testing.T) victimBuild {
	return victimBuild{name: "profile", flags: []string{"-trimpath", "-ldflags=-s -w", profileFlag(t)}}
}
