package keep

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func schema() *model.Schema {
	return &model.Schema{
		Probe: "exec", Failure: "error.type", Groups: []string{"name", "line"},
		Fields: []model.Field{{Key: "name", Kind: model.KindString}, {Key: "line", Kind: model.KindInt}, {Key: "error.type", Kind: model.KindString}},
	}
}

func event(s *model.Schema, n int, name string, d time.Duration) *model.Event {
	e := new(model.Event)
	e.Reset(s)
	e.Time, e.PID, e.Duration = time.Unix(1_800_000_000, int64(n)), int32(n), d
	e.Values[0] = model.StringValue(name)
	return e
}

func start() time.Time { return time.Unix(1_800_000_000, 0) }

// stream is a random stream of events, in slices.
type stream struct {
	rand   *rand.Rand
	schema *model.Schema
	groups int
	mostly int // 1 in mostly events is of a group that is not the first
	failed float64
}

func (s *stream) event(n int) *model.Event {
	group := 0
	if s.rand.IntN(s.mostly) == 0 {
		group = s.rand.IntN(s.groups)
	}
	e := event(s.schema, n, fmt.Sprint("command", group), time.Duration(s.rand.ExpFloat64()*1e6))
	if s.rand.Float64() < s.failed {
		e.Values[2] = model.StringValue("1")
	}
	if s.rand.Float64() < s.failed {
		e.Findings = []model.Finding{{Rule: "zombie"}}
	}
	return e
}

func TestSample_weighsWhatItKeeps(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		groups  int
		mostly  int
		slices  int
		each    int // events of a slice, about
		failed  float64
		kept    [2]int // bounds of what is kept of those that need not be
	}{
		{"within the budget all are kept", Options{}, 5, 1, 10, 300, 0.1, [2]int{2000, 3000}},
		{"without a budget all are kept", Options{EventsPerSecond: -1, Burst: 1}, 5, 1, 10, 300, 0, [2]int{2600, 3300}},
		{"a storm becomes a sample", Options{EventsPerSecond: 100, Burst: 100}, 5, 1, 20, 3000, 0.01, [2]int{0, 1200}},
		{"one group that storms leaves the others room", Options{EventsPerSecond: 100, Burst: 50}, 20, 20, 20, 3000, 0, [2]int{500, 1100}},
		{"more groups than slots are pooled", Options{EventsPerSecond: 20, Burst: 10}, 300, 1, 20, 1000, 0, [2]int{20, 250}},
		{"a slice that is too large is sampled as it comes", Options{EventsPerSecond: 1000, Burst: 1000}, 50, 2, 3, 20_000, 0.001, [2]int{1200, 1900}},
		{"so many groups that each has one", Options{EventsPerSecond: 1, Burst: 1}, 20_000, 1, 2, 20_000, 0, [2]int{2, 3}},
		{"what must be kept may take the whole budget", Options{EventsPerSecond: 10, Burst: 10}, 5, 1, 10, 1000, 0.5, [2]int{10, 30}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Rand = rand.NewPCG(7, 7)
			st := &stream{rand.New(rand.NewPCG(1, 1)), schema(), tt.groups, tt.mostly, tt.failed}
			s, groups, now := NewSample(tt.options, start()), new(Groups), start()
			rest := 0
			for range tt.slices {
				rest += checkSlice(t, st, s, groups, st.rand.IntN(tt.each/5)+tt.each*9/10, &now)
			}
			if rest < tt.kept[0] || rest > tt.kept[1] {
				t.Errorf("%d events are kept that need not be, want %v", rest, tt.kept)
			}
		})
	}
}

