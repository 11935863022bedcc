package gotrace_test

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

const second = int64(time.Second)

// calm is a report in which no rule finds anything.
func calm() *gotrace.Report {
	r := &gotrace.Report{Duration: 10 * second, Events: 1000, Complete: true}
	r.Procs = gotrace.Procs{Max: 4, Running: 20 * second, Idle: 20 * second, Runnable: second, Saturated: second / 2}
	for _, c := range gotrace.Classes() {
		r.Latency[c] = gotrace.Stats{Count: 1000, Total: second, P50: 1000, P90: 2000, P99: 5000, Max: 10_000}
	}
	r.Functions = []gotrace.Function{{Name: "main.serve", Goroutines: 10, Running: 20 * second}}
	r.Goroutines.First, r.Goroutines.Last, r.Goroutines.Max = 100, 100, 150
	return r
}

// host is one that is large enough.
func host() *gotrace.Host { return &gotrace.Host{CPUs: 4} }

// lockStack waits for a mutex.
func lockStack() []gotrace.Frame {
	return []gotrace.Frame{{Func: "sync.(*Mutex).Lock", Line: 46}, {Func: "main.(*cache).get", Line: 17}, {Func: "main.serve", Line: 5}}
}

func TestRulesFindAndStaySilent(t *testing.T) {
	ms := int64(time.Millisecond)
	for _, tt := range []struct {
		rule    string
		says    string
		provoke func(*gotrace.Report)
		// almost is just below the threshold.
		almost func(*gotrace.Report)
	}{
		{"p-saturation", "create -> run p99 is 44ms",
			func(r *gotrace.Report) { r.Procs.Saturated, r.Latency[gotrace.Create].P99 = 9*second, 44*ms },
			func(r *gotrace.Report) { r.Procs.Saturated, r.Latency[gotrace.Create].P99 = 9*second, 9*ms }},
		{"p-saturation", "wake -> run p99 is 44ms",
			func(r *gotrace.Report) { r.Procs.Saturated, r.Latency[gotrace.Wake].P99 = 9*second, 44*ms },
			func(r *gotrace.Report) { r.Procs.Saturated, r.Latency[gotrace.Wake].P99 = 5*second, 44*ms }},
		{"wake-up-lag", "12 times",
			func(r *gotrace.Report) { r.Procs.LongIdling, r.Procs.LongIdlings = 3*second/10, 12 },
			func(r *gotrace.Report) { r.Procs.LongIdling, r.Procs.LongIdlings = 2*second/10, 12 }},
		{"syscall-keeps-p", "20ms (p99)",
			func(r *gotrace.Report) { r.Latency[gotrace.Syscall].P99 = 20 * ms },
			func(r *gotrace.Report) { r.Latency[gotrace.Syscall] = gotrace.Stats{Count: 199, P99: 20 * ms} }},
		{"gc-assist", "10 % of their running time, most of it in main.serve",
			func(r *gotrace.Report) { r.Functions[0].Assist, r.Assist.Count = 2*second, 5 },
			func(r *gotrace.Report) { r.Functions[0].Assist, r.Assist.Count = second, 5 }},
		{"long-stop-the-world", `"ReadMemStats": p99 4ms`,
			func(r *gotrace.Report) {
				r.STW = []gotrace.Range{{Name: "ReadMemStats", Stats: gotrace.Stats{Count: 3, P99: 4 * ms}}}
			},
			func(r *gotrace.Report) {
				r.STW = []gotrace.Range{{Name: "start trace", Stats: gotrace.Stats{Count: 3, P99: 4 * ms}}, {Name: "ReadMemStats", Stats: gotrace.Stats{P99: ms}}}
			}},
		{"stalled", "8 times, 1s in all (10 % of the trace)",
			func(r *gotrace.Report) { r.Stall = gotrace.Stats{Count: 8, Total: second, Max: second / 2} },
			func(r *gotrace.Report) {
				r.Stall, r.Silence = gotrace.Stats{Count: 8, Total: second / 2}, gotrace.Stats{Count: 50, Total: 9 * second}
			}},
		{"stalled", "8 times, 1s in all",
			func(r *gotrace.Report) {
				r.Host, r.Stall = host(), gotrace.Stats{Count: 8, Total: second}
				r.Host.RunDelayNS = second
			},
			func(r *gotrace.Report) {
				r.Host, r.Stall = host(), gotrace.Stats{Count: 8, Total: second}
				r.Host.RunDelayNS = second / 3
			}},
		{"goroutine-growth", "of main.leak 2000 began and 10 ended. 1900 of all are blocked (chan receive) in main.leak:9.",
			func(r *gotrace.Report) {
				r.Goroutines.Last = 2100
				r.Functions = append(r.Functions, gotrace.Function{Name: "main.leak", Created: 2000, Ended: 10})
				r.Blocking = []gotrace.Block{{Reason: "chan receive", Stack: []gotrace.Frame{{Func: "runtime.chanrecv"}, {Func: "main.leak", Line: 9}}, Open: 1900}}
			},
			func(r *gotrace.Report) { r.Goroutines.First, r.Goroutines.Last = 10_000, 12_000 }},
		{"lock-contention", "the mutex in main.(*cache).get:17, 30s in all: 3.0 at any time",
			func(r *gotrace.Report) {
				r.Blocking = []gotrace.Block{{Reason: "sync", Stack: lockStack(), Stats: gotrace.Stats{Count: 300, Total: 30 * second}}}
			},
			func(r *gotrace.Report) {
				r.Blocking = []gotrace.Block{
					{Reason: "sync", Stack: lockStack(), Stats: gotrace.Stats{Count: 300, Total: 10 * second}},
					{Reason: "sync", Stack: []gotrace.Frame{{Func: "sync.(*WaitGroup).Wait"}}, Stats: gotrace.Stats{Count: 300, Total: 90 * second}}}
			}},
		{"cpu-throttled", "in 40 of 100 periods: the process was stopped for 1s, 10 % of the trace",
			func(r *gotrace.Report) {
				r.Host = host()
				r.Host.ThrottledNS, r.Host.Periods, r.Host.ThrottledPeriods = second, 100, 40
			},
			func(r *gotrace.Report) {
				r.Host = host()
				r.Host.ThrottledNS, r.Host.Periods, r.Host.ThrottledPeriods = second/2, 100, 40
			}},
		{"run-delay", "8s: 40 % of the time",
			func(r *gotrace.Report) { r.Host = host(); r.Host.RunDelayNS, r.Host.WaitedShare = 8*second, 0.4 },
			func(r *gotrace.Report) { r.Host = host(); r.Host.RunDelayNS, r.Host.WaitedShare = second/4, 0.4 }},
		{"too-many-ps", "GOMAXPROCS is 8, with 4 CPUs",
			func(r *gotrace.Report) { r.Host = host(); r.Procs.Max = 8 },
			func(r *gotrace.Report) { r.Host = host(); r.Host.QuotaCPUs = 3.2 }},
		{"too-many-ps", "GOMAXPROCS is 4, with a quota of 0.5 CPUs",
			func(r *gotrace.Report) { r.Host = host(); r.Host.QuotaCPUs = 0.5 },
			func(r *gotrace.Report) { r.Host = host(); r.Host.QuotaCPUs, r.Procs.Max = 0.5, 2 }},
		{"sysmon-late", "up to 30ms",
			func(r *gotrace.Report) { r.Host = host(); r.Host.Sysmon.TID, r.Host.Sysmon.MaxNS = 7, 30*ms },
			func(r *gotrace.Report) { r.Host = host(); r.Host.Sysmon.TID, r.Host.Sysmon.MaxNS = 7, 20*ms }},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			broken := calm()
			tt.provoke(broken)
			f := only(t, gotrace.Find(broken))
			if f.Rule != tt.rule || !strings.Contains(f.Evidence, tt.says) || f.Remedy == "" {
				t.Errorf("got %+v, want %s that says %q", f, tt.rule, tt.says)
			}
			silent := calm()
			tt.almost(silent)
			if found := gotrace.Find(silent); len(found) > 0 {
				t.Errorf("just below: got %+v, want nothing", found)
			}
		})
	}
	if found := gotrace.Find(calm()); len(found) > 0 {
		t.Errorf("a calm report: got %+v", found)
	}
	if found := gotrace.Find(&gotrace.Report{}); len(found) > 0 {
		t.Errorf("an empty report: got %+v", found)
	}
}

