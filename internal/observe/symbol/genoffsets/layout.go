package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// world is one build: a release of Go, an architecture, build tags, and the
// folders of modules. Of every package it holds the declarations that the
// wanted ones need, and nothing else, so they are type-checked in no time.
type world struct {
	sources *sources
	ctx     build.Context
	// moduleDir returns the folder of the module that has a package and the
	// path of that module. It is nil when the build has no modules.
	moduleDir func(pkg string) (dir, module string, err error)
	packages  map[string]*unit
}

// unit is a package of a world.
type unit struct {
	path   string
	name   string
	std    bool
	decls  map[string]*decl
	marked map[*decl]bool
	order  []*decl
	uses   map[*file]map[string]bool // local names of imports
	typed  *types.Package
}

func newWorld(s *sources, ctx build.Context) *world {
	return &world{sources: s, ctx: ctx, packages: map[string]*unit{}}
}

// unit returns a package, nil when the build has no package of that path.
// std says that a package of the standard library asks.
func (w *world) unit(path string, std bool) (*unit, error) {
	if u, ok := w.packages[path]; ok {
		return u, nil
	}
	dir, isStd, err := w.dir(path, std)
	if err != nil {
		return nil, err
	}
	files, err := w.sources.readDir(&w.ctx, dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	if len(files) == 0 {
		w.packages[path] = nil
		return nil, nil
	}
	u := &unit{path: path, name: files[0].pkg, std: isStd, decls: map[string]*decl{},
		marked: map[*decl]bool{}, uses: map[*file]map[string]bool{}}
	for _, f := range files {
		for name, d := range f.decls {
			u.decls[name] = d
		}
	}
	w.packages[path] = u
	return u, nil
}

// dir returns the folder of a package, and whether it is one of the standard
// library or of what that library has copied.
func (w *world) dir(path string, std bool) (dir string, isStdDir bool, err error) {
	src := filepath.Join(w.ctx.GOROOT, "src")
	if isStd(path) {
		return filepath.Join(src, path), true, nil
	}
	if std {
		return filepath.Join(src, "vendor", path), true, nil
	}
	if w.moduleDir == nil {
		return "", false, fmt.Errorf("package %s: this build has no modules", path)
	}
	dir, module, err := w.moduleDir(path)
	if err != nil {
		return "", false, err
	}
	return filepath.Join(dir, strings.TrimPrefix(path, module)), false, nil
}

// mark asks for a declaration and all that it needs. A declaration that does
// not exist is no error.
func (w *world) mark(path, name string, std bool) error {
	u, err := w.unit(path, std)
	if err != nil || u == nil {
		return err
	}
	d := u.decls[name]
	if d == nil || u.marked[d] {
		return nil
	}
	u.marked[d] = true
	u.order = append(u.order, d)
	for _, spec := range d.node.Specs {
		var exprs []ast.Expr
		switch s := spec.(type) {
		case *ast.TypeSpec:
			exprs = append(exprs, s.Type)
		case *ast.ValueSpec:
			exprs = append(append(exprs, s.Type), s.Values...)
		}
		for _, e := range exprs {
			if err := w.markExpr(u, d.file, e); err != nil {
				return fmt.Errorf("%s.%s: %w", path, name, err)
			}
		}
	}
	return nil
}

// markExpr asks for all that an expression names.
func (w *world) markExpr(u *unit, f *file, e ast.Expr) (err error) {
	if e == nil {
		return nil
	}
	ast.Inspect(e, func(n ast.Node) bool {
		if err != nil {
			return false
		}
		switch n := n.(type) {
		case *ast.Field:
			err = w.markExpr(u, f, n.Type)
			return false
		case *ast.SelectorExpr:
			id, ok := n.X.(*ast.Ident)
			if !ok || f.imports[id.Name] == "" {
				return true
			}
			if u.uses[f] == nil {
				u.uses[f] = map[string]bool{}
			}
			u.uses[f][id.Name] = true
			if to := f.imports[id.Name]; to != "unsafe" {
				err = w.mark(to, n.Sel.Name, u.std)
			}
			return false
		case *ast.Ident:
			err = w.mark(u.path, n.Name, u.std)
		}
		return true
	})
	return err
}

// check type-checks what was marked of a package, nil when there is none.
func (w *world) check(path string) (*types.Package, error) {
	u := w.packages[path]
	if u == nil || u.typed != nil {
		return u.types(), nil
	}
	byFile := map[*file]*ast.File{}
	var files []*ast.File
	for _, d := range u.order {
		f := byFile[d.file]
		if f == nil {
			f = &ast.File{Name: ast.NewIdent(u.name)}
			f.Decls = u.imports(d.file)
			byFile[d.file] = f
			files = append(files, f)
		}
		f.Decls = append(f.Decls, d.node)
	}
	config := types.Config{Importer: importer{w}, Sizes: w.sizes()}
	typed, err := config.Check(path, w.sources.fset, files, nil)
	if err != nil {
		return nil, err
	}
	u.typed = typed
	return typed, nil
}

func (u *unit) types() *types.Package {
	if u == nil {
		return nil
	}
	return u.typed
}

// imports declares what is left of the imports of a file.
func (u *unit) imports(f *file) []ast.Decl {
	var decls []ast.Decl
	var names []string
	for name := range u.uses[f] {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		spec := &ast.ImportSpec{Name: ast.NewIdent(name),
			Path: &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(f.imports[name])}}
		decls = append(decls, &ast.GenDecl{Tok: token.IMPORT, Specs: []ast.Spec{spec}})
	}
	return decls
}