// checkSlice fills one slice and returns how many of those were kept that need
// not be.
func checkSlice(t *testing.T, st *stream, s *Sample, groups *Groups, n int, now *time.Time) (rest int) {
	t.Helper()
	added := map[*model.Event]bool{}
	must := map[*model.Event]bool{}
	seen := map[string]float64{}
	out := map[*model.Event]bool{}
	for i := range n {
		e := st.event(i)
		added[e] = true
		if e.Failure().IsSet() || len(e.Findings) > 0 {
			must[e] = true
		}
		seen[e.Values[0].Str()]++
		if forgotten := s.Add(e, groups.Of(e)); forgotten != nil {
			out[forgotten] = true
		}
	}
	if s.Seen() != n || s.Len() != n-len(out) {
		t.Fatalf("the slice saw %d and holds %d of %d, %d forgotten", s.Seen(), s.Len(), n, len(out))
	}
	*now = now.Add(500 * time.Millisecond)
	weights, all := map[string]float64{}, 0.0
	groupsLeft := map[*Group]bool{}
	kept := s.Take(*now)
	for _, k := range kept {
		if !added[k.Event] || out[k.Event] {
			t.Fatalf("event %d is kept twice, or was forgotten", k.Event.PID)
		}
		delete(added, k.Event)
		always := must[k.Event] || k.Slow
		if k.Weight < 1 || always && k.Weight != 1 {
			t.Fatalf("an event has weight %v (must be kept: %t)", k.Weight, always)
		}
		delete(must, k.Event)
		if !always {
			rest++
			groupsLeft[k.Group] = true
		}
		weights[k.Event.Values[0].Str()] += k.Weight
		all += k.Weight
	}
	if len(must) > 0 {
		t.Fatalf("%d events that failed or have findings are not kept", len(must))
	}
	if math.Abs(all-float64(n)) > 1e-6*float64(n) {
		t.Fatalf("the weights sum up to %v, want %d", all, n)
	}
	if len(groupsLeft) == len(seen) {
		for name, count := range seen { // none of them was pooled
			if math.Abs(weights[name]-count) > 1e-6*count {
				t.Fatalf("the weights of %s sum up to %v, want %v", name, weights[name], count)
			}
		}
	}
	if len(s.Take(*now)) > 0 || s.Len() > 0 || s.Seen() > 0 {
		t.Fatal("a slice is not empty after it was taken")
	}
	return rest
}

func TestSample_isDecidedByItsSeed(t *testing.T) {
	run := func() (pids []int32) {
		st := &stream{rand.New(rand.NewPCG(1, 1)), schema(), 40, 1, 0.01}
		s, groups := NewSample(Options{EventsPerSecond: 10, Burst: 60, Rand: rand.NewPCG(3, 4)}, start()), new(Groups)
		for i := range 9000 {
			e := st.event(i)
			s.Add(e, groups.Of(e))
		}
		for _, k := range s.Take(start()) {
			pids = append(pids, k.Event.PID)
		}
		return pids
	}
	if a, b := run(), run(); !slices.Equal(a, b) {
		t.Errorf("two runs keep %v and %v", a, b)
	}
}

// TestSample_choosesEachAsOften checks that no place in a stream is preferred,
// in a slice that fits and in one that does not, alone and pooled.
func TestSample_choosesEachAsOften(t *testing.T) {
	for _, tt := range []struct{ n, groups, burst int }{{200, 1, 20}, {200, 4, 20}, {6000, 1, 600}, {6000, 3, 600}, {100, 50, 20}} {
		t.Run(fmt.Sprintf("%d of %d groups", tt.n, tt.groups), func(t *testing.T) {
			const runs, parts = 200, 10
			var sums [parts]float64
			source := rand.NewPCG(5, 6)
			for range runs {
				s, groups, sch := NewSample(Options{EventsPerSecond: 1, Burst: tt.burst, Rand: source}, start()), new(Groups), schema()
				for i := range tt.n {
					e := event(sch, i, fmt.Sprint(i%tt.groups), -1)
					s.Add(e, groups.Of(e))
				}
				for _, k := range s.Take(start()) {
					sums[int(k.Event.PID)*parts/tt.n] += k.Weight
				}
			}
			want := float64(runs*tt.n) / parts
			for i, sum := range sums {
				if math.Abs(sum-want) > 0.25*want {
					t.Errorf("tenth %d has weight %.0f, want about %.0f", i, sum, want)
				}
			}
		})
	}
}

