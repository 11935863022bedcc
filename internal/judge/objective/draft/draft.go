package draft

import (
	"maps"
	"strings"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// The bounds of what a file says of one objective.
const (
	// MaxName bounds names and other texts of one line.
	MaxName = 253
	// MaxProse bounds descriptions, annotations and queries.
	MaxProse = 16 << 10
	// MaxList bounds lists and maps within an objective.
	MaxList = 100
	// MaxObjectives bounds the objectives of all files.
	MaxObjectives = 2000
)

// Draft is an objective that is being read.
type Draft struct {
	// SLO is what was read so far.
	SLO objective.SLO

	whole  yamldoc.Value
	name   yamldoc.Value
	places map[string]yamldoc.Value
}

// New returns the draft of an objective that is written at whole, in a file of
// that format.
func New(whole yamldoc.Value, format string) *Draft {
	d := &Draft{whole: whole, name: whole.Named(), places: make(map[string]yamldoc.Value)}
	d.SLO.Origin = objective.Origin{Format: format, File: whole.File(), Line: whole.Line(), Column: whole.Column()}
	return d
}

// At says where a field of the objective is written, if it is.
func (d *Draft) At(field string, v yamldoc.Value) {
	if v.IsZero() {
		return
	}
	d.places[field] = v
	if field == "name" {
		d.name = v
	}
}

// AtAll says where fields are written.
func (d *Draft) AtAll(places map[string]yamldoc.Value) {
	for field, v := range places {
		d.At(field, v)
	}
}

// Place returns where a field is written, or what it is within.
func (d *Draft) Place(field string) yamldoc.Value {
	for at := field; at != ""; at = within(at) {
		if v, ok := d.places[at]; ok {
			return v
		}
	}
	return d.whole.Named()
}

// within returns the field that a field is a part of: "alerts[1]" of
// "alerts[1].burn", "alerts" of that.
func within(field string) string {
	return field[:max(strings.LastIndexAny(field, ".["), 0)]
}

// Name returns where the name is written.
func (d *Draft) Name() yamldoc.Value { return d.name }

// Check says what is wrong or odd with the objective, where it is written.
func (d *Draft) Check() {
	for _, p := range d.SLO.Validate() {
		v := d.Place(p.Field)
		if p.Warning {
			v.Warn(p.Hint, "%s", p.Cause)
		} else {
			v.Fail(p.Hint, "%s", p.Cause)
		}
	}
}

// Keep puts a value that no field holds into Extra, by its path in the file's own
// words. What says nothing is left out.
func (d *Draft) Keep(path string, v yamldoc.Value) {
	if v.IsNull() {
		return
	}
	text, ok := v.JSON()
	if !ok {
		return
	}
	if d.SLO.Extra == nil {
		d.SLO.Extra = make(map[string]string)
	}
	d.SLO.Extra[path] = text
}

// Merge returns the entries of all maps, the later ones first in rank. It is nil
// when there are none.
func Merge(all ...map[string]string) map[string]string {
	var merged map[string]string
	for _, m := range all {
		if merged == nil && len(m) > 0 {
			merged = make(map[string]string)
		}
		maps.Copy(merged, m)
	}
	return merged
}

// Texts reads a map of texts. Numbers, and true and false, are taken as they are
// written.
func Texts(v yamldoc.Value) map[string]string { return entries(v, anyText) }

func anyText(v yamldoc.Value) (text string, ok bool) {
	if v.IsScalar() && v.KindOf() != "a text" {
		ok = v.Word(&text, MaxProse)
	} else {
		ok = v.Prose(&text, MaxProse)
	}
	return text, ok
}

// Labels reads a map of texts or lists of texts, which are joined by commas.
func Labels(v yamldoc.Value) map[string]string {
	return entries(v, func(content yamldoc.Value) (text string, ok bool) {
		if !content.IsList() {
			return anyText(content)
		}
		var list []string
		content.AnyItems(MaxList, func(item yamldoc.Value) {
			if text, ok := anyText(item); ok {
				list = append(list, text)
			}
		})
		return strings.Join(list, ","), true
	})
}

func entries(v yamldoc.Value, read func(yamldoc.Value) (string, bool)) map[string]string {
	var m map[string]string
	v.Entries(func(name string, key, content yamldoc.Value) {
		switch {
		case name == "" || len(name) > 2*MaxName+1:
			key.Named().Fail("write a name of 1 to 507 bytes", "the name has %d bytes", len(name))
		case len(m) == MaxList:
			key.Named().Fail("write at most 100", "is one too many")
		case content.IsNull():
			content.Fail("write a text, or remove the line", "has no value")
		default:
			if text, ok := read(content); ok {
				if m == nil {
					m = make(map[string]string)
				}
				m[name] = text
			}
		}
	})
	return m
}
