package query

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/model"
)

// timeLayout is how the API writes times.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// AppendText appends the text by which queries and groups know a value: the
// one that JSON has for it. The texts of a list are joined by spaces; an unset
// value has none.
func AppendText(dst []byte, kind model.Kind, v model.Value) []byte {
	if !v.IsSet() {
		return dst
	}
	switch kind {
	case model.KindString:
		return append(dst, v.Str()...)
	case model.KindStrings:
		first := true
		for s := range v.Strings() {
			if !first {
				dst = append(dst, ' ')
			}
			first = false
			dst = append(dst, s...)
		}
		return dst
	case model.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case model.KindTime:
		return time.Unix(0, v.Int()).UTC().AppendFormat(dst, timeLayout)
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

// EqualText says whether want is the text of the value, or of one of its texts
// when it is a list. Bytes that are not UTF-8 equal the mark that the API shows
// in their place.
func EqualText(kind model.Kind, v model.Value, want string) bool {
	if !v.IsSet() {
		return false
	}
	switch kind {
	case model.KindString:
		return sameText(v.Str(), want)
	case model.KindStrings:
		for s := range v.Strings() {
			if sameText(s, want) {
				return true
			}
		}
		return false
	}
	return string(AppendText(make([]byte, 0, 32), kind, v)) == want
}

func sameText(s, want string) bool {
	return s == want || !utf8.ValidString(s) && strings.ToValidUTF8(s, "\uFFFD") == want
}

// Needle is a text that is looked for in others, letters in either case. The
// zero value is in all of them.
type Needle struct{ lower string }

// NewNeedle returns the needle for text.
func NewNeedle(text string) Needle { return Needle{strings.ToLower(text)} }

// IsZero is true of the needle that is in every text.
func (n Needle) IsZero() bool { return n.lower == "" }

// In says whether text contains the needle.
func (n Needle) In(text string) bool {
	if n.lower == "" {
		return true
	}
	if !isASCII(text) {
		return strings.Contains(strings.ToLower(text), n.lower)
	}
	first := n.lower[0]
	for i := 0; i+len(n.lower) <= len(text); i++ {
		if lowerASCII(text[i]) == first && n.at(text[i:]) {
			return true
		}
	}
	return false
}

func (n Needle) at(text string) bool {
	for i := 1; i < len(n.lower); i++ {
		if lowerASCII(text[i]) != n.lower[i] {
			return false
		}
	}
	return true
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