func TestSample_callsSlowWhatIs(t *testing.T) {
	sch, groups := schema(), new(Groups)
	s := NewSample(Options{EventsPerSecond: 1, Burst: 1, Rand: rand.NewPCG(1, 1)}, start())
	r := rand.New(rand.NewPCG(2, 2))
	add := func(name string, d time.Duration) bool {
		e := event(sch, 0, name, d)
		g := groups.Of(e)
		s.Add(e, g)
		for _, k := range s.Take(start()) {
			if k.Event == e {
				return k.Slow
			}
		}
		return false
	}
	for i := range slowAfter {
		if add("git", time.Duration(1+i)*time.Hour) {
			t.Fatalf("event %d is slow, before enough are known", i)
		}
	}
	slow := 0
	for range 20_000 {
		if add("curl", time.Duration(1e6*(1+r.ExpFloat64()))) {
			slow++
		}
	}
	if slow < 20 || slow > 300 {
		t.Errorf("%d of 20,000 are slow, want about 100: those above p99 and its error", slow)
	}
	for _, tt := range []struct {
		name string
		d    time.Duration
		want bool
	}{{"curl", time.Second, true}, {"git", time.Second, false}, {"new", time.Hour, false}, {"curl", -1, false}} {
		if got := add(tt.name, tt.d); got != tt.want {
			t.Errorf("%s that takes %v: slow %t", tt.name, tt.d, got)
		}
	}
	for range 2 * slowMemory {
		add("curl", time.Minute)
	}
	if add("curl", time.Minute) || add("curl", time.Second) {
		t.Error("what has become usual is slow")
	}
	if !add("curl", 2*time.Minute) {
		t.Error("two minutes are not slow where one is usual")
	}
}

func TestSample_ofEqualDurationsNoneIsSlow(t *testing.T) {
	sch, groups := schema(), new(Groups)
	s := NewSample(Options{}, start())
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		e := event(sch, i, "git", time.Millisecond+time.Duration(r.IntN(1000)))
		s.Add(e, groups.Of(e))
	}
	for _, k := range s.Take(start()) {
		if k.Slow {
			t.Fatalf("%v is slow", k.Event.Duration)
		}
	}
}

func TestSample_spendsNoMoreThanItHas(t *testing.T) {
	sch, groups := schema(), new(Groups)
	s := NewSample(Options{EventsPerSecond: 50, Burst: 1000, Rand: rand.NewPCG(1, 1)}, start())
	now, total := start(), 0
	for i := range 100_000 {
		e := event(sch, i, "git", -1)
		s.Add(e, groups.Of(e))
		if i%1000 == 999 {
			now = now.Add(time.Second)
			total += len(s.Take(now))
		}
	}
	if total < 5900 || total > 6100 {
		t.Errorf("%d of 100,000 events in 100 s are kept, want 1,000 and 50 a second", total)
	}
	s.Take(now.Add(time.Hour))
	for i := range 3000 {
		e := event(sch, i, "git", -1)
		s.Add(e, groups.Of(e))
	}
	if keeps, n := s.Keeps(), len(s.Take(now.Add(time.Hour))); n != 1000 || keeps != 1000 {
		t.Errorf("%d are kept after a quiet hour, %d announced, want 1000", n, keeps)
	}
	s.Take(start()) // the clock was set back
	e := event(sch, 1, "git", -1)
	s.Add(e, groups.Of(e))
	if got := s.Take(start()); len(got) != 1 {
		t.Errorf("%d are kept without a budget, want 1", len(got))
	}
}

func TestGroups_forgetsThoseNotSeen(t *testing.T) {
	sch, groups := schema(), new(Groups)
	first := groups.Of(event(sch, 0, "often", 0))
	for i := range 3 * maxGroups {
		groups.Of(event(sch, 0, fmt.Sprint(i), 0))
		if got := groups.Of(event(sch, 0, "often", 0)); got != first {
			t.Fatalf("after %d groups, one that is seen often has changed", i)
		}
	}
	if len(groups.known) > maxGroups {
		t.Errorf("%d groups are known", len(groups.known))
	}
}

func TestGroups_areToldApartByAllTheirTexts(t *testing.T) {
	sch, groups := schema(), new(Groups)
	seen := map[*Group]bool{}
	for _, name := range []string{"", "a", "b"} {
		for _, service := range []string{"", "a", "ab"} {
			for line := range 3 {
				e := event(sch, 0, name, 0)
				e.Service = service
				if line > 0 {
					e.Values[1] = model.IntValue(int64(line))
				}
				g := groups.Of(e)
				if seen[g] || g != groups.Of(e) || g.Service != service || g.Texts[0] != name {
					t.Errorf("%q %q %d: group %+v", name, service, line, g)
				}
				seen[g] = true
			}
		}
	}
}
