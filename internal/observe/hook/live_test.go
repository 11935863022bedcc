package hook

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		hookForever(text)
	}
	if path := os.Getenv(namespaceVariable); path != "" {
		hookInNamespace(path)
	}
	testutil.NoLeaks(m)
}

// plenty is a budget that no test exceeds.
const plenty = 1e6

type victim struct{ *testutil.Target }

func startVictim(t *testing.T, opts testutil.BuildOptions) victim {
	t.Helper()
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found in amd64 code only", "amd64")
	source := testutil.Files{"constant.txt": strings.Repeat("0123456789abcdef", 1<<15)}
	for _, name := range []string{"main.go", "exec.go", "loops.go"} {
		text, err := os.ReadFile("testdata/victim/" + name)
		if err != nil {
			t.Fatal(err)
		}
		source[name] = string(text)
	}
	// In a module of its own, older toolchains take it.
	v := victim{testutil.StartTarget(t, testutil.BuildGo(t, source, opts))}
	v.WaitLine("ready")
	return v
}

// do has the victim do something and waits until it has.
func (v victim) do(t *testing.T, command string) {
	t.Helper()
	v.send(t, command)
	v.WaitLine("done")
}

func (v victim) send(t *testing.T, command string) {
	t.Helper()
	if _, err := fmt.Fprintln(v.Stdin, command); err != nil {
		t.Fatal(err)
	}
}

// measurement is a session that runs.
type measurement struct {
	session *Session
	stop    context.CancelFunc
	result  chan *Report
}

// measure hooks functions of v and returns once calls are counted.
func measure(t *testing.T, v victim, o Options, run RunOptions) *measurement {
	t.Helper()
	o.PID = v.PID
	if o.Budget == 0 {
		o.Budget = plenty
	}
	session, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	m := &measurement{session, cancel, make(chan *Report, 1)}
	running := make(chan struct{})
	run.Started = func() { close(running) }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		report, err := session.Run(ctx, run)
		if err != nil {
			t.Error(err)
		}
		m.result <- report
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if err := session.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-running:
	case <-ended:
	}
	return m
}

// end ends the measurement and returns its report.
func (m *measurement) end() *Report {
	m.stop()
	return <-m.result
}

// find returns the results of a function.
func find(t *testing.T, r *Report, name string) *Result {
	t.Helper()
	for i := range r.Functions {
		if r.Functions[i].Func == name {
			return &r.Functions[i]
		}
	}
	t.Fatalf("no results of %s", name)
	return nil
}

// want is what a report must say of a function.
type want struct {
	function                    string
	calls, returned, unfinished uint64
}

func (w *want) check(t *testing.T, r *Report) {
	t.Helper()
	f := find(t, r, w.function)
	if f.Calls != w.calls || f.Latency.Count() != w.returned || f.Unfinished != w.unfinished || f.Lost != 0 {
		t.Errorf("%s: %d calls, %d durations, %d unfinished, %d lost; want %d, %d, %d, 0",
			w.function, f.Calls, f.Latency.Count(), f.Unfinished, f.Lost, w.calls, w.returned, w.unfinished)
	}
	checkBuckets(t, f)
	if f.Refused != "" || f.Tier != TierKernel || f.Cost <= 0 || f.Took <= 0 {
		t.Errorf("%s: %+v", w.function, f)
	}
}

// checkBuckets compares the sum of the durations, which is exact, with what the
// buckets make of it: each is right to within 7 %.
func checkBuckets(t *testing.T, f *Result) {
	t.Helper()
	sum, rough := float64(f.Latency.Sum()), 0.0
	f.Latency.Each(func(middle time.Duration, count uint64) { rough += float64(middle) * float64(count) })
	if math.Abs(rough-sum) > 0.07*sum+float64(f.Latency.Count()) {
		t.Errorf("%s: the durations of the buckets add up to %.0f ns, want about %.0f", f.Func, rough, sum)
	}
}

