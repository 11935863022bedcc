package gotrace_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime/trace"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// record returns the trace that testdata/busy writes when a toolchain built it.
// meanwhile is called while it runs.
func record(t testing.TB, toolchain, lasting string, meanwhile ...func(*exec.Cmd)) []byte {
	t.Helper()
	source, err := os.ReadFile("testdata/busy/main.go")
	if err != nil {
		t.Fatal(err)
	}
	program := testutil.BuildGo(t, testutil.Files{"main.go": string(source)}, testutil.BuildOptions{Toolchain: toolchain})
	path := filepath.Join(t.TempDir(), "busy.trace")
	cmd := exec.Command(program, path, lasting)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range meanwhile {
		f(cmd)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out.Bytes())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReportsEqualThePlainReaderForEachGoVersion(t *testing.T) {
	for _, toolchain := range []string{"go1.22.12", "go1.23.12", "go1.24.11", "go1.25.5", ""} {
		name := toolchain
		if name == "" {
			name = "this toolchain"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := record(t, toolchain, "2500ms")
			sequential := analyse(t, data, gotrace.Options{Workers: 1})
			consult(t, bytes.NewReader(data)).compare(t, sequential)
			if sequential.Generations < 2 {
				t.Errorf("generations: got %d, want several, or nothing is carried over", sequential.Generations)
			}
			for _, workers := range []int{2, 5} {
				parallel := analyse(t, data, gotrace.Options{Workers: workers})
				if !reflect.DeepEqual(parallel, sequential) {
					t.Errorf("with %d workers the report differs", workers)
				}
			}
			if zipped := analyse(t, compress(t, data), gotrace.Options{}); !reflect.DeepEqual(zipped, sequential) {
				t.Error("compressed by gzip the report differs")
			}
		})
	}
}

// pauseEach stops a process for a while, five times.
func pauseEach(t testing.TB, cmd *exec.Cmd, runs, stopped time.Duration) {
	t.Helper()
	for range 5 {
		for _, s := range []struct {
			after  time.Duration
			signal os.Signal
		}{{runs, syscall.SIGSTOP}, {stopped, syscall.SIGCONT}} {
			time.Sleep(s.after)
			if err := cmd.Process.Signal(s.signal); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// analyse fails the test when a trace cannot be read to its end.
func analyse(t testing.TB, data []byte, o gotrace.Options) *gotrace.Report {
	t.Helper()
	r, err := gotrace.Analyse(context.Background(), bytes.NewReader(data), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Complete {
		t.Error("complete: got false")
	}
	return r
}

func compress(t testing.TB, data []byte) []byte {
	t.Helper()
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped.Bytes()
}

func TestAFlightRecordersDumpIsReadAsATrace(t *testing.T) {
	recorder := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: time.Second})
	if err := recorder.Start(); err != nil {
		t.Fatal(err)
	}
	defer recorder.Stop()
	for range 100 {
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { time.Sleep(time.Microsecond) })
		}
		all.Wait()
	}
	var dump bytes.Buffer
	if _, err := recorder.WriteTo(&dump); err != nil {
		t.Fatal(err)
	}
	r := analyse(t, dump.Bytes(), gotrace.Options{})
	consult(t, bytes.NewReader(dump.Bytes())).compare(t, r)
	if n := r.Latency[gotrace.Create].Count; n < 1000 {
		t.Errorf("first waits: got %d, want those of 1,000 goroutines", n)
	}
}

func TestWhatATraceOfABusyProgramShows(t *testing.T) {
	r := analyse(t, record(t, "", "1500ms"), gotrace.Options{})
	fns := map[string]gotrace.Function{}
	for _, f := range r.Functions {
		fns[f.Name] = f
	}
	if f := fns["main.locks.func1"]; f.Created == 0 || f.Created != f.Ended || f.Latency[gotrace.Create].Count != f.Created {
		t.Errorf("goroutines of main.locks: created %d, ended %d, first waits %d", f.Created, f.Ended, f.Latency[gotrace.Create].Count)
	}
	if f := fns["main.waits"]; f.Goroutines != 1 || f.Created != 0 {
		t.Errorf("the goroutine that waits since before the trace: %+v", f)
	}
	for _, fn := range []string{"main.main.func1", "main.pingPong.func1"} {
		if fns[fn].Running == 0 {
			t.Errorf("%s: never ran", fn)
		}
	}
	if r.Procs.Max == 0 || r.Procs.Running == 0 || r.Assist.Count+r.Ranges[0].Count == 0 {
		t.Errorf("Ps %+v, assists %+v", r.Procs, r.Assist)
	}
	if r.Goroutines.First == 0 || r.Goroutines.Max < 10 {
		t.Errorf("goroutines: %+v", r.Goroutines)
	}
	checkTimeline(t, r)
	for _, w := range r.Waits {
		if w.Duration <= 0 || w.At < 0 || w.At+w.Duration > r.Duration || w.Function == "" {
			t.Errorf("wait: %+v", w)
		}
	}
}

