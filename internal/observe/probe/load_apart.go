package probe

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/cilium/ebpf"
)

// loaders is how many programs are brought into the kernel at a time. To fit one to the
// kernel's types and to have it verified takes 1 to 4 ms of one CPU. The types are read
// by one at a time, so that more than two gain little.
const loaders = 2

// createMaps makes the maps of an object without its programs. It returns nil when
// it cannot: who makes the whole then has the error.
func createMaps(object *ebpf.CollectionSpec, options ebpf.CollectionOptions) *ebpf.Collection {
	unprogrammed := *object
	unprogrammed.Programs = nil
	collection, err := ebpf.NewCollectionWithOptions(&unprogrammed, options)
	if err != nil {
		return nil
	}
	return collection
}

// createPrograms loads several programs at a time for the maps that are there. It
// returns the maps with the programs, or nil and leaves nothing when a program is
// refused.
func (l *loading) createPrograms() *ebpf.Collection {
	if l.maps == nil {
		return nil
	}
	// Each part has the same maps, by descriptors of its own.
	options := l.options
	options.MapReplacements = l.maps.Maps
	shares := share(l.object.Programs, loaders)
	parts, errs := make([]*ebpf.Collection, len(shares)), make([]error, len(shares))
	var wait sync.WaitGroup
	for i, programs := range shares {
		part := *l.object
		part.Programs, part.Variables = programs, nil
		wait.Go(func() { parts[i], errs[i] = ebpf.NewCollectionWithOptions(&part, options) })
	}
	wait.Wait()
	for _, part := range parts {
		if part != nil {
			maps.Copy(l.maps.Programs, part.Programs)
			clear(part.Programs)
			part.Close()
		}
	}
	if errors.Join(errs...) != nil {
		l.maps.Close()
		return nil
	}
	return l.maps
}

// share deals programs out to at most n shares of about as many instructions.
func share(programs map[string]*ebpf.ProgramSpec, n int) []map[string]*ebpf.ProgramSpec {
	names := slices.SortedFunc(maps.Keys(programs), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(programs[b].Instructions), len(programs[a].Instructions)), cmp.Compare(a, b))
	})
	var shares []map[string]*ebpf.ProgramSpec
	var sizes []int
	for _, name := range names {
		if len(shares) < n {
			shares, sizes = append(shares, make(map[string]*ebpf.ProgramSpec)), append(sizes, 0)
		}
		i := slices.Index(sizes, slices.Min(sizes))
		shares[i][name] = programs[name]
		sizes[i] += len(programs[name].Instructions)
	}
	return shares
}
