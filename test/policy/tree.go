package policy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Tree is the repository as the rules read it.
type Tree struct {
	// Module is the module's path.
	Module string
	// Fset places the syntax trees of Packages.
	Fset *token.FileSet
	// Files are all files outside of testdata, by path.
	Files []File
	// Packages are the module's Go packages, one per folder, by path.
	Packages []*Package
}

// File is a file of any kind.
type File struct {
	// Path is slash-separated and relative to the repository.
	Path string
	// Data is its content.
	Data []byte
}

// Package is the Go files of a folder, tests of both kinds included.
type Package struct {
	// Dir is the folder, "." for the repository's.
	Dir string
	// Files are its Go files.
	Files []*GoFile
}

// GoFile is a parsed Go file.
type GoFile struct {
	// Path is slash-separated and relative to the repository.
	Path string
	// AST is the file with its comments.
	AST *ast.File
	// Lines is how many lines it has.
	Lines int
	// Test is set for files that only tests compile.
	Test bool
	// Generated is set for files that say they are.
	Generated bool
}

// Load reads and parses the repository in fsys.
func Load(fsys fs.FS) (*Tree, error) {
	gomod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, fmt.Errorf("read the module's name: %w", err)
	}
	t := &Tree{Fset: token.NewFileSet()}
	for line := range strings.Lines(string(gomod)) {
		if name, ok := strings.CutPrefix(line, "module "); ok {
			t.Module = strings.TrimSpace(name)
		}
	}
	nested := ""
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && slices.Contains([]string{".git", "bin", "dist", "node_modules", "testdata"}, d.Name()) {
				return fs.SkipDir
			}
			if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil && name != "." {
				nested = name + "/"
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		t.Files = append(t.Files, File{name, data})
		if strings.HasSuffix(name, ".go") && (nested == "" || !strings.HasPrefix(name, nested)) {
			return t.addGo(name, data)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	slices.SortFunc(t.Packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	return t, nil
}

func (t *Tree) addGo(name string, data []byte) error {
	syntax, err := parser.ParseFile(t.Fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := &GoFile{
		Path:      name,
		AST:       syntax,
		Lines:     bytes.Count(data, []byte("\n")),
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(syntax),
	}
	dir := path.Dir(name)
	i := slices.IndexFunc(t.Packages, func(p *Package) bool { return p.Dir == dir })
	if i < 0 {
		t.Packages = append(t.Packages, &Package{Dir: dir})
		i = len(t.Packages) - 1
	}
	t.Packages[i].Files = append(t.Packages[i].Files, f)
	return nil
}

// read returns the file called name, nil when there is none.
func (t *Tree) read(name string) []byte {
	for _, f := range t.Files {
		if f.Path == name {
			return f.Data
		}
	}
	return nil
}

// at returns a finding at a place in a Go file.
func (t *Tree) at(pos token.Pos, format string, args ...any) Finding {
	p := t.Fset.Position(pos)
	return Finding{Path: p.Filename, Line: p.Line, Text: fmt.Sprintf(format, args...)}
}

// handWritten calls visit for every Go file that is not generated.
func (t *Tree) handWritten(visit func(*Package, *GoFile)) {
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if !f.Generated {
				visit(p, f)
			}
		}
	}
}

// imported is one import of a Go file.
type imported struct {
	path string // as written
	dir  string // the folder in the module, "" outside of it
	pos  token.Pos
}

func (t *Tree) imports(f *GoFile) []imported {
	var list []imported
	for _, spec := range f.AST.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		dir, inside := strings.CutPrefix(name, t.Module+"/")
		if !inside {
			dir = ""
		}
		list = append(list, imported{name, dir, spec.Pos()})
	}
	return list
}

// standard reports whether an import path is of the standard library.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// below reports whether the folder dir is root or below it.
func below(dir, root string) bool {
	return dir == root || strings.HasPrefix(dir, root+"/")
}
