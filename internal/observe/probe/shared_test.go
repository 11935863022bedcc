package probe

import (
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func sharedSpec(entries uint32) *ebpf.CollectionSpec {
	one := func(name string) *ebpf.MapSpec {
		return &ebpf.MapSpec{Name: name, Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: entries}
	}
	return &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"first": one("first"), "second": one("second"), "own": one("own")}}
}

// TestSharedMaps has several probes, at once, ask for the same maps: all have
// one.
func TestSharedMaps(t *testing.T) {
	testutil.RequireBPF(t)
	var s Shared
	var wait sync.WaitGroup
	found := make([]map[string]*ebpf.Map, 8)
	for i := range found {
		wait.Go(func() {
			var err error
			if found[i], err = s.replacements(sharedSpec(16), []string{"first", "second"}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, maps := range found {
		if len(maps) != 2 || maps["first"] == nil || maps["first"] != found[0]["first"] || maps["second"] != found[0]["second"] {
			t.Errorf("maps = %v, want %v", maps, found[0])
		}
	}
	// What one collection writes another reads.
	for i, maps := range []map[string]*ebpf.Map{found[0], found[1]} {
		collection, err := ebpf.NewCollectionWithOptions(sharedSpec(16), ebpf.CollectionOptions{MapReplacements: maps})
		if err != nil {
			t.Fatal(err)
		}
		defer collection.Close()
		if i == 0 {
			if err := collection.Maps["first"].Put(uint32(1), uint64(42)); err != nil {
				t.Fatal(err)
			}
			if err := collection.Maps["own"].Put(uint32(1), uint64(42)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var value uint64
		if err := collection.Maps["first"].Lookup(uint32(1), &value); err != nil || value != 42 {
			t.Errorf("the shared map has %d: %v", value, err)
		}
		if err := collection.Maps["own"].Lookup(uint32(1), &value); err == nil {
			t.Errorf("a map that is not shared has %d", value)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if again, err := s.replacements(sharedSpec(16), []string{"first"}); err != nil || again["first"] == found[0]["first"] {
		t.Errorf("after Close the map is the same: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestSharedMapThatIsNotThere(t *testing.T) {
	var s Shared
	_, err := s.replacements(sharedSpec(16), []string{"absent"})
	if err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("error = %v, want one that names the map", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestKernelTypesAreReadOnce has the kernel's types read before anybody needs
// them: who loads a probe gets the same ones, until they are let go of.
func TestKernelTypesAreReadOnce(t *testing.T) {
	testutil.RequireBPF(t)
	var s Shared
	if s.kernelTypes() != nil {
		t.Error("there are types that nobody has asked for")
	}
	s.ReadTypes()
	first, err := s.kernelTypes().Kernel()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := s.kernelTypes().Kernel(); err != nil || second != first {
		t.Errorf("other types the second time: %v", err)
	}
	s.ForgetTypes()
	if s.kernelTypes() != nil {
		t.Error("types stay")
	}
}
