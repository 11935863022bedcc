package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// EnvironmentOptions say where [GatherEnvironment] looks. The zero value of all but
// Dir, Env and ReadSettings works.
type EnvironmentOptions struct {
	// Dir is the folder in which go commands would run, an absolute path. Asked says
	// that the user named it.
	Dir   string
	Asked bool
	// Env are the variables of the environment.
	Env map[string]string
	// EnvFile is the file that `go env -w` writes, empty for none, and ReadSettings
	// reads that and the go.env of an installation: nil when there is none.
	EnvFile      string
	ReadSettings func(path string) map[string]string
	// Asker asks GOPROXY and GOSUMDB; nothing is asked when it is nil.
	Asker *Asker
}

// settingNames are the variables of the go command that rules ask for.
func settingNames() []string {
	return []string{"GO111MODULE", "GOFLAGS", "GOINSECURE", "GONOSUMCHECK", "GONOSUMDB", "GOPATH", "GOPRIVATE", "GOPROXY", "GOROOT", "GOSUMDB", "GOTOOLCHAIN", "GOWORK"}
}

// GatherEnvironment adds what go commands in a folder work with. It blocks for as long
// as the Asker takes, and for reading a few files.
func (e *Evidence) GatherEnvironment(ctx context.Context, o EnvironmentOptions) {
	g := &Environment{Dir: o.Dir, Asked: o.Asked, EnvFile: o.EnvFile, GoDebug: o.Env["GODEBUG"], Settings: make(map[string]Setting), Variables: make(map[string]string)}
	e.Environment = g
	g.Installations = Installations(o.Env["PATH"])
	if len(g.Installations) == 0 {
		e.unseen("the installation of Go", "there is no go command in PATH")
	} else if i := g.Installations[0]; i.Root == "" {
		e.unseen("the installation of Go", i.Path+" is not the command itself: it starts another, which is not looked for")
	}
	if o.EnvFile != "" {
		g.InFile = o.ReadSettings(o.EnvFile)
	}
	for name := range g.InFile {
		if value := o.Env[name]; value != "" {
			g.Variables[name] = value
		}
	}
	g.settings(&o)
	if root, ok := g.Settings["GOROOT"]; ok {
		i := installation(root.Value)
		g.GOROOT = &i
	}
	module, err := FindModule(o.Dir, g.value("GOWORK"))
	if err != nil {
		e.unseen("the module", withoutPath(err).Error())
	}
	g.Module = module
	if o.Asker == nil {
		e.unseen("whether GOPROXY and GOSUMDB answer", "--offline: nothing was asked")
		return
	}
	o.Asker.ask(ctx, g)
}

func (e *Evidence) unseen(what, why string) {
	e.Unseen = append(e.Unseen, Unseen{What: what, Why: why})
}

// settings fills in the settings in force, as the go command does: the environment
// goes before the user's file, and that before the installation's.
func (g *Environment) settings(o *EnvironmentOptions) {
	type source struct {
		from   string
		values map[string]string
	}
	sources := []source{{"the environment", o.Env}, {o.EnvFile, g.InFile}}
	root := ""
	if len(g.Installations) > 0 {
		root = g.Installations[0].Root
	}
	if root != "" {
		path := filepath.Join(root, "go.env")
		sources = append(sources, source{path, o.ReadSettings(path)})
	}
	sources = append(sources, source{"the default", map[string]string{"GOPROXY": "https://proxy.golang.org,direct", "GOSUMDB": "sum.golang.org", "GOTOOLCHAIN": "auto"}})
	for _, name := range settingNames() {
		for _, s := range sources {
			if value := s.values[name]; value != "" {
				g.Settings[name] = Setting{Value: value, From: s.from}
				break
			}
		}
	}
}

// Installations returns those whose go command a PATH leads to, in its order and each
// once. As shells do it takes executable files only.
func Installations(path string) []Installation {
	var found []Installation
	seen := make(map[string]bool)
	for dir := range strings.SplitSeq(path, string(filepath.ListSeparator)) {
		if !filepath.IsAbs(dir) {
			continue // the go command refuses to be found so
		}
		command := filepath.Join(dir, "go")
		info, err := os.Stat(command)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		real, err := filepath.EvalSymlinks(command)
		if err != nil || seen[real] {
			continue
		}
		i := installation(filepath.Dir(filepath.Dir(real)))
		if i.Version == "" {
			i.Root = ""
			if build, err := target.ReadBuildFile(real); err == nil && build.Path == "cmd/go" {
				i.Root, i.Version = filepath.Dir(filepath.Dir(real)), release(build.GoVersion)
			}
		}
		if i.Root != "" && seen[i.Root] {
			continue
		}
		seen[real], seen[i.Root] = true, i.Root != ""
		i.Path = command
		found = append(found, i)
	}
	return found
}

// maxVersionFile bounds the file VERSION of an installation, in bytes.
const maxVersionFile = 4 << 10

// installation reads which Go a folder has. Without one its version is empty.
func installation(root string) Installation {
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	i := Installation{Root: filepath.Clean(root)}
	text, err := readSmall(filepath.Join(root, "VERSION"), maxVersionFile)
	if err != nil {
		return i
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); strings.HasPrefix(line, "go") || strings.HasPrefix(line, "devel") {
		i.Version = line
	}
	return i
}

// maxModFile bounds go.mod and go.work, in bytes.
const maxModFile = 4 << 20

// FindModule returns the module that a folder is in, nil when it is in none. gowork is
// the setting GOWORK. It returns with the error what it could find.
func FindModule(dir, gowork string) (*Module, error) {
	file := above(dir, "go.mod")
	if file == "" {
		return nil, nil
	}
	m := &Module{Dir: filepath.Dir(file)}
	text, err := readSmall(file, maxModFile)
	if err != nil {
		return m, err
	}
	mod, err := modfile.Parse(file, text, nil)
	if err != nil {
		// A newer Go may have lines of which this one leaves out all but the oldest.
		if mod, err = modfile.ParseLax(file, text, nil); err != nil {
			return m, err
		}
	}
	if mod.Module != nil {
		m.Path = mod.Module.Mod.Path
	}
	m.lines(mod.Go, mod.Toolchain)
	_, err = os.Stat(filepath.Join(m.Dir, "vendor", "modules.txt"))
	m.Vendor = err == nil
	return m, m.workspace(gowork)
}

func (m *Module) lines(g *modfile.Go, t *modfile.Toolchain) {
	m.Go, m.Toolchain = "", ""
	if g != nil {
		m.Go = "go" + g.Version
	}
	if t != nil {
		m.Toolchain = t.Name
	}
}

// workspace follows go.work: its lines count, and its vendor folder.
func (m *Module) workspace(gowork string) error {
	file := gowork
	switch {
	case gowork == "off":
		return nil
	case gowork == "":
		if file = above(m.Dir, "go.work"); file == "" {
			return nil
		}
	}
	text, err := readSmall(file, maxModFile)
	if err != nil {
		return err
	}
	work, err := modfile.ParseWork(file, text, nil)
	if err != nil {
		return err
	}
	m.Workspace, m.Outside = file, true
	m.lines(work.Go, work.Toolchain)
	for _, use := range work.Use {
		path := filepath.FromSlash(use.Path)
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		if filepath.Clean(path) == m.Dir {
			m.Outside = false
		}
	}
	_, err = os.Stat(filepath.Join(filepath.Dir(file), "vendor", "modules.txt"))
	m.Vendor = err == nil
	return nil
}

// above returns the file called name in dir or the nearest folder above that has one.
func above(dir, name string) string {
	for {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}

// withoutPath takes the operation and the path off an error of the file system.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
