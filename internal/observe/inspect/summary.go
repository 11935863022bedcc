package inspect

import "context"

// Summary counts the functions of a program by what can be done to them.
type Summary struct {
	Functions int // with code of their own
	Alone     int // that are only there inlined
	Hookable  int // whose calls can be seen
	Stepped   int // of these, whose entry is single-stepped
	Patchable int
	NoPatch   string // why none can be patched, whatever it is
}

// Summary looks at all functions. It takes about 30 ms for each MiB of code.
// The error is of ctx, or [ErrChanged].
func (p *Program) Summary(ctx context.Context) (Summary, error) {
	s := Summary{NoPatch: p.noPatch}
	for f, err := range p.Functions(ctx, nil) {
		if err != nil {
			return s, err
		}
		if f.Entry == 0 {
			s.Alone++
			continue
		}
		s.Functions++
		if f.Hook.OK {
			s.Hookable++
			if f.Hook.Entry.Stepped {
				s.Stepped++
			}
		}
		if f.Patch.OK {
			s.Patchable++
		}
	}
	return s, nil
}
