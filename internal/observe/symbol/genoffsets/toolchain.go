package main

import (
	"context"
	"fmt"
	"go/build"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// arches are the architectures whose layouts must agree.
func arches() []string { return []string{"amd64", "arm64"} }

// toolchain is a release of Go whose sources are at hand.
type toolchain struct {
	name string          // "go1.26.8"
	ctx  build.Context   // of one architecture
	root *sources        // what is parsed of GOROOT
	on   map[string]bool // experiment -> whether it is on by default
}

// version returns the release as a semantic version.
func (t toolchain) version() string { return semverOf(t.name) }

// semverOf spells the name of a toolchain as a semantic version: v1.20.0 for
// go1.20.
func semverOf(name string) string {
	v := "v" + strings.TrimPrefix(name, "go")
	if strings.Count(v, ".") == 1 {
		v += ".0"
	}
	return v
}

// openToolchain asks a toolchain, which is downloaded when it is missing, where
// its sources are and which build tags it sets.
func openToolchain(ctx context.Context, s *sources, name, arch string) (toolchain, error) {
	const format = `{{context.GOROOT}}|{{join context.ToolTags " "}}|{{join context.ReleaseTags " "}}`
	cmd := exec.CommandContext(ctx, "go", "list", "-f", format, "unsafe")
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+name, "GOOS=linux", "GOARCH="+arch,
		"GOFLAGS=", "GOWORK=off", "GO111MODULE=", "GOEXPERIMENT=", "GOROOT=", "PWD="+os.TempDir())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return toolchain{}, fmt.Errorf("toolchain %s: %w: %s", name, err, stderr.String())
	}
	parts := strings.Split(strings.TrimSpace(string(out)), "|")
	if len(parts) != 3 {
		return toolchain{}, fmt.Errorf("toolchain %s: go list says %q", name, out)
	}
	version, err := os.ReadFile(filepath.Join(parts[0], "VERSION"))
	if first, _, _ := strings.Cut(string(version), "\n"); err != nil || first != name {
		return toolchain{}, fmt.Errorf("toolchain %s: %s holds %q", name, parts[0], first)
	}
	t := toolchain{name: name, root: s, ctx: build.Context{
		GOROOT: parts[0], GOOS: "linux", GOARCH: arch, Compiler: "gc",
		ToolTags: strings.Fields(parts[1]), ReleaseTags: strings.Fields(parts[2]),
	}}
	t.on, err = readExperiments(t.ctx)
	return t, err
}

// readExperiments returns the experiments that a release knows.
func readExperiments(ctx build.Context) (map[string]bool, error) {
	const flags = "src/internal/goexperiment"
	entries, err := os.ReadDir(filepath.Join(ctx.GOROOT, flags))
	if err != nil {
		return nil, err
	}
	on := map[string]bool{}
	file := regexp.MustCompile(`^exp_(.+)_on\.go$`)
	for _, e := range entries {
		if m := file.FindStringSubmatch(e.Name()); m != nil {
			on[m[1]] = slices.Contains(ctx.ToolTags, "goexperiment."+m[1])
		}
	}
	if len(on) == 0 {
		return nil, fmt.Errorf("no experiments in %s/%s", ctx.GOROOT, flags)
	}
	return on, nil
}

// world returns the build of a release with its defaults.
func (t toolchain) world() *world { return newWorld(t.root, t.ctx) }

// variant is a build that differs from the default.
type variant struct {
	name string
	ctx  build.Context
}

// variants returns the builds with one experiment switched over, with cgo, and
// with the build tags that instrument the runtime.
func (t toolchain) variants() []variant {
	var list []variant
	for _, name := range slices.Sorted(maps.Keys(t.on)) {
		ctx, tag := t.ctx, "goexperiment."+name
		if t.on[name] {
			ctx.ToolTags = slices.DeleteFunc(slices.Clone(ctx.ToolTags), func(s string) bool { return s == tag })
			name = "no" + name
		} else {
			ctx.ToolTags = append(slices.Clone(ctx.ToolTags), tag)
		}
		list = append(list, variant{name, ctx})
	}
	cgo := t.ctx
	cgo.CgoEnabled = true
	list = append(list, variant{"cgo", cgo})
	for _, tag := range []string{"race", "msan", "asan"} {
		ctx := cgo
		ctx.BuildTags = []string{tag}
		list = append(list, variant{tag, ctx})
	}
	return list
}

// without returns the build with an experiment switched off, false when the
// release does not know it.
func (t toolchain) without(name string) (*world, bool) {
	name = strings.TrimPrefix(name, "no")
	if _, ok := t.on[name]; !ok {
		return nil, false
	}
	for _, v := range t.variants() {
		if v.name == "no"+name {
			return newWorld(t.root, v.ctx), true
		}
	}
	return t.world(), true
}
