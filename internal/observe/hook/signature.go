package hook

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// signatures tells how the functions of a program are called, from its DWARF,
// which is read when it is first asked for.
type signatures struct {
	binary *symbol.Binary
	reader *symbol.Signatures
	err    error
}

// of returns how a function is called.
func (s *signatures) of(f symbol.Function) (*symbol.Signature, error) {
	if s.reader == nil && s.err == nil {
		s.reader, s.err = s.binary.Signatures()
	}
	if s.err != nil {
		return nil, s.err
	}
	return s.reader.Of(f)
}

// errorWord is the [ErrorWord] of a program with DWARF.
func (s *signatures) errorWord(_ *symbol.Binary, f symbol.Function) (word int, ok bool) {
	sig, err := s.of(f)
	if err != nil || sig.ResultsUnknown {
		return -1, false
	}
	return errorWordOf(sig)
}

// errorWordOf is errorWord of a signature that tells all results.
func errorWordOf(sig *symbol.Signature) (word int, ok bool) {
	if len(sig.Results) == 0 {
		return -1, true
	}
	last := &sig.Results[len(sig.Results)-1]
	switch {
	case !last.IsError():
		return -1, true
	case last.Registers == nil, last.Registers[0].Index >= wordCount:
		return -1, false // on the stack, or out of reach, behind many results
	}
	return last.Registers[0].Index, true
}

// note says what is missing for want of DWARF, "" when nothing is.
func (s *signatures) note() string {
	if s.err == nil {
		return ""
	}
	cause := s.err.Error()
	if errors.Is(s.err, symbol.ErrNoDWARF) {
		cause = "the program has no DWARF: build it without -ldflags=-w and -s"
	}
	return "errors and arguments are not known: " + cause
}

// findArguments finds the arguments to print of all functions.
func (c *choice) findArguments(s *signatures, paths []string) error {
	used := make([]bool, len(paths))
	for i := range c.functions {
		f := &c.functions[i]
		var err error
		if len(c.instances[i]) == 1 {
			f.args, err = s.printed(c.instances[i][0], paths, used)
		}
		if s.err != nil {
			return nil
		}
		if err != nil || len(c.instances[i]) != 1 {
			f.args = []argument{{name: "args", beyond: true}}
		}
	}
	for i, ok := range used {
		if !ok {
			return inputError(s.describe(c.instances[0][0]), "hook: argument %.200q: no function has it, or it is of a kind that is not printed", paths[i])
		}
	}
	return nil
}

// printed returns the arguments of a function to print: those that paths name,
// or a choice of the first ones when there are none. It marks the paths that
// lead somewhere in used.
func (s *signatures) printed(f symbol.Function, paths []string, used []bool) ([]argument, error) {
	sig, err := s.of(f)
	if err != nil {
		return nil, err
	}
	var list []argument
	if len(paths) == 0 {
		for i := range sig.Params {
			list = append(list, s.expand(&sig.Params[i])...)
		}
		return atMost(list), nil
	}
	for i, path := range paths {
		name, field, nested := strings.Cut(path, ".")
		for j := range sig.Params {
			p := &sig.Params[j]
			if p.Name != name || name == "" {
				continue
			}
			if !nested {
				found := s.expand(p)
				list = append(list, found...)
				used[i] = used[i] || len(found) > 0
				continue
			}
			access, err := s.reader.Reach(p, field)
			if err != nil {
				continue
			}
			if a, ok := newArgument(path, p, access); ok {
				list = append(list, a)
				used[i] = true
			}
		}
	}
	return atMost(list), nil
}

// atMost cuts a list to what there is room for.
func atMost(list []argument) []argument {
	list = list[:min(len(list), slotCount)]
	for i := range list {
		list[i].fields = min(list[i].fields, len(list)-1-i)
	}
	return list
}

// maxFields is how many fields of a struct are printed unless they are asked
// for.
const maxFields = 4

// expand returns what is printed of a parameter: itself, or the first fields of
// a struct or of the struct that it points to.
func (s *signatures) expand(p *symbol.Param) []argument {
	if p.Name == "" {
		return nil
	}
	var list []argument
	if access, err := s.reader.Reach(p, ""); err == nil {
		if a, ok := newArgument(p.Name, p, access); ok {
			list = append(list, a)
		}
	}
	members, err := s.reader.Members(p)
	if err != nil {
		return list
	}
	n := 0
	for _, m := range members {
		if m.Name == "_" || !plain(m.Kind) || n == maxFields {
			continue
		}
		access, err := s.reader.Reach(p, m.Name)
		if err != nil {
			continue
		}
		if a, ok := newArgument(p.Name+"."+m.Name, p, access); ok {
			list = append(list, a)
			n++
		}
	}
	if p.Kind == reflect.Pointer && len(list) == n+1 {
		list[0].fields = n
	}
	return list
}

// describe lists the parameters of a function, for a user whose path leads
// nowhere.
func (s *signatures) describe(f symbol.Function) string {
	sig, err := s.of(f)
	if err != nil {
		return ""
	}
	var names []string
	for i := range sig.Params {
		p := &sig.Params[i]
		if p.Name == "" {
			continue
		}
		names = append(names, p.Name+" "+p.Type)
		members, err := s.reader.Members(p)
		if err != nil {
			continue
		}
		for _, m := range members {
			if _, ok := sizeOf(m.Kind, m.Size); ok && m.Name != "_" {
				names = append(names, p.Name+"."+m.Name)
			}
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("%s has no parameters with names", f.Name)
	}
	return fmt.Sprintf("%s has %s", f.Name, list(names, maxDescribed))
}

// maxDescribed is how many parameters and fields a hint lists.
const maxDescribed = 20
