package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Programs of Go 1.20 to Go 1.26 are read. A newer release changes more than
// offsets: whoever raises newestMinor first makes the rest of the package read
// its programs.
const (
	oldestMinor = 20
	newestMinor = 26
)

// update returns the pins with what was released since: all release versions
// of the modules, beside those that are pinned already, and of every minor
// release of Go the first and the last patch release and, where these differ,
// the neighbours between which a field moved. Versions that cannot be had are
// left out, and said on standard error.
func update(ctx context.Context, p pins, list []wanted) (pins, error) {
	names, err := published(ctx, toolchainModule)
	if err != nil {
		return p, err
	}
	if p.toolchains, err = pickToolchains(ctx, names, list); err != nil {
		return p, err
	}
	for i := range p.modules {
		m := &p.modules[i]
		names, err := published(ctx, m.path)
		if err != nil {
			return p, err
		}
		m.versions = append(m.versions, releaseVersions(names)...)
		semver.Sort(m.versions)
		m.versions = slices.Compact(m.versions)
		d := &downloads{ctx: ctx, dirs: map[string]string{}}
		var wanted []string
		for _, v := range m.versions {
			wanted = append(wanted, m.path+"@"+v)
		}
		if err := d.get(wanted...); err != nil {
			fmt.Fprintln(os.Stderr, "genoffsets: left out:", err)
		}
		m.versions = slices.DeleteFunc(m.versions, func(v string) bool { return d.dirs[m.path+"@"+v] == "" })
	}
	return p, nil
}

// published returns the versions that the module proxy lists.
func published(ctx context.Context, path string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", `{{join .Versions " "}}`, "-versions", path)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GO111MODULE=on", "PWD="+os.TempDir())
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("versions of %s: %w", path, err)
	}
	return strings.Fields(string(out)), nil
}

// pickToolchains picks from the versions of the module of toolchains.
func pickToolchains(ctx context.Context, names []string, list []wanted) ([]string, error) {
	byMinor := map[int][]string{}
	for _, name := range names {
		name, ok := strings.CutSuffix(strings.TrimPrefix(name, "v0.0.1-"), ".linux-amd64")
		if minor, err := minorOf(name); ok && err == nil && minor >= oldestMinor && minor <= newestMinor && isRelease(semverOf(name)) {
			byMinor[minor] = append(byMinor[minor], name)
		}
	}
	var found []string
	for _, minor := range slices.Sorted(maps.Keys(byMinor)) {
		patches := byMinor[minor]
		sortToolchains(patches)
		b := bisection{ctx: ctx, list: list, names: patches, prints: map[string]string{}}
		if err := b.between(0, len(patches)-1); err != nil {
			return nil, err
		}
		found = append(found, b.ends()...)
	}
	return found, nil
}

func sortToolchains(names []string) {
	slices.SortFunc(names, func(a, b string) int { return semver.Compare(semverOf(a), semverOf(b)) })
}

// bisection looks for the patch releases between which a field moved.
type bisection struct {
	ctx    context.Context
	list   []wanted
	names  []string          // of one minor release, oldest first
	prints map[string]string // of what was measured
}

// between measures the releases lo and hi, and what is between them while they
// differ. A field that moved and moved back is not seen.
func (b *bisection) between(lo, hi int) error {
	first, err := b.print(b.names[lo])
	if err != nil {
		return err
	}
	last, err := b.print(b.names[hi])
	if err != nil {
		return err
	}
	if first == last || hi-lo < 2 {
		return nil
	}
	mid := (lo + hi) / 2
	if err := b.between(lo, mid); err != nil {
		return err
	}
	return b.between(mid, hi)
}

// ends returns the measured releases without those that say no more than their
// neighbours on both sides.
func (b *bisection) ends() []string {
	names := slices.Collect(maps.Keys(b.prints))
	sortToolchains(names)
	var list []string
	for i, name := range names {
		inside := i > 0 && i+1 < len(names)
		if !inside || b.prints[name] != b.prints[names[i-1]] || b.prints[name] != b.prints[names[i+1]] {
			list = append(list, name)
		}
	}
	return list
}

// print returns a text that is the same for releases with the same offsets.
func (b *bisection) print(name string) (string, error) {
	if b.prints[name] == "" {
		t, err := openToolchain(b.ctx, newSources(), name, "amd64")
		if err != nil {
			return "", err
		}
		tracks := newTracks(b.list)
		if err := measureStd(t, b.list, tracks); err != nil {
			return "", err
		}
		var text strings.Builder
		text.WriteString("at ")
		for _, track := range tracks {
			fmt.Fprint(&text, track.offsets)
		}
		b.prints[name] = text.String()
	}
	return b.prints[name], nil
}
