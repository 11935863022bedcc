package main

import (
	"context"
	"fmt"
	"slices"
)

// release is what a minor release says of itself beside its fields.
type release struct {
	minor int
	goid  int64
	ids   functionIDs
	from  []string // the toolchains that agree on it
}

// functionIDs are the numbers of the classes of functions.
type functionIDs struct{ wrapper, gopanic, sigpanic, panicwrap int64 }

// standard measures the standard library of every toolchain. The tracks of the
// wanted structs, one per field, get a value per toolchain.
func standard(ctx context.Context, names []string, list []wanted, tracks []*track) ([]release, error) {
	var releases []release
	for _, name := range names {
		minor, err := minorOf(name)
		if err != nil {
			return nil, err
		}
		newest := !slices.ContainsFunc(names[slices.Index(names, name)+1:], func(s string) bool {
			m, _ := minorOf(s)
			return m == minor
		})
		s := newSources()
		for _, arch := range arches() {
			t, err := openToolchain(ctx, s, name, arch)
			if err != nil {
				return nil, err
			}
			if err := measureStd(t, list, tracks); err != nil {
				return nil, fmt.Errorf("%s %s: %w", name, arch, err)
			}
			if newest {
				if err := compareVariants(t, list); err != nil {
					return nil, fmt.Errorf("%s %s: %w", name, arch, err)
				}
			}
			r, err := releaseOf(t, minor)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", name, arch, err)
			}
			if releases, err = merge(releases, r); err != nil {
				return nil, fmt.Errorf("%s %s: %w", name, arch, err)
			}
		}
	}
	return releases, nil
}

// measureStd adds the offsets of one toolchain and architecture to the tracks.
func measureStd(t toolchain, list []wanted, tracks []*track) error {
	plain, err := t.world().offsets(plainly(list))
	if err != nil {
		return err
	}
	at := 0
	for i, w := range list {
		var found []int64
		switch {
		case w.module != "":
			continue
		case w.experiment == "":
			found = plain[at]
			at++
		default:
			found = slices.Repeat([]int64{absent}, len(w.fields))
			world, ok := t.without(w.experiment)
			if !ok {
				break
			}
			one, err := world.offsets([]wanted{w})
			if err != nil {
				return fmt.Errorf("%s: %w", w.experiment, err)
			}
			found = one[0]
		}
		if err := tracks[i].add(t.version(), found); err != nil {
			return err
		}
	}
	return nil
}

// plainly returns the structs of the standard library that are measured with
// the defaults of a release.
func plainly(list []wanted) []wanted {
	return slices.DeleteFunc(slices.Clone(list), func(w wanted) bool { return w.module != "" || w.experiment != "" })
}

// compareVariants fails when a build that differs from the default moves a
// field: the table has no place for that.
func compareVariants(t toolchain, list []wanted) error {
	list = plainly(list)
	want, err := t.world().offsets(list)
	if err != nil {
		return err
	}
	for _, v := range t.variants() {
		got, err := newWorld(t.root, v.ctx).offsets(list)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		for i, w := range list {
			for j, field := range w.fields {
				if a, b := want[i][j], got[i][j]; a != b && a != absent && b != absent {
					return fmt.Errorf("%s: %s.%s is at %d, but at %d by default", v.name, w.of(), field, b, a)
				}
			}
		}
	}
	return nil
}

// releaseOf reads the rest of what a release says.
func releaseOf(t toolchain, minor int) (release, error) {
	r := release{minor: minor, from: []string{t.name}}
	g, err := t.world().offsets([]wanted{{pkg: "runtime", name: "g", fields: []string{"goid"}}})
	if err != nil {
		return r, err
	}
	r.goid = g[0][0]
	// The classes moved from the runtime to internal/abi in Go 1.21.
	pkg, prefix, wrapper := "internal/abi", "FuncID_", "FuncIDWrapper"
	if minor < 21 {
		pkg, prefix, wrapper = "runtime", "funcID_", "funcID_wrapper"
	}
	world := t.world()
	for name, to := range map[string]*int64{
		wrapper: &r.ids.wrapper, prefix + "gopanic": &r.ids.gopanic,
		prefix + "sigpanic": &r.ids.sigpanic, prefix + "panicwrap": &r.ids.panicwrap,
	} {
		v, ok, err := world.constant(pkg, name)
		if err != nil {
			return r, err
		}
		if !ok {
			return r, fmt.Errorf("no constant %s.%s", pkg, name)
		}
		*to = v
	}
	if r.goid == absent {
		return r, fmt.Errorf("runtime.g has no goid")
	}
	return r, nil
}

// merge adds a release to those of its minor release, which must agree.
func merge(list []release, r release) ([]release, error) {
	if len(list) == 0 || list[len(list)-1].minor != r.minor {
		return append(list, r), nil
	}
	last := &list[len(list)-1]
	if last.goid != r.goid || last.ids != r.ids {
		return nil, fmt.Errorf("%+v, but %+v before", r, *last)
	}
	last.from = slices.Compact(append(last.from, r.from...))
	return list, nil
}
