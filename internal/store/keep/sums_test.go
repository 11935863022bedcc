package keep

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestSums_countEachOnce(t *testing.T) {
	sch, groups, sums := schema(), new(Groups), new(Sums)
	const n = 3000
	taken := uint64(0)
	for i := range n {
		e := event(sch, i, fmt.Sprint(i%700), time.Duration(i%50)*time.Second)
		sums.Add(e, groups.Of(e))
		if i%1000 == 999 {
			perStep := map[int64]int{}
			for _, sum := range sums.Take() {
				taken += sum.Count
				if perStep[sum.Step]++; perStep[sum.Step] > groupsPerStep+1 {
					t.Fatalf("step %d has more than %d groups", sum.Step, groupsPerStep)
				}
				if sum.Schema != sch || sum.Group == nil || !sum.Time.Equal(time.Unix(0, sum.Step)) {
					t.Fatalf("%+v", sum)
				}
			}
		}
	}
	if taken != n || sums.Len() != 0 {
		t.Errorf("%d events are counted, want %d", taken, n)
	}
}

func TestSums_forgetOldSteps(t *testing.T) {
	sch, groups, sums := schema(), new(Groups), new(Sums)
	for i := range 500 {
		e := event(sch, 0, "git", time.Duration(i)*model.RollupStep)
		sums.Add(e, groups.Of(e))
	}
	if len(sums.open) > 2*stepsOpen {
		t.Errorf("%d steps are open", len(sums.open))
	}
	sums.Forget(100)
	if sums.Len() != 100 {
		t.Errorf("%d sums are left, want 100", sums.Len())
	}
	for sum := range sums.All() {
		if sum.Step < StepOf(start().Add(400*model.RollupStep).UnixNano()) {
			t.Errorf("a sum of %v is left", sum.Time)
		}
	}
	sums.Forget(0)
	if sums.Len() != 0 {
		t.Errorf("%d sums are left, want none", sums.Len())
	}
}

func TestFloor(t *testing.T) {
	for _, tt := range []struct{ n, step, want int64 }{{0, 10, 0}, {9, 10, 0}, {10, 10, 10}, {-1, 10, -10}, {-10, 10, -10}, {-11, 10, -20}} {
		if got := Floor(tt.n, tt.step); got != tt.want {
			t.Errorf("Floor(%d, %d) = %d, want %d", tt.n, tt.step, got, tt.want)
		}
	}
}

func TestNewAnswer_widensToSteps(t *testing.T) {
	at := func(s, ns int64) time.Time { return time.Unix(s, ns) }
	tests := []struct {
		name     string
		from, to time.Time
		wantFrom int64
		wantTo   int64
	}{
		{"no bounds", time.Time{}, time.Time{}, math.MinInt64, math.MaxInt64},
		{"whole steps stay", at(100, 0), at(120, 0), 100e9, 120e9},
		{"parts of steps become whole", at(100, 1), at(120, 1), 100e9, 130e9},
		{"an empty time stays empty", at(100, 0), at(100, 0), 100e9, 100e9},
		{"before the epoch", at(-5, 0), at(-5, 0), -10e9, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := NewAnswer(model.RollupQuery{From: tt.from, To: tt.to})
			if err != nil || a.From != tt.wantFrom || a.To != tt.wantTo {
				t.Errorf("%d to %d, %v; want %d to %d", a.From, a.To, err, tt.wantFrom, tt.wantTo)
			}
		})
	}
}
