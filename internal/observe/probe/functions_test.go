package probe

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func newTestFunctions(points ...FunctionPoint) *functions {
	spec := &Spec{Name: "test", Functions: &Functions{Any: []string{"main.main"}, Points: points}}
	host := &Host{Log: slog.New(slog.DiscardHandler)}
	return newFunctions(spec, host, &ebpf.Collection{}, Options{})
}

// closed is a link that says that it was closed.
type closed struct{ times int }

func (c *closed) Close() error { c.times++; return nil }

func TestFunctionNamesAreAskedForOnce(t *testing.T) {
	f := newTestFunctions(
		FunctionPoint{Program: "a", Function: "f.A"},
		FunctionPoint{Program: "b", Function: "f.A", Where: AtCalls, Callee: "f.B"},
		FunctionPoint{Program: "c", Function: "main.main", Where: AtReturns},
	)
	if got, want := f.spec.Functions.names(), []string{"f.A", "f.B", "main.main"}; !slices.Equal(got, want) {
		t.Errorf("names = %q, want %q", got, want)
	}
}

// calledOnce and callsOnce are for TestPointsOf to find.
//
//go:noinline
func calledOnce(n int) string { return fmt.Sprint(n) }

//go:noinline
func callsOnce(n int) string { return calledOnce(n) + "!" }

func TestPointsOf(t *testing.T) {
	testutil.RequireArch(t, "points at calls and returns are found on amd64 only", "amd64")
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := symbol.NewCache(symbol.Options{}).Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	const pkg = "github.com/goshawk-io/goshawk/internal/observe/probe."
	found := program.Binary().Lookup(pkg+"calledOnce", pkg+"callsOnce", "fmt.Errorf")
	for _, test := range []struct {
		name   string
		point  FunctionPoint
		points int // at least; 0 is none
		err    string
	}{
		{"entry", FunctionPoint{Function: pkg + "callsOnce"}, 1, ""},
		{"returns", FunctionPoint{Function: pkg + "callsOnce", Where: AtReturns}, 1, ""},
		{"call", FunctionPoint{Function: pkg + "callsOnce", Where: AtCalls, Callee: pkg + "calledOnce"}, 1, ""},
		{"a function that is not there", FunctionPoint{Function: pkg + "absent"}, 0, ""},
		{"a callee that is not there", FunctionPoint{Function: pkg + "callsOnce", Where: AtCalls, Callee: pkg + "absent"}, 0, "absent has no code of its own"},
		{"a callee that is not called", FunctionPoint{Function: pkg + "calledOnce", Where: AtCalls, Callee: "fmt.Errorf"}, 0, "calledOnce does not call fmt.Errorf"},
	} {
		t.Run(test.name, func(t *testing.T) {
			points, err := pointsOf(program.Binary(), found, &test.point)
			if len(points) < test.points || test.points == 0 && len(points) > 0 {
				t.Errorf("%d points, want %d", len(points), test.points)
			}
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error = %v, want %q", err, test.err)
			}
			for _, p := range points {
				f := found[test.point.Function]
				if p.Addr < f.Entry || p.Addr >= f.End {
					t.Errorf("point at %#x of a function from %#x to %#x", p.Addr, f.Entry, f.End)
				}
			}
		})
	}
	if got := callsOnce(1); got != "1!" {
		t.Errorf("callsOnce = %q", got)
	}
}

func TestIndicesAreNotShared(t *testing.T) {
	testutil.RequireBPF(t)
	f := newTestFunctions()
	layouts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer layouts.Close()
	f.collection.Maps = map[string]*ebpf.Map{layoutMap: layouts}
	for range 4 {
		index, ok := f.freeIndex()
		if _, taken := f.byIndex[index]; taken || !ok || index >= 4 {
			t.Fatalf("index %d is taken, or too large", index)
		}
		f.byIndex[index] = &executable{index: index, indexed: true}
	}
	if index, ok := f.freeIndex(); ok {
		t.Errorf("index = %d though all are taken", index)
	}
	if err := f.describe(&executable{}, nil); !errors.Is(err, errTooMany) {
		t.Errorf("one more executable: %v", err)
	}
	delete(f.byIndex, 2)
	var forgotten []uint32
	f.spec.Functions.Forget = func(_ *ebpf.Collection, index uint32) { forgotten = append(forgotten, index) }
	for range 3 {
		e := new(executable)
		if err := f.describe(e, nil); err != nil || e.index != 2 {
			t.Errorf("index = %d, %v, want the free one", e.index, err)
		}
	}
	if !slices.Equal(forgotten, []uint32{2, 2, 2}) {
		t.Errorf("forgotten is what was known of %v", forgotten)
	}
}

