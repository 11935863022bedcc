package inspect

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

const (
	// jumpBytes is the size of the jump that a patch puts at the entry of a
	// function.
	jumpBytes = 5
	// oldestPatched is N of the first Go 1.N whose programs can be patched:
	// the layout of the module data is checked for these.
	oldestPatched = 25
)

// programVerdict says why no function of a program can be patched, "" when none
// of the rules for programs speaks against it.
func programVerdict(build *model.GoBuild, info *debug.BuildInfo) string {
	switch {
	case build.Arch != "amd64":
		return "the program is for " + build.Arch + ": only amd64 is supported yet"
	case build.PIE:
		return "the program is position-independent, which is not supported yet"
	case build.Cgo:
		return "the program is linked with C code, which is not supported yet"
	case !build.Static:
		return "the program is linked dynamically, which is not supported yet"
	case build.GoVersion == "":
		return "the program does not say which release of Go built it"
	case minor(build.GoVersion) < oldestPatched:
		return fmt.Sprintf("the program was built by %s: go1.%d is the oldest release that is supported", build.GoVersion, oldestPatched)
	case info == nil:
		return "the program does not say how it was built: it cannot be built again"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "-race", "-msan", "-asan", "-cover":
			if s.Value == "true" {
				return "the program was built with " + s.Key + ", which is not supported"
			}
		}
	}
	return ""
}

// minor returns N of "go1.N…", 0 when the version does not say.
func minor(version string) int {
	_, rest, _ := strings.Cut(version, "go1.")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	n, _ := strconv.Atoi(rest)
	return n
}

// functionVerdict says whether a function can be patched: whether the new code
// would be reached by every later call, and whether a jump to it can be written
// while the program runs. code is nil when it could not be read.
func functionVerdict(noPatch string, f *Function, code *symbol.Code) Verdict {
	no := func(format string, args ...any) Verdict { return Verdict{Reason: fmt.Sprintf(format, args...)} }
	pkg, named := symbol.PackageOf(f.Name)
	name := withoutPackage(f.Name)
	switch {
	case noPatch != "":
		return no("%s", noPatch)
	case code == nil:
		return no("%s", f.Hook.Reason)
	case f.Assembly:
		return no("it is written in assembly: its frame and its arguments cannot be compared")
	case !named:
		return no("the toolchain made it for a type or for itself")
	case pkg == "runtime" || strings.HasPrefix(pkg, "runtime/internal/") || strings.HasPrefix(pkg, "internal/runtime/"):
		return no("it is a part of the runtime")
	case f.Wrapper:
		return no("the compiler made it to call another function: patch that one")
	case isInit(name):
		return no("it runs once, at the start of the program")
	case pkg == "main" && name == "main":
		return no("it is called once, at the start of the program")
	case f.Size < jumpBytes:
		return no("its %s are fewer than the %d of a jump", count(f.Size, "byte"), jumpBytes)
	case !code.StackCheck():
		return no("it does not check the stack first: a goroutine may be stopped within the %d bytes that a jump takes", jumpBytes)
	}
	return Verdict{OK: true}
}

// withoutPackage returns a function's name without its package's.
func withoutPackage(name string) string {
	head := name
	if i := strings.IndexAny(head, "[("); i >= 0 {
		head = head[:i]
	}
	slash := strings.LastIndexByte(head, '/') + 1
	if dot := strings.IndexByte(name[slash:], '.'); dot >= 0 {
		return name[slash+dot+1:]
	}
	return name
}

// isInit reports whether a function without its package's name initialises the
// package.
func isInit(name string) bool {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "map."), "init")
	if !ok {
		return false
	}
	rest = strings.TrimPrefix(rest, ".")
	return strings.Trim(rest, "0123456789") == ""
}
