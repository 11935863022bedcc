package probe

import (
	"fmt"
	"iter"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
)

// all are the points, also those that do for others.
func (f *Functions) all() iter.Seq[*FunctionPoint] {
	return func(yield func(*FunctionPoint) bool) { eachPoint(f.Points, yield) }
}

func eachPoint(points []FunctionPoint, yield func(*FunctionPoint) bool) bool {
	for i := range points {
		if !yield(&points[i]) || !eachPoint(points[i].Inlined, yield) {
			return false
		}
	}
	return true
}

// inlines reports whether it matters what is inlined: to a probe that says what
// does for it. To others a function that is inlined is not there.
func (f *Functions) inlines() bool {
	return slices.ContainsFunc(f.Points, func(p FunctionPoint) bool { return len(p.Inlined) > 0 })
}

// names returns the functions that the spec speaks of.
func (f *Functions) names() []string {
	names := slices.Clone(f.Any)
	for p := range f.all() {
		names = append(names, p.Function)
		if p.Callee != "" {
			names = append(names, p.Callee)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// site is an instruction at which a program of the spec is to run.
type site struct {
	uprobe.Site
	point *FunctionPoint
}

// siteFinder finds the instructions of each program in one executable.
type siteFinder struct {
	executable *executable
	binary     *symbol.Binary
	programs   map[string]*ebpf.Program // that the kernel took
	found      map[string]symbol.Function
	inlined    map[string][]string // into whom, by function
	sites      map[string][]site
	points     []symbol.Point
}

// sites finds the instructions of each program.
func (f *functions) sites(e *executable, b *symbol.Binary, found map[string]symbol.Function) (map[string][]site, []symbol.Point) {
	finder := siteFinder{
		executable: e, binary: b, programs: f.collection.Programs, found: found, sites: make(map[string][]site),
	}
	if f.spec.Functions.inlines() {
		finder.inlined = b.InlinedInto(f.spec.Functions.names()...)
	}
	for i := range f.spec.Functions.Points {
		p := &f.spec.Functions.Points[i]
		if !p.Publishes || f.options.Settings.PublishContexts {
			finder.add(p)
		}
	}
	return finder.sites, finder.points
}

// add adds the instructions that a point of the spec means, or those that do for
// it where it has none because of inlining.
func (f *siteFinder) add(p *FunctionPoint) {
	if f.programs[p.Program] == nil {
		return
	}
	points, err := pointsOf(f.binary, f.found, p)
	switch {
	case err == nil:
		f.addPoints(p, points)
	case p.Where != AtCalls || !f.addInstead(p, p.Function):
		f.executable.off = append(f.executable.off, pointFault(f.executable, p, err))
	}
	if p.Where != AtCalls {
		f.addInlined(p)
	}
}

func (f *siteFinder) addPoints(p *FunctionPoint, points []symbol.Point) {
	for _, point := range points {
		at := uprobe.Site{Offset: point.Offset, Cookie: uint64(p.Tag)<<32 | uint64(f.executable.index)}
		f.sites[p.Program] = append(f.sites[p.Program], site{at, p})
		f.points = append(f.points, point)
	}
}

// addInlined adds what does for a point in the functions that its own is inlined
// into.
func (f *siteFinder) addInlined(p *FunctionPoint) {
	callers := slices.DeleteFunc(slices.Clone(f.inlined[p.Function]), func(caller string) bool { return f.addInstead(p, caller) })
	if len(callers) > 0 {
		f.executable.off = append(f.executable.off, inlinedFault(f.executable, p, callers))
	}
}

// addInstead adds what does for a point in a function, and reports whether there
// is anything.
func (f *siteFinder) addInstead(p *FunctionPoint, function string) bool {
	i := slices.IndexFunc(p.Inlined, func(q FunctionPoint) bool { return q.Function == function })
	if i >= 0 {
		f.add(&p.Inlined[i])
	}
	return i >= 0
}

// inlinedFault is for a function whose code is in callers too.
func inlinedFault(e *executable, p *FunctionPoint, callers []string) model.ProbeFault {
	more := ""
	if n := len(callers) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return model.ProbeFault{
		Part: e.path + " " + p.Function, Cause: "it is inlined into " + callers[0] + more,
		Missing: p.Missing + ", where they pass through that", Hint: "build the program with -pgo=off",
	}
}

// pointsOf returns the instructions that a point of the spec means, none when
// the executable does not have the function.
func pointsOf(b *symbol.Binary, found map[string]symbol.Function, p *FunctionPoint) ([]symbol.Point, error) {
	if p.Where == AtStart {
		point, err := b.StartPoint()
		return []symbol.Point{point}, err
	}
	function, ok := found[p.Function]
	if !ok {
		return nil, nil
	}
	switch p.Where {
	case AtReturns:
		return b.ReturnPoints(function)
	case AtCalls:
		callee, ok := found[p.Callee]
		if !ok {
			return nil, fmt.Errorf("%s has no code of its own", p.Callee)
		}
		points, err := b.CallPoints(function, callee)
		if err == nil && len(points) == 0 {
			err = fmt.Errorf("%s does not call %s", p.Function, p.Callee)
		}
		return points, err
	}
	point, err := b.EntryPoint(function)
	if err != nil {
		return nil, err
	}
	return []symbol.Point{point}, nil
}
