package sli_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// TestExamples_twoForEachType: two that run and are checked, under the type or
// one of its methods.
func TestExamples_twoForEachType(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var types []string
	examples := map[string]int{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		f, err := parser.ParseFile(fset, e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(e.Name(), "_test.go") {
			for _, example := range doc.Examples(f) {
				name, _, _ := strings.Cut(example.Name, "_")
				if example.Output != "" {
					examples[name]++
				}
			}
			continue
		}
		for _, decl := range f.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				for _, spec := range g.Specs {
					if name := spec.(*ast.TypeSpec).Name; name.IsExported() {
						types = append(types, name.Name)
					}
				}
			}
		}
	}
	if len(types) < 20 {
		t.Errorf("only %d types were found", len(types))
	}
	for _, name := range types {
		if examples[name] < 2 {
			t.Errorf("%s has %d examples, want 2", name, examples[name])
		}
	}
}
