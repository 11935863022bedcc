package config

import (
	"fmt"
	"strings"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// Kind describes a kind of document, for the docs.
type Kind struct {
	// APIVersion and Name are what a document says it is.
	APIVersion, Name string
	// Summary is one sentence.
	Summary string
	// Fields are those of its spec, an object before its own.
	Fields []Field
}

// Field describes a field, for the docs.
type Field struct {
	// Path is where it is, "spec.sampling.slow".
	Path string
	// Kind says in words what may be written; it is empty for an object.
	Kind string
	// Default is what holds without it, empty for none.
	Default string
	// Of says who has the field, empty for all.
	Of string
	// Summary is one sentence.
	Summary string
}

// Reference describes all that can be configured.
func Reference() []Kind {
	var list []Kind
	for _, k := range kinds(Options{}) {
		list = append(list, Kind{APIVersion: k.apiVersion, Name: k.name, Summary: k.summary, Fields: describe("spec", "", k.fields)})
	}
	return list
}

func describe(path, of string, fields []yamldoc.Field) []Field {
	var list []Field
	for _, f := range fields {
		d := Field{Path: yamldoc.Join(path, f.Name), Kind: f.Kind, Default: f.Standard, Of: f.Of, Summary: f.Summary}
		if d.Of == "" {
			d.Of = of
		}
		list = append(list, d)
		list = append(list, describe(d.Path, d.Of, f.Fields)...)
	}
	return list
}

// Example returns a file in which all is as by default, with a comment on
// each field.
func Example(probes []KnownProbe) string {
	var b strings.Builder
	b.WriteString("# Goshawk's configuration: goshawk up --config FILE.\n# All is as by default here; what is left out is, too.\n")
	for _, probe := range probes {
		fmt.Fprintf(&b, "---\napiVersion: %s\nkind: %s\nmetadata:\n  name: %s\nspec:\n", apiVersion, KindProbe, probe.Name)
		p := standardProbe()
		exemplify(&b, "  ", probeFields(&p, probe))
	}
	b.WriteString("---\n" + exampleReceivers() + exampleRemoteWrite())
	return b.String()
}

// exemplify writes fields; those without a default are commented out, unless
// they must be there, and so are objects with a sample.
func exemplify(b *strings.Builder, indent string, fields []yamldoc.Field) {
	for _, f := range fields {
		if f.Refuse != "" {
			continue
		}
		fmt.Fprintf(b, "%s# %s\n", indent, f.Summary)
		switch {
		case f.Read == nil && f.Sample == "":
			fmt.Fprintf(b, "%s%s:\n", indent, f.Name)
			exemplify(b, indent+"  ", f.Fields)
		case f.Required:
			fmt.Fprintf(b, "%s%s: %s\n", indent, f.Name, f.Sample)
		case f.Standard == "":
			fmt.Fprintf(b, "%s# %s: %s\n", indent, f.Name, f.Sample)
		default:
			fmt.Fprintf(b, "%s%s: %s\n", indent, f.Name, f.Standard)
		}
	}
}
