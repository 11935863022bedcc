package yamldoc

import (
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Field is a key of an object: how it is read, and how it is documented.
type Field struct {
	Name string
	// Kind says in words what may be written.
	Kind string
	// Standard is the default as it is written, empty for none.
	Standard string
	// Summary is one sentence.
	Summary string
	// Of says whose field it is, where not everybody has it.
	Of string
	// Refuse says why the field makes no sense here, empty when it does.
	Refuse string
	// Sample is what an example writes in place of the default.
	Sample string
	// Required fields must be there.
	Required bool
	// Nothing says that the field may be there without a value, which is as if
	// it were not.
	Nothing bool
	// Raw fields are read by whoever asked for the object.
	Raw bool
	// Fields are those of an object, which has no Read.
	Fields []Field
	Read   func(Value)
}

// Value is a value of a file, with where it is and its path from the document.
// The zero value is that of what is not there.
type Value struct {
	r    *Reader
	path string
	node *yaml.Node
	// secret says that no error shows what is written.
	secret bool
}

// IsZero reports whether there is no value.
func (v Value) IsZero() bool { return v.node == nil }

// IsNull reports whether there is a value that says nothing, or none.
func (v Value) IsNull() bool { return v.node == nil || isNull(v.resolved()) }

// IsObject reports whether it is an object.
func (v Value) IsObject() bool { return v.node != nil && v.resolved().Kind == yaml.MappingNode }

// IsList reports whether it is a list.
func (v Value) IsList() bool { return v.node != nil && v.resolved().Kind == yaml.SequenceNode }

// IsScalar reports whether it is a text, a number, or true or false.
func (v Value) IsScalar() bool {
	return v.node != nil && v.resolved().Kind == yaml.ScalarNode && !isNull(v.resolved())
}

// Scalar returns a text, a number, or true or false as it is written, empty for
// all else.
func (v Value) Scalar() string {
	if !v.IsScalar() {
		return ""
	}
	return v.resolved().Value
}

// Len returns how many items a list or how many keys an object has, 0 for all
// else.
func (v Value) Len() int {
	switch {
	case v.IsList():
		return len(v.resolved().Content)
	case v.IsObject():
		return len(v.resolved().Content) / 2
	}
	return 0
}

// Path returns the path from the document, such as "spec.rules[0].name".
func (v Value) Path() string { return v.path }

// File returns the name of the file.
func (v Value) File() string { return v.r.file }

// Line counts from 1.
func (v Value) Line() int { return v.node.Line }

// Column counts from 1.
func (v Value) Column() int { return v.node.Column }

// Place returns "file:line:column".
func (v Value) Place() string {
	return (&Error{File: v.r.file, Line: v.node.Line, Column: v.node.Column}).Place()
}

// Fail adds an error about v, whose hint is what to do.
func (v Value) Fail(hint, format string, args ...any) {
	v.r.Add(v.error(hint, fmt.Sprintf(format, args...)))
}

// Warn adds a warning about v.
func (v Value) Warn(hint, format string, args ...any) {
	e := v.error(hint, fmt.Sprintf(format, args...))
	e.Warning = true
	v.r.Add(e)
}

func (v Value) error(hint, cause string) *Error {
	return &Error{File: v.r.file, Line: v.node.Line, Column: v.node.Column, Field: v.path, Value: v.written(), Cause: cause, Hint: hint}
}

// written returns a scalar as it was written.
func (v Value) written() string {
	n := v.resolved()
	if n.Kind != yaml.ScalarNode || isNull(n) || v.secret {
		return ""
	}
	return Show(n.Value)
}

// resolved follows an alias.
func (v Value) resolved() *yaml.Node {
	n := v.node
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// KindOf says in words what v is.
func (v Value) KindOf() string {
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
		return Show(tag)
	}
}

// Child returns the value of a key of an object, and whether it has one. What
// is not there has none.
func (v Value) Child(name string) (Value, bool) {
	if !v.IsObject() {
		return Value{}, false
	}
	n := v.resolved()
	for i := 0; i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind == yaml.ScalarNode && key.Value == name {
			return v.at(Join(v.path, name), n.Content[i+1]), true
		}
	}
	return Value{}, false
}

// Secret returns v such that no error shows what is written there.
func (v Value) Secret() Value {
	v.secret = true
	return v
}

// Within returns v as if it were at another path: what is wrong with it is said
// of that.
func (v Value) Within(path string) Value { return v.at(path, v.node) }

// at returns a value of the same file.
func (v Value) at(path string, node *yaml.Node) Value { return Value{v.r, path, node, v.secret} }

