package v1_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/inspect"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// inspected returns a made-up program.
func inspected() *inspect.Program {
	p := &inspect.Program{Hookable: true, Size: 4711}
	p.Process.Exe = "/bin/server\xff"
	p.Process.Go = &model.GoBuild{GoVersion: "go1.26.1", Module: "example.com/server", Static: true}
	p.Linking = symbol.Linking{
		Arch: "amd64", Static: true, Relro: symbol.RelroPartial, PLT: true, GOT: true, GOTWritable: true,
		Sections: []symbol.Section{{Name: ".text", Addr: 0x401000, Size: 12}},
	}
	p.Build = &debug.BuildInfo{
		Main: debug.Module{Path: "example.com/server", Version: "v1.2.3"},
		Deps: []*debug.Module{{Path: "example.com/lib", Version: "v1.0.0", Sum: "h1:x", Replace: &debug.Module{Path: "./lib"}}},
		Settings: []debug.BuildSetting{
			{Key: "-trimpath", Value: "true"}, {Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"},
			{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
		},
	}
	return p
}

// functions yields made-up functions, then err when it is not nil.
func functions(err error) iter.Seq2[inspect.Function, error] {
	entry := symbol.Point{Addr: 0x401006, Op: "push"}
	list := []inspect.Function{
		{
			Name: "main.f", Entry: 0x401000, Size: 33, InlinedInto: []string{"main.g"}, InlinedTotal: 7,
			Hook:  inspect.Hook{Verdict: inspect.Verdict{OK: true, Reason: "how"}, Entry: &entry, Returns: []symbol.Point{{Addr: 0x401020, Op: "ret", Stepped: true}}},
			Patch: inspect.Verdict{Reason: "why not"},
		},
		{Name: "main.\xff", Hook: inspect.Hook{Verdict: inspect.Verdict{Reason: "none"}}},
	}
	return func(yield func(inspect.Function, error) bool) {
		for _, f := range list {
			if !yield(f, nil) {
				return
			}
		}
		if err != nil {
			yield(inspect.Function{}, err)
		}
	}
}

func TestWriteInspection_isOneDocument(t *testing.T) {
	head := v1.NewInspection(inspected())
	var out bytes.Buffer
	if err := v1.WriteInspection(&out, &head, functions(nil)); err != nil {
		t.Fatal(err)
	}
	var document struct {
		v1.Inspection
		Functions []v1.InspectedFunction `json:"functions"`
	}
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	if diff := cmp.Diff(head, document.Inspection, cmp.Comparer(func(a, b v1.Time) bool { return time.Time(a).Equal(time.Time(b)) })); diff != "" {
		t.Errorf("head: %s", diff)
	}
	want := []v1.InspectedFunction{
		{
			Name: "main.f", Address: 0x401000, SizeBytes: 33, InlinedInto: []string{"main.g"}, InlinedIntoTotal: 7,
			Hook: v1.InspectedHook{Verdict: v1.Verdict{OK: true, Reason: "how"}, Points: []v1.HookPoint{
				{At: "entry", OffsetBytes: 6, Instruction: "push", Cost: "emulated"},
				{At: "return", OffsetBytes: 32, Instruction: "ret", Cost: "single-stepped"},
			}},
			Patch: v1.Verdict{Reason: "why not"},
		},
		{Name: "main.\uFFFD", InlinedInto: []string{}, Hook: v1.InspectedHook{Verdict: v1.Verdict{Reason: "none"}}},
	}
	if diff := cmp.Diff(want, document.Functions); diff != "" {
		t.Errorf("functions: %s", diff)
	}
	if !strings.Contains(out.String(), `"exe": "/bin/server`+"\uFFFD"+`"`) || strings.Contains(out.String(), "start_time") {
		t.Errorf("document %s", &out)
	}
}

func TestWriteInspection_hasTheFieldsOfTheContract(t *testing.T) {
	head := v1.NewInspection(inspected())
	var out bytes.Buffer
	if err := v1.WriteInspection(&out, &head, functions(nil)); err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{
		"pid", "exe", "go_version", "module", "version", "vcs_revision", "build_id", "service", "static", "pie", "cgo", "stripped",
		"container_id", "hookable", "sections", "linking", "relro", "plt", "got_writable", "functions",
	} {
		if _, ok := document[field]; !ok {
			t.Errorf("no field %s in %s", field, &out)
		}
	}
	for _, field := range []string{"name", "size_bytes", "inlined_into", "hook", "patch"} {
		if _, ok := document["functions"].([]any)[1].(map[string]any)[field]; !ok {
			t.Errorf("no field %s of a function", field)
		}
	}
}

func TestWriteInspection_withoutFunctionsOrFacts(t *testing.T) {
	head := v1.NewInspection(&inspect.Program{})
	var out bytes.Buffer
	none := func(func(inspect.Function, error) bool) {}
	if err := v1.WriteInspection(&out, &head, none); err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("error %v: %s", err, &out)
	}
	for _, empty := range []string{`"sections": []`, `"modules": []`, `"build_settings": {}`} {
		if !strings.Contains(out.String(), empty) {
			t.Errorf("no %s in %s", empty, &out)
		}
	}
}

func TestWriteInspection_stopsAtAnError(t *testing.T) {
	head := v1.NewInspection(inspected())
	broken := errors.New("broken")
	if err := v1.WriteInspection(io.Discard, &head, functions(broken)); !errors.Is(err, broken) {
		t.Errorf("error %v of the functions", err)
	}
	if err := v1.WriteInspection(brokenPipe{broken}, &head, functions(nil)); !errors.Is(err, broken) {
		t.Errorf("error %v of the writer", err)
	}
}

type brokenPipe struct{ err error }

func (p brokenPipe) Write([]byte) (int, error) { return 0, p.err }
