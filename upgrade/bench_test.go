package upgrade_test

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// spread reports what half and what 99 of 100 times do not exceed.
func spread(b *testing.B, name string, times []time.Duration) {
	b.Helper()
	slices.Sort(times)
	for _, percent := range []int{50, 99} {
		at := times[(len(times)-1)*percent/100]
		b.ReportMetric(float64(at)/float64(time.Millisecond), name+map[int]string{50: "-p50-ms", 99: "-p99-ms"}[percent])
	}
}

// BenchmarkUpgrade is one upgrade after the other, of a process that has nothing to do:
// from the call on until the new process runs its first code, and until it accepts.
func BenchmarkUpgrade(b *testing.B) {
	p := quick()
	p.Probation = time.Millisecond
	benchmarkUpgrade(b, p)
}

// BenchmarkUpgrade_64MiB hands over as much as well: how long the new process takes to
// read the first byte of it.
func BenchmarkUpgrade_64MiB(b *testing.B) {
	p := quick()
	p.Probation, p.State = time.Millisecond, 64<<20
	benchmarkUpgrade(b, p)
}

func benchmarkUpgrade(b *testing.B, p plan) {
	r := newRig(b, p)
	var started, ready, first []time.Duration
	for n := 0; b.Loop(); n++ {
		before := r.serving()
		o := r.upgraded(n)
		started, ready = append(started, o.Started), append(ready, o.Ready)
		r.gone(before)
		if p.State > 0 {
			first = append(first, r.about().Loaded.First)
		}
	}
	spread(b, "started", started)
	spread(b, "accepts", ready)
	if p.State > 0 {
		spread(b, "first-byte", first)
	}
}

// BenchmarkUpgrade_theNewVersionDies kills each new version in its probation: how long
// until that is noticed, from then on until the old one accepts again, and from the death
// on until a new connection has an answer.
func BenchmarkUpgrade_theNewVersionDies(b *testing.B) {
	p := quick()
	p.Probation = time.Hour
	r := newRig(b, p)
	first, client := r.serving(), r.client()
	var noticed, resumed, answered []time.Duration
	for n := 0; b.Loop(); n++ {
		r.signal(unix.SIGUSR2)
		next := r.awaitCandidate(n)
		died := time.Now()
		if err := unix.Kill(next, unix.SIGKILL); err != nil {
			b.Fatal(err)
		}
		// Until it is dead it may accept.
		for pid := 0; pid != first; {
			pid, _ = r.get(client, "/")
		}
		answered = append(answered, time.Since(died))
		o := r.outcome(n)
		noticed, resumed = append(noticed, o.Began.Add(o.Ended-o.Resumed).Sub(died)), append(resumed, o.Resumed)
	}
	spread(b, "noticed", noticed)
	spread(b, "resumed", resumed)
	spread(b, "answered", answered)
}
