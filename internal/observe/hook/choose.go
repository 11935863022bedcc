package hook

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
)

const (
	// maxFunctions bounds what a pattern may match: each function takes 2 KiB
	// of the kernel's memory.
	maxFunctions = 16384
	// maxNearest is how many names are offered for one that is not there.
	maxNearest = 5
	// maxCallers is how many callers an error lists.
	maxCallers = 5
)

// ErrorWord tells which word of a function's results holds the type of its
// error, the last result: 0 for the first one. word is -1 when its last result
// is no error; ok is false when that cannot be told.
type ErrorWord func(*symbol.Binary, symbol.Function) (word int, ok bool)

// choice is what the names and patterns of the user mean in a binary.
type choice struct {
	functions []function
	// instances are the functions of the binary that each of them stands for.
	instances [][]symbol.Function
	// asked are the names and patterns, as the linker spells them.
	asked []asked
	notes []string
}

// asked is a name, or a pattern.
type asked struct {
	name    string
	pattern bool
}

// choose finds the functions that names stand for, with their points. A name
// that no function has makes all fail; a function that cannot be hooked is in
// the result with the reason.
func choose(p *process, names []string, errorWord ErrorWord) (*choice, error) {
	c := &choice{}
	index := make(map[string]int)
	for _, name := range names {
		found, err := c.find(p.binary, name)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			i, ok := index[f.Name]
			if !ok {
				i = len(c.functions)
				index[f.Name] = i
				c.functions = append(c.functions, function{name: f.Name, word: -1, known: true})
				c.instances = append(c.instances, nil)
			}
			if len(c.functions) > maxFunctions {
				return nil, inputError("write a narrower pattern", "hook %s: matches more than %d functions", name, maxFunctions)
			}
			c.functions[i].add(p.binary, f, errorWord)
			c.instances[i] = append(c.instances[i], f)
		}
	}
	for i := range c.functions {
		c.functions[i].settle()
	}
	c.note(p.binary.InlinedInto, func() []string { return p.binary.Inlinings(0).Alone() })
	check(p, c.functions)
	return c, refusedAll(c.functions)
}

// find returns the functions of one name or pattern, and takes note of which of
// these it is.
func (c *choice) find(b *symbol.Binary, name string) ([]symbol.Function, error) {
	matched, err := b.Match(name)
	if err != nil {
		return nil, inputError("write the name of a function, or a pattern such as 'main.*'", "hook %.40q: %w", name, err)
	}
	// The star of a receiver stands for itself first of all.
	exact := named(matched, name)
	if len(matched) == 0 && !strings.Contains(name, "[") {
		if generic, err := b.Match(name + "[...]"); err == nil {
			exact = generic
		}
	}
	switch {
	case len(exact) > 0:
		c.asked = append(c.asked, asked{name: exact[0].Name})
		return withoutWrappers(exact), nil
	case len(matched) > 0:
		c.asked = append(c.asked, asked{name: name, pattern: true})
		return withoutWrappers(matched), nil
	}
	if callers := b.InlinedInto(name)[name]; len(callers) > 0 {
		return nil, inputError("hook the callers, or build the program with -gcflags=-l or the function with //go:noinline",
			"hook %s: every call of it is inlined, into %s", name, list(callers, maxCallers))
	}
	hint := "goshawk inspect PID lists the functions of a program"
	if near := b.Nearest(strings.Trim(name, "*"), maxNearest); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, ", ") + "?"
	}
	return nil, inputError(hint, "hook %.200s: the program has no such function", name)
}

// named returns those of functions that are called exactly name.
func named(functions []symbol.Function, name string) []symbol.Function {
	var exact []symbol.Function
	for _, f := range functions {
		if f.Name == name {
			exact = append(exact, f)
		}
	}
	return exact
}

// withoutWrappers leaves out what the compiler made to adapt calls: they call
// what they wrap, which would be counted twice. A name that only wrappers have
// keeps them.
func withoutWrappers(functions []symbol.Function) []symbol.Function {
	real := slices.DeleteFunc(slices.Clone(functions), func(f symbol.Function) bool { return f.Wrapper })
	if len(real) == 0 {
		return functions
	}
	return real
}

// note says which calls are not seen because they are inlined. into tells into
// which functions those of some functions are, alone which functions are inlined
// everywhere: either reads the code of all functions.
func (c *choice) note(into func(names ...string) map[string][]string, alone func() []string) {
	var names, everywhere []string
	patterns := false
	for _, a := range c.asked {
		if a.pattern {
			patterns = true
		} else {
			names = append(names, a.name)
		}
	}
	var callers map[string][]string
	if len(names) > 0 {
		callers = into(names...)
	}
	if patterns {
		everywhere = alone()
	}
	for _, a := range c.asked {
		if !a.pattern {
			if callers := callers[a.name]; len(callers) > 0 {
				c.notes = append(c.notes, fmt.Sprintf("%s: calls that are inlined are not seen: those in %s", a.name, list(callers, maxCallers)))
			}
			continue
		}
		var alone []string
		for _, name := range everywhere {
			if symbol.MatchName(a.name, name) {
				alone = append(alone, name)
			}
		}
		if len(alone) > 0 {
			c.notes = append(c.notes, fmt.Sprintf("%s: %d more functions are inlined everywhere and not seen: %s", a.name, len(alone), list(alone, maxCallers)))
		}
	}
}

// list joins the first n of names.
func list(names []string, n int) string {
	if len(names) <= n {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// add adds the points of one function of f's name.
func (f *function) add(b *symbol.Binary, s symbol.Function, errorWord ErrorWord) {
	entry, err := b.EntryPoint(s)
	var returns []symbol.Point
	if err == nil {
		returns, err = b.ReturnPoints(s)
	}
	if err != nil {
		f.refused = err
		if at := (*symbol.PointError)(nil); errors.As(err, &at) {
			f.refused = errors.New(at.Cause)
		}
		return
	}
	if slices.ContainsFunc(f.entries, func(p symbol.Point) bool { return p.Offset == entry.Offset }) {
		return
	}
	f.entries = append(f.entries, entry)
	f.returns = append(f.returns, returns...)
	word, known := -1, false
	if errorWord != nil {
		word, known = errorWord(b, s)
	}
	// Instances that differ in where the error is cannot be told apart.
	if len(f.entries) > 1 && word != f.word {
		known = false
	}
	f.word, f.known = word, f.known && known
}

// settle makes a function that has points refused no more: of a generic one
// some instances may be out of reach.
func (f *function) settle() {
	if len(f.entries) > 0 {
		f.refused = nil
	}
}

// check refuses the functions whose code in memory is not that of the file.
func check(p *process, functions []function) {
	var points []symbol.Point
	owner := make(map[uint64]int)
	for i := range functions {
		for _, at := range slices.Concat(functions[i].entries, functions[i].returns) {
			points = append(points, at)
			owner[at.Offset] = i
		}
	}
	for _, r := range uprobe.Check(p.pid, p.bias, p.binary, points) {
		functions[owner[r.Offset]].refused = r.Err
	}
}

// refusedAll returns the error for a choice of which nothing can be hooked.
func refusedAll(functions []function) error {
	for i := range functions {
		if functions[i].refused == nil {
			return nil
		}
	}
	first := &functions[0]
	if len(functions) == 1 {
		return inputError("goshawk inspect PID --func NAME tells what can be hooked", "hook %s: %w", first.name, first.refused)
	}
	return inputError("goshawk inspect PID --func NAME tells what can be hooked",
		"hook: none of %d functions can be hooked, the first, %s, because: %w", len(functions), first.name, first.refused)
}