// TestPartsThatAreLeftAlone has a probe that wants all its programs attached: no
// attempt is made at these, which would need processes.
func TestPartsThatAreLeftAlone(t *testing.T) {
	sites := []site{{Site: uprobe.Site{Offset: 1}}}
	for _, test := range []struct {
		name string
		e    executable
	}{
		{"the kernel refused it", executable{parts: map[string]*part{"a": {sites: sites, failed: true}}}},
		{"it has no sites", executable{parts: map[string]*part{"a": {}}}},
		{"it is attached", executable{parts: map[string]*part{"a": {sites: sites, link: new(closed), points: 1}}}},
		{"the layout is refuted", executable{refused: errors.New("nonsense"), parts: map[string]*part{"a": {sites: sites}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newTestFunctions()
			f.spec.Functions.Wanted = func(*ebpf.Collection, uint32, string, bool) bool { return true }
			points := test.e.points()
			f.adjust(&test.e, &model.Process{})
			if test.e.points() != points || len(test.e.off) > 0 {
				t.Errorf("%d points, faults %v", test.e.points(), test.e.off)
			}
		})
	}
}

func TestPartsThatAreOfNoUseAreDetached(t *testing.T) {
	f := newTestFunctions()
	f.spec.Functions.Wanted = func(_ *ebpf.Collection, _ uint32, program string, _ bool) bool { return program == "b" }
	a, b := new(closed), new(closed)
	sites := []site{{Site: uprobe.Site{Offset: 1}}}
	e := &executable{parts: map[string]*part{"a": {sites: sites, link: a, points: 1}, "b": {sites: sites, link: b, points: 1}}}
	f.adjust(e, &model.Process{})
	if e.points() != 1 || a.times != 1 || b.times != 0 {
		t.Errorf("%d points, a was closed %d times, b %d", e.points(), a.times, b.times)
	}
}

func TestWantedProcesses(t *testing.T) {
	now := time.Now()
	young, old := now.Add(-youngest/2), now.Add(-2*youngest)
	process := func(pid int32, start time.Time) *model.Process {
		return &model.Process{ID: model.ProcessID{PID: pid}, StartTime: start}
	}
	only := func(pid int32) func(*model.Process) bool {
		return func(p *model.Process) bool { return p.ID.PID == pid }
	}
	for _, test := range []struct {
		name    string
		options Options
		process *model.Process
		want    bool
	}{
		{"old", Options{}, process(5, old), true},
		{"too young", Options{}, process(5, young), false},
		{"young, asked for", Options{Eager: true}, process(5, young), true},
		{"chosen", Options{Targets: only(5)}, process(5, old), true},
		{"not chosen", Options{Targets: only(6)}, process(5, old), false},
		{"itself", Options{Eager: true, Targets: only(int32(os.Getpid()))}, process(int32(os.Getpid()), old), false},
	} {
		f := newTestFunctions()
		f.options = test.options
		if got := f.wants(test.process, now); got != test.want {
			t.Errorf("%s: wants = %t", test.name, got)
		}
	}
}

func TestHealthOfPrograms(t *testing.T) {
	f := newTestFunctions()
	running := func(pids ...int32) []*model.Process {
		var list []*model.Process
		for _, pid := range pids {
			list = append(list, &model.Process{
				ID: model.ProcessID{PID: pid}, Service: fmt.Sprint("service ", pid),
				Go: &model.GoBuild{GoVersion: "go1.26.8"},
			})
		}
		return list
	}
	link := new(closed)
	add := func(n uint64, e *executable) {
		e.index = uint32(n)
		f.files[target.FileID{Ino: n}], f.byIndex[e.index] = e, e
	}
	add(1, &executable{path: "/b", running: running(20, 10), program: new(symbol.Program), parts: map[string]*part{"a": {link: link, points: 3}},
		off: []model.ProbeFault{{Part: "/b f.A", Cause: "patched"}}})
	add(2, &executable{path: "/a", refused: errors.New("too old"), running: running(7)})
	add(3, &executable{path: "/skipped", skipped: true, running: running(8)})
	add(4, &executable{path: "/ended", parts: map[string]*part{"a": {points: 9}}})
	add(5, &executable{path: "/held", parts: map[string]*part{"a": {points: 2}}, held: true, goVersion: "go1.25.0"})
	targets, off := f.health()
	if got, want := fmt.Sprint(targets), "[{/held  go1.25.0 [] 2 0 } {/a service 7 go1.26.8 [7] 0 0 } {/b service 10 go1.26.8 [10 20] 3 1 }]"; got != want {
		t.Errorf("targets = %s, want %s", got, want)
	}
	if len(off) != 2 || off[0].Part != "/a" || off[0].Cause != "too old" || !strings.Contains(off[0].Missing, "test") || off[1].Part != "/b f.A" {
		t.Errorf("off = %+v", off)
	}

	if _, ok := f.attached(1); !ok {
		t.Error("an executable that is attached is not known")
	}
	if _, ok := f.attached(2); ok {
		t.Error("an executable without symbols is known")
	}
	if _, ok := f.attached(99); ok {
		t.Error("an executable that nobody runs is known")
	}

	// A layout that turns out wrong is given up once.
	f.refute(1, errors.New("nonsense"))
	f.refute(1, errors.New("nonsense again"))
	f.refute(99, errors.New("of nobody"))
	if link.times != 1 {
		t.Errorf("the link was closed %d times", link.times)
	}
	targets, off = f.health()
	if targets[2].Points != 0 || len(off) != 2 || off[1].Cause != "nonsense" {
		t.Errorf("targets = %+v, off = %+v", targets, off)
	}
}

func TestFunctionHints(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("point: %w", uprobe.ErrPatched): "rewritten", errors.New("else"): "report",
	} {
		if got := functionHint(err); !strings.Contains(got, want) {
			t.Errorf("hint(%v) = %q, want it to say %q", err, got, want)
		}
	}
}
