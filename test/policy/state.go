package policy

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// checkState flags package-level variables that some function of the package
// writes, and those whose kind exists to be written: sync and atomic values,
// channels, and maps that do not start as a table.
func checkState(t *Tree) []Finding {
	var found []Finding
	for _, p := range t.Packages {
		var files []*GoFile
		for _, f := range p.Files {
			if !f.Test && !f.Generated {
				files = append(files, f)
			}
		}
		found = append(found, stateOf(t, files)...)
	}
	return found
}

// stateOf resolves identifiers with go/types over one package alone: imports
// stay unknown, and names are enough.
func stateOf(t *Tree, files []*GoFile) []Finding {
	info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: noImports{}, Error: func(error) {}, FakeImportC: true}
	var syntax []*ast.File
	for _, f := range files {
		syntax = append(syntax, f.AST)
	}
	// The only errors are about what the importer did not bring.
	pkg, _ := config.Check("p", t.Fset, syntax, info)

	var found []Finding
	global := func(e ast.Expr) types.Object {
		if id := root(e); id != nil {
			if v, ok := info.Uses[id].(*types.Var); ok && pkg != nil && v.Parent() == pkg.Scope() {
				return v
			}
		}
		return nil
	}
	for _, f := range files {
		for _, decl := range f.AST.Decls {
			if vars, ok := decl.(*ast.GenDecl); ok && vars.Tok == token.VAR {
				for _, spec := range vars.Specs {
					found = append(found, mutableKind(t, f, spec.(*ast.ValueSpec))...)
				}
			}
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			for _, target := range written(f, n) {
				if v := global(target); v != nil {
					found = append(found, t.at(n.Pos(), "writes the package-level variable %s", v.Name()))
				}
			}
			return true
		})
	}
	return found
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) {
	return nil, errors.New("imports are not read")
}

// root returns x of x, x.f, x[i], *x and (x), nil for what is no such thing.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// written returns what the node n alone writes.
func written(f *GoFile, n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return slices.DeleteFunc([]ast.Expr{n.Key, n.Value}, func(e ast.Expr) bool { return e == nil })
		}
	case *ast.CallExpr:
		return writtenByCall(f, n)
	}
	return nil
}

// writtenByCall knows delete and clear, and the functions of sync/atomic and
// flag that take a pointer.
func writtenByCall(f *GoFile, call *ast.CallExpr) []ast.Expr {
	if len(call.Args) == 0 {
		return nil
	}
	if fn, ok := call.Fun.(*ast.Ident); ok && (fn.Name == "delete" || fn.Name == "clear") {
		return call.Args[:1]
	}
	for _, pkg := range []string{"sync/atomic", "flag"} {
		if _, ok := selected(call.Fun, importName(f, pkg)); ok {
			if address, ok := call.Args[0].(*ast.UnaryExpr); ok && address.Op == token.AND {
				return []ast.Expr{address.X}
			}
		}
	}
	return nil
}

// mutableKind flags variables by what they are declared as.
func mutableKind(t *Tree, f *GoFile, spec *ast.ValueSpec) []Finding {
	var found []Finding
	for i, name := range spec.Names {
		if name.Name == "_" {
			continue
		}
		var value ast.Expr
		if i < len(spec.Values) {
			value = spec.Values[i]
		}
		if kind := kindOf(f, spec.Type, value); kind != "" {
			found = append(found, t.at(name.Pos(), "the package-level variable %s is %s", name.Name, kind))
		}
	}
	return found
}

// kindOf says what about a variable's type or first value is made to change.
func kindOf(f *GoFile, typ, value ast.Expr) string {
	if address, ok := value.(*ast.UnaryExpr); ok && address.Op == token.AND {
		value = address.X
	}
	if call, ok := value.(*ast.CallExpr); ok {
		if fn, ok := call.Fun.(*ast.Ident); ok && (fn.Name == "make" || fn.Name == "new") && len(call.Args) > 0 {
			typ, value = call.Args[0], nil
		} else if typ == nil {
			typ = call.Fun // sync.OnceValue(f), or f[T](x)
		}
	}
	entries := 0
	if table, ok := value.(*ast.CompositeLit); ok {
		entries = len(table.Elts)
		if typ == nil {
			typ = table.Type
		}
	}
	switch x := typ.(type) {
	case *ast.ChanType:
		return "a channel"
	case *ast.MapType:
		if entries == 0 {
			return "a map without entries: it is there to be filled"
		}
		return ""
	case *ast.StarExpr:
		return kindOf(f, x.X, nil)
	case *ast.ArrayType:
		if entries == 0 {
			return kindOf(f, x.Elt, nil)
		}
		return ""
	case *ast.IndexExpr:
		return kindOf(f, x.X, nil)
	case *ast.IndexListExpr:
		return kindOf(f, x.X, nil)
	}
	for _, pkg := range []string{"sync", "sync/atomic"} {
		if name, ok := selected(typ, importName(f, pkg)); ok {
			return "a " + pkg + "." + name
		}
	}
	return ""
}
