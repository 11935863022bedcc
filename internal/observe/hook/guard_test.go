package hook

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

func TestGuard(t *testing.T) {
	const us, ms = time.Microsecond, time.Millisecond
	type look struct {
		at    time.Duration
		calls []uint64
		over  []int // groups
	}
	// A budget of 2 % is 20 ms of each second.
	for _, tt := range []struct {
		name   string
		budget float64
		costs  []time.Duration
		groups [][]int
		looks  []look
	}{
		{"lets what is within the budget be", 0.02, []time.Duration{10 * us}, [][]int{{0}},
			[]look{{0, []uint64{0}, nil}, {500 * ms, []uint64{1000}, nil}, {1000 * ms, []uint64{2000}, nil}, {2000 * ms, []uint64{4000}, nil}}},
		{"gives up what has spent a second's budget before the second is over", 0.02, []time.Duration{10 * us}, [][]int{{0}},
			[]look{{0, []uint64{0}, nil}, {100 * ms, []uint64{2001}, []int{0}}}},
		{"looks at the last second only", 0.02, []time.Duration{10 * us}, [][]int{{0}},
			[]look{{0, []uint64{0}, nil}, {900 * ms, []uint64{100}, nil}, {1000 * ms, []uint64{200}, nil}, {1900 * ms, []uint64{2300}, []int{0}}}},
		{"gives up the dearest alone when that is enough", 0.02, []time.Duration{10 * us, 10 * us, 10 * us}, [][]int{{0}, {1}, {2}},
			[]look{{0, []uint64{0, 0, 0}, nil}, {1000 * ms, []uint64{500, 1800, 600}, []int{1}}}},
		{"gives up as many as it takes", 0.02, []time.Duration{10 * us, 20 * us, 10 * us}, [][]int{{0}, {1}, {2}},
			[]look{{0, []uint64{0, 0, 0}, nil}, {1000 * ms, []uint64{2500, 2000, 600}, []int{1, 0}}}},
		{"takes a group as one", 0.02, []time.Duration{10 * us, 10 * us, 10 * us}, [][]int{{0}, {1, 2}},
			[]look{{0, []uint64{0, 0, 0}, nil}, {1000 * ms, []uint64{900, 800, 700}, []int{1}}}},
		{"allows anything without a budget", 0, []time.Duration{10 * us}, [][]int{{0}},
			[]look{{0, []uint64{0}, nil}, {100 * ms, []uint64{1 << 40}, nil}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := guard{budget: tt.budget, costs: tt.costs}
			for _, l := range tt.looks {
				var over []int
				for _, o := range g.observe(l.at, l.calls, tt.groups) {
					over = append(over, o.group)
				}
				if !slices.Equal(over, l.over) {
					t.Fatalf("at %v gives up %v, want %v", l.at, over, l.over)
				}
			}
		})
	}
}

func TestGuardForgetsWhatIsDetached(t *testing.T) {
	g := guard{budget: 0.02, costs: []time.Duration{time.Millisecond, time.Microsecond}}
	groups := [][]int{{0}, {1}}
	g.observe(0, []uint64{0, 0}, groups)
	if over := g.observe(time.Second, []uint64{1000, 10}, groups); len(over) != 1 || over[0].group != 0 || over[0].share != 1 {
		t.Fatalf("gives up %+v, want group 0 at a whole core", over)
	}
	g.forget(0)
	if over := g.observe(1100*time.Millisecond, []uint64{1000, 20}, groups); len(over) != 0 {
		t.Errorf("gives up %+v for what function 0 cost before", over)
	}
}

func TestGroupFunctions(t *testing.T) {
	number := func(n int) []int {
		var list []int
		for i := range n {
			list = append(list, i)
		}
		return list
	}
	for _, n := range []int{0, 1, maxGroups, maxGroups + 1, 10_000} {
		groups := groupFunctions(number(n))
		if len(groups) > maxGroups || !slices.Equal(slices.Concat(groups...), number(n)) {
			t.Errorf("%d functions in %d groups, want all, in order, in at most %d", n, len(groups), maxGroups)
		}
		for i, g := range groups[:max(len(groups)-1, 0)] {
			if len(g) != 1 {
				t.Errorf("of %d functions group %d has %d", n, i, len(g))
			}
		}
	}
}

// pointThat is a point that is stepped or not.
func pointThat(stepped bool) []symbol.Point { return []symbol.Point{{Stepped: stepped}} }

func TestEstimate(t *testing.T) {
	p := prices{entry: 1000, entryStepped: 10_000, leave: 2000, leaveStepped: 20_000}
	functions := []function{
		{name: "cheap", entries: pointThat(false), returns: pointThat(false)},
		{name: "refused", refused: errors.New("no")},
		{name: "dear", entries: pointThat(true), returns: slices.Concat(pointThat(false), pointThat(true))},
		{name: "never returns", entries: pointThat(false)},
	}
	e := estimate(&p, functions, []uint64{100, 0, 100, 10}, 100*time.Millisecond)
	want := []FunctionEstimate{
		{"dear", 1000, 30_000, 0.03}, {"cheap", 1000, 3000, 0.003}, {"never returns", 100, 1000, 0.0001},
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	if !near(e.Share, 0.0331) || !slices.EqualFunc(e.Functions, want, func(a, b FunctionEstimate) bool {
		return a.Func == b.Func && a.Rate == b.Rate && a.Cost == b.Cost && near(a.Share, b.Share)
	}) {
		t.Errorf("%+v, want %+v", e, want)
	}
	e.Budget = 0.04
	if e.Exceeds() {
		t.Error("3.3 % exceed a budget of 4 %")
	}
	e.Budget = 0.02
	var input *InputError
	if err := e.exceeded(); !e.Exceeds() || !errors.As(err, &input) || input.Hint == "" {
		t.Errorf("exceeded = %v", err)
	}
	e.Budget = 0
	if e.Exceeds() {
		t.Error("a budget without bound is exceeded")
	}
}

func TestTallyLost(t *testing.T) {
	for _, tt := range []struct {
		name  string
		tally tally
		open  uint64
		want  uint64
	}{
		{"nothing while all returned", tally{calls: 10, returned: 10}, 0, 0},
		{"nothing while some are open and some panicked", tally{calls: 10, returned: 5, replaced: 2}, 3, 0},
		{"those that are in no account", tally{calls: 10, returned: 5, replaced: 2}, 1, 2},
		{"those that could not be followed", tally{calls: 10, returned: 8, unseen: 2}, 0, 2},
		{"nothing while parts are of another moment", tally{calls: 10, returned: 10, replaced: 1}, 0, 0},
	} {
		if got := tt.tally.lost(tt.open); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestChooseTier(t *testing.T) {
	for name, want := range map[string]string{"": TierKernel, "auto": TierKernel, "kernel": TierKernel, "relocated": "", "user": "", "else": ""} {
		got, err := chooseTier(name)
		var input *InputError
		if got != want || want == "" && (!errors.As(err, &input) || input.Hint == "") {
			t.Errorf("chooseTier(%q) = %q, %v", name, got, err)
		}
	}
}
