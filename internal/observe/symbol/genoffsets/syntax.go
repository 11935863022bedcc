package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// sources parses files once, whatever the number of builds that they are part
// of. What does not change the size of a type is erased from it: all pointers,
// slices, maps, channels, functions and interfaces are as large as each other,
// so what they lead to need not be known.
type sources struct {
	fset  *token.FileSet
	files map[string]*file // by name
}

// file is the part of a source file that says what types look like.
type file struct {
	pkg     string
	imports map[string]string // local name -> import path
	decls   map[string]*decl
}

// decl is a declaration: a type, a variable, or a group of constants.
type decl struct {
	file *file
	node *ast.GenDecl
}

func newSources() *sources {
	return &sources{fset: token.NewFileSet(), files: map[string]*file{}}
}

// readDir returns the files of a folder that belong to a build.
func (s *sources) readDir(ctx *build.Context, dir string) ([]*file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []*file
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if ok, err := ctx.MatchFile(dir, name); err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		f, err := s.read(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func (s *sources) read(name string) (*file, error) {
	if f := s.files[name]; f != nil {
		return f, nil
	}
	syntax, err := parser.ParseFile(s.fset, name, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{pkg: syntax.Name.Name, imports: map[string]string{}, decls: map[string]*decl{}}
	for _, spec := range syntax.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		if spec.Name != nil {
			f.imports[spec.Name.Name] = to
		} else {
			f.imports[packageName(to)] = to
		}
	}
	for _, d := range syntax.Decls {
		if gen, ok := d.(*ast.GenDecl); ok {
			f.add(gen)
		}
	}
	s.files[name] = f
	return f, nil
}

// packageName guesses the name of the package at an import path.
func packageName(to string) string {
	if isMajor := regexp.MustCompile(`^v[0-9]+$`); isMajor.MatchString(path.Base(to)) {
		to = path.Dir(to)
	}
	return path.Base(to)
}

// add indexes a declaration by the names that it declares. The constants of a
// group stay together: the value of one may follow from its place.
func (f *file) add(gen *ast.GenDecl) {
	switch gen.Tok {
	case token.CONST:
		d := &decl{file: f, node: gen}
		for _, spec := range gen.Specs {
			for _, name := range spec.(*ast.ValueSpec).Names {
				f.decls[name.Name] = d
			}
		}
	case token.VAR:
		for _, spec := range gen.Specs {
			v := spec.(*ast.ValueSpec)
			if v.Type != nil {
				v.Type, v.Values = erase(v.Type), nil
			}
			for _, name := range v.Names {
				f.decls[name.Name] = &decl{file: f, node: &ast.GenDecl{Tok: token.VAR, Specs: []ast.Spec{v}}}
			}
		}
	case token.TYPE:
		for _, spec := range gen.Specs {
			t := spec.(*ast.TypeSpec)
			t.Type = erase(t.Type)
			if t.TypeParams != nil {
				for _, p := range t.TypeParams.List {
					p.Type = ast.NewIdent("any")
				}
			}
			f.decls[t.Name.Name] = &decl{file: f, node: &ast.GenDecl{Tok: token.TYPE, Specs: []ast.Spec{t}}}
		}
	}
}

// erase returns a type of the same size and alignment as e that does not name
// the types which e only points to.
func erase(e ast.Expr) ast.Expr {
	one := ast.NewIdent("byte")
	switch t := e.(type) {
	case *ast.StarExpr:
		return &ast.StarExpr{X: one}
	case *ast.MapType:
		return &ast.MapType{Key: one, Value: one}
	case *ast.ChanType:
		return &ast.ChanType{Dir: ast.SEND | ast.RECV, Value: one}
	case *ast.FuncType:
		return &ast.FuncType{Params: &ast.FieldList{}}
	case *ast.InterfaceType:
		return &ast.InterfaceType{Methods: &ast.FieldList{}}
	case *ast.ParenExpr:
		return erase(t.X)
	case *ast.ArrayType:
		if t.Len == nil {
			return &ast.ArrayType{Elt: one}
		}
		t.Elt = erase(t.Elt)
	case *ast.IndexExpr:
		t.Index = erase(t.Index)
	case *ast.IndexListExpr:
		for i := range t.Indices {
			t.Indices[i] = erase(t.Indices[i])
		}
	case *ast.StructType:
		for _, f := range t.Fields.List {
			if pointer, ok := f.Type.(*ast.StarExpr); ok && len(f.Names) == 0 {
				f.Names = []*ast.Ident{ast.NewIdent(embeddedName(pointer.X))}
			}
			f.Type = erase(f.Type)
		}
	}
	return e
}

// embeddedName returns the name of the field that embeds a type.
func embeddedName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.SelectorExpr:
		return t.Sel.Name
	case *ast.IndexExpr:
		return embeddedName(t.X)
	case *ast.IndexListExpr:
		return embeddedName(t.X)
	}
	return "_"
}
