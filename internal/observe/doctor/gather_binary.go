package doctor

import (
	"debug/buildinfo"
	"debug/elf"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// Program is an executable as package inspect shows it.
type Program struct {
	Path    string
	Go      *model.GoBuild
	Build   *debug.BuildInfo // nil when it has none
	Linking symbol.Linking
	// File is its content; nil when it cannot be read.
	File io.ReaderAt
}

// GatherBinary adds what an executable is. env are the variables by which the go
// command and the settings of modules are found; nil leaves both out.
func (e *Evidence) GatherBinary(p Program, env map[string]string) {
	b := &Binary{
		Path: p.Path, SymbolTable: p.Linking.SymbolTable, DWARF: p.Linking.DWARF, Static: p.Linking.Static,
		Settings: make(map[string]string),
	}
	e.Binary = b
	if p.Go != nil {
		b.GoVersion, b.Module, b.Cgo = p.Go.GoVersion, p.Go.Module, p.Go.Cgo
	}
	if p.Build == nil {
		e.unseen("how the program was built", "it has no list of modules and settings")
	} else {
		for _, s := range p.Build.Settings {
			b.Settings[s.Key] = s.Value
		}
		for _, m := range p.Build.Deps {
			b.Modules = append(b.Modules, m.Path)
		}
	}
	if b.Cgo && p.File != nil {
		nss, err := importedNSS(p.File)
		if err != nil {
			e.unseen("what the program imports of the C library", err.Error())
		}
		b.NSS = nss
	}
	if env == nil {
		return
	}
	if list := Installations(env["PATH"]); len(list) > 0 {
		b.Installed = list[0].Version
	}
	if m, err := FindModule(filepath.Dir(p.Path), env["GOWORK"]); err == nil && m != nil && m.Path != "" && m.Path == b.Module {
		b.Source = m
	}
}

// ReadProgram reads an executable of a release of Go that package inspect does not
// support, from 1.18 on: it is the old ones that need a doctor. The program's File is
// f, which stays the caller's. The error matches [target.ErrNotGo] where it fits.
func ReadProgram(path string, f *os.File) (Program, error) {
	p := Program{Path: path, File: f}
	var err error
	if p.Go, err = target.ReadBuild(f); err != nil {
		return p, err
	}
	// What is missing is told as unseen.
	p.Build, _ = buildinfo.Read(f)
	p.Linking.Static, p.Linking.SymbolTable = p.Go.Static, !p.Go.Stripped
	e, err := elf.NewFile(f)
	if err != nil {
		return p, err
	}
	p.Linking.DWARF = e.Section(".debug_info") != nil || e.Section(".zdebug_info") != nil
	return p, nil
}

// nssFunctions are those of the C library by which packages net and os/user ask its
// name service.
func nssFunctions() []string {
	return []string{"getaddrinfo", "getnameinfo", "getgrgid_r", "getgrnam_r", "getgrouplist", "getpwnam_r", "getpwuid_r", "res_search", "res_nsearch", "__res_search", "__res_nsearch"}
}

// importedNSS returns which of [nssFunctions] an executable imports.
func importedNSS(r io.ReaderAt) ([]string, error) {
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	symbols, err := f.ImportedSymbols()
	if err != nil {
		return nil, nil // a static one imports nothing
	}
	known := nssFunctions()
	var found []string
	for _, s := range symbols {
		if slices.Contains(known, s.Name) {
			found = append(found, s.Name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
