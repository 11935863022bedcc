package model

import (
	"slices"
	"strings"
)

// PackageOf returns the import path of a function's package, as symbols have it: a dot
// in the last element is written %2e.
func PackageOf(function string) string {
	base := base(function)
	if dot := strings.IndexByte(function[base:], '.'); dot >= 0 {
		return function[:base+dot]
	}
	return function
}

// ShortFunction leaves out the folders of a function's package.
func ShortFunction(function string) string { return function[base(function):] }

// base is where the last element of the package's path begins. The path ends before
// the type parameters and the receiver, which may hold slashes.
func base(function string) int {
	end := strings.IndexAny(function, "[(")
	if end < 0 {
		end = len(function)
	}
	return strings.LastIndexByte(function[:end], '/') + 1
}

// StandardLibrary is true of a function of the standard library, by the first element
// of its import path: a module of one's own may be named without a dot.
func StandardLibrary(function string) bool {
	first, _, _ := strings.Cut(PackageOf(function), "/")
	return slices.Contains(standardRoots(), first)
}

// standardRoots are the first elements of the import paths of Go 1.26.
func standardRoots() []string {
	return []string{
		"archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug", "embed", "encoding",
		"errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal", "io", "iter", "log", "maps", "math",
		"mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime", "slices", "sort", "strconv", "strings", "structs",
		"sync", "syscall", "testing", "text", "time", "unicode", "unique", "unsafe", "vendor", "weak",
	}
}
