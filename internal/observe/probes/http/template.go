package http

import "strings"

// What template.h looks at of a path.
const (
	templateBytes    = 128
	templateSegments = 8
)

// placeholder stands for a segment that looks like an identifier.
const placeholder = "{id}"

// template reduces a path to what the requests of one kind have in common, by
// the rules of template.h: segments that look like identifiers are replaced,
// and what is past the eighth segment is left out. Two paths have the same
// template when, and but for collisions of hashes only when, the kernel counts
// them together.
func template(path string) string {
	path = path[:min(len(path), templateBytes)]
	segments := strings.Split(path, "/")
	cut := len(segments) > templateSegments+1
	if cut {
		segments = segments[:templateSegments+1]
	}
	for i, s := range segments {
		if isIdentifier(s) {
			segments[i] = placeholder
		}
	}
	text := strings.Join(segments, "/")
	if cut {
		text += "/…"
	}
	return text
}

// isIdentifier reports whether a segment names one thing of many: a number, a
// hash, a UUID, a token, something encoded.
func isIdentifier(segment string) bool {
	var digits, hex, marks int
	for _, c := range []byte(segment) {
		switch {
		case '0' <= c && c <= '9':
			digits++
			hex++
		case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F', c == '-':
			hex++
		case c == '@', c == '%', c == '=', c == '{', c >= 0x80:
			marks++
		}
	}
	switch n := len(segment); {
	case marks > 0 || n > 32:
		return true
	case digits == 0:
		return false
	default:
		return digits == n || digits >= 3 || n >= 16 || hex == n && n >= 8
	}
}
