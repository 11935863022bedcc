package symbol

import (
	"bytes"
	"iter"
	"runtime"
	"slices"
)

// Function is the code of a function: an instance of a generic one is a
// function of its own, an inlined call is none.
type Function struct {
	// Name is the linker's, as [Binary.Func] takes it. It is a copy that
	// outlives the binary.
	Name string
	// Entry and End are where the code starts and where the next function
	// starts, padding included, as addresses in the file.
	Entry, End uint64
	// Wrapper says that the compiler or the linker made the function to adapt a
	// receiver or a calling convention. It may share its name with what it
	// wraps.
	Wrapper bool
	// Assembly says that the function is written in assembly. Its arguments
	// are on the stack, unless it says otherwise.
	Assembly bool
}

const (
	// functionsAtOnce is how many functions are copied from the mapping before
	// the loop's body sees them: it must not run shielded.
	functionsAtOnce = 512
	// forgetAfter is after how many functions the memory that the pages of the
	// file take is given back.
	forgetAfter = 16 * functionsAtOnce
)

// Lookup returns the functions of the given names, exactly as the linker spells
// them (see [Binary.Func]). Names that no function has are not in the result;
// of several functions of one name, the first that is no wrapper is.
//
// All names are found in one pass over the table: about 10 ms for a file of
// 150 MB.
func (b *Binary) Lookup(names ...string) map[string]Function {
	found := make(map[string]Function, len(names))
	if !shielded(func() { b.table.lookup(names, found) }) {
		clear(found)
	}
	b.forget()
	return found
}

// Functions yields the functions that have code, in order of address. A file
// that shrinks ends it early.
func (b *Binary) Functions() iter.Seq[Function] {
	return func(yield func(Function) bool) {
		defer b.forget()
		batch := make([]Function, 0, functionsAtOnce)
		for next := 0; next < b.table.nfunc; {
			batch = batch[:0]
			if !shielded(func() { batch, next = b.table.appendFunctions(batch, next) }) {
				return
			}
			runtime.KeepAlive(b)
			for _, f := range batch {
				if !yield(f) {
					return
				}
			}
			if next%forgetAfter < functionsAtOnce {
				b.forget()
			}
		}
	}
}

// appendFunctions fills dst up to its capacity from entry next of the table on
// and returns the entry to go on with.
func (t *table) appendFunctions(dst []Function, next int) ([]Function, int) {
	for ; next < t.nfunc && len(dst) < cap(dst); next++ {
		if f, ok := t.function(next); ok {
			dst = append(dst, t.exported(&f))
		}
	}
	return dst, next
}

// exported returns f with copies of its texts.
func (t *table) exported(f *function) Function {
	name, _ := cstring(t.names, uint64(f.name()))
	return Function{Name: string(name), Entry: f.entry, End: f.end, Wrapper: t.isWrapper(f), Assembly: f.flags()&flagAssembly != 0}
}

func (t *table) isWrapper(f *function) bool { return f.id() == t.ids.wrapper && f.id() != 0 }

// named is a name of the table and where the table keeps it.
type named struct {
	off  uint32
	name string
}

// lookup adds the functions of the given names to found.
func (t *table) lookup(names []string, found map[string]Function) {
	offs := t.findNames(names)
	if len(offs) == 0 {
		return
	}
	var likely [1 << 12]bool // by the low bits of the name
	for _, n := range offs {
		likely[n.off%uint32(len(likely))] = true
	}
	for i := range t.nfunc {
		f, ok := t.function(i)
		if !ok || !likely[f.name()%uint32(len(likely))] {
			continue
		}
		at, ok := slices.BinarySearchFunc(offs, f.name(), func(n named, off uint32) int { return int(int64(n.off) - int64(off)) })
		if !ok {
			continue
		}
		name := offs[at].name
		if old, ok := found[name]; ok && (!old.Wrapper || t.isWrapper(&f)) {
			continue
		}
		found[name] = t.exported(&f)
	}
}

// findNames returns, in order, where the table of names has any of names.
func (t *table) findNames(names []string) []named {
	wanted := make(map[string]struct{}, len(names))
	var lengths [256]bool // modulo 256
	for _, name := range names {
		if name != "" && len(name) < maxText {
			wanted[name] = struct{}{}
			lengths[uint8(len(name))] = true
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	var offs []named
	for at := 0; at < len(t.names) && len(offs) < maxSameName*len(wanted); {
		end := bytes.IndexByte(t.names[at:], 0)
		if end < 0 {
			break
		}
		if lengths[uint8(end)] {
			if _, ok := wanted[string(t.names[at:at+end])]; ok {
				offs = append(offs, named{uint32(at), string(t.names[at : at+end])})
			}
		}
		at += end + 1
	}
	return offs
}

// PackageOf returns the import path of the package that a function is in, as
// the linker spells it but without escapes, false for what the toolchain makes
// on its own behalf and for assembly without a package.
func PackageOf(name string) (path string, ok bool) { return packagePath(name) }
