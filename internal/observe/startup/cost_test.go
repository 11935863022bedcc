package startup

import (
	"strconv"
	"testing"
	"time"
)

func TestTakeOffCost_ofSystemCalls(t *testing.T) {
	const us = time.Microsecond
	for _, test := range []struct {
		name                string
		of                  Usage
		duration, cpu, took time.Duration
	}{
		{"it made none", Usage{Duration: 100 * us, CPU: 60 * us, OffCPU: 40 * us}, 100 * us, 60 * us, 0},
		{"it made some", Usage{Duration: 100 * us, CPU: 60 * us, OffCPU: 40 * us, Observed: 15 * us}, 85 * us, 45 * us, 15 * us},
		{"they are said to cost more than it ran", Usage{Duration: 100 * us, CPU: 10 * us, RunDelay: 90 * us, Observed: 15 * us}, 90 * us, 0, 10 * us},
		{"what it ran is not known", Usage{Duration: 100 * us, Unknown: true, Observed: 15 * us}, 100 * us, 0, 0},
	} {
		s := &Start{Packages: []Package{{Usage: test.of}}, Phases: []Phase{{Usage: test.of}}}
		s.takeOffCost()
		if p := &s.Packages[0]; p.Duration != test.duration || p.CPU != test.cpu || p.Observed != test.took || p.OffCPU != test.of.OffCPU || p.RunDelay != test.of.RunDelay {
			t.Errorf("%s: %+v", test.name, p.Usage)
		}
		if p := &s.Phases[0]; p.Duration != test.of.Duration || p.CPU != test.of.CPU || p.Observed != test.of.Observed {
			t.Errorf("%s: of a phase %+v is left", test.name, p.Usage)
		}
	}
}

// TestTakeOffCost_leavesTheProbe has packages of which the least made system calls.
func TestTakeOffCost_leavesTheProbe(t *testing.T) {
	s := &Start{}
	for i := range manyPackages {
		took := time.Duration(i+10) * time.Microsecond
		s.Packages = append(s.Packages, Package{Usage: Usage{Duration: took, CPU: took}})
	}
	s.Packages[5].Observed = 12 * time.Microsecond
	s.takeOffCost()
	if p := &s.Packages[5]; s.ProbeCost != 3*time.Microsecond || p.Duration != 0 || p.CPU != 0 || s.Packages[0].Duration != 7*time.Microsecond {
		t.Errorf("%v are taken off each, and %+v is left of the one with system calls, %v of the first", s.ProbeCost, p.Usage, s.Packages[0].Duration)
	}
}

func TestTakeOffCost(t *testing.T) {
	with := func(n int, cost time.Duration) *Start {
		s := &Start{}
		for i := range n {
			took := cost + time.Duration(i)*time.Microsecond
			s.Packages = append(s.Packages, Package{Name: strconv.Itoa(i), Usage: Usage{Duration: took, CPU: took / 2}})
		}
		return s
	}
	s := with(manyPackages, 2500*time.Nanosecond)
	s.takeOffCost()
	if s.ProbeCost != 2500*time.Nanosecond {
		t.Errorf("the cost is %v", s.ProbeCost)
	}
	for i, p := range s.Packages {
		if want := time.Duration(i) * time.Microsecond; p.Duration != want || p.CPU != max(0, (want-s.ProbeCost)/2) {
			t.Errorf("package %d: %v, of which CPU %v", i, p.Duration, p.CPU)
		}
	}
	few := with(manyPackages-1, time.Microsecond)
	few.takeOffCost()
	if few.ProbeCost != 0 || few.Packages[0].Duration != time.Microsecond {
		t.Errorf("of few packages %v were taken off", few.ProbeCost)
	}
}
