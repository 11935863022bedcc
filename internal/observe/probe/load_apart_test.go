package probe

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestShare(t *testing.T) {
	for _, test := range []struct {
		name  string
		sizes map[string]int
		want  []string // the programs of each share, in order of name
	}{
		{"no program", nil, nil},
		{"fewer programs than shares", map[string]int{"a": 3}, []string{"a"}},
		{"a large one against the others", map[string]int{"a": 1, "b": 9, "c": 4, "d": 4}, []string{"b", "a c d"}},
		{"equal ones", map[string]int{"a": 2, "b": 2, "c": 2, "d": 2}, []string{"a c", "b d"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			programs := make(map[string]*ebpf.ProgramSpec)
			for name, size := range test.sizes {
				programs[name] = &ebpf.ProgramSpec{Name: name, Instructions: make(asm.Instructions, size)}
			}
			var got []string
			for _, s := range share(programs, 2) {
				for name, p := range s {
					if p.Name != name {
						t.Errorf("%s is in the place of %s", p.Name, name)
					}
				}
				got = append(got, strings.Join(slices.Sorted(maps.Keys(s)), " "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("shares = %q, want %q", got, test.want)
			}
		})
	}
}

// counting is an object whose programs each add their own number to one counter.
func counting(programs map[string]int32) *ebpf.CollectionSpec {
	object := &ebpf.CollectionSpec{
		Maps:     map[string]*ebpf.MapSpec{"sum": {Name: "sum", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}},
		Programs: make(map[string]*ebpf.ProgramSpec),
	}
	for name, n := range programs {
		object.Programs[name] = &ebpf.ProgramSpec{Name: name, Type: ebpf.SocketFilter, License: "MIT", Instructions: asm.Instructions{
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, 0).WithReference("sum"),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "end"),
			asm.Mov.Imm(asm.R1, n), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return(),
		}}
	}
	return object
}

func TestProgramsThatAreLoadedApartHaveTheSameMaps(t *testing.T) {
	testutil.RequireBPF(t)
	l := loading{object: counting(map[string]int32{"a": 1, "b": 10, "c": 100})}
	l.maps = createMaps(l.object, l.options)
	collection := l.createPrograms()
	if collection == nil {
		t.Fatal("nothing was loaded")
	}
	defer collection.Close()
	for name := range l.object.Programs {
		if _, _, err := collection.Programs[name].Test(make([]byte, 14)); err != nil {
			t.Errorf("run %s: %v", name, err)
		}
	}
	var sum uint64
	if err := collection.Maps["sum"].Lookup(uint32(0), &sum); err != nil || sum != 111 {
		t.Errorf("sum = %d, %v, want 111", sum, err)
	}
}

func TestProgramsThatAreLoadedApart_oneIsRefused(t *testing.T) {
	testutil.RequireBPF(t)
	l := loading{object: counting(map[string]int32{"a": 1, "b": 10, "c": 100})}
	l.object.Programs["b"].Instructions = asm.Instructions{asm.Return()}
	l.maps = createMaps(l.object, l.options)
	whole := l.maps
	if collection := l.createPrograms(); collection != nil {
		collection.Close()
		t.Error("a program was left out that nobody asked for")
	}
	if err := whole.Maps["sum"].Put(uint32(0), uint64(1)); err == nil {
		t.Error("the maps are still there")
	}
}

func TestCreate_mapsThatTheKernelRefuses(t *testing.T) {
	testutil.RequireBPF(t)
	l := loading{object: counting(map[string]int32{"a": 1})}
	l.object.Maps["sum"].KeySize = 3
	l.maps = createMaps(l.object, l.options)
	spec := &Spec{Name: "test", Attach: []AttachPoint{{Program: "a", Target: "hook", Required: true}}}
	collection, _, err := l.create(spec)
	if err == nil {
		collection.Close()
		t.Fatal("a map was made whose keys cannot be")
	}
	if !strings.Contains(err.Error(), "sum") {
		t.Errorf("error = %v, want it to name the map", err)
	}
}