func (w *world) sizes() types.Sizes { return types.SizesFor("gc", w.ctx.GOARCH) }

// importer gives the type checker the packages of a world.
type importer struct{ w *world }

func (i importer) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	p, err := i.w.check(path)
	if err == nil && p == nil {
		err = fmt.Errorf("no package %s", path)
	}
	return p, err
}

// absent is the offset of a field that does not exist.
const absent = -1

// offsets returns the offsets of the wanted fields, in their order.
func (w *world) offsets(list []wanted) ([][]int64, error) {
	for _, one := range list {
		if err := w.mark(one.pkg, one.name, false); err != nil {
			return nil, err
		}
	}
	found := make([][]int64, len(list))
	for i, one := range list {
		p, err := w.check(one.pkg)
		if err != nil {
			return nil, err
		}
		var t types.Type
		if p != nil {
			if object, ok := p.Scope().Lookup(one.name).(*types.TypeName); ok {
				t = object.Type()
			}
		}
		for _, field := range one.fields {
			off := w.offset(t, field)
			found[i] = append(found[i], off)
		}
	}
	return found, nil
}

// offset returns the offset of a field, which may lead through structs held by
// value.
func (w *world) offset(t types.Type, path string) int64 {
	var sum int64
	for name := range strings.SplitSeq(path, ".") {
		if t == nil {
			return absent
		}
		s, ok := t.Underlying().(*types.Struct)
		if !ok {
			return absent
		}
		var fields []*types.Var
		for f := range s.Fields() {
			fields = append(fields, f)
		}
		i := slices.IndexFunc(fields, func(f *types.Var) bool { return f.Name() == name })
		if i < 0 {
			return absent
		}
		sum += w.sizes().Offsetsof(fields)[i]
		t = fields[i].Type()
	}
	return sum
}

// constant returns the value of a constant, false when there is none.
func (w *world) constant(path, name string) (int64, bool, error) {
	if err := w.mark(path, name, false); err != nil {
		return 0, false, err
	}
	p, err := w.check(path)
	if err != nil || p == nil {
		return 0, false, err
	}
	c, ok := p.Scope().Lookup(name).(*types.Const)
	if !ok {
		return 0, false, nil
	}
	v, ok := constant.Int64Val(constant.ToInt(c.Val()))
	return v, ok, nil
}
