package policy

import (
	"go/ast"
	"path"
	"strconv"
	"strings"
)

// importName returns the name by which f knows the package of an import path,
// "" when it does not import it.
func importName(f *GoFile, importPath string) string {
	for _, spec := range f.AST.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil || name != importPath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(importPath)
	}
	return ""
}

// selected returns the name that e takes from the package called pkg in its
// file: "Pool" of sync.Pool.
func selected(e ast.Expr, pkg string) (string, bool) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || pkg == "" {
		return "", false
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok || x.Name != pkg {
		return "", false
	}
	return sel.Sel.Name, true
}

// checkAPI reads the types of api/v1, and the JSON tags of those who print.
func checkAPI(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, f := range p.Files {
			switch {
			case f.Test:
			case below(p.Dir, apiDir+"/v1"):
				found = append(found, borrowedTypes(t, f)...)
				if f.Generated {
					found = append(found, Finding{f.Path, 1, "is generated"})
				}
			case below(p.Dir, "internal/cli") || below(p.Dir, "internal/ui"):
				found = append(found, jsonStructs(t, f)...)
			}
		}
	}
	return found
}

// borrowedTypes finds types declared in terms of a package inside Goshawk.
func borrowedTypes(t *Tree, f *GoFile) []Finding {
	inside := map[string]string{}
	for _, i := range t.imports(f) {
		if below(i.dir, "internal") && !below(i.dir, apiDir+"/v1") {
			inside[importName(f, i.path)] = i.dir
		}
	}
	var found []Finding
	for _, decl := range f.AST.Decls {
		types, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range types.Specs {
			declared, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			ast.Inspect(declared.Type, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := sel.X.(*ast.Ident); ok && inside[x.Name] != "" {
						found = append(found, t.at(n.Pos(), "type %s is made of %s.%s", declared.Name.Name, inside[x.Name], sel.Sel.Name))
					}
				}
				return true
			})
		}
	}
	return found
}

func jsonStructs(t *Tree, f *GoFile) []Finding {
	var found []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if ok && field.Tag != nil && strings.Contains(field.Tag.Value, `json:"`) {
			found = append(found, t.at(n.Pos(), "declares a JSON field: use a type of %s/v1", apiDir))
		}
		return true
	})
	return found
}

func checkInit(t *Tree) []Finding {
	var found []Finding
	t.handWritten(func(_ *Package, f *GoFile) {
		for _, decl := range f.AST.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, t.at(fn.Pos(), "declares init()"))
			}
		}
	})
	return found
}

func checkLoggers(t *Tree) []Finding {
	var found []Finding
	t.handWritten(func(_ *Package, f *GoFile) {
		logPkg, slogPkg := importName(f, "log"), importName(f, "log/slog")
		if f.Test || logPkg == "" && slogPkg == "" {
			return
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			if name, ok := selected(e, logPkg); ok && usesDefaultLog(name) {
				found = append(found, t.at(n.Pos(), "uses the default logger: log.%s", name))
			}
			if name, ok := selected(e, slogPkg); ok && usesDefaultSlog(name) {
				found = append(found, t.at(n.Pos(), "uses the default logger: slog.%s", name))
			}
			return true
		})
	})
	return found
}

func usesDefaultLog(name string) bool {
	for _, prefix := range []string{"Print", "Fatal", "Panic", "Set", "Output", "Default", "Writer"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func usesDefaultSlog(name string) bool {
	switch strings.TrimSuffix(name, "Context") {
	case "Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "With", "Default", "SetDefault", "SetLogLoggerLevel":
		return true
	}
	return false
}

// checkSkips looks at every value that a function takes as a test.
func checkSkips(t *Tree) []Finding {
	var found []Finding
	t.handWritten(func(p *Package, f *GoFile) {
		testing := importName(f, "testing")
		if testing == "" || p.Dir == testutil {
			return
		}
		tests := map[string]bool{}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			fn, ok := n.(*ast.FuncType)
			if !ok {
				return true
			}
			for _, param := range fn.Params.List {
				typ := param.Type
				if star, ok := typ.(*ast.StarExpr); ok {
					typ = star.X
				}
				if _, ok := selected(typ, testing); ok {
					for _, name := range param.Names {
						tests[name.Name] = true
					}
				}
			}
			return true
		})
		ast.Inspect(f.AST, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			if ok && tests[x.Name] && (sel.Sel.Name == "Skip" || sel.Sel.Name == "Skipf" || sel.Sel.Name == "SkipNow") {
				found = append(found, t.at(n.Pos(), "calls %s.%s: ask testutil for what the test needs", x.Name, sel.Sel.Name))
			}
			return true
		})
	})
	return found
}

// checkRequiredPackages compares testutil.RequireTool's calls with the list
// that .ci/test installs.
func checkRequiredPackages(t *Tree) []Finding {
	installed := map[string]bool{}
	for line := range strings.Lines(string(t.read(".ci/packages"))) {
		if words := strings.Fields(line); len(words) > 0 {
			installed[words[0]] = true
		}
	}
	var found []Finding
	t.handWritten(func(p *Package, f *GoFile) {
		pkg := importName(f, t.Module+"/"+testutil)
		ast.Inspect(f.AST, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 3 {
				return true
			}
			if name, ok := selected(call.Fun, pkg); !ok || name != "RequireTool" {
				return true
			}
			lit, ok := call.Args[2].(*ast.BasicLit)
			if !ok {
				found = append(found, t.at(n.Pos(), "the Debian package must be a literal"))
			} else if name, err := strconv.Unquote(lit.Value); err != nil || !installed[name] {
				found = append(found, t.at(n.Pos(), "requires the package %s, which .ci/packages lacks", lit.Value))
			}
			return true
		})
	})
	return found
}
