package inspect

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

const (
	// maxCallers is how many of the functions that hold copies are named.
	maxCallers = 8
	// shownCallers is how many of them a reason names.
	shownCallers = 3
	// maxNearest is how many names are offered for one that is not there.
	maxNearest = 3
	// checkEvery is how many functions are looked at between two looks at the
	// context.
	checkEvery = 256
)

// Verdict says whether something can be done to a function.
type Verdict struct {
	OK bool
	// Reason says why not, or, in few words, how.
	Reason string
}

// Hook says whether calls of a function can be seen from their begin to their
// end, and where. Package hook refuses all others.
type Hook struct {
	Verdict
	// Entry is where each call passes once; nil when OK is not set.
	Entry *symbol.Point
	// Returns are where each call that returns passes once. They are empty
	// when the function never returns, and when OK is not set.
	Returns []symbol.Point
}

// Function is a function of a program and what can be done to it.
type Function struct {
	Name string // as the linker spells it
	// Entry is the address in the file, 0 for a function without code of its
	// own.
	Entry uint64
	// Size is the size of the code in bytes, without padding; 0 for a function
	// without code of its own.
	Size              int
	Wrapper, Assembly bool
	// InlinedInto are functions that hold a copy of the code, at most some, and
	// InlinedTotal is how many do.
	InlinedInto  []string
	InlinedTotal int
	Hook         Hook
	Patch        Verdict
}

// UnknownError says that no function of the program has a name, or a name that
// a pattern describes.
type UnknownError struct {
	Name string
	// Nearest are names, or a pattern, that may have been meant, best first.
	Nearest []string
}

func (e *UnknownError) Error() string { return "no such function" }

// Select returns a match for [Program.Functions]: it accepts the functions that
// any of patterns describes, as [symbol.Binary.Match] reads them. The name of a
// generic function without its type arguments stands for all its instances.
// A pattern that describes none gives an [*UnknownError].
func (p *Program) Select(patterns []string) (func(name string) bool, error) {
	found := make([]bool, len(patterns))
	instances := make([]string, len(patterns))
	missing := len(patterns)
	for i, pattern := range patterns {
		if pattern == "" || len(pattern) > maxPattern {
			return nil, &UnknownError{Name: pattern}
		}
		instances[i] = pattern + "[...]"
	}
	match := func(name string) bool {
		wanted := false
		for i, pattern := range patterns {
			if symbol.MatchName(pattern, name) || strings.HasSuffix(name, "]") && symbol.MatchName(instances[i], name) {
				wanted = true
				if !found[i] {
					found[i] = true
					missing--
				}
			}
		}
		return wanted
	}
	for f := range p.bin.Functions() {
		if match(f.Name); missing == 0 {
			return match, nil
		}
	}
	for _, name := range p.inlinings().Alone() {
		match(name)
	}
	for i, ok := range found {
		if !ok {
			return nil, p.unknown(patterns[i])
		}
	}
	return match, nil
}

// unknown returns the error for a pattern that describes no function.
func (p *Program) unknown(pattern string) error {
	e := &UnknownError{Name: pattern}
	// Patterns describe whole names: the path of the package may be missing.
	if longer := "*" + pattern; strings.Contains(pattern, "*") && len(longer) <= maxPattern {
		if matched, err := p.bin.Match(longer); err == nil && len(matched) > 0 {
			e.Nearest = []string{longer}
			return e
		}
	}
	e.Nearest = p.bin.Nearest(strings.Trim(pattern, "*"), maxNearest)
	return e
}