var exact = []struct {
	name     string
	commands []string
	hook     []string
	want     []want
}{
	{"a function without a stack check", []string{"leaf 5000"}, []string{"main.leaf"}, []want{{"main.leaf", 5000, 5000, 0}}},
	{"a method of a pointer and one of a value", []string{"method 300"}, []string{"main.(*store).Get", "main.point.Sum"},
		[]want{{"main.(*store).Get", 300, 300, 0}, {"main.point.Sum", 300, 300, 0}}},
	{"a closure", []string{"closure 40"}, []string{"main.run"}, []want{{"main.run", 40, 40, 0}}},
	{"recursion", []string{"recurse 2000", "recurse 7"}, []string{"main.recurse"}, []want{{"main.recurse", 2007, 2007, 0}}},
	{"a stack that grows and moves below open calls", []string{"grow 200", "grow 400", "grow 100"}, []string{"main.grow"}, []want{{"main.grow", 703, 703, 0}}},
	{"panics that a caller recovers", []string{"panic 100"}, []string{"main.panics", "main.guarded"},
		[]want{{"main.panics", 100, 50, 50}, {"main.guarded", 100, 100, 0}}},
	{"goroutines that end in the midst of a call", []string{"goexit 20"}, []string{"main.gives"}, []want{{"main.gives", 20, 0, 20}}},
	{"goroutines side by side", []string{"parallel 500"}, []string{"main.leaf", "main.recurse"},
		[]want{{"main.leaf", 4000, 4000, 0}, {"main.recurse", 12000, 12000, 0}}},
	{"functions that return an error", []string{"fail 90"}, []string{"main.mayFail"}, []want{{"main.mayFail", 90, 90, 0}}},
	{"calls that stay open", []string{"block 30"}, []string{"main.blocks"}, []want{{"main.blocks", 30, 0, 30}}},
	{"calls that wait", []string{"block 30", "release 1", "leaf 1"}, []string{"main.leaf"}, []want{{"main.leaf", 1, 1, 0}}},
}

func TestRunCountsEveryCall(t *testing.T) {
	for _, tt := range exact {
		t.Run(tt.name, func(t *testing.T) {
			v := startVictim(t, testutil.BuildOptions{})
			m := measure(t, v, Options{Functions: tt.hook}, RunOptions{})
			for _, command := range tt.commands {
				v.do(t, command)
			}
			report := m.end()
			for i := range tt.want {
				tt.want[i].check(t, report)
			}
			if report.Ending != EndInterrupted {
				t.Errorf("ended by %q", report.Ending)
			}
		})
	}
}

func TestRunCountsEveryCallOfEveryBuild(t *testing.T) {
	for _, build := range []struct {
		name string
		opts testutil.BuildOptions
	}{
		{"stripped", testutil.BuildOptions{Flags: []string{"-trimpath", "-ldflags=-s -w"}}},
		{"pie", testutil.BuildOptions{Flags: []string{"-buildmode=pie"}}},
		{"race-free cgo", testutil.BuildOptions{Env: []string{"CGO_ENABLED=1"}, Flags: []string{"-ldflags=-linkmode=external"}}},
		{"go1.20", testutil.BuildOptions{Toolchain: "go1.20.14"}},
		{"go1.20 stripped pie", testutil.BuildOptions{Toolchain: "go1.20.14", Flags: []string{"-buildmode=pie", "-ldflags=-s -w"}}},
		{"go1.23", testutil.BuildOptions{Toolchain: "go1.23.12"}},
		{"without optimisation", testutil.BuildOptions{Flags: []string{"-gcflags=-N -l"}}},
	} {
		t.Run(build.name, func(t *testing.T) {
			v := startVictim(t, build.opts)
			m := measure(t, v, Options{Functions: []string{"main.leaf", "main.recurse", "main.grow", "main.panics", "main.point.Sum"}}, RunOptions{})
			for _, command := range []string{"leaf 100", "recurse 300", "grow 150", "panic 20", "method 10"} {
				v.do(t, command)
			}
			report := m.end()
			for _, w := range []want{
				{"main.leaf", 100, 100, 0}, {"main.recurse", 300, 300, 0}, {"main.grow", 151, 151, 0},
				{"main.panics", 20, 10, 10}, {"main.point.Sum", 10, 10, 0},
			} {
				w.check(t, report)
			}
		})
	}
}

