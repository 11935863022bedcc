package config

import (
	"fmt"
	"strings"
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

func describe(path, of string, fields []field) []Field {
	var list []Field
	for _, f := range fields {
		d := Field{Path: join(path, f.name), Kind: f.kind, Default: f.standard, Of: f.of, Summary: f.summary}
		if d.Of == "" {
			d.Of = of
		}
		list = append(list, d)
		list = append(list, describe(d.Path, d.Of, f.fields)...)
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
	b.WriteString("---\n" + exampleReceivers())
	return b.String()
}

// exemplify writes fields; those without a default are commented out, unless
// they must be there, and so are objects with a sample.
func exemplify(b *strings.Builder, indent string, fields []field) {
	for _, f := range fields {
		if f.refuse != "" {
			continue
		}
		fmt.Fprintf(b, "%s# %s\n", indent, f.summary)
		switch {
		case f.read == nil && f.sample == "":
			fmt.Fprintf(b, "%s%s:\n", indent, f.name)
			exemplify(b, indent+"  ", f.fields)
		case f.required:
			fmt.Fprintf(b, "%s%s: %s\n", indent, f.name, f.sample)
		case f.standard == "":
			fmt.Fprintf(b, "%s# %s: %s\n", indent, f.name, f.sample)
		default:
			fmt.Fprintf(b, "%s%s: %s\n", indent, f.name, f.standard)
		}
	}
}
