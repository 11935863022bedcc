package yamldoc

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxErrors bounds how many errors of one file are kept, and how many warnings.
const MaxErrors = 200

// maxShown is how many bytes of a value or a path an error shows.
const maxShown = 120

// Error is one thing that is wrong with a file.
type Error struct {
	// File is the file, as it was named.
	File string
	// Line and Column count from 1; they are 0 when all of the file is meant.
	Line, Column int
	// Field is the path of the field, "spec.sampling.slow", empty for none.
	Field string
	// Value is what is wrong there, as it was written, empty when that says
	// nothing.
	Value string
	// Cause says what is wrong with it.
	Cause string
	// Hint says what to do.
	Hint string
	// Warning marks what is allowed, and odd.
	Warning bool
}

// Error returns "file:line:column: field: value: cause".
func (e *Error) Error() string {
	return e.Place() + ": " + e.Text()
}

// Text returns "field: value: cause".
func (e *Error) Text() string {
	var parts []string
	for _, part := range []string{e.Field, e.Value, e.Cause} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ": ")
}

// Place returns "file:line:column", or the file alone.
func (e *Error) Place() string {
	if e.Line == 0 {
		return Show(e.File)
	}
	return fmt.Sprintf("%s:%d:%d", Show(e.File), e.Line, e.Column)
}

// Errors is what is wrong with files, by file and place.
type Errors []*Error

// Error returns the errors, one on each line.
func (l Errors) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the errors one by one.
func (l Errors) Unwrap() []error {
	list := make([]error, len(l))
	for i, e := range l {
		list[i] = e
	}
	return list
}

// Show returns a text of the user for a message: short, and quoted when it has
// anything that a terminal would not print as it is.
func Show(s string) string {
	cut := s
	if len(cut) > maxShown {
		cut = cut[:maxShown]
		for !utf8.ValidString(cut) && utf8.ValidString(s) {
			cut = cut[:len(cut)-1]
		}
	}
	if cut == "" || strings.ContainsFunc(cut, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		cut = strconv.Quote(cut)
	}
	if len(s) > maxShown {
		return fmt.Sprintf("%s... (%d bytes)", cut, len(s))
	}
	return cut
}

// Nearest returns the name that is most like a misspelt one, empty when none is.
func Nearest(misspelt string, names []string) string {
	best, least := "", len(misspelt)/3+1
	for _, name := range names {
		if d := distance(strings.ToLower(misspelt), strings.ToLower(name), least); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	return best
}

// distance returns how many letters must be changed, put in or left out to make
// b of a (Levenshtein), and more than limit when that many do not suffice.
func distance(a, b string, limit int) int {
	if max(len(a)-len(b), len(b)-len(a)) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			changed := before
			if a[i-1] != b[j-1] {
				changed++
			}
			before = row[j]
			row[j] = min(changed, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
