package table

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable returns s with each control character, invalid byte and invisible
// character in the form of a Go escape, so that a terminal shows it and does
// not obey it.
func Printable(s string) string {
	if !strings.ContainsFunc(s, special) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case special(r) && r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case special(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

func special(r rune) bool { return !unicode.IsPrint(r) }

// Command joins arguments to a line that a shell would split into them again,
// where that is possible, and that a terminal can show.
func Command(args func(yield func(string) bool)) string {
	var b strings.Builder
	for arg := range args {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		shown := Printable(arg)
		switch {
		case shown != arg:
			b.WriteString("$'" + strings.ReplaceAll(shown, "'", `\'`) + "'")
		case arg == "" || strings.ContainsAny(arg, " \"'`$&|;<>()*?[]{}~#!\\"):
			b.WriteString("'" + strings.ReplaceAll(arg, "'", `'\''`) + "'")
		default:
			b.WriteString(arg)
		}
	}
	return b.String()
}

// fit cuts s to width cells, with an ellipsis, or pads it with spaces.
func fit(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n <= width {
		return s + strings.Repeat(" ", width-n)
	}
	if width <= 1 {
		return "…"
	}
	runes := []rune(s)
	return string(runes[:width-1]) + "…"
}

// fitEnd is fit, keeping the end of s: of a long function name the end tells.
func fitEnd(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n <= width {
		return fit(s, width)
	}
	runes := []rune(s)
	return "…" + string(runes[n-width+1:])
}
