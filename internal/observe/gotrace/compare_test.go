package gotrace_test

import (
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
)

func TestCompare(t *testing.T) {
	ms, us := int64(time.Millisecond), int64(time.Microsecond)
	for _, tt := range []struct {
		name      string
		change    func(before, after *gotrace.Report)
		threshold float64
		want      gotrace.Verdict
		reason    string
	}{
		{name: "the same twice", change: func(_, _ *gotrace.Report) {}, want: gotrace.VerdictSame, reason: "No latency differs"},
		{name: "a median that is a tenth longer",
			change: func(b, a *gotrace.Report) {
				b.Latency[gotrace.Wake].P50, a.Latency[gotrace.Wake].P50 = 100*us, 110*us
			}, want: gotrace.VerdictSame},
		{name: "a median that is half as long again",
			change: func(b, a *gotrace.Report) {
				b.Latency[gotrace.Wake].P50, a.Latency[gotrace.Wake].P50 = 100*us, 150*us
			}, want: gotrace.VerdictWorse, reason: "wake -> run"},
		{name: "the same with a threshold above it",
			change: func(b, a *gotrace.Report) {
				b.Latency[gotrace.Wake].P50, a.Latency[gotrace.Wake].P50 = 100*us, 150*us
			}, threshold: 0.6, want: gotrace.VerdictSame},
		{name: "a median that is shorter",
			change: func(b, a *gotrace.Report) {
				b.Latency[gotrace.Create].P50, a.Latency[gotrace.Create].P50 = 150*us, 100*us
			}, want: gotrace.VerdictBetter, reason: "create -> run"},
		{name: "a difference that no clock can tell",
			change: func(b, a *gotrace.Report) { a.Latency[gotrace.Wake].P50 = 2 * b.Latency[gotrace.Wake].P50 },
			want:   gotrace.VerdictSame},
		{name: "a tail four times as long",
			change: func(b, a *gotrace.Report) {
				b.Latency[gotrace.Wake].P99, a.Latency[gotrace.Wake].P99 = ms, 4*ms
			}, want: gotrace.VerdictWorse},
		{name: "a shorter median and a longer tail",
			change: func(b, a *gotrace.Report) {
				b.Latency[gotrace.Wake].P50, a.Latency[gotrace.Wake].P50 = 100*us, 50*us
				b.Latency[gotrace.Wake].P99, a.Latency[gotrace.Wake].P99 = ms, 4*ms
			}, want: gotrace.VerdictWorse},
		{name: "too few samples of what changed",
			change: func(_, a *gotrace.Report) {
				a.Latency[gotrace.Preempt] = gotrace.Stats{Count: 199, P50: 5 * ms, P99: 9 * ms}
			}, want: gotrace.VerdictSame},
		{name: "too few samples of anything",
			change: func(b, _ *gotrace.Report) {
				for _, c := range gotrace.Classes() {
					b.Latency[c].Count = 50
				}
			}, want: gotrace.NoVerdict, reason: "200 samples"},
		{name: "one side was stalled",
			change: func(_, a *gotrace.Report) {
				a.Stall.Total, a.Latency[gotrace.Wake].P99 = second, 100*ms
			}, want: gotrace.NoVerdict, reason: "stalled"},
		{name: "the machine of one side was busy",
			change: func(b, a *gotrace.Report) {
				b.Host, a.Host = host(), host()
				b.Host.WaitedShare, a.Host.WaitedShare, a.Latency[gotrace.Wake].P99 = 0.05, 0.4, 100*ms
			}, want: gotrace.NoVerdict, reason: "waited for a CPU"},
		{name: "the quota of one side was used up",
			change: func(b, a *gotrace.Report) {
				b.Host, a.Host = host(), host()
				b.Host.ThrottledNS, a.Latency[gotrace.Wake].P99 = 2*second, 100*ms
			}, want: gotrace.NoVerdict, reason: "quota was used up"},
		{name: "both machines were as busy",
			change: func(b, a *gotrace.Report) {
				b.Host, a.Host = host(), host()
				b.Host.WaitedShare, a.Host.WaitedShare, a.Latency[gotrace.Wake].P99 = 0.35, 0.4, 100*ms
			}, want: gotrace.VerdictWorse},
		{name: "one side alone was sampled",
			change: func(_, a *gotrace.Report) {
				a.Host = host()
				a.Host.WaitedShare, a.Latency[gotrace.Wake].P99 = 0.4, 100*ms
			}, want: gotrace.VerdictWorse},
		{name: "a function that waits longer and has much of all waiting",
			change: func(b, a *gotrace.Report) {
				b.Functions[0].Latency[gotrace.Wake] = gotrace.Stats{Count: 500, Total: second, P50: 100 * us, P99: ms}
				a.Functions[0].Latency[gotrace.Wake] = gotrace.Stats{Count: 500, Total: 2 * second, P50: 200 * us, P99: ms}
			}, want: gotrace.VerdictWorse, reason: "main.serve (wake -> run)"},
		{name: "a function that waits longer and has little of all waiting",
			change: func(b, a *gotrace.Report) {
				b.Functions[0].Latency[gotrace.Wake] = gotrace.Stats{Count: 500, Total: 50 * ms, P50: 100 * us, P99: ms}
				a.Functions[0].Latency[gotrace.Wake] = gotrace.Stats{Count: 500, Total: 100 * ms, P50: 200 * us, P99: ms}
			}, want: gotrace.VerdictSame},
		{name: "stops of the world that are longer",
			change: func(b, a *gotrace.Report) {
				b.STW = []gotrace.Range{{Name: "GC mark termination", Stats: gotrace.Stats{Count: 300, P50: 100 * us, P99: ms}}}
				a.STW = []gotrace.Range{{Name: "GC mark termination", Stats: gotrace.Stats{Count: 300, P50: 100 * us, P99: 9 * ms}}}
			}, want: gotrace.VerdictWorse, reason: "stop of the world for GC mark termination"},
		{name: "assists that took over",
			change: func(_, a *gotrace.Report) { a.Functions[0].Assist, a.Assist.Count = 4*second, 900 },
			want:   gotrace.VerdictWorse, reason: "assists"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, after := calm(), calm()
			tt.change(before, after)
			c := gotrace.Compare(before, after, gotrace.CompareOptions{Threshold: tt.threshold})
			if c.Verdict != tt.want || !strings.Contains(c.Reason, tt.reason) {
				t.Errorf("got %s: %s; want %s that says %q", c.Verdict, c.Reason, tt.want, tt.reason)
			}
		})
	}
}

func TestComparingATraceWithNothing(t *testing.T) {
	if c := gotrace.Compare(&gotrace.Report{}, calm(), gotrace.CompareOptions{}); c.Verdict != gotrace.NoVerdict {
		t.Errorf("got %s: %s", c.Verdict, c.Reason)
	}
}

func TestWhatAReaderOfAComparisonMustKnow(t *testing.T) {
	before, after := calm(), calm()
	before.Format, after.Format, after.Complete, after.Duration = 25, 26, false, second
	before.Procs.Saturated = 9 * second
	notes := strings.Join(gotrace.Compare(before, after, gotrace.CompareOptions{}).Notes, "\n")
	for _, want := range []string{"1.25 and 1.26", "new trace is not complete", "twice as long", "90 % of the old", "nothing was sampled"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes lack %q:\n%s", want, notes)
		}
	}
}
