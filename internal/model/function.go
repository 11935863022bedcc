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

// ShortFunction leaves out the folders of a function's package, but for the one above
// the major version of a module, as in "caddy/v2.Run".
func ShortFunction(function string) string {
	short := function[base(function):]
	element, _, _ := strings.Cut(short, ".")
	if len(element) < 2 || element[0] != 'v' || strings.Trim(element[1:], "0123456789") != "" {
		return short
	}
	above := strings.TrimSuffix(function[:len(function)-len(short)], "/")
	if above == "" {
		return short
	}
	return function[strings.LastIndexByte(above, '/')+1:]
}

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