func TestRunTakesAllInstancesOfAGenericFunction(t *testing.T) {
	for _, name := range []string{"main.largest", "main.largest[...]"} {
		v := startVictim(t, testutil.BuildOptions{})
		m := measure(t, v, Options{Functions: []string{name}}, RunOptions{})
		v.do(t, "generic 25")
		report := m.end()
		if len(report.Functions) != 2 {
			t.Fatalf("%s means %d functions, want 2", name, len(report.Functions))
		}
		for _, f := range report.Functions {
			if f.Calls != 25 || f.Latency.Count() != 25 || !strings.HasPrefix(f.Func, "main.largest[") {
				t.Errorf("%s: %d calls, %d durations; want 25", f.Func, f.Calls, f.Latency.Count())
			}
		}
	}
}

func TestRunTakesPatterns(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	m := measure(t, v, Options{Functions: []string{"main.*", "main.leaf"}}, RunOptions{})
	v.do(t, "leaf 10")
	report := m.end()
	for _, w := range []want{{"main.leaf", 10, 10, 0}, {"main.recurse", 0, 0, 0}} {
		w.check(t, report)
	}
	if !slices.ContainsFunc(m.session.Notes(), func(n string) bool { return strings.Contains(n, "main.small") }) {
		t.Errorf("notes %q do not say that main.small is inlined", m.session.Notes())
	}
}

func TestRunLeavesOutCallsThatWereOpen(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	v.do(t, "block 10")
	m := measure(t, v, Options{Functions: []string{"main.blocks"}}, RunOptions{})
	v.do(t, "block 5")
	v.do(t, "release 1")
	// The calls return on other goroutines: what is hooked sees them all once
	// five durations are there.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if n, err := m.session.tier.counter().read(0); err != nil || n.returned == 5 || time.Now().After(deadline) {
			break
		}
	}
	report := m.end()
	w := want{"main.blocks", 5, 5, 0}
	w.check(t, report)
}

func TestRunMeasuresDurations(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	m := measure(t, v, Options{Functions: []string{"main.pause"}}, RunOptions{})
	v.do(t, "pause 50")
	f := find(t, m.end(), "main.pause")
	// It sleeps for 2 ms: no duration is shorter, but for the width of a bucket
	// and what the probe leaves out for itself.
	if least := f.Latency.Quantile(0); least < 1800*time.Microsecond || f.Latency.Max() < 2*time.Millisecond-20*time.Microsecond {
		t.Errorf("pauses of 2 ms took %v to %v", least, f.Latency.Max())
	}
	if f.Latency.Sum() < uint64(99*time.Millisecond) {
		t.Errorf("50 pauses of 2 ms took %v", time.Duration(f.Latency.Sum()))
	}
}

func TestRunCountsErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		word   int
		known  bool
		errors uint64
	}{
		"where the error is known":          {1, true, 30},
		"where the function has none":       {-1, true, 0},
		"where the results are not known":   {-1, false, 0},
		"where another result takes a word": {0, true, 60}, // i, which is 0 when it fails
	} {
		t.Run(name, func(t *testing.T) {
			v := startVictim(t, testutil.BuildOptions{})
			m := measure(t, v, Options{
				Functions: []string{"main.mayFail"},
				ErrorWord: func(*symbol.Binary, symbol.Function) (int, bool) { return tt.word, tt.known },
			}, RunOptions{})
			v.do(t, "fail 90")
			f := find(t, m.end(), "main.mayFail")
			if f.Calls != 90 || f.Errors != tt.errors || f.ErrorsKnown != tt.known {
				t.Errorf("%d of %d calls failed, known %v; want %d of 90, known %v", f.Errors, f.Calls, f.ErrorsKnown, tt.errors, tt.known)
			}
		})
	}
}

