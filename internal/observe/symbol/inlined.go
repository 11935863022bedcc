package symbol

import "slices"

const (
	// maxInlinedNames bounds the names that [Inlinings] keep. Programs of 150
	// MB have about 100,000.
	maxInlinedNames = 1 << 20
	// maxInlinedSteps bounds the work of a pass over all functions: entries of
	// tables. Programs of 150 MB have some 10 million.
	maxInlinedSteps = 1 << 28
	// maxInlinedNodes bounds the inlined calls of one function.
	maxInlinedNodes = 1 << 20
)

// InlinedInto returns, for each of the names that has any, the names of the
// functions whose code holds inlined calls of the function of that name, each
// once, in order of address. A call may be inlined through others: then it is in
// the code of the outermost.
//
// It searches the code of all functions, once: about 0.1 s for a file of 150 MB.
func (b *Binary) InlinedInto(names ...string) map[string][]string {
	found := make(map[string][]string)
	shielded(func() { b.table.inlinedInto(names, found) })
	b.forget()
	return found
}

func (t *table) inlinedInto(names []string, found map[string][]string) {
	byOff := make(map[uint32]string)
	for _, name := range names {
		for _, off := range t.nameOffsets(name) {
			byOff[off] = name
		}
	}
	if len(byOff) == 0 {
		return
	}
	s := inlineScan{t: t, steps: maxInlinedSteps}
	var hits []string
	for i := range t.nfunc {
		hits = hits[:0]
		f, ok := s.function(i, func(called uint32) {
			if name, ok := byOff[called]; ok {
				hits = append(hits, name)
			}
		})
		if !ok || len(hits) == 0 {
			continue
		}
		caller, ok := cstring(t.names, uint64(f.name()))
		if !ok {
			continue
		}
		for _, name := range hits {
			if callers := found[name]; len(callers) == 0 || callers[len(callers)-1] != string(caller) {
				found[name] = append(callers, string(caller))
			}
		}
	}
}

// Inlinings says of all functions of a program where their calls are inlined.
type Inlinings struct {
	b      *Binary
	byName map[string]*inlining
	alone  []string
}

// inlining is where the calls of one function are inlined.
type inlining struct {
	callers []uint32 // entries of the table of functions
	total   int
	last    int  // the caller seen last
	code    bool // the function has code of its own
}

// Inlinings reads where calls are inlined, all in one pass over the functions.
// Of each function it keeps at most callers functions that hold such calls.
//
// The result takes about 200 bytes for each function that is ever inlined, and
// is bounded: what a damaged file makes larger is left out. It answers for as
// long as b is open.
func (b *Binary) Inlinings(callers int) *Inlinings {
	in := &Inlinings{b: b, byName: make(map[string]*inlining)}
	shielded(func() { in.read(callers) })
	b.forget()
	return in
}

// read fills in.
func (in *Inlinings) read(callers int) {
	t := in.b.table
	byOff := make(map[uint32]*inlining)
	s := inlineScan{t: t, steps: maxInlinedSteps}
	for i := range t.nfunc {
		if i%forgetAfter == forgetAfter-1 {
			in.b.forget()
		}
		s.function(i, func(called uint32) {
			e := byOff[called]
			if e == nil {
				if len(byOff) == maxInlinedNames {
					return
				}
				e = &inlining{last: -1}
				byOff[called] = e
			}
			// All calls of one caller follow each other.
			if e.last == i {
				return
			}
			e.last = i
			if e.total++; e.total <= callers {
				e.callers = append(e.callers, uint32(i))
			}
		})
	}
	for i := range t.nfunc {
		if f, ok := t.function(i); ok {
			if e := byOff[f.name()]; e != nil {
				e.code = true
			}
		}
	}
	for off, e := range byOff {
		name, ok := cstring(t.names, uint64(off))
		if !ok || len(name) == 0 || len(name) > maxName {
			continue
		}
		in.byName[string(name)] = e
		if !e.code {
			in.alone = append(in.alone, string(name))
		}
	}
	slices.Sort(in.alone)
}

// Into returns the names of functions whose code holds inlined calls of the
// function called name, as many as were kept, and how many there are in all.
func (in *Inlinings) Into(name string) (callers []string, total int) {
	e := in.byName[name]
	if e == nil {
		return nil, 0
	}
	shielded(func() {
		for _, i := range e.callers {
			f, ok := in.b.table.function(int(i))
			if !ok {
				continue
			}
			if text, ok := cstring(in.b.table.names, uint64(f.name())); ok {
				callers = append(callers, string(text[:min(len(text), maxName)]))
			}
		}
	})
	return callers, e.total
}

// Alone returns, sorted, the names of the functions that have no code of their
// own: every call of them that is left in the program is inlined. The caller
// must not change the result.
func (in *Inlinings) Alone() []string { return in.alone }

// inlineScan reads the inlined calls of one function after the other.
type inlineScan struct {
	t     *table
	steps int      // that are left
	seen  []uint32 // by inlined call: the last function that has it, plus 1
}

// function calls visit with the offset of the name of each inlined call of
// function i of the table, and returns that function.
func (s *inlineScan) function(i int, visit func(name uint32)) (function, bool) {
	f, ok := s.t.function(i)
	if !ok {
		return f, false
	}
	index, tree := f.inlineIndex(), s.t.tree(&f)
	if tree == nil || index == 0 || uint64(index) >= uint64(len(s.t.values)) {
		return f, true
	}
	p, val := s.t.values[index:], int32(-1)
	for first := true; s.steps > 0; first = false {
		s.steps--
		delta, n := uvarint(p)
		if n == 0 || (delta == 0 && !first) {
			break
		}
		val += int32(-(delta & 1) ^ (delta >> 1))
		_, m := uvarint(p[n:])
		if m == 0 {
			break
		}
		p = p[n+m:]
		s.node(i, tree, val, visit)
	}
	return f, true
}

// node calls visit for inlined call val of a tree, once for each function.
func (s *inlineScan) node(i int, tree []byte, val int32, visit func(name uint32)) {
	if val < 0 || val >= maxInlinedNodes {
		return
	}
	if int(val) >= len(s.seen) {
		s.seen = append(s.seen, make([]uint32, int(val)+1-len(s.seen))...)
	}
	if s.seen[val] == uint32(i)+1 {
		return
	}
	s.seen[val] = uint32(i) + 1
	if node, ok := part(tree, uint64(val)*inlineSize, inlineSize); ok {
		visit(le.Uint32(node[4:]))
	}
}
