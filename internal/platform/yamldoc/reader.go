package yamldoc

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxVisits bounds how many values of a file are looked at, counted anew for each
// alias: a file that names none has fewer.
const maxVisits = 600_000

// Reader reads the documents of one file and collects what is wrong. It is for
// one goroutine.
type Reader struct {
	file string
	errs Errors
	// errors and warnings count all, also beyond those that are kept.
	errors, warnings int

	visits int
	data   []byte
}

// NewReader returns a reader of a file of that name.
func NewReader(file string) *Reader { return &Reader{file: file} }

// File returns the name of the file.
func (r *Reader) File() string { return r.file }

// Parse calls document for each document of data that is not empty, and stops
// at the first that is no YAML.
func (r *Reader) Parse(data []byte, document func(Value)) {
	r.data = data
	if line, column, cause := badText(data); cause != "" {
		r.Add(&Error{File: r.file, Line: line, Column: column, Cause: cause, Hint: "save the file as UTF-8 text"})
		return
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		r.syntax(err)
		return
	}
	for {
		var node yaml.Node
		switch err := loader.Load(&node); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			r.syntax(err)
			return
		}
		if len(node.Content) == 1 && !isNull(node.Content[0]) {
			document(Value{r: r, node: node.Content[0]})
		}
	}
}

// badText returns the place and the cause of the first bytes that no YAML file
// may have.
func badText(data []byte) (line, column int, cause string) {
	line, column = 1, 1
	for rest := data; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		switch {
		case c == utf8.RuneError && size == 1:
			return line, column, fmt.Sprintf("is not UTF-8: byte 0x%02x", rest[0])
		case c < ' ' && c != '\t' && c != '\n' && c != '\r', c == 0x7f:
			return line, column, fmt.Sprintf("has the control character 0x%02x", c)
		case c == '\n':
			line, column = line+1, 0
		}
		column++
		rest = rest[size:]
	}
	return 0, 0, ""
}

// syntax adds the error of the YAML library.
func (r *Reader) syntax(err error) {
	e := &Error{File: r.file, Cause: "is no YAML: " + Show(err.Error()), Hint: "check indentation, quotes and brackets before that place"}
	var at *yaml.LoadError
	if errors.As(err, &at) {
		e.Line, e.Column, e.Cause = at.Mark.Line, at.Mark.Column, "is no YAML: "+Show(at.Message)
		if at.ContextMsg != "" {
			e.Cause += ", " + at.ContextMsg
		}
		if at.ContextMark.Line > 0 && at.ContextMark.Line != at.Mark.Line {
			e.Cause += fmt.Sprintf(" that begins in line %d", at.ContextMark.Line)
		}
	}
	r.Add(e)
}

// Add adds an error or a warning of the file. Of each those beyond [MaxErrors] are
// counted only.
func (r *Reader) Add(e *Error) {
	n := &r.errors
	if e.Warning {
		n = &r.warnings
	}
	if *n++; *n <= MaxErrors {
		r.errs = append(r.errs, e)
	}
}

// Errors returns the errors and warnings by line, each once.
func (r *Reader) Errors() Errors {
	slices.SortStableFunc(r.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	seen := make(map[Error]bool)
	r.errs = slices.DeleteFunc(r.errs, func(e *Error) bool {
		twice := seen[*e]
		seen[*e] = true
		return twice
	})
	all := r.errs
	if n := r.errors - MaxErrors; n > 0 {
		all = append(all, &Error{File: r.file, Cause: fmt.Sprintf("has %d more errors", n), Hint: "correct those before, and check again"})
	}
	if n := r.warnings - MaxErrors; n > 0 {
		all = append(all, &Error{File: r.file, Cause: fmt.Sprintf("has %d more warnings", n), Hint: "look at those before, and check again", Warning: true})
	}
	return all
}

// visit counts a value that is looked at, and reports whether there may be more.
func (r *Reader) visit(v Value) bool {
	switch r.visits++; {
	case r.visits < maxVisits:
		return true
	case r.visits == maxVisits:
		v.named().Fail("write out what the aliases stand for", "the aliases of the file stand for more than %d values", maxVisits)
	}
	return false
}
