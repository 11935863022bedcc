package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/hook"
)

func hookSample() *hook.Sample {
	return &hook.Sample{
		Func: "main.handle", Time: time.Date(2026, 5, 4, 15, 4, 5, 120_000_000, time.UTC), Goroutine: 12,
		Args: []hook.Arg{
			{Name: "id", Text: "3", Value: int64(3)},
			{Name: "r.Method", Text: `"GET"`, Value: "GET"},
			{Name: "f", Text: "?"},
			{Name: "raw", Text: `"\xff"`, Value: "\xff"},
		},
		Finished: true, Duration: 1200 * time.Microsecond, Failed: true, Error: `"no rows"`,
	}
}

func TestHookPaths(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
		ok   bool
	}{
		{"", nil, true},
		{"*", nil, true},
		{"id", []string{"id"}, true},
		{"id, r.URL.Path", []string{"id", "r.URL.Path"}, true},
		{",", nil, false},
		{"id,", nil, false},
	} {
		got, err := hookPaths(tt.args)
		if (err == nil) != tt.ok || tt.ok && !slices.Equal(got, tt.want) {
			t.Errorf("hookPaths(%q) = %q, %v; want %q", tt.args, got, err, tt.want)
		}
		var f *failure
		if !tt.ok && (!errors.As(err, &f) || f.code != exitUsage) {
			t.Errorf("hookPaths(%q): %v is no fault of the user", tt.args, err)
		}
	}
}

func TestHookSamplesArePrinted(t *testing.T) {
	open := hookSample()
	open.Finished, open.Failed, open.Duration, open.Error = false, false, 0, ""
	open.Func, open.Args = "main.\x1b[31mopen", nil
	var out bytes.Buffer
	h := hookSamples{out: &out}
	h.take(hookSample())
	h.take(open)
	want := `15:04:05.120 g12 main.handle(id=3, r.Method="GET", f=?, raw="\xff") -> 1.20ms error "no rows"
15:04:05.120 g12 main.\x1b[31mopen() -> unfinished
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	var notes bytes.Buffer
	h.printNotes(&notes, &hook.Report{SamplesLost: 7, Functions: []hook.Result{{Calls: 40}, {Calls: 2}}})
	for _, text := range []string{"arguments of 2 of 42 calls", "7 more were lost"} {
		if !strings.Contains(notes.String(), text) {
			t.Errorf("notes %q do not say %q", notes.String(), text)
		}
	}
}

func TestHookSamplesInJSON(t *testing.T) {
	var h hookSamples
	h.take(hookSample())
	open := hookSample()
	open.Finished, open.Error = false, ""
	for range maxJSONSamples {
		h.take(open)
	}
	var out bytes.Buffer
	report := &hook.Report{Functions: []hook.Result{{Func: "main.handle", ErrorsKnown: true}, {Func: "main.idle"}}}
	if err := printHookJSON(&out, report, &h); err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Func    string
		Samples *[]struct {
			Time      string
			Goroutine uint64 `json:"goroutine_id"`
			Args      map[string]any
			Duration  *int64 `json:"duration_ns"`
			Error     string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	first := (*got[0].Samples)[0]
	if first.Time != "2026-05-04T15:04:05.120000000Z" || first.Goroutine != 12 || first.Duration == nil || *first.Duration != 1200000 || first.Error != `"no rows"` {
		t.Errorf("first sample %+v", first)
	}
	args := map[string]any{"id": 3.0, "r.Method": "GET", "f": nil, "raw": "�"}
	for name, want := range args {
		if value, ok := first.Args[name]; !ok || value != want {
			t.Errorf("argument %s is %v, want %v", name, value, want)
		}
	}
	if last := (*got[0].Samples)[1]; last.Duration != nil || last.Error != "" {
		t.Errorf("sample of an open call %+v", last)
	}
	if n := len(*got[0].Samples); n != maxJSONSamples || h.cut != 1 {
		t.Errorf("%d samples are kept, %d are left out", n, h.cut)
	}
	if got[1].Samples == nil || len(*got[1].Samples) != 0 {
		t.Errorf("samples of a function that was not called: %v", got[1].Samples)
	}
	out.Reset()
	if err := printHookJSON(&out, report, nil); err != nil || strings.Contains(out.String(), "samples") {
		t.Errorf("without --args: %s, %v", out.String(), err)
	}
}
