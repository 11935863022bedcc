package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/exp/trace"
)

func TestGenerate_makesATraceThatHasWhatIsAnalysed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "1.trace")
	if err := generate(t.Context(), file, 1); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 1<<20 {
		t.Errorf("the trace has %d bytes, want a MiB at least", info.Size())
	}
	counted, err := readBare(file)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := trace.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[trace.EventKind]uint64{}
	var all uint64
	for e, err := r.ReadEvent(); err == nil; e, err = r.ReadEvent() {
		kinds[e.Kind()]++
		all++
	}
	if counted != all {
		t.Errorf("readBare counts %d events of %d", counted, all)
	}
	for _, kind := range []trace.EventKind{trace.EventStateTransition, trace.EventRegionEnd, trace.EventTaskEnd, trace.EventRangeEnd} {
		if kinds[kind] == 0 {
			t.Errorf("the trace has no %v", kind)
		}
	}
}

func TestGenerate_endsWhenItIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := generate(ctx, filepath.Join(t.TempDir(), "t"), 1<<20); err == nil {
		t.Error("a cancelled generate says that it made a trace of a TiB")
	}
}

func TestReadBare_saysWhatIsNoTrace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t")
	if err := os.WriteFile(file, []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := readBare(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("readBare counts %d events of a page, error %v, want one that names the file", n, err)
	}
}

func TestInJSON_takesTheMemberOfTheDocumentItself(t *testing.T) {
	for _, c := range []struct {
		name, document string
		want           uint64
		fails          bool
	}{
		{name: "first", document: `{"events":3,"b":1}`, want: 3},
		{name: "behind one of the same name further in", document: `{"a":{"events":1},"c":[{"events":2}],"events":3}`, want: 3},
		{name: "none", document: `{"a":1}`, fails: true},
		{name: "not a number", document: `{"events":"many"}`, fails: true},
		{name: "nothing", document: ``, fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := inJSON(strings.NewReader(c.document))
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("inJSON(%s) = %d, %v, want %d, an error: %v", c.document, got, err, c.want, c.fails)
			}
		})
	}
}

func TestExecute_tellsWhatAProcessCostAndHowItEnded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	o, err := execute(t.Context(), command{args: []string{"sh", "-c", "echo $A; echo why >&2; exit 3"}, env: []string{"A=b"}}, file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != "b\n" || o.said != "why\n" || o.exit != 3 {
		t.Errorf("printed %q, said %q, exit status %d, want b, why, 3", out, o.said, o.exit)
	}
	if o.peak < 100<<10 {
		t.Errorf("a peak of %d bytes, less than any shell has", o.peak)
	}
	if _, err := execute(t.Context(), command{args: []string{filepath.Join(t.TempDir(), "none")}}, file); err == nil {
		t.Error("no error for a program that is not there")
	}
}

func TestTable_leavesOutWallTimesOfABusyMachine(t *testing.T) {
	run := func(cpu, wall time.Duration, others float64) outcome {
		return outcome{cpu: cpu, wall: wall, others: others, peak: 64 << 20}
	}
	got := table("1.trace", 1<<20, []*row{
		{reader: reader{name: bare}, events: 7, outcomes: []outcome{run(2*time.Second, 9*time.Second, 1.5)}},
		{reader: reader{name: sequential}, outcomes: []outcome{run(4*time.Second, 4*time.Second, 0.1), run(6*time.Second, time.Second, 1)}},
		{reader: reader{name: parallel}, outcomes: []outcome{run(5*time.Second, 2*time.Second, 0)}},
		{reader: reader{name: "peer"}, skipped: "not run"},
	}, 0.3)
	for _, want := range []string{
		"1.trace: 1.0 MiB, 7 events\n",
		"| bare reader | 2.00 / 2.00 | 1.00 | 64 | - | - | 1, 0 | 1.5 / 1.5 | 0 |\n",
		"| goshawk, one parser | 4.00 / 5.00 | 2.00 | 64 | 4.00 / 4.00 | 1.00 | 2, 1 | 0.1 / 0.6 | 0 |\n",
		"| goshawk, two parsers | 5.00 / 5.00 | 2.50 | 64 | 2.00 / 2.00 | 0.50 | 1, 1 | 0.0 / 0.0 | 0 |\n",
		"| peer | not run |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the table lacks %q:\n%s", want, got)
		}
	}
}

func TestVerdicts_refuseWhatIsNotTheSame(t *testing.T) {
	good := func() []*row {
		return []*row{
			{reader: reader{name: bare, events: printed}, events: 7},
			{reader: reader{name: sequential, events: inJSON}, events: 7, sum: [32]byte{1}},
			{reader: reader{name: parallel, events: inJSON}, events: 7, sum: [32]byte{1}},
		}
	}
	for _, c := range []struct {
		name, want string
		change     func([]*row)
	}{
		{"the same", "", func([]*row) {}},
		{"another count", "counts 6 events", func(r []*row) { r[1].events = 6 }},
		{"other bytes", "do not print the same", func(r []*row) { r[2].sum[0] = 2 }},
		{"a failure", "exit status 4: why", func(r []*row) { r[2].outcomes = []outcome{{exit: 4, said: "why\n"}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := good()
			c.change(rows)
			err := verdicts(rows)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("verdicts: %v, want %q", err, c.want)
			}
		})
	}
}

func TestParse_takesSizesOrTraces(t *testing.T) {
	s, err := parse([]string{"-mb", "10,400"})
	if err != nil || len(s.sizes) != 2 || s.sizes[1] != 400 {
		t.Errorf("sizes %v, %v, want 10 and 400", s.sizes, err)
	}
	s, err = parse([]string{"a.trace"})
	if err != nil || len(s.sizes) != 0 || len(s.files) != 1 {
		t.Errorf("sizes %v, files %v, %v, want a.trace alone", s.sizes, s.files, err)
	}
	for _, bad := range []string{"0", "x", "10,"} {
		if _, err := parse([]string{"-mb", bad}); err == nil {
			t.Errorf("-mb %s is taken", bad)
		}
	}
}
