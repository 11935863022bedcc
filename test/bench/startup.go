package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// startProgram is a program whose start is measured.
type startProgram struct {
	name    string
	command []string
	env     []string // added to what startEnv leaves
	mib     float64
}

// startSource is a program that the bench can build. Module is empty for one of
// the Go distribution.
type startSource struct {
	name, module, source, arg string
}

func startSources() []startSource {
	return []startSource{
		{"go", "", "cmd/go", "version"},
		{"nats-server", "github.com/nats-io/nats-server/v2@latest", "github.com/nats-io/nats-server/v2", "--version"},
		{"caddy", "github.com/caddyserver/caddy/v2@v2.11", "github.com/caddyserver/caddy/v2/cmd/caddy", "version"},
		{"etcd", "go.etcd.io/etcd/server/v3@latest", "go.etcd.io/etcd/server/v3", "--version"},
		{"prometheus", "github.com/prometheus/prometheus@v0.315.0", "github.com/prometheus/prometheus/cmd/prometheus", "--version"},
	}
}

// startKind is a way to build a program.
type startKind struct {
	name  string
	cgo   bool
	flags []string
}

func startKinds() []startKind {
	return []startKind{
		{"static", false, nil},
		{"stripped", false, []string{"-ldflags=-s -w"}},
		{"trimmed", false, []string{"-trimpath", "-ldflags=-s -w"}},
		{"pie", false, []string{"-buildmode=pie"}},
		{"pie-stripped", false, []string{"-buildmode=pie", "-ldflags=-s -w"}},
		{"cgo", true, nil},
		{"cgo-external", true, []string{"-ldflags=-linkmode=external -s -w"}},
	}
}

// startGiven splits the flag -startup, "name=command".
func startGiven(texts []string) ([]startProgram, error) {
	var programs []startProgram
	for _, text := range texts {
		name, command, ok := strings.Cut(text, "=")
		fields := strings.Fields(command)
		if !ok || name == "" || len(fields) == 0 {
			return nil, fmt.Errorf("-startup %q: is not name=command", text)
		}
		programs = append(programs, startProgram{name: name, command: fields})
	}
	return programs, nil
}

// chosenOf returns those of all whose names are wanted, in the order of all.
func chosenOf[T any](all []T, name func(T) string, wanted string) ([]T, error) {
	names := strings.Split(wanted, ",")
	for _, n := range names {
		if !slices.ContainsFunc(all, func(t T) bool { return name(t) == n }) {
			return nil, fmt.Errorf("%q: is not known", n)
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(t T) bool { return !slices.Contains(names, name(t)) }), nil
}

// startPrograms returns the programs of the flag -startup, and without one
// those that it builds.
func (b *bench) startPrograms() ([]startProgram, error) {
	programs, err := startGiven(b.starts)
	if err != nil {
		return nil, err
	}
	if len(programs) == 0 {
		if programs, err = b.startBuilds(); err != nil {
			return nil, err
		}
	}
	for i := range programs {
		p := &programs[i]
		path, err := exec.LookPath(p.command[0])
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		p.command[0], p.mib = path, float64(info.Size())/(1<<20)
	}
	return programs, nil
}

// startBuilds builds the chosen programs in the chosen ways, in the folder of
// the bench: only once for all scenarios.
func (b *bench) startBuilds() ([]startProgram, error) {
	sources, err := chosenOf(startSources(), func(s startSource) string { return s.name }, b.startNames)
	if err != nil {
		return nil, fmt.Errorf("-startup-programs: %w", err)
	}
	kinds, err := chosenOf(startKinds(), func(k startKind) string { return k.name }, b.startKinds)
	if err != nil {
		return nil, fmt.Errorf("-startup-kinds: %w", err)
	}
	var programs []startProgram
	for _, s := range sources {
		dir, err := b.startModule(s)
		if err != nil {
			return nil, err
		}
		env, err := s.env()
		if err != nil {
			return nil, err
		}
		for _, k := range kinds {
			path := filepath.Join(dir, s.name+"-"+k.name)
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				if err := startGo(dir, s, k.cgo, append(append([]string{"build"}, k.flags...), "-o", path, s.source)...); err != nil {
					return nil, err
				}
			}
			programs = append(programs, startProgram{name: s.name + " " + k.name, command: []string{path, s.arg}, env: env})
		}
	}
	return programs, nil
}

// env returns what a program needs in its environment: a go command that was
// built with -trimpath does not know where its distribution is.
func (s startSource) env() ([]string, error) {
	if s.source != "cmd/go" {
		return nil, nil
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	return []string{"GOROOT=" + strings.TrimSpace(string(root))}, nil
}

// startModule makes a module that depends on the program's, so that replace
// directives of that do not count, and returns its folder.
func (b *bench) startModule(s startSource) (string, error) {
	dir := filepath.Join(b.dir, "startup-"+s.name)
	file := filepath.Join(dir, "go.mod")
	if _, err := os.Stat(file); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte("module startup\n\ngo 1.26\n"), 0o644); err != nil {
		return "", err
	}
	if s.module == "" {
		return dir, nil
	}
	return dir, startGo(dir, s, false, "get", s.module)
}

func startGo(dir string, s startSource, cgo bool, args ...string) error {
	cmd := exec.Command("go", args...)
	enabled := "CGO_ENABLED=0"
	if cgo {
		enabled = "CGO_ENABLED=1"
	}
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", enabled)
	if s.module != "" {
		cmd.Env = append(cmd.Env, "GOFLAGS=-mod=mod -buildvcs=false")
	}
	// What it downloads fills the screen; it is shown only when it fails.
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	fmt.Fprintf(os.Stderr, "%s: go %s\n", s.name, strings.Join(args, " "))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: go %s: %w: %s", s.name, strings.Join(args, " "), err, said.Bytes())
	}
	return nil
}
