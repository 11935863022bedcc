package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// decoder reads the documents of one file and collects what is wrong.
type decoder struct {
	file string
	errs Errors
	// more counts errors beyond those that are kept.
	more int
}

// field is a key of an object: how it is read, and how it is documented.
type field struct {
	name string
	// kind says in words what may be written.
	kind string
	// standard is the default as it is written, empty for none.
	standard string
	// summary is one sentence.
	summary string
	// of says whose field it is, where not everybody has it.
	of string
	// refuse says why the field makes no sense here, empty when it does.
	refuse string
	// sample is what an example writes in place of the default.
	sample string
	// required fields must be there.
	required bool
	// raw fields are read by whoever asked for the object.
	raw bool
	// fields are those of an object, which has no read.
	fields []field
	read   func(value)
}

// value is a node with where it is.
type value struct {
	d    *decoder
	path string
	node *yaml.Node
}

// parse calls document for each document of data that is not empty, and stops
// at the first that is no YAML.
func (d *decoder) parse(data []byte, document func(value)) {
	if line, column, cause := badText(data); cause != "" {
		d.add(&Error{File: d.file, Line: line, Column: column, Cause: cause, Hint: "save the file as UTF-8 text"})
		return
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		d.syntax(err)
		return
	}
	for {
		var node yaml.Node
		switch err := loader.Load(&node); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			d.syntax(err)
			return
		}
		if len(node.Content) == 1 && !isNull(node.Content[0]) {
			document(value{d: d, node: node.Content[0]})
		}
	}
}

// badText returns the place and the cause of the first bytes that no YAML file
// may have.
func badText(data []byte) (line, column int, cause string) {
	line, column = 1, 1
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return line, column, fmt.Sprintf("is not UTF-8: byte 0x%02x", rest[0])
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			return line, column, fmt.Sprintf("has the control character 0x%02x", r)
		case r == '\n':
			line, column = line+1, 0
		}
		column++
		rest = rest[size:]
	}
	return 0, 0, ""
}

// syntax adds the error of the YAML library.
func (d *decoder) syntax(err error) {
	e := &Error{File: d.file, Cause: "is no YAML: " + show(err.Error()), Hint: "check indentation, quotes and brackets before that place"}
	var at *yaml.LoadError
	if errors.As(err, &at) {
		e.Line, e.Column, e.Cause = at.Mark.Line, at.Mark.Column, "is no YAML: "+show(at.Message)
		if at.ContextMsg != "" {
			e.Cause += ", " + at.ContextMsg
		}
		if at.ContextMark.Line > 0 && at.ContextMark.Line != at.Mark.Line {
			e.Cause += fmt.Sprintf(" that begins in line %d", at.ContextMark.Line)
		}
	}
	d.add(e)
}

func (d *decoder) add(e *Error) {
	if len(d.errs) == maxErrors {
		d.more++
		return
	}
	d.errs = append(d.errs, e)
}

