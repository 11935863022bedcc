package symbol

import "strings"

// StdLib reports whether a function, named as in a frame, belongs to the
// standard library, the runtime or the toolchain's own glue, and not to the
// program or a module that it depends on.
//
// Import paths of the standard library have no dot in their first element. A
// program's own may lack one too ("shop/internal/cart"): those are recognised
// by the modules recorded in the program. The code below cmd/, the Go
// toolchain itself, counts as the program's.
func (b *Binary) StdLib(fn string) bool {
	path, ok := packagePath(fn)
	if !ok {
		return true
	}
	first, _, _ := strings.Cut(path, "/")
	switch first {
	case "main", "cmd", "command-line-arguments", "command-line-arguments_test", "_":
		return false
	case "plugin": // the main packages of plugins are below it
		return path == first
	}
	if strings.Contains(first, ".") {
		return false
	}
	for _, module := range b.info.modules {
		rest, ok := strings.CutPrefix(path, module)
		if ok && (rest == "" || rest[0] == '/' || rest == "_test") {
			return false
		}
	}
	return true
}

// packagePath returns the import path in a function's name, false when the
// name has none: assembly and what the toolchain generates.
func packagePath(fn string) (string, bool) {
	if strings.HasPrefix(fn, "type:") || strings.HasPrefix(fn, "go:") {
		return "", false
	}
	// Type arguments and receivers may hold import paths of their own.
	if i := strings.IndexAny(fn, "[("); i >= 0 {
		fn = fn[:i]
	}
	slash := strings.LastIndexByte(fn, '/') + 1
	dot := strings.IndexByte(fn[slash:], '.')
	if dot <= 0 {
		return "", false
	}
	path := fn[:slash+dot]
	// The linker escapes the dots of the last element, and it alone.
	return path[:slash] + unescape(path[slash:]), true
}

// unescape undoes the %xx of a symbol's name.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hexDigit(s[i+1]), hexDigit(s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexDigit(c byte) int {
	return strings.IndexByte("0123456789abcdef", c)
}
