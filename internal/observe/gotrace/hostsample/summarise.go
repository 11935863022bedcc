package hostsample

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

const (
	// maxWorst is how many of the worst intervals a summary names.
	maxWorst = 10
	// worstFrom is the shortest sum of waits and stops that is named: what a thread
	// waits on a CPU that another one uses for a slice.
	worstFrom = 1_000_000
)

// Summary is what the host did to a process in a part of a recording. What is not
// seen is 0, and named in NotSeen.
type Summary struct {
	// FromNS and ToNS are the part of the time asked for that has samples.
	FromNS, ToNS int64
	Samples      int
	// CPUNS is for how long the threads ran, RunDelayNS for how long they were ready
	// and had no CPU; RunDelayPerSecondNS is the latter in a second.
	CPUNS, RunDelayNS, RunDelayPerSecondNS int64
	// WaitedShare is the share of the CPU time that the threads wanted in which they
	// waited for a CPU: RunDelayNS / (CPUNS + RunDelayNS).
	WaitedShare float64
	// ThrottledNS is for how long quotas stopped the process's control groups, summed
	// over CPUs and groups; Periods and ThrottledPeriods count those of the quotas.
	ThrottledNS, Periods, ThrottledPeriods int64
	// QuotaCPUs is the smallest quota, 0 for none.
	QuotaCPUs float64
	// BusyShare and StealShare are of the machine's CPU time: used by any process,
	// and taken by the hypervisor.
	BusyShare, StealShare float64
	// Load1 is the last load of a minute; MaxRunning the most threads of the machine
	// that were ready or ran.
	Load1      float64
	MaxRunning int
	// Worst are the samples with the most waiting and throttling, in the order of
	// time.
	Worst  []Interval
	Sysmon Sysmon
	// MissedShare is the share of samples that came too late to be taken.
	MissedShare float64
	NotSeen     []string
}

// Interval is a part of the recording in which the process was held up.
type Interval struct {
	// FromNS is when the interval, or the longest wait that ended in it, began.
	FromNS, ToNS            int64
	RunDelayNS, ThrottledNS int64
	// TID is the thread that waited longest, 0 when none did, and DelayNS how long.
	TID     int32
	DelayNS int64
}

// Sysmon says how late the runtime's sysmon was. It preempts goroutines that run for
// 10 ms, takes Ps back from system calls and polls the network.
type Sysmon struct {
	// TID is its thread, 0 when it was not found.
	TID int32
	// Samples is in how many samples it ran. P99NS and MaxNS are of the time that it
	// was ready and had no CPU in each: when it woke more than once, of all those
	// times together. They are thus bounds from above.
	Samples      int
	P99NS, MaxNS int64
	// MaxAtNS is when the longest ended.
	MaxAtNS int64
}

// Summarise adds up the part of a recording between two moments of its clock. Of a
// sample that is partly in it, that part is counted.
func Summarise(rec Recording, from, to int64) Summary {
	s := Summary{QuotaCPUs: rec.QuotaCPUs(), NotSeen: slices.Clone(rec.NotSeen)}
	var machine machineTimes
	var sysmon []int64
	tid := int32(0)
	if rec.Footer != nil {
		tid = rec.Footer.SysmonTID
		s.NotSeen = append(s.NotSeen, rec.Footer.NotSeen...)
		s.MissedShare = ratio(rec.Footer.Missed, plus(rec.Footer.Samples, rec.Footer.Missed))
	} else {
		s.NotSeen = append(s.NotSeen, "the end: the file of samples is cut")
	}
	s.Sysmon.TID = tid
	last := rec.StartNS
	for i := range rec.Samples {
		sample := &rec.Samples[i]
		begin := last
		last = sample.TimeNS
		share := overlap(begin, sample.TimeNS, from, to)
		if share == 0 {
			continue
		}
		if s.Samples++; s.Samples == 1 {
			s.FromNS = max(begin, from)
		}
		s.ToNS = min(sample.TimeNS, to)
		s.add(sample, share)
		if m := sample.Machine; m != nil {
			machine = machineTimes{plus(machine.busy, m.BusyNS), plus(machine.idle, m.IdleNS), plus(machine.steal, m.StealNS)}
			s.Load1, s.MaxRunning = m.Load1, max(s.MaxRunning, m.Running)
		}
		s.worst(sample, begin)
		if t := sample.thread(tid); t != nil && t.Slices > 0 {
			sysmon = append(sysmon, t.RunDelayNS)
			if t.RunDelayNS >= s.Sysmon.MaxNS {
				s.Sysmon.MaxNS, s.Sysmon.MaxAtNS = t.RunDelayNS, sample.TimeNS
			}
		}
	}
	s.finish(machine, sysmon, from, to)
	return s
}

