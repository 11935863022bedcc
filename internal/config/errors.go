package config

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxErrors bounds how many errors of one file are kept; with as many of all
// files the rest is not looked at.
const maxErrors = 200

// maxShown is how many bytes of a value or a path an error shows.
const maxShown = 120

// Error is one thing that is wrong with the configuration.
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
}

// Error returns "file:line:column: field: value: cause".
func (e *Error) Error() string {
	parts := []string{e.Place()}
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
		return show(e.File)
	}
	return fmt.Sprintf("%s:%d:%d", show(e.File), e.Line, e.Column)
}

// Errors is all that is wrong with a configuration, by file and place. It is
// never empty.
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

// show returns a text of the user for a message: short, and quoted when it has
// anything that a terminal would not print as it is.
func show(s string) string {
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
