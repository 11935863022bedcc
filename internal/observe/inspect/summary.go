package inspect

import (
	"context"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// Summary counts the functions of a program by what can be done to them.
type Summary struct {
	Functions int // with code of their own
	Alone     int // that are only there inlined
	Hookable  int // whose calls can be seen, as [Hook] says
	Stepped   int // of these, whose entry is single-stepped
	Patchable int
	NoHook    string // why none can be hooked, whatever it is
	NoPatch   string // why none can be patched, whatever it is
}

// Summary looks at the entries of all functions. It takes about 0.5 s for a
// program of 100 MB. The error is of ctx, or [ErrChanged].
func (p *Program) Summary(ctx context.Context) (Summary, error) {
	s := Summary{NoPatch: p.noPatch, Alone: len(p.inlinings().Alone())}
	first := "" // reason
	for fn := range p.bin.Functions() {
		if s.Functions++; s.Functions%checkEvery == 0 && ctx.Err() != nil {
			return s, ctx.Err()
		}
		code, err := p.bin.Code(fn)
		if err != nil {
			if first == "" {
				first = reason(err)
			}
			continue
		}
		if entry, err := code.EntryPoint(); err == nil && endsKnown(fn, code) {
			s.Hookable++
			if entry.Stepped {
				s.Stepped++
			}
		}
		// What checks its stack is larger than a jump: the padding does not
		// matter.
		f := Function{Name: fn.Name, Size: int(fn.End - fn.Entry), Wrapper: fn.Wrapper, Assembly: fn.Assembly}
		if functionVerdict(p.noPatch, &f, code).OK {
			s.Patchable++
		}
	}
	if s.Hookable == 0 {
		s.NoHook = first
	}
	return s, p.intact()
}

// endsKnown reports whether the returns of a function are known. What the
// compiler made of Go ends in ways that are: it takes too long to read all code.
func endsKnown(fn symbol.Function, code *symbol.Code) bool {
	if _, ok := symbol.PackageOf(fn.Name); ok && !fn.Assembly {
		return true
	}
	_, err := code.ReturnPoints()
	return err == nil
}
