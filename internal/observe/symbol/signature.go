package symbol

import (
	"debug/dwarf"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

var (
	// ErrNoDWARF says that a program was built without DWARF (-ldflags=-w or
	// -s), that it was stripped of it, or that it is damaged.
	ErrNoDWARF = errors.New("the program has no DWARF")
	// ErrNoSignature says that the DWARF of a program does not tell how a
	// function is called: it is written in assembly, or made by the linker.
	ErrNoSignature = errors.New("the DWARF does not tell how the function is called")
)

// Signature is how a function is called.
type Signature struct {
	// Params are the receiver and the parameters, in order. The dictionary of a
	// generic function, which takes a register, is not among them.
	Params []Param
	// Results are the results, in order.
	Results []Param
	// ResultsUnknown says that the DWARF may not tell all results, as it does
	// not where a function returns from within a loop over a function: there
	// are no Results then.
	ResultsUnknown bool
}

// Param is a parameter or a result and where it is passed.
type Param struct {
	// Name is empty for one that has none.
	Name string
	// Type is the name of the type as the linker spells it, with the path of
	// its package: "*net/http.Request".
	Type string
	// Kind is what the type is made of. Those of unsafe.Pointer and of
	// functions are kinds of their own.
	Kind reflect.Kind
	// Size is in bytes.
	Size uint64
	// Registers hold the value, part by part, in the order of its bytes; nil
	// when it is not in registers.
	Registers []Register
	// Stack is where the value is from the stack pointer at the entry
	// ([Code.EntryPoint]) or at a return, in bytes; -1 when it is not on the
	// stack. A value that is in neither place is passed in one that is not
	// known.
	Stack int64

	typ *typeInfo
}

// Register is a register of ABIInternal that holds a part of a value.
type Register struct {
	// Float says that it is a register for floating-point numbers.
	Float bool
	// Index is the position in the order of ABIInternal: of RAX, RBX, RCX, RDI,
	// RSI, R8, R9, R10, R11, or of X0 to X14, on amd64.
	Index int
	// Offset and Size are the bytes of the value that it holds.
	Offset, Size uint64
}

// IsError reports whether p is of the type error.
func (p *Param) IsError() bool { return p.Kind == reflect.Interface && p.Type == "error" }

// Known reports whether it is known where p is passed.
func (p *Param) Known() bool { return p.Registers != nil || p.Stack >= 0 }

// Signature returns how a function is called. Of several questions to one
// program, ask [Binary.Signatures]: each call reads all of the DWARF again.
// Errors match [ErrNoDWARF] or [ErrNoSignature].
func (b *Binary) Signature(function string) (*Signature, error) {
	f, ok := b.Lookup(function)[function]
	if !ok {
		return nil, fmt.Errorf("signature of %s: %w: there is no such function", function, ErrNoSignature)
	}
	s, err := b.Signatures()
	if err != nil {
		return nil, err
	}
	return s.Of(f)
}

// Signatures tells how the functions of a program are called. It is not safe
// for concurrent use, and needs the binary open.
//
// Registers are assigned as ABIInternal says, from the types that the DWARF
// tells. Releases before Go 1.22 leave parameters without a name out of it, so
// there the compiler's own word on where a parameter is counts, and where it
// has none the place is not known.
type Signatures struct {
	binary *Binary
	units  *unitReader
	types  typeGraph
	abi    convention
	// complete says that all parameters are described.
	complete bool
	// loops are the functions that have the body of a loop over a function.
	loops map[string]bool
	// parts is how many fields and elements may still be looked at.
	parts int
}

// completeSince is the minor release from which all parameters are described.
const completeSince = 22

// Signatures reads the DWARF of the program. It takes as much memory as the
// descriptions of its functions and types have bytes, some tens of MB for a
// program of 100 MB, until the result is let go of. Errors match [ErrNoDWARF]
// or [ErrUnsupported].
func (b *Binary) Signatures() (*Signatures, error) {
	abi, ok := conventionOf(b.img.machine)
	if !ok {
		return nil, fmt.Errorf("signatures: %w: ELF machine %d", ErrUnsupported, b.img.machine)
	}
	minor := parseRelease(b.info.version).minor
	s := &Signatures{binary: b, abi: abi, parts: maxAllParts, complete: minor == 0 || minor >= completeSince}
	var err error
	read := func() {
		s.loops = b.table.rangeLoops()
		s.units, err = openUnits(b.mapping, !s.complete)
	}
	if !shielded(read) {
		err = errors.New("the file shrank while it was read")
	}
	b.forget()
	if err != nil {
		return nil, fmt.Errorf("signatures: %w", err)
	}
	s.types = newTypeGraph(s.units.Data)
	return s, nil
}

// Of returns how a function is called. The first question about a function of a
// package takes as long as it takes to read the description of the package,
// some milliseconds. Errors match [ErrNoSignature].
func (s *Signatures) Of(f Function) (*Signature, error) {
	sig, err := s.of(f)
	if err != nil {
		return nil, fmt.Errorf("signature of %s: %w", f.Name, err)
	}
	return sig, nil
}

func (s *Signatures) of(f Function) (*Signature, error) {
	if f.Assembly {
		return nil, fmt.Errorf("%w: it is written in assembly", ErrNoSignature)
	}
	if f.Wrapper && !s.binary.Lookup(f.Name)[f.Name].Wrapper {
		return nil, fmt.Errorf("%w: it adapts the calling convention", ErrNoSignature)
	}
	at, unit, ok := s.units.function(f.Entry)
	if !ok {
		return nil, ErrNoSignature
	}
	described, err := s.params(at)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoSignature, err)
	}
	sig := s.assign(f, described, s.units.bases[unit])
	if s.parts <= 0 {
		return nil, fmt.Errorf("%w: %w: the values are of too many parts", ErrNoSignature, errDamagedTypes)
	}
	return sig, nil
}