// overlap returns which share of an interval is in another one. A moment is in it as
// a whole.
func overlap(begin, end, from, to int64) float64 {
	if end < from || begin > to || from > to {
		return 0
	}
	if end == begin {
		return 1
	}
	return float64(min(end, to)-max(begin, from)) / float64(end-begin)
}

func (s *Summary) add(sample *Sample, share float64) {
	for _, v := range []struct {
		sum *int64
		n   int64
	}{
		{&s.CPUNS, sample.CPUNS},
		{&s.RunDelayNS, sample.RunDelayNS},
		{&s.ThrottledNS, sample.ThrottledNS},
		{&s.Periods, sample.Periods},
		{&s.ThrottledPeriods, sample.ThrottledPeriods},
	} {
		part := v.n
		if share < 1 {
			part = int64(math.Round(float64(v.n) * share))
		}
		*v.sum = plus(*v.sum, part)
	}
}

// worst keeps the worst intervals so far, the worst first.
func (s *Summary) worst(sample *Sample, begin int64) {
	i := Interval{FromNS: begin, ToNS: sample.TimeNS, RunDelayNS: sample.RunDelayNS, ThrottledNS: sample.ThrottledNS}
	for _, t := range sample.Threads {
		if t.RunDelayNS > i.DelayNS {
			i.TID, i.DelayNS = t.TID, t.RunDelayNS
		}
	}
	i.FromNS = min(i.FromNS, max(0, i.ToNS-i.DelayNS))
	if i.weight() < worstFrom {
		return
	}
	s.Worst = append(s.Worst, i)
	slices.SortStableFunc(s.Worst, func(a, b Interval) int { return cmp.Compare(b.weight(), a.weight()) })
	s.Worst = s.Worst[:min(len(s.Worst), maxWorst)]
}

func (i *Interval) weight() int64 { return plus(i.RunDelayNS, i.ThrottledNS) }

// thread returns what a thread did in a sample, nil for nothing.
func (s *Sample) thread(tid int32) *Thread {
	at, ok := slices.BinarySearchFunc(s.Threads, tid, func(t Thread, tid int32) int { return cmp.Compare(t.TID, tid) })
	if !ok {
		return nil
	}
	return &s.Threads[at]
}

// finish takes the shares and percentiles.
func (s *Summary) finish(machine machineTimes, sysmon []int64, from, to int64) {
	slices.SortFunc(s.Worst, func(a, b Interval) int { return cmp.Compare(a.ToNS, b.ToNS) })
	if length := s.ToNS - s.FromNS; length > 0 {
		s.RunDelayPerSecondNS = int64(math.Round(min(float64(s.RunDelayNS)*1e9/float64(length), 1<<62)))
	}
	s.WaitedShare = ratio(s.RunDelayNS, plus(s.CPUNS, s.RunDelayNS))
	all := plus(plus(machine.busy, machine.idle), machine.steal)
	s.BusyShare, s.StealShare = ratio(machine.busy, all), ratio(machine.steal, all)
	if s.Sysmon.Samples = len(sysmon); len(sysmon) > 0 {
		slices.Sort(sysmon)
		// The nearest rank.
		s.Sysmon.P99NS = sysmon[(len(sysmon)*99+99)/100-1]
	}
	switch {
	case s.Samples == 0:
		s.NotSeen = append(s.NotSeen, "all of it: no sample is of this time")
	case all == 0:
		s.NotSeen = append(s.NotSeen, "how busy the machine was: the time is too short")
	}
	if lost := float64(to-from) - float64(s.ToNS-s.FromNS); s.Samples > 0 && lost > float64(to-from)/20 {
		s.NotSeen = append(s.NotSeen, fmt.Sprintf("%.0f %% of the time: no sample is of it", 100*lost/float64(to-from)))
	}
}

func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
