package probe

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestPlan(t *testing.T) {
	many := func(n int) []time.Duration {
		list := make([]time.Duration, n)
		for i := range list {
			list[i] = time.Duration(i + 1)
		}
		return list
	}
	full := [MaxLimits]time.Duration(many(MaxLimits))
	for _, test := range []struct {
		name   string
		slots  [MaxLimits]time.Duration
		wanted []time.Duration
		next   [MaxLimits]time.Duration
		rest   []time.Duration
	}{
		{name: "nothing"},
		{name: "the first", wanted: []time.Duration{7, 3}, next: [MaxLimits]time.Duration{3, 7}},
		{name: "those that are there stay where they are", slots: [MaxLimits]time.Duration{9, 0, 7}, wanted: []time.Duration{3, 7, 9}, next: [MaxLimits]time.Duration{9, 3, 7}},
		{name: "one that is not wanted goes", slots: [MaxLimits]time.Duration{9, 7}, wanted: []time.Duration{7}, next: [MaxLimits]time.Duration{0, 7}},
		{name: "its place is taken", slots: [MaxLimits]time.Duration{9, 7}, wanted: []time.Duration{7, 8}, next: [MaxLimits]time.Duration{8, 7}},
		{name: "twice, and no limits", wanted: []time.Duration{5, 5, 0, -1}, next: [MaxLimits]time.Duration{5}},
		{name: "too many", wanted: many(MaxLimits + 2), next: full, rest: []time.Duration{MaxLimits + 1, MaxLimits + 2}},
	} {
		next, rest := plan(test.slots, test.wanted)
		if next != test.next || !slices.Equal(rest, test.rest) {
			t.Errorf("%s: %v, rest %v", test.name, next, rest)
		}
	}
}

func TestCount_aProbeWhoseEventsAreNotCountedInTheKernel(t *testing.T) {
	p := &Probe{spec: &Spec{Name: "exec", Schema: &model.Schema{}}}
	if _, err := p.CountPast([]time.Duration{time.Second}); !errors.Is(err, ErrNoLimits) {
		t.Errorf("error %v", err)
	}
}
