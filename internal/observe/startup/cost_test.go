package startup

import (
	"strconv"
	"testing"
	"time"
)

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
