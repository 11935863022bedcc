package policy

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

const (
	maxFunctionLines = 100
	p95FunctionLines = 60
	maxFileLines     = 600
	maxMethods       = 5
	// minDocumented is the share of exported names below internal/ that are
	// documented, in per cent.
	minDocumented = 80
)

// checkFunctions counts hand-written code that is not a test: a table of cases
// may be long.
func checkFunctions(t *Tree) []Finding {
	type function struct {
		lines int
		fn    *ast.FuncDecl
	}
	var all []function
	t.handWritten(func(_ *Package, f *GoFile) {
		if f.Test {
			return
		}
		for _, decl := range f.AST.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				all = append(all, function{t.Fset.Position(fn.End()).Line - t.Fset.Position(fn.Pos()).Line + 1, fn})
			}
		}
	})
	slices.SortFunc(all, func(a, b function) int { return a.lines - b.lines })
	var found []Finding
	for _, f := range all {
		if f.lines > maxFunctionLines {
			found = append(found, t.at(f.fn.Pos(), "%s has %d lines", f.fn.Name.Name, f.lines))
		}
	}
	// Under 20 functions the 95th percentile is the longest.
	if n := len(all); n >= 20 {
		if p95 := all[(n*95+99)/100-1]; p95.lines > p95FunctionLines {
			found = append(found, t.at(p95.fn.Pos(), "of %d functions 5 %% are as long as %s or longer: %d lines", n, p95.fn.Name.Name, p95.lines))
		}
	}
	return found
}

func checkFiles(t *Tree) []Finding {
	var found []Finding
	t.handWritten(func(_ *Package, f *GoFile) {
		if f.Lines > maxFileLines {
			found = append(found, Finding{f.Path, f.Lines, fmt.Sprintf("has %d lines", f.Lines)})
		}
	})
	return found
}

func checkInterfaces(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		types := map[string]*ast.InterfaceType{}
		p.eachType(func(f *GoFile, spec *ast.TypeSpec) {
			if i, ok := spec.Type.(*ast.InterfaceType); ok {
				types[spec.Name.Name] = i
			}
		})
		p.eachType(func(f *GoFile, spec *ast.TypeSpec) {
			i, ok := spec.Type.(*ast.InterfaceType)
			if !ok || f.Generated {
				return
			}
			if n := countMethods(i, types, 0); n > maxMethods {
				found = append(found, t.at(spec.Pos(), "interface %s has %d methods", spec.Name.Name, n))
			}
		})
	}
	return found
}

func (p *Package) eachType(visit func(*GoFile, *ast.TypeSpec)) {
	for _, f := range p.Files {
		for _, decl := range f.AST.Decls {
			if types, ok := decl.(*ast.GenDecl); ok {
				for _, spec := range types.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok {
						visit(f, spec)
					}
				}
			}
		}
	}
}

// countMethods follows interfaces embedded from the same package; one of
// another package counts as a method.
func countMethods(i *ast.InterfaceType, types map[string]*ast.InterfaceType, depth int) int {
	n := 0
	for _, m := range i.Methods.List {
		id, ok := m.Type.(*ast.Ident)
		switch {
		case len(m.Names) > 0:
			n += len(m.Names)
		case ok && types[id.Name] != nil && depth < 10:
			n += countMethods(types[id.Name], types, depth+1)
		case ok && id.Name == "error", !ok:
			if _, union := m.Type.(*ast.BinaryExpr); !union {
				n++
			}
		}
	}
	return n
}

func checkPackageComments(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		onlyTests := !slices.ContainsFunc(p.Files, func(f *GoFile) bool { return !f.Test })
		has := slices.ContainsFunc(p.Files, func(f *GoFile) bool {
			return f.AST.Doc != nil && f.AST.Doc.Text() != "" && (!f.Test || onlyTests)
		})
		if !has {
			found = append(found, Finding{Path: p.Dir, Text: "the package has no comment"})
		}
	}
	return found
}

func checkPackageNames(t *Tree) []Finding {
	refused := []string{"util", "utils", "common", "helper", "helpers", "types", "base", "manager", "managers", "misc", "shared"}
	var found []Finding
	for _, p := range t.Packages {
		name := p.Files[0].AST.Name
		for _, n := range []string{name.Name, path.Base(p.Dir)} {
			if slices.Contains(refused, n) {
				found = append(found, t.at(name.Pos(), "the package %s is called %s", p.Dir, n))
				break
			}
		}
	}
	return found
}

// checkExportedDocs counts top-level names and methods of exported types; the
// comment of a group covers its names.
func checkExportedDocs(t *Tree) []Finding {
	var found, inside []Finding
	total := 0
	for _, p := range t.Packages {
		isPublic := unitOf(p.Dir, public()) != ""
		if !isPublic && !below(p.Dir, "internal") {
			continue
		}
		n, bare := undocumented(t, p)
		if isPublic {
			found = append(found, bare...)
			continue
		}
		total += n
		inside = append(inside, bare...)
	}
	if documented := total - len(inside); documented*100 < minDocumented*total {
		found = append(found, inside...)
	}
	return found
}

// undocumented returns how many exported names p has and those without a
// comment.
func undocumented(t *Tree, p *Package) (exported int, bare []Finding) {
	count := func(decl ast.Node, name string, comments ...*ast.CommentGroup) {
		exported++
		if !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return strings.TrimSpace(c.Text()) != "" }) {
			bare = append(bare, t.at(decl.Pos(), "%s has no comment", name))
		}
	}
	for _, f := range p.Files {
		if f.Test || f.Generated {
			continue
		}
		for _, decl := range f.AST.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				receiver := receiverName(decl)
				if ast.IsExported(decl.Name.Name) && (receiver == "" || ast.IsExported(receiver)) {
					count(decl, decl.Name.Name, decl.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						if spec.Name.IsExported() {
							count(spec, spec.Name.Name, decl.Doc, spec.Doc, spec.Comment)
						}
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							if name.IsExported() {
								count(name, name.Name, decl.Doc, spec.Doc, spec.Comment)
							}
						}
					}
				}
			}
		}
	}
	return exported, bare
}

func receiverName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id := root(typ); id != nil {
		return id.Name
	}
	return ""
}