// assign gives each parameter and result its place.
func (s *Signatures) assign(f Function, described []description, base uint64) *Signature {
	sig := &Signature{}
	p := passing{convention: s.abi, left: &s.parts}
	dictionary := dictionaryAt(f.Name)
	for i := range described {
		d := &described[i]
		if d.result {
			continue
		}
		if dictionary == len(sig.Params) {
			p.skip()
		}
		var where place
		if s.complete {
			where = p.next(d.typ)
		} else {
			where = p.follow(s.location(d.location, base, f.Entry), d.typ)
		}
		sig.Params = append(sig.Params, d.param(where))
	}
	if dictionary == len(sig.Params) {
		p.skip()
	}
	results, known := s.results(f.Name, described)
	if sig.ResultsUnknown = !known; !known {
		return sig
	}
	p.results()
	for _, d := range results {
		where := p.next(d.typ)
		if !s.complete && where.registers == nil {
			where.stack = -1 // behind parameters that may be missing
		}
		sig.Results = append(sig.Results, d.param(where))
	}
	return sig
}

// dictionaryAt returns before which parameter a function takes the dictionary
// of its type arguments, -1 when it takes none. Instances for concrete types
// take none: they pass it. A closure has it among what it captures.
func dictionaryAt(name string) int {
	if !strings.Contains(name, "[go.shape.") || strings.HasPrefix(name, "type:") {
		return -1
	}
	end := strings.LastIndexByte(name, ']')
	switch rest := name[end+1:]; {
	case rest == "":
		return 0
	case isClosure(rest):
		return -1
	}
	return 1 // behind the receiver
}

// isClosure reports whether what follows the type arguments in a name is of a
// function that the compiler named: ".func1", ".func1.2", ".gowrap1".
func isClosure(rest string) bool {
	for _, prefix := range []string{".func", ".gowrap", ".deferwrap", "-range"} {
		if after, ok := strings.CutPrefix(rest, prefix); ok && after != "" && after[0] >= '0' && after[0] <= '9' {
			return true
		}
	}
	// A closure within a method: ".Method.func1", ").Method.func1".
	_, inner, ok := strings.Cut(strings.TrimLeft(rest, ")."), ".")
	return ok && isClosure("."+inner)
}

// description is a parameter or a result as the DWARF tells.
type description struct {
	name     string
	typ      *typeInfo
	result   bool
	location any
}

func (d *description) param(where place) Param {
	p := Param{
		Name: d.name, Type: d.typ.name, Kind: d.typ.kind, Size: d.typ.size,
		Registers: where.registers, Stack: where.stack, typ: d.typ,
	}
	if strings.HasPrefix(p.Name, "~") || p.Name == "_" {
		p.Name = ""
	}
	return p
}

// maxParams bounds how many parameters and results a function has.
const maxParams = 1024

// params returns the parameters and results that are described below the entry
// of a function.
func (s *Signatures) params(at dwarf.Offset) ([]description, error) {
	entries, err := s.formals(at)
	if err != nil {
		return nil, err
	}
	list := make([]description, 0, len(entries))
	for _, e := range entries {
		location := e.Val(dwarf.AttrLocation)
		if origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset); ok {
			if e, err = s.types.entries.at(origin); err != nil {
				return nil, err
			}
		}
		d := description{location: location}
		d.name, _ = e.Val(dwarf.AttrName).(string)
		if d.name == ".dict" {
			continue // a program without optimisation tells of it, others do not
		}
		d.result, _ = e.Val(dwarf.AttrVarParam).(bool)
		typ, ok := e.Val(dwarf.AttrType).(dwarf.Offset)
		if !ok {
			return nil, fmt.Errorf("%w: %s without a type", errDamagedTypes, d.name)
		}
		if d.typ, err = s.types.at(typ, 0); err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// formals returns the entries of the parameters of a function.
func (s *Signatures) formals(at dwarf.Offset) ([]*dwarf.Entry, error) {
	e, err := s.types.entries.at(at)
	if err != nil {
		return nil, err
	}
	var list []*dwarf.Entry
	for e.Children && len(list) < maxParams {
		c, err := s.types.entries.next()
		if err != nil {
			return nil, err
		}
		if c.Tag == 0 {
			return list, nil
		}
		if c.Tag == dwarf.TagFormalParameter {
			list = append(list, c)
		}
		if err := s.types.entries.skip(c); err != nil {
			return nil, err
		}
	}
	return list, nil
}
