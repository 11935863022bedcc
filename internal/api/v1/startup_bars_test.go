package v1

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

func TestStartupUsage_partsNeverExceedTheDuration(t *testing.T) {
	for _, tt := range []struct {
		name                                     string
		duration, cpu, ready, off, throttledTime int64
		want                                     []Part
	}{
		{"one thread", 100, 50, 20, 30, 0, []Part{{"cpu", 50}, {"run_delay", 20}, {"wait", 30}}},
		{"nothing known", 100, 0, 0, 0, 0, nil},
		{"an instant", 0, 5, 5, 5, 5, nil},
		{"many threads", 100, 70, 60, 900, 0, []Part{{"cpu", 70}, {"run_delay", 30}}},
		{"throttled in the queue", 100, 50, 40, 10, 30, []Part{{"cpu", 50}, {"run_delay", 10}, {"throttled", 30}, {"wait", 10}}},
		{"throttled out of the queue", 100, 50, 0, 50, 30, []Part{{"cpu", 50}, {"throttled", 30}, {"wait", 20}}},
		{"throttled on two CPUs", 100, 50, 20, 30, 200, []Part{{"cpu", 50}, {"throttled", 50}}},
		{"negative", 100, -1, -2, -3, -4, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := StartupUsage{DurationNS: tt.duration, CPUNS: &tt.cpu, RunDelayNS: &tt.ready, OffCPUNS: &tt.off, ThrottledNS: &tt.throttledTime}
			if got := u.Parts(); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStartup_stepsAreATree(t *testing.T) {
	for _, tt := range []struct {
		name, phases, packages, want string
	}{
		{"phases below those that they are within", "kernel_exec schedinit gcinit<schedinit main", "", "kernel_exec schedinit .gcinit main"},
		{"packages below their phase", "osinit package_inits main", "a b", "osinit package_inits .a .b main"},
		{"packages of a phase that was not seen", "osinit", "a b", "osinit a b"},
		{"a phase within one that was not seen", "gcinit<schedinit main", "", "gcinit main"},
		{"two levels", "a b<a c<b", "", "a .b ..c"},
		{"a phase within itself", "a<a b", "", "b a"},
		{"phases within each other", "a<b b<a", "", "a .b"},
		{"a name twice", "a a b<a package_inits package_inits", "p", "a .b a package_inits .p package_inits"},
		{"nothing", "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &Startup{}
			for _, word := range strings.Fields(tt.phases) {
				name, within, _ := strings.Cut(word, "<")
				v.Phases = append(v.Phases, StartupPhase{Name: name, Within: within})
			}
			for _, name := range strings.Fields(tt.packages) {
				v.Packages = append(v.Packages, StartupPackage{Name: name})
			}
			var got []string
			for i, s := range v.Steps() {
				if s.Parent >= i {
					t.Errorf("%s is before its parent", s.Name)
				}
				got = append(got, strings.Repeat(".", s.Depth)+s.Name)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", strings.Join(got, " "), tt.want)
			}
		})
	}
}

func TestStartup_axisEndsWhereTheProgramWasReady(t *testing.T) {
	const ms = int64(time.Millisecond)
	for _, tt := range []struct {
		name                           string
		inits, listen, response, until int64
		want                           int64
	}{
		{"at the end of all, when that is soon", 20, 30, 60, 70, 70},
		{"soon after the listen, when nothing came for long", 20, 31, 0, 5000, 31 + 32/8},
		{"soon after the listen, when the first request came late", 20, 31, 4000, 4001, 31 + 32/8},
		{"soon after main.main, when it never listens", 23, 0, 0, 9000, 23 + 24/8},
		{"at the end of a program that does not run long", 20, 0, 0, 50, 50},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &Startup{}
			add := func(name string, start, end int64) {
				v.Phases = append(v.Phases, StartupPhase{Name: name, StartupUsage: StartupUsage{StartNS: start * ms, DurationNS: (end - start) * ms}})
			}
			add(startup.KernelExec, -1, 0)
			add(startup.PackageInits, 1, tt.inits)
			add(startup.Main, tt.inits, tt.until)
			if tt.listen > 0 {
				add(startup.FirstListen, tt.listen, tt.listen)
			}
			if tt.response > 0 {
				add(startup.FirstResponse, tt.response, tt.response)
			}
			if from, to := v.AxisNS(); from != -ms || to != tt.want*ms {
				t.Errorf("from %d to %d, want -1 to %d ms", from/ms, to/ms, tt.want)
			}
		})
	}
}

func TestStartup_waterfallLeavesShortPackagesOut(t *testing.T) {
	v := &Startup{Time: Time(time.Unix(1000, 0)), Phases: []StartupPhase{
		{Name: startup.KernelExec, StartupUsage: StartupUsage{StartNS: -5, DurationNS: 5}},
		{Name: startup.PackageInits, StartupUsage: StartupUsage{DurationNS: 100}}, {Name: startup.Main, StartupUsage: StartupUsage{StartNS: 100, DurationNS: 10}},
		{Name: startup.FirstListen, Within: startup.Main, Address: ":80", StartupUsage: StartupUsage{StartNS: 105}},
	}}
	for i := range 4 {
		v.Packages = append(v.Packages, StartupPackage{Name: fmt.Sprint("p", i), StartupUsage: StartupUsage{StartNS: int64(i), DurationNS: int64(i) * 10}})
	}
	w, left := v.Waterfall(15)
	if left != 2 || len(w.Bars) != 6 {
		t.Fatalf("%d left out, %d bars: %+v", left, len(w.Bars), w.Bars)
	}
	for i, want := range []struct {
		label  string
		parent int
		start  int64
	}{{startup.KernelExec, -1, 0}, {startup.PackageInits, -1, 5}, {"p2", 1, 7}, {"p3", 1, 8}, {startup.Main, -1, 105}, {startup.FirstListen, 4, 110}} {
		if b := w.Bars[i]; b.Label != want.label || b.Parent != want.parent || b.StartNS != want.start {
			t.Errorf("bar %d is %+v, want %+v", i, b, want)
		}
	}
	if got := time.Time(w.To).Sub(time.Time(w.From)); got != 115 {
		t.Errorf("the axis is %d ns long, want 115", got)
	}
}

func TestStartupRuns_middle(t *testing.T) {
	run := func(pid int32, main, duration int64) Startup {
		v := Startup{PID: pid, DurationNS: duration}
		if main > 0 {
			v.Phases = []StartupPhase{{Name: startup.Main, StartupUsage: StartupUsage{StartNS: main}}}
		}
		return v
	}
	for _, tt := range []struct {
		name string
		runs []Startup
		want int32
	}{
		{"one", []Startup{run(1, 5, 9)}, 1},
		{"three", []Startup{run(1, 5, 9), run(2, 50, 9), run(3, 7, 9)}, 3},
		{"two: the quicker", []Startup{run(1, 6, 9), run(2, 5, 9)}, 2},
		{"only those that got to main.main", []Startup{run(1, 0, 1), run(2, 0, 2), run(3, 80, 9)}, 3},
		{"none that did", []Startup{run(1, 0, 3), run(2, 0, 2), run(3, 0, 1)}, 2},
	} {
		v := StartupRuns{Runs: tt.runs}
		if got := v.Middle().PID; got != tt.want {
			t.Errorf("%s: run %d, want %d", tt.name, got, tt.want)
		}
	}
}