// sorted returns the errors by line.
func (d *decoder) sorted() Errors {
	slices.SortStableFunc(d.errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if d.more == 0 {
		return d.errs
	}
	return append(d.errs, &Error{File: d.file, Cause: fmt.Sprintf("has %d more errors", d.more), Hint: "correct those before, and check again"})
}

// fail adds an error about v, whose hint is what to do.
func (v value) fail(hint, format string, args ...any) {
	v.d.add(&Error{
		File: v.d.file, Line: v.node.Line, Column: v.node.Column, Field: v.path, Value: v.written(), Cause: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// written returns a scalar as it was written.
func (v value) written() string {
	n := v.resolved()
	if n.Kind != yaml.ScalarNode || isNull(n) {
		return ""
	}
	return show(n.Value)
}

// resolved follows an alias. Nothing here descends further than the fields
// that there are, so aliases of aliases cost nothing.
func (v value) resolved() *yaml.Node {
	n := v.node
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kindOf says in words what v is.
func (v value) kindOf() string {
	n := v.resolved()
	switch {
	case n.Kind == yaml.MappingNode:
		return "an object"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	switch tag := n.ShortTag(); tag {
	case "!!str":
		return "a text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	default:
		return show(tag)
	}
}

// child returns the value of a key of an object, and whether it has one. What
// is not there has none.
func (v value) child(name string) (value, bool) {
	if v.node == nil {
		return value{}, false
	}
	n := v.resolved()
	if n.Kind != yaml.MappingNode {
		return value{}, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind == yaml.ScalarNode && key.Value == name {
			return value{v.d, join(v.path, name), n.Content[i+1]}, true
		}
	}
	return value{}, false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// object reads the fields of an object. Nothing at all is an object without
// fields: all of them may be commented out.
func (v value) object(fields []field) {
	n := v.resolved()
	if n.Kind != yaml.MappingNode && !isNull(n) {
		v.fail("write "+names(fields)+" below it", "is %s, not an object", v.kindOf())
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := value{v.d, v.path, n.Content[i]}
		name := key.resolved().Value
		if key.resolved().Kind != yaml.ScalarNode {
			key.fail("the fields are: "+names(fields), "a key is %s, not a text", key.kindOf())
			continue
		}
		key.path = join(v.path, show(name))
		if line, twice := seen[name]; twice {
			key.node = named(key.node)
			key.fail("write it once", "is there twice, first in line %d", line)
			continue
		}
		seen[name] = n.Content[i].Line
		v.field(key, value{v.d, key.path, n.Content[i+1]}, fields)
	}
	for _, f := range fields {
		if _, ok := seen[f.name]; f.required && !ok {
			missing := value{v.d, join(v.path, f.name), v.node}
			missing.node = named(missing.node)
			missing.fail("write "+f.name+": "+f.sample, "is missing")
		}
	}
}

// named returns a node at the same place that shows no value: the field's path
// says it.
func named(n *yaml.Node) *yaml.Node {
	return &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
}

// field reads one field of an object.
func (v value) field(key, content value, fields []field) {
	for _, f := range fields {
		if f.name != key.resolved().Value {
			continue
		}
		key.node = named(key.node)
		switch {
		case f.refuse != "":
			key.fail("remove it", "%s", f.refuse)
		case f.raw:
		case f.read == nil:
			content.object(f.fields)
		case isNull(content.resolved()):
			content.fail("write "+f.kind+", or remove the line", "has no value")
		default:
			f.read(content)
		}
		return
	}
	key.node = named(key.node)
	key.fail("the fields there are: "+names(fields), "there is no such field")
}

// names lists fields for a hint.
func names(fields []field) string {
	var list []string
	for _, f := range fields {
		if f.refuse == "" {
			list = append(list, f.name)
		}
	}
	return strings.Join(list, ", ")
}

// boolean reads true or false.
func (v value) boolean(to *bool) {
	n := v.resolved()
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		if b, err := strconv.ParseBool(strings.ToLower(n.Value)); err == nil {
			*to = b
			return
		}
	}
	v.fail("write true or false", "is %s, not true or false", v.kindOf())
}

// number reads a decimal number from low to high.
func (v value) number(to *int, low, high int) {
	hint := fmt.Sprintf("write a whole number from %d to %d", low, high)
	n := v.resolved()
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode || tag != "!!int" && tag != "!!float" {
		v.fail(hint, "is %s, not a number", v.kindOf())
		return
	}
	i, err := strconv.Atoi(n.Value)
	digits := strings.TrimLeft(n.Value, "+-")
	switch {
	case errors.Is(err, strconv.ErrRange):
		v.fail(hint, "is not from %d to %d", low, high)
	case err != nil:
		v.fail(hint, "is not a whole decimal number")
	case len(digits) > 1 && digits[0] == '0':
		// Some readers of YAML take it for an octal number.
		v.fail(hint, "begins with 0")
	case i < low || i > high:
		v.fail(hint, "is not from %d to %d", low, high)
	default:
		*to = i
	}
}

// duration reads a duration from low to high, or a word that means 0.
func (v value) duration(to *time.Duration, low, high time.Duration, word string) {
	hint := fmt.Sprintf("write a duration such as 500ms, or %s", word)
	n := v.resolved()
	tag := n.ShortTag()
	switch {
	case n.Kind != yaml.ScalarNode || tag != "!!str" && tag != "!!int" && tag != "!!float":
		v.fail(hint, "is %s, not a duration", v.kindOf())
		return
	case n.Value == word:
		*to = 0
		return
	}
	d, err := time.ParseDuration(n.Value)
	switch {
	case err != nil && tag != "!!str":
		v.fail(hint, "has no unit")
	case err != nil:
		v.fail(hint, "is not a duration")
	case d < low || d > high:
		v.fail(hint, "is not from %s to %s", brief(low), brief(high))
	default:
		*to = d
	}
}

// brief returns 1h for 1h0m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// text reads a text that is not empty and has neither control characters nor
// more than limit bytes.
func (v value) text(to *string, limit int) bool {
	const hint = "write a text, in quotes when it looks like a number"
	n := v.resolved()
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		v.fail(hint, "is %s, not a text", v.kindOf())
	case n.Value == "":
		v.fail(hint, "is empty")
	case strings.TrimSpace(n.Value) != n.Value:
		v.fail(hint, "has spaces around it")
	case len(n.Value) > limit:
		v.fail(hint, "is longer than %d bytes", limit)
	case strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' }):
		v.fail(hint, "has more than one line")
	default:
		*to = n.Value
		return true
	}
	return false
}

// items calls read for each item of a list that has some, at most limit.
func (v value) items(limit int, read func(value)) {
	n := v.resolved()
	switch {
	case n.Kind != yaml.SequenceNode:
		v.fail("write a list, such as [shop]", "is %s, not a list", v.kindOf())
	case len(n.Content) == 0:
		v.fail("write what it is to have, or remove the line", "is an empty list")
	case len(n.Content) > limit:
		v.fail(fmt.Sprintf("write at most %d", limit), "has %d items", len(n.Content))
	default:
		for i, item := range n.Content {
			read(value{v.d, fmt.Sprintf("%s[%d]", v.path, i), item})
		}
	}
}