// Names returns, sorted and each once, the names of at most n functions that
// start with prefix; fewer when ctx ends before.
func (p *Program) Names(ctx context.Context, prefix string, n int) []string {
	var names []string
	add := func(name string) bool {
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
		return len(names) < n && (len(names)%checkEvery != 0 || ctx.Err() == nil)
	}
	for f := range p.bin.Functions() {
		if !add(f.Name) {
			break
		}
	}
	for _, name := range p.inlinings().Alone() {
		if !add(name) {
			break
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(n, len(names))]
}

// maxPattern is the length of a pattern in bytes.
const maxPattern = 4 << 10

// Functions yields the functions that match accepts, all with nil: first those
// that have code, in order of address, then, sorted, those that are only there
// inlined. An error is the last thing that is yielded: of ctx, or [ErrChanged].
func (p *Program) Functions(ctx context.Context, match func(name string) bool) iter.Seq2[Function, error] {
	return func(yield func(Function, error) bool) {
		inlined := p.inlinings()
		seen := 0
		for f := range p.bin.Functions() {
			if seen++; seen%checkEvery == 0 && ctx.Err() != nil {
				yield(Function{}, ctx.Err())
				return
			}
			if match != nil && !match(f.Name) {
				continue
			}
			if !yield(p.look(f, inlined), nil) {
				return
			}
		}
		for _, name := range inlined.Alone() {
			if match != nil && !match(name) {
				continue
			}
			if !yield(alone(name, inlined), nil) {
				return
			}
		}
		if err := p.intact(); err != nil {
			yield(Function{}, err)
		}
	}
}

// inlinings reads the inlined calls of all functions, once.
func (p *Program) inlinings() *symbol.Inlinings {
	p.inlinedOnce.Do(func() { p.inlined = p.bin.Inlinings(maxCallers) })
	return p.inlined
}

// alone describes a function that is only there inlined.
func alone(name string, inlined *symbol.Inlinings) Function {
	f := Function{Name: name}
	f.InlinedInto, f.InlinedTotal = inlined.Into(name)
	where := list(f.InlinedInto, f.InlinedTotal)
	f.Hook.Reason = "every call is inlined: hook what it is inlined into, " + where
	f.Patch.Reason = "every call is inlined: a patch replaces what it is inlined into, " + where
	return f
}

// look describes a function that has code.
func (p *Program) look(fn symbol.Function, inlined *symbol.Inlinings) Function {
	f := Function{Name: fn.Name, Entry: fn.Entry, Wrapper: fn.Wrapper, Assembly: fn.Assembly}
	f.InlinedInto, f.InlinedTotal = inlined.Into(fn.Name)
	code, err := p.bin.Code(fn)
	if err != nil {
		f.Size = int(fn.End - fn.Entry)
		f.Hook.Reason = reason(err)
	} else {
		f.Size = code.Size()
		f.Hook = hookOf(code)
	}
	f.Patch = functionVerdict(p.noPatch, &f, code)
	if f.InlinedTotal > 0 {
		note := fmt.Sprintf("not seen where it is inlined, in %s", count(f.InlinedTotal, "function"))
		if f.Hook.OK {
			f.Hook.Reason += "; " + note
		}
		if f.Patch.OK {
			f.Patch.Reason = "with " + count(f.InlinedTotal, "function") + " that it is inlined into"
		}
	}
	return f
}

// hookOf says where a function can be hooked.
func hookOf(code *symbol.Code) Hook {
	var h Hook
	entry, err := code.EntryPoint()
	if err != nil {
		h.Reason = reason(err)
		return h
	}
	if h.Returns, err = code.ReturnPoints(); err != nil {
		h.Reason = reason(err)
		return h
	}
	h.OK, h.Entry = true, &entry
	h.Reason = "entry " + Cost(entry)
	stepped := 0
	for _, p := range h.Returns {
		if p.Stepped {
			stepped++
		}
	}
	switch emulated := len(h.Returns) - stepped; {
	case len(h.Returns) == 0:
		h.Reason += ", never returns"
	case emulated == 0:
		h.Reason += ", " + count(stepped, "return") + " single-stepped"
	case stepped == 0:
		h.Reason += ", " + count(emulated, "return") + " emulated"
	default:
		h.Reason += fmt.Sprintf(", %s single-stepped and %d emulated", count(stepped, "return"), emulated)
	}
	return h
}

// Cost names the class of what a hit of a probe on p costs: "emulated", or
// "single-stepped", which is about ten times as much.
func Cost(p symbol.Point) string {
	if p.Stepped {
		return "single-stepped"
	}
	return "emulated"
}

// reason returns what an error says of a function, without its name.
func reason(err error) string {
	var point *symbol.PointError
	if errors.As(err, &point) {
		return point.Cause
	}
	return err.Error()
}

// list names some functions of total.
func list(names []string, total int) string {
	shown := names[:min(len(names), shownCallers)]
	text := strings.Join(shown, ", ")
	if more := total - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// count says how many.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
