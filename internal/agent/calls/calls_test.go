package calls

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/sli"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// victim calls two functions as often as each line of its input says.
const victim = `package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"time"
)

//go:noinline
func pay(fails bool) error {
	if fails {
		return errors.New("no money")
	}
	return nil
}

//go:noinline
func wait(d time.Duration) { time.Sleep(d) }

func main() {
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); fmt.Println("done") {
		var good, bad, slow int
		fmt.Sscan(in.Text(), &good, &bad, &slow)
		for i := 0; i < good; i++ {
			pay(false)
		}
		for i := 0; i < bad; i++ {
			pay(true)
		}
		for i := 0; i < slow; i++ {
			wait(20 * time.Millisecond)
		}
	}
}
`

func about(name, service string, functions ...string) objective.SLO {
	return objective.SLO{Name: name, Service: service, Indicator: objective.Indicator{Signal: objective.SignalFunc, Select: objective.Selector{
		Service: []string{service}, Attributes: []objective.Attribute{{Keys: []string{functionKey}, Patterns: functions}},
	}}}
}

// rig is a counter of processes that the test names.
type rig struct {
	*Counter
	t         *testing.T
	mu        sync.Mutex
	processes []Process
	counts    map[string]sli.Counts
}

func newRig(t *testing.T) *rig {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "calls are hooked on amd64 only", "amd64")
	r := &rig{t: t, counts: make(map[string]sli.Counts)}
	r.Counter = New(Options{
		Look: 20 * time.Millisecond, Read: 20 * time.Millisecond,
		Processes: func() []Process {
			r.mu.Lock()
			defer r.mu.Unlock()
			return append([]Process(nil), r.processes...)
		},
		Count: func(name string, c sli.Counts) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.counts[name] = r.counts[name].Plus(c)
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return r
}

func (r *rig) start(path, service string) *testutil.Target {
	r.t.Helper()
	v := testutil.StartTarget(r.t, path)
	v.WaitLine("ready")
	process, err := target.NewReader(target.ReaderOptions{}).ReadProcess(int32(v.PID))
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.processes = append(r.processes, Process{ID: process.ID, Service: service})
	r.mu.Unlock()
	return v
}

func (r *rig) await(what string, done func() bool) {
	r.t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("%s: counted %+v", what, r.counts)
		}
	}
}

// counted waits until so many calls were counted for an objective, and no other.
func (r *rig) counted(name string, want sli.Counts) {
	r.t.Helper()
	r.await(fmt.Sprintf("%s is %+v", name, want), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.counts[name] == want
	})
}

func (r *rig) sessions(n int) {
	r.t.Helper()
	r.await(fmt.Sprintf("%d sessions", n), func() bool {
		r.Counter.mu.Lock()
		defer r.Counter.mu.Unlock()
		begun := 0
		for _, t := range r.tasks {
			if t.begun {
				begun++
			}
		}
		return begun == n && len(r.tasks) == n
	})
}

func do(v *testutil.Target, good, bad, slow int) {
	fmt.Fprintln(v.Stdin, good, bad, slow)
	v.WaitLine("done")
}

func TestCounter(t *testing.T) {
	path := testutil.BuildGo(t, testutil.Files{"main.go": victim}, testutil.BuildOptions{})
	r := newRig(t)
	slow := about("slow", "shop", "main.wait")
	slow.Indicator.Threshold, slow.Indicator.Bad = 10*time.Millisecond, []objective.Selector{}
	pay := about("pay", "sh*", "main.pay")
	slos := []objective.SLO{pay, slow, about("other", "cart", "main.pay"), {Name: "http", Indicator: objective.Indicator{Signal: objective.SignalHTTP}}}
	r.Set(slos)
	first := r.start(path, "shop")
	r.sessions(2)
	do(first, 30, 7, 2)
	r.counted("pay", sli.Counts{Good: 30, Bad: 7})
	r.counted("slow", sli.Counts{Bad: 2})
	// A second process of the service, and the same objectives again.
	second := r.start(path, "shop")
	r.Set(slos)
	r.sessions(4)
	do(first, 1, 0, 0)
	do(second, 10, 10, 1)
	r.counted("pay", sli.Counts{Good: 41, Bad: 17})
	r.counted("slow", sli.Counts{Bad: 3})
	// What is counted otherwise is another question.
	slow.Indicator.Threshold = time.Minute
	r.Set([]objective.SLO{slow})
	r.sessions(2)
	do(second, 5, 0, 4)
	r.counted("slow", sli.Counts{Good: 4, Bad: 3})
	r.counted("pay", sli.Counts{Good: 41, Bad: 17})
	if len(r.counts) != 2 {
		t.Errorf("counted %+v", r.counts)
	}
	// A process that ends is forgotten.
	second.Stdin.Close()
	r.mu.Lock()
	r.processes = r.processes[:1]
	r.mu.Unlock()
	r.sessions(1)
}

func TestWhatCannotBeCounted(t *testing.T) {
	path := testutil.BuildGo(t, testutil.Files{"main.go": victim}, testutil.BuildOptions{Flags: []string{"-ldflags=-s -w"}})
	r := newRig(t)
	blind, missing := about("blind", "shop", "main.pay"), about("missing", "shop", "main.nothing")
	timed := about("timed", "shop", "main.pay")
	timed.Indicator.Threshold, timed.Indicator.Bad = time.Second, []objective.Selector{}
	r.Set([]objective.SLO{blind, missing, timed})
	for _, s := range []*objective.SLO{&blind, &missing, &timed} {
		if err := r.Err(s); err != nil {
			t.Errorf("no process is there: %v", err)
		}
	}
	v := r.start(path, "shop")
	for s, text := range map[*objective.SLO]string{&blind: "whether it fails cannot be told", &missing: "no such function"} {
		r.await(s.Name, func() bool {
			err := r.Err(s)
			return err != nil && strings.Contains(err.Error(), text) && strings.Contains(err.Error(), fmt.Sprint(v.PID))
		})
	}
	r.await("timed", func() bool {
		r.Counter.mu.Lock()
		defer r.Counter.mu.Unlock()
		for key, t := range r.tasks {
			if key.slo == "timed" && t.begun {
				return true
			}
		}
		return false
	})
	do(v, 3, 2, 0)
	r.counted("timed", sli.Counts{Good: 5})
}

func TestQuestions(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*objective.Indicator)
		err    string
	}{
		"as it is":        {func(*objective.Indicator) {}, ""},
		"no function":     {func(i *objective.Indicator) { i.Select.Attributes = nil }, "names no function"},
		"an error's type": {func(i *objective.Indicator) { i.Bad = []objective.Selector{{}} }, "not told apart"},
		"nothing is bad":  {func(i *objective.Indicator) { i.Bad = []objective.Selector{} }, "no call can be bad"},
		"more than the function": {func(i *objective.Indicator) {
			i.Select.Attributes = append(i.Select.Attributes, objective.Attribute{Keys: []string{"error.type"}})
		}, "by their function alone"},
		"exclusions of some": {func(i *objective.Indicator) { i.Exclude = []objective.Selector{{}} }, "by their function alone"},
	} {
		s := about("a", "shop", "main.pay")
		test.change(&s.Indicator)
		err := New(Options{}).Err(&s)
		if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
