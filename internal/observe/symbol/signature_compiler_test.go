package symbol

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestSignatures_agreeWithTheCompiler compares the registers of all parameters
// of a large program with the compiler's own word on where they are when their
// function is entered.
func TestSignatures_agreeWithTheCompiler(t *testing.T) {
	for _, build := range []struct {
		name string
		opts testutil.BuildOptions
	}{
		// Locations of DWARF 5 are in a format of their own, the same ones.
		{"this release", testutil.BuildOptions{Env: []string{"GOEXPERIMENT=nodwarf5"}}},
		{"go1.22", testutil.BuildOptions{Toolchain: "go1.22.12"}},
		{"go1.24", testutil.BuildOptions{Toolchain: "go1.24.13"}},
		{"arm64", testutil.BuildOptions{Env: []string{"GOEXPERIMENT=nodwarf5", "GOARCH=arm64"}}},
	} {
		t.Run(build.name, func(t *testing.T) {
			b, err := Open(testutil.BuildGo(t, testutil.Dir("testdata/fields"), build.opts))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			s, err := b.Signatures()
			if err != nil {
				t.Fatal(err)
			}
			if s.units, err = openUnits(b.mapping, true); err != nil {
				t.Fatal(err)
			}
			compared, aliased := 0, 0
			for f := range b.Functions() {
				if f.Wrapper || f.Assembly {
					continue
				}
				n, a := compareLocations(t, s, f)
				compared, aliased = compared+n, aliased+a
			}
			// The compiler gives a parameter that is replaced by another one
			// at once the place of that one, a dozen times in all.
			if compared < 5000 || aliased > compared/1000 {
				t.Errorf("%d places were compared, %d are those of other parameters", compared, aliased)
			}
			t.Logf("%d places were compared, %d are those of other parameters", compared, aliased)
		})
	}
}

// compareLocations returns how many places of a function's parameters were
// compared, and how many the compiler says to be those of earlier ones.
func compareLocations(t *testing.T, s *Signatures, f Function) (compared, aliased int) {
	t.Helper()
	sig, err := s.Of(f)
	if err != nil {
		return 0, 0 // made by the linker
	}
	at, unit, ok := s.units.function(f.Entry)
	if !ok {
		t.Fatalf("%s is no longer described", f.Name)
	}
	described, err := s.params(at)
	if err != nil {
		t.Fatal(err)
	}
	taken := map[Register]bool{}
	i := 0
	for _, d := range described {
		if d.result {
			continue
		}
		p := &sig.Params[i]
		i++
		where := s.location(d.location, s.units.bases[unit], f.Entry)
		switch {
		case !where.ok:
			continue
		case p.Stack >= 0 && where.stack == p.Stack:
		case p.Registers != nil && where.stack < 0 && where.index == p.Registers[0].Index && where.float == p.Registers[0].Float:
		case where.stack < 0 && taken[Register{Float: where.float, Index: where.index}]:
			aliased++
		default:
			t.Errorf("%s: %s %s is in %+v or at %d, the compiler says %+v", f.Name, p.Name, p.Type, p.Registers, p.Stack, where)
		}
		compared++
		for _, r := range p.Registers {
			taken[Register{Float: r.Float, Index: r.Index}] = true
		}
	}
	return compared, aliased
}

func FuzzLocationAt(f *testing.F) {
	entry := func(lo, hi uint64, expr ...byte) []byte {
		b := le.AppendUint64(le.AppendUint64(nil, lo), hi)
		return append(le.AppendUint16(b, uint16(len(expr))), expr...)
	}
	base := le.AppendUint64(le.AppendUint64(nil, 1<<64-1), 0x1000)
	f.Add(entry(0, 8, 0x53, 0x93, 8), uint64(0), uint64(4))
	f.Add(append(base, entry(0, 8, 0x91, 0x10)...), uint64(0), uint64(0x1004))
	f.Add(entry(0, 8, 0x9c)[:17], uint64(0), uint64(4))
	f.Add(entry(0, 8, 0x90, 0xff, 0xff), uint64(0), uint64(4))
	c, _ := conventionOf(machineAMD64)
	f.Fuzz(func(t *testing.T, list []byte, base, addr uint64) {
		where := c.read(locationAt(list, base, addr))
		if where.ok && where.stack < 0 && (where.index < 0 || where.index >= c.floats) {
			t.Errorf("%x says %+v", list, where)
		}
	})
}