// Join returns the path of a field of what is at path.
func Join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Object reads the fields of an object. Nothing at all is an object without
// fields: all of them may be commented out.
func (v Value) Object(fields []Field) {
	n := v.resolved()
	if n.Kind != yaml.MappingNode && !isNull(n) {
		v.Fail("write "+names(fields)+" below it", "is %s, not an object", v.KindOf())
		return
	}
	hint := ""
	if len(n.Content) > 0 {
		hint = "the fields are: " + names(fields)
	}
	seen := v.keys(hint, func(key, content Value) { v.field(key, content, fields) })
	for _, f := range fields {
		_, ok := seen[f.Name]
		if f.Required && !ok {
			v.Missing(f.Name, "write "+f.Name+": "+f.Sample)
		}
		if content, _ := v.Child(f.Name); f.Required && f.Raw && ok && content.IsNull() {
			v.without(f.Name, "write "+f.Name+": "+f.Sample, "has no value")
		}
	}
}

// Pairs yields the keys of an object and their values as they stand, be a key no
// text or there twice. Both are at the path of the key, as far as it is a scalar.
func (v Value) Pairs() iter.Seq2[Value, Value] {
	return func(yield func(key, content Value) bool) {
		if !v.IsObject() {
			return
		}
		n := v.resolved()
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := v.at(v.path, n.Content[i])
			if !v.r.visit(key) {
				return
			}
			if written := key.resolved(); written.Kind == yaml.ScalarNode {
				key.path = Join(v.path, Show(written.Value))
			}
			if !yield(key, v.at(key.path, n.Content[i+1])) {
				return
			}
		}
	}
}

// keys calls each for the keys of an object and their values, and returns where
// the keys are. What is there twice is read once.
func (v Value) keys(hint string, each func(key, content Value)) map[string]int {
	seen := make(map[string]int)
	for key, content := range v.Pairs() {
		name := key.resolved().Value
		if key.resolved().Kind != yaml.ScalarNode {
			key.Fail(hint, "a key is %s, not a text", key.KindOf())
			continue
		}
		if line, twice := seen[name]; twice {
			key.named().Fail("write it once", "is there twice, first in line %d", line)
			continue
		}
		seen[name] = key.Line()
		each(key, content)
	}
	return seen
}

// Missing says that v has not a field that it must have.
func (v Value) Missing(name, hint string) { v.without(name, hint, "is missing") }

func (v Value) without(name, hint, cause string) {
	missing := v.named()
	missing.path = Join(v.path, name)
	missing.Fail(hint, "%s", cause)
}

// named returns a value at the same place that shows none: the path says it.
func (v Value) named() Value {
	return v.at(v.path, &yaml.Node{Kind: yaml.MappingNode, Line: v.node.Line, Column: v.node.Column})
}

// Named returns v for an error whose path says all, so that it shows no value.
func (v Value) Named() Value { return v.named() }

// field reads one field of an object.
func (v Value) field(key, content Value, fields []Field) {
	name := key.resolved().Value
	for _, f := range fields {
		if f.Name != name {
			continue
		}
		switch {
		case f.Refuse != "":
			key.named().Fail("remove it", "%s", f.Refuse)
		case f.Raw:
		case f.Nothing && content.IsNull():
		case f.Read == nil:
			content.Object(f.Fields)
		case content.IsNull():
			content.Fail("write "+f.Kind+", or remove the line", "has no value")
		default:
			f.Read(content)
		}
		return
	}
	key.named().Fail(suggest(name, fields), "there is no such field")
}

// suggest is the hint for a field that there is not.
func suggest(name string, fields []Field) string {
	hint := "the fields there are: " + names(fields)
	if name == "<<" {
		return "write the fields out: keys are not merged here"
	}
	var list []string
	for _, f := range fields {
		list = append(list, f.Name)
	}
	if near := Nearest(name, list); near != "" {
		return "did you mean " + near + "? " + hint
	}
	return hint
}

// names lists fields for a hint.
func names(fields []Field) string {
	var list []string
	for _, f := range fields {
		if f.Refuse == "" {
			list = append(list, f.Name)
		}
	}
	return strings.Join(list, ", ")
}

// Items calls read for each item of a list that has some, at most limit.
func (v Value) Items(limit int, read func(Value)) {
	if v.IsList() && len(v.resolved().Content) == 0 {
		v.Fail("write what it is to have, or remove the line", "is an empty list")
		return
	}
	v.AnyItems(limit, read)
}

// AnyItems is Items for a list that may be empty.
func (v Value) AnyItems(limit int, read func(Value)) {
	n := v.resolved()
	switch {
	case n.Kind != yaml.SequenceNode:
		v.Fail("write a list, such as [shop]", "is %s, not a list", v.KindOf())
	case len(n.Content) > limit:
		v.Fail(fmt.Sprintf("write at most %d", limit), "has %d items", len(n.Content))
	default:
		for i, item := range n.Content {
			child := v.at(fmt.Sprintf("%s[%d]", v.path, i), item)
			if !v.r.visit(child) {
				return
			}
			read(child)
		}
	}
}

// Entries calls read for each key of an object that names what its user likes,
// and its value.
func (v Value) Entries(read func(name string, key, content Value)) {
	n := v.resolved()
	if n.Kind != yaml.MappingNode && !isNull(n) {
		v.Fail("write names and values below it", "is %s, not an object", v.KindOf())
		return
	}
	v.keys("write a text", func(key, content Value) { read(key.resolved().Value, key, content) })
}