func only(t *testing.T, found []model.Finding) model.Finding {
	t.Helper()
	if len(found) != 1 {
		t.Fatalf("findings: got %+v, want one", found)
	}
	return found[0]
}

func TestEveryRuleThatFindsIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, r := range gotrace.Rules() {
		if listed[r.Name] || r.Summary == "" {
			t.Errorf("rule %q is listed twice or says nothing", r.Name)
		}
		listed[r.Name] = true
	}
	if len(listed) != 12 {
		t.Errorf("rules: got %d, want 12", len(listed))
	}
}

// TestAProgramThatIsStoppedIsStalled stops a process while it is traced.
func TestAProgramThatIsStoppedIsStalled(t *testing.T) {
	data := record(t, "", "1500ms", func(cmd *exec.Cmd) { pauseEach(t, cmd, 200*time.Millisecond, 100*time.Millisecond) })
	r, err := gotrace.Analyse(context.Background(), bytes.NewReader(data), gotrace.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Stall.Count == 0 || r.Stall.Max < 50*int64(time.Millisecond) {
		t.Errorf("stalls: got %+v, want some of 100 ms", r.Stall)
	}
	for _, f := range gotrace.Find(r) {
		if f.Rule == "stalled" {
			return
		}
	}
	t.Errorf("findings: got %+v, want stalled", gotrace.Find(r))
}
