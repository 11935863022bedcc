package gotrace_test

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
)

// recording has samples each 10 ms, in the third of which a quota stopped the
// process.
func recording(start int64) hostsample.Recording {
	const step = 10_000_000
	rec := hostsample.Recording{Header: hostsample.Header{StartNS: start, IntervalNS: step, CPUs: 8, AllowedCPUs: 2}}
	for i := int64(1); i <= 10; i++ {
		s := hostsample.Sample{TimeNS: start + i*step, CPUNS: step / 2, RunDelayNS: step / 4}
		if i == 3 {
			s.Periods, s.ThrottledPeriods, s.ThrottledNS = 1, 1, step
		}
		rec.Samples = append(rec.Samples, s)
	}
	return rec
}

func TestSamplesBesideATraceAreJoinedByTheirClock(t *testing.T) {
	const start = 5_000_000_000
	r := &gotrace.Report{Start: start, Duration: 100_000_000, Waits: []gotrace.Wait{
		{At: 20_000_000, Duration: 10_000_000}, {At: 60_000_000, Duration: 10_000_000}}}
	if err := gotrace.Join(r, recording(start)); err != nil {
		t.Fatal(err)
	}
	equal(t, "CPUs", r.Host.CPUs, 2)
	equal(t, "throttled", r.Host.ThrottledNS, 10_000_000)
	equal(t, "run delay", r.Host.RunDelayNS, 25_000_000)
	equal(t, "throttled during the first wait", r.Waits[0].Host.Throttled, 10_000_000)
	equal(t, "throttled during the second wait", r.Waits[1].Host.Throttled, 0)
	equal(t, "run delay during the second wait", r.Waits[1].Host.RunDelay, 2_500_000)
}

func TestSamplesOfAnotherTimeAreRefused(t *testing.T) {
	r := &gotrace.Report{Start: 5_000_000_000, Duration: 100_000_000}
	for _, start := range []int64{1_000_000, 9_000_000_000} {
		if err := gotrace.Join(r, recording(start)); err == nil || r.Host != nil {
			t.Errorf("samples from %d on: got %v, %+v", start, err, r.Host)
		}
	}
}
