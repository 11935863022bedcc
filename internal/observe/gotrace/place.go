package gotrace

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Place says for a reader where a stack is: the innermost call that is not of the
// runtime, a lock or a timer. When that is of the standard library it is in brackets,
// after what the reader looks for: the innermost call of the program that led there,
// or, where there is none, of another package.
func Place(stack []Frame) string {
	at := slices.IndexFunc(stack, func(f Frame) bool { return !waitsForOthers(f.Func) })
	switch {
	case len(stack) == 0 || stack[len(stack)-1].Func == "":
		return "an unknown place"
	case at < 0:
		return model.ShortFunction(stack[len(stack)-1].Func)
	}
	leaf := line(stack[at])
	if !model.StandardLibrary(stack[at].Func) {
		return leaf
	}
	outer := stack[at+1:]
	from := slices.IndexFunc(outer, func(f Frame) bool { return f.Func != deeper && !model.StandardLibrary(f.Func) })
	if from < 0 {
		own := model.PackageOf(stack[at].Func)
		from = slices.IndexFunc(outer, func(f Frame) bool {
			return f.Func != deeper && !waitsForOthers(f.Func) && model.PackageOf(f.Func) != own
		})
	}
	if from < 0 {
		return leaf
	}
	return line(outer[from]) + " (" + model.ShortFunction(stack[at].Func) + ")"
}

// waitsForOthers is true of functions that wait on behalf of those that call them, and
// of one without a name.
func waitsForOthers(function string) bool {
	if function == "" {
		return true
	}
	first, _, _ := strings.Cut(model.PackageOf(function), "/")
	return slices.Contains([]string{"runtime", "sync", "syscall", "time", "internal"}, first)
}

// line names a function without the folders of its package, and the line in it.
func line(f Frame) string { return fmt.Sprintf("%s:%d", model.ShortFunction(f.Func), f.Line) }

// Idles is true of blocks of the runtime's own goroutines, which wait for work, and of
// what was blocked from the beginning to the end.
func (b *Block) Idles() bool {
	return strings.HasPrefix(b.Reason, "GC ") || strings.HasPrefix(b.Reason, "system goroutine") || b.Reason == notSeen || b.Count == 0
}
