package yamldoc

import (
	"bytes"

	"go.yaml.in/yaml/v4"
)

// Embedded calls document for each document of YAML that v has as its text. What
// is in a literal block ("|") has its own lines and columns, all else v's.
func (v Value) Embedded(document func(Value)) {
	n := v.resolved()
	if n.Kind != yaml.ScalarNode {
		v.Fail("write a text with lines of YAML", "is %s, not a text", v.KindOf())
		return
	}
	move := v.mover(n)
	inner := NewReader(v.r.file)
	inner.Parse([]byte(n.Value), func(doc Value) {
		shift(doc.node, move)
		document(v.at(v.path, doc.node))
	})
	for _, e := range inner.Errors() {
		e.Line, e.Column = move(e.Line, e.Column)
		e.Field = v.path
		v.r.Add(e)
	}
}

// mover returns what turns a place in the text of n into one of the file.
func (v Value) mover(n *yaml.Node) func(line, column int) (int, int) {
	if n.Style&yaml.LiteralStyle == 0 || n.Anchor != "" {
		return func(int, int) (int, int) { return v.node.Line, v.node.Column }
	}
	// Of what the line begins with, the text may have a part.
	indent := max(indentation(v.r.data, n.Line)-indentation([]byte(n.Value), 0), 0)
	return func(line, column int) (int, int) { return n.Line + max(line, 1), indent + max(column, 1) }
}

// indentation returns how many spaces the first line after that one begins with
// that is not blank.
func indentation(text []byte, after int) int {
	for line := 1; len(text) > 0; line++ {
		first, rest, _ := bytes.Cut(text, []byte("\n"))
		if trimmed := bytes.TrimLeft(first, " "); line > after && len(bytes.TrimSpace(trimmed)) > 0 {
			return len(first) - len(trimmed)
		}
		text = rest
	}
	return 0
}

func shift(n *yaml.Node, move func(line, column int) (int, int)) {
	n.Line, n.Column = move(n.Line, n.Column)
	for _, child := range n.Content {
		shift(child, move)
	}
}