// TestRunCountsBadCalls has calls be bad that fail, or that take longer than they may.
func TestRunCountsBadCalls(t *testing.T) {
	nothing := func(*symbol.Binary, symbol.Function) (int, bool) { return -1, true }
	for name, tt := range map[string]struct {
		function, command string
		threshold         time.Duration
		word              ErrorWord
		bad               uint64
	}{
		"all that fail":                       {"main.mayFail", "fail 90", 0, nil, 30},
		"all that fail, also the quick ones":  {"main.mayFail", "fail 90", time.Hour, nil, 30},
		"failures that are none":              {"main.mayFail", "fail 90", time.Hour, nothing, 0},
		"all that take longer":                {"main.pause", "pause 20", time.Millisecond, nil, 20},
		"none that takes less":                {"main.pause", "pause 20", time.Hour, nil, 0},
		"none without a threshold":            {"main.pause", "pause 20", 0, nil, 0},
		"those that fail and take long, once": {"main.mayFail", "fail 90", time.Nanosecond, nil, 90},
	} {
		t.Run(name, func(t *testing.T) {
			v := startVictim(t, testutil.BuildOptions{})
			m := measure(t, v, Options{Functions: []string{tt.function}, Threshold: tt.threshold, ErrorWord: tt.word}, RunOptions{})
			v.do(t, tt.command)
			f := find(t, m.end(), tt.function)
			// A call that takes less than what the probe takes off took no time at all.
			if tt.threshold == time.Nanosecond && f.Bad >= 30 && f.Bad <= 90 {
				return
			}
			if f.Bad != tt.bad || f.Latency.Count() == 0 {
				t.Errorf("%d of %d calls are bad, want %d", f.Bad, f.Latency.Count(), tt.bad)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	v := startVictim(t, testutil.BuildOptions{})
	sleeper := testutil.StartTarget(t, "/bin/sleep", "60")
	for _, tt := range []struct {
		name       string
		options    Options
		text, hint string
	}{
		{"a function that is not there", Options{PID: v.PID, Functions: []string{"main.laef"}}, "main.laef", "main.leaf"},
		{"a pattern that nothing matches", Options{PID: v.PID, Functions: []string{"nothing/*"}}, "nothing/*", "inspect"},
		{"a function that is inlined everywhere", Options{PID: v.PID, Functions: []string{"main.small"}}, "inlined, into main.", "noinline"},
		{"no functions", Options{PID: v.PID}, "no functions", "name"},
		{"an endless name", Options{PID: v.PID, Functions: []string{strings.Repeat("x", 1<<20)}}, "xxxx", "name"},
		{"a tier to come", Options{PID: v.PID, Functions: []string{"main.leaf"}, Tier: "user"}, "not built yet", "kernel"},
		{"what is no Go program", Options{PID: sleeper.PID, Functions: []string{"main.leaf"}}, "not a Go program", "ps"},
		{"what is no process", Options{PID: 1 << 22, Functions: []string{"main.leaf"}}, "no such process", "ps"},
		{"what cannot be a process", Options{PID: -1, Functions: []string{"main.leaf"}}, "not a process id", "ps"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Open(t.Context(), tt.options)
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			var input *InputError
			if !errors.As(err, &input) || len(err.Error()) > 1000 || !strings.Contains(err.Error(), tt.text) || !strings.Contains(input.Hint, tt.hint) {
				t.Errorf("error %.300v, want one about %q with a hint about %q", err, tt.text, tt.hint)
			}
		})
	}
}
