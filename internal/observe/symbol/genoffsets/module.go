package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// downloads are modules whose files are at hand, by path and version.
type downloads struct {
	ctx  context.Context
	dirs map[string]string // "path@version" -> folder
}

// get downloads modules. The error names those that cannot be had; the others
// are there nevertheless.
func (d *downloads) get(names ...string) error {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return d.dirs[name] != "" })
	if len(names) == 0 {
		return nil
	}
	cmd := exec.CommandContext(d.ctx, "go", append([]string{"mod", "download", "-json"}, names...)...)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "PWD="+os.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	failed := cmd.Run()
	var errs []error
	for decoder := json.NewDecoder(&stdout); ; {
		var m struct{ Path, Version, Dir, Error string }
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("go mod download: %w", err)
		}
		if m.Error != "" {
			errs = append(errs, fmt.Errorf("%s@%s: %s", m.Path, m.Version, m.Error))
			continue
		}
		d.dirs[m.Path+"@"+m.Version] = m.Dir
	}
	if failed != nil && len(errs) == 0 {
		return fmt.Errorf("go mod download: %w: %s", failed, stderr.String())
	}
	return errors.Join(errs...)
}

// modules measures every version of every module.
func modules(ctx context.Context, p pins, list []wanted, tracks []*track) error {
	d := &downloads{ctx: ctx, dirs: map[string]string{}}
	var names []string
	for _, m := range p.modules {
		for _, v := range m.versions {
			names = append(names, m.path+"@"+v)
		}
	}
	if err := d.get(names...); err != nil {
		return err
	}
	b, err := openBench(ctx, p, d)
	if err != nil {
		return err
	}
	for _, m := range p.modules {
		var of []wanted
		var to []*track
		for i, w := range list {
			if w.module == m.path {
				of, to = append(of, w), append(to, tracks[i])
			}
		}
		for _, v := range m.versions {
			if err := b.measure(m.path, v, of, to); err != nil {
				return fmt.Errorf("%s@%s: %w", m.path, v, err)
			}
		}
	}
	return nil
}

// bench is what modules are measured with.
type bench struct {
	downloads *downloads
	pins      pins
	// chains are the newest patch releases, oldest minor first, one of each
	// architecture.
	chains [][]toolchain
}

func openBench(ctx context.Context, p pins, d *downloads) (*bench, error) {
	b := &bench{downloads: d, pins: p}
	s := newSources()
	for i, name := range p.toolchains {
		minor, err := minorOf(name)
		if err != nil {
			return nil, err
		}
		if i+1 < len(p.toolchains) {
			if next, _ := minorOf(p.toolchains[i+1]); next == minor {
				continue
			}
		}
		var both []toolchain
		for _, arch := range arches() {
			t, err := openToolchain(ctx, s, name, arch)
			if err != nil {
				return nil, err
			}
			both = append(both, t)
		}
		b.chains = append(b.chains, both)
	}
	return b, nil
}

// measure adds the offsets of one version to the tracks: as the oldest release
// of Go that it admits and the newest one see it, and with the oldest versions
// of other modules that it admits and the newest ones. All must agree.
func (b *bench) measure(path, version string, list []wanted, tracks []*track) error {
	mod, err := b.readModule(path, version)
	if err != nil {
		return err
	}
	oldest := slices.IndexFunc(b.chains, func(c []toolchain) bool {
		minor, _ := minorOf(c[0].name)
		return minor >= mod.minor
	})
	if oldest < 0 {
		oldest = len(b.chains) - 1
	}
	for _, i := range slices.Compact([]int{oldest, len(b.chains) - 1}) {
		for _, t := range b.chains[i] {
			for _, newest := range []bool{false, true} {
				w := t.world()
				used := false
				w.moduleDir = func(pkg string) (string, string, error) {
					dir, module, err := b.dirOf(mod, pkg, newest)
					used = used || module != path
					return dir, module, err
				}
				found, err := w.offsets(list)
				if err != nil {
					return fmt.Errorf("%s %s: %w", t.name, t.ctx.GOARCH, err)
				}
				for j := range tracks {
					if err := tracks[j].add(version, found[j]); err != nil {
						return fmt.Errorf("%s %s: %w", t.name, t.ctx.GOARCH, err)
					}
				}
				if !used {
					break
				}
			}
		}
	}
	return nil
}

// required is a version of a module and what it asks for.
type required struct {
	path, version string
	minor         int // of the oldest release of Go
	needs         map[string]string
}

func (b *bench) readModule(path, version string) (required, error) {
	r := required{path: path, version: version, needs: map[string]string{}}
	name := filepath.Join(b.downloads.dirs[path+"@"+version], "go.mod")
	text, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	f, err := modfile.ParseLax(name, text, nil)
	if err != nil {
		return r, err
	}
	if f.Go != nil {
		_, rest, _ := strings.Cut(f.Go.Version, ".")
		minor, _, _ := strings.Cut(rest, ".")
		r.minor, _ = strconv.Atoi(minor)
	}
	for _, need := range f.Require {
		r.needs[need.Mod.Path] = need.Mod.Version
	}
	return r, nil
}

// dirOf returns the folder of the module that has a package, and its path.
func (b *bench) dirOf(mod required, pkg string, newest bool) (dir, module string, err error) {
	candidates := []string{mod.path}
	for path := range mod.needs {
		candidates = append(candidates, path)
	}
	module = moduleOf(pkg, candidates)
	if module == "" {
		return "", "", fmt.Errorf("no module has package %s", pkg)
	}
	version := mod.needs[module]
	if module == mod.path {
		version = mod.version
	} else if known := b.pins.versions(module); newest && len(known) > 0 {
		version = known[len(known)-1]
	}
	name := module + "@" + version
	if err := b.downloads.get(name); err != nil {
		return "", "", err
	}
	return b.downloads.dirs[name], module, nil
}

// releaseVersions keeps release versions and sorts them.
func releaseVersions(list []string) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(v string) bool {
		return !isRelease(v)
	})
	semver.Sort(list)
	return slices.Compact(list)
}

func isRelease(v string) bool { return semver.IsValid(v) && semver.Prerelease(v) == "" }
