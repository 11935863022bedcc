package yamldoc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Boolean reads true or false.
func (v Value) Boolean(to *bool) {
	n := v.resolved()
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		if b, err := strconv.ParseBool(strings.ToLower(n.Value)); err == nil {
			*to = b
			return
		}
	}
	v.Fail("write true or false", "is %s, not true or false", v.KindOf())
}

// Number reads a decimal number from low to high.
func (v Value) Number(to *int, low, high int) {
	hint := fmt.Sprintf("write a whole number from %d to %d", low, high)
	n := v.resolved()
	if !v.isNumber() {
		v.Fail(hint, "is %s, not a number", v.KindOf())
		return
	}
	i, err := strconv.Atoi(n.Value)
	digits := strings.TrimLeft(n.Value, "+-")
	switch {
	case errors.Is(err, strconv.ErrRange):
		v.Fail(hint, "is not from %d to %d", low, high)
	case err != nil:
		v.Fail(hint, "is not a whole decimal number")
	case len(digits) > 1 && digits[0] == '0':
		// Some readers of YAML take it for an octal number.
		v.Fail(hint, "begins with 0")
	case i < low || i > high:
		v.Fail(hint, "is not from %d to %d", low, high)
	default:
		*to = i
	}
}

func (v Value) isNumber() bool {
	n := v.resolved()
	tag := n.ShortTag()
	return n.Kind == yaml.ScalarNode && (tag == "!!int" || tag == "!!float")
}

// Decimal reads a decimal number with or without a fraction; ok is false when it
// is none, which is said. It is finite.
func (v Value) Decimal(hint string) (number float64, ok bool) {
	n := v.resolved()
	if !v.isNumber() {
		v.Fail(hint, "is %s, not a number", v.KindOf())
		return 0, false
	}
	number, ok = ParseDecimal(n.Value)
	if !ok {
		v.Fail(hint, "is not a decimal number")
	}
	return number, ok
}

// ParseDecimal reads a decimal number, such as 99.9 or 1e3, and no other that Go
// or YAML know: no hexadecimal one, no underscores, neither infinity nor NaN.
func ParseDecimal(text string) (float64, bool) {
	if text == "" || strings.Trim(text, "+-.eE0123456789") != "" {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

// Duration reads a duration from low to high, or a word that means 0.
func (v Value) Duration(to *time.Duration, low, high time.Duration, word string) {
	hint := fmt.Sprintf("write a duration such as 500ms, or %s", word)
	n := v.resolved()
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" && !v.isNumber():
		v.Fail(hint, "is %s, not a duration", v.KindOf())
		return
	case n.Value == word:
		*to = 0
		return
	}
	d, err := time.ParseDuration(n.Value)
	switch {
	case err != nil && n.ShortTag() != "!!str":
		v.Fail(hint, "has no unit")
	case err != nil:
		v.Fail(hint, "is not a duration")
	case d < low || d > high:
		v.Fail(hint, "is not from %s to %s", Brief(low), Brief(high))
	default:
		*to = d
	}
}

// Brief returns 1h for 1h0m0s.
func Brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// quoteHint is what helps where a text must be.
const quoteHint = "write a text, in quotes when it looks like a number"

// Text reads a text that is not empty and has neither control characters nor
// more than limit bytes.
func (v Value) Text(to *string, limit int) bool { return v.OneLine(to, limit, quoteHint) }

// OneLine is [Value.Text] with a hint of its own.
func (v Value) OneLine(to *string, limit int, hint string) bool {
	n := v.resolved()
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		v.Fail(hint, "is %s, not a text", v.KindOf())
	case n.Value == "":
		v.Fail(hint, "is empty")
	case strings.TrimSpace(n.Value) != n.Value:
		v.Fail(hint, "has spaces around it")
	case len(n.Value) > limit:
		v.Fail(hint, "is longer than %d bytes", limit)
	case strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' }):
		v.Fail(hint, "has more than one line")
	default:
		*to = n.Value
		return true
	}
	return false
}

// Prose reads a text that may be empty and have several lines.
func (v Value) Prose(to *string, limit int) bool {
	n := v.resolved()
	switch {
	case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
		v.Fail(quoteHint, "is %s, not a text", v.KindOf())
	case len(n.Value) > limit:
		v.Fail("write a shorter one", "is longer than %d bytes", limit)
	default:
		*to = n.Value
		return true
	}
	return false
}

// Word reads a text, a number, a time, or true or false, as it is written.
func (v Value) Word(to *string, limit int) bool {
	n := v.resolved()
	switch n.ShortTag() {
	case "!!bool", "!!timestamp", "!!int", "!!float":
		if n.Kind == yaml.ScalarNode && len(n.Value) <= limit {
			*to = n.Value
			return true
		}
	}
	return v.Text(to, limit)
}

// maxDepth is how deep a value is kept that nobody looks into.
const maxDepth = 64

// JSON returns a value of any kind as JSON text; ok is false when it has aliases
// of itself, keys that are no texts, or more than is sensible, which is said.
func (v Value) JSON() (text string, ok bool) {
	kept, ok := v.generic(0)
	if !ok {
		return "", false
	}
	data, err := json.Marshal(kept)
	if err != nil {
		v.Fail("write it in another way", "cannot be kept: %v", err)
		return "", false
	}
	return string(data), true
}

// generic returns v as encoding/json has it.
func (v Value) generic(depth int) (any, bool) {
	if depth > maxDepth {
		v.named().Fail("write less into it", "is deeper than %d levels", maxDepth)
		return nil, false
	}
	n := v.resolved()
	switch {
	case n.Kind == yaml.MappingNode:
		object, ok := map[string]any{}, true
		v.Entries(func(name string, _, content Value) {
			item, fits := content.generic(depth + 1)
			object[name], ok = item, ok && fits
		})
		return object, ok
	case n.Kind == yaml.SequenceNode:
		list, ok := []any{}, true
		v.AnyItems(len(n.Content), func(child Value) {
			if !ok {
				return
			}
			item, fits := child.generic(depth + 1)
			list, ok = append(list, item), fits
		})
		return list, ok
	case isNull(n):
		return nil, true
	case v.isNumber() && json.Valid([]byte(n.Value)):
		return json.RawMessage(n.Value), true
	case n.ShortTag() == "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	}
	return n.Value, true
}