// checkTimeline holds the bins against the whole.
func checkTimeline(t *testing.T, r *gotrace.Report) {
	t.Helper()
	var idle, running int64
	for _, b := range r.Timeline.Bins {
		idle += b.IdlePs
		running += b.Running
		if b.STW > r.Timeline.Width || b.GC > r.Timeline.Width {
			t.Errorf("bin: %+v of width %d", b, r.Timeline.Width)
		}
	}
	equal(t, "idle Ps over all bins", idle, r.Procs.Idle)
	var byFunction int64
	for _, f := range r.Functions {
		byFunction += f.Running
	}
	equal(t, "running over all bins", running, byFunction)
	if span := int64(len(r.Timeline.Bins)) * r.Timeline.Width; span < r.Duration || span > r.Duration+r.Timeline.Width {
		t.Errorf("bins cover %d ns of %d", span, r.Duration)
	}
}

func TestInputThatIsNoWholeTrace(t *testing.T) {
	whole := record(t, "", "1200ms")
	for _, tt := range []struct {
		name   string
		data   []byte
		want   error
		events bool
	}{
		{name: "nothing at all", want: gotrace.ErrEmpty},
		{name: "a few bytes", data: []byte("go 1"), want: gotrace.ErrNotTrace},
		{name: "a page of HTML", data: []byte("<!DOCTYPE html><html><body>pprof</body></html>"), want: gotrace.ErrNotTrace},
		{name: "gzip of something else", data: compress(t, []byte("a profile, perhaps")), want: gotrace.ErrNotTrace},
		{name: "damaged gzip", data: []byte{0x1f, 0x8b, 0, 0, 0, 0}, want: gotrace.ErrNotTrace},
		{name: "a trace of Go 1.21", data: []byte("go 1.21 trace\x00\x00\x00\x01"), want: gotrace.ErrOldFormat},
		{name: "a trace of a Go to come", data: []byte("go 1.99 trace\x00\x00\x00\x01"), want: gotrace.ErrNotTrace},
		{name: "a header alone", data: whole[:16], want: gotrace.ErrCut},
		{name: "cut in its first batch", data: whole[:40], want: gotrace.ErrCut},
		{name: "cut near its end", data: whole[:len(whole)-1000], want: gotrace.ErrCut, events: true},
		{name: "gzip that is cut", data: compress(t, whole)[:1000], want: gotrace.ErrCut},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := gotrace.Analyse(context.Background(), bytes.NewReader(tt.data), gotrace.Options{})
			if !errors.Is(err, tt.want) {
				t.Errorf("error: got %v, want %v", err, tt.want)
			}
			if r != nil && r.Complete {
				t.Error("complete: got true")
			}
			if tt.events && (r == nil || r.Events == 0) {
				t.Error("of the generations before the cut nothing was kept")
			}
		})
	}
}

func TestTwoTracesInOneFile(t *testing.T) {
	whole := record(t, "", "1200ms")
	alone := analyse(t, whole, gotrace.Options{})
	r, err := gotrace.Analyse(context.Background(), bytes.NewReader(append(bytes.Clone(whole), whole...)), gotrace.Options{})
	if err == nil || r.Complete {
		t.Fatalf("error: got %v, complete %v", err, r.Complete)
	}
	if r.Events != alone.Events {
		t.Errorf("events: got %d, want the first trace's %d", r.Events, alone.Events)
	}
}

func TestAnalysisStopsWhenItsContextEnds(t *testing.T) {
	whole := record(t, "", "1200ms")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, err := gotrace.Analyse(ctx, bytes.NewReader(whole), gotrace.Options{})
	if !errors.Is(err, context.Canceled) || r.Complete {
		t.Errorf("got %v, complete %v", err, r.Complete)
	}
}

func TestGenerationBeyondItsBoundIsRefused(t *testing.T) {
	whole := record(t, "", "1200ms")
	r, err := gotrace.Analyse(context.Background(), bytes.NewReader(whole), gotrace.Options{MaxGeneration: 1 << 10})
	if err == nil || r.Complete {
		t.Errorf("got %v, complete %v", err, r.Complete)
	}
}
