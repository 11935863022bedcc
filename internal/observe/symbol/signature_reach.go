package symbol

import (
	"fmt"
	"reflect"
	"strings"
)

// maxHops bounds how many pointers a path leads through.
const maxHops = 8

// Access is how to get from a parameter to a part of it.
type Access struct {
	// Type, Kind and Size are of the part.
	Type string
	Kind reflect.Kind
	Size uint64
	// Empty says that the part is an interface without methods: its first word
	// is the type of what it holds, not a table of methods.
	Empty bool
	// Hops are where pointers are read, one after the other: the first in the
	// bytes of the parameter, each other in what the one before points to.
	Hops []uint64
	// Offset is where the part is: in what the last pointer points to, or in
	// the bytes of the parameter when there are no hops.
	Offset uint64
}

// Member is a field of a struct.
type Member struct {
	Name, Type   string
	Kind         reflect.Kind
	Offset, Size uint64
}

// Members returns the fields of a parameter that is a struct or points to one,
// none for others. Errors match [ErrNoSignature].
func (s *Signatures) Members(p *Param) ([]Member, error) {
	t := p.typ
	if t == nil {
		return nil, nil
	}
	if t.kind == reflect.Pointer {
		var err error
		if t, err = s.pointee(t); err != nil {
			return nil, fmt.Errorf("fields of %s: %w", p.Type, err)
		}
	}
	members := make([]Member, 0, len(t.fields))
	for _, f := range t.fields {
		members = append(members, Member{f.name, f.typ.name, f.typ.kind, f.off, f.typ.size})
	}
	return members, nil
}

// Reach returns how to get from a parameter to the field that a path such as
// "URL.Path" leads to, through structs and pointers to structs; the empty path
// leads to the parameter itself. Fields of embedded structs are reached by the
// name of the struct. Errors match [ErrNoField] or [ErrNoSignature].
func (s *Signatures) Reach(p *Param, path string) (Access, error) {
	a, t := Access{}, p.typ
	if t == nil {
		return a, fmt.Errorf("%s: %w: its type is not known", p.Name, ErrNoSignature)
	}
	for path != "" {
		var name string
		name, path, _ = strings.Cut(path, ".")
		if t.kind == reflect.Pointer {
			if len(a.Hops) == maxHops {
				return a, fmt.Errorf("%s of %s: %w: it is behind more than %d pointers", name, t.name, ErrNoField, maxHops)
			}
			a.Hops = append(a.Hops, a.Offset)
			a.Offset = 0
			var err error
			if t, err = s.pointee(t); err != nil {
				return a, fmt.Errorf("%s of %s: %w", name, t.name, err)
			}
		}
		f := t.field(name)
		if f == nil {
			return a, fmt.Errorf("%s of %s: %w", name, t.name, ErrNoField)
		}
		a.Offset += f.off
		t = f.typ
	}
	a.Type, a.Kind, a.Size = t.name, t.kind, t.size
	a.Empty = t.empty && t.kind == reflect.Interface
	return a, nil
}

// pointee returns what a pointer points to, an empty type for a pointer to
// something unknown.
func (s *Signatures) pointee(t *typeInfo) (*typeInfo, error) {
	if t.points == 0 {
		return &typeInfo{name: t.name}, nil
	}
	to, err := s.types.at(t.points, 0)
	if err != nil {
		return t, fmt.Errorf("%w: %w", ErrNoSignature, err)
	}
	return to, nil
}

// field returns the field of a struct with a name, nil when there is none.
func (t *typeInfo) field(name string) *typeField {
	for i := range t.fields {
		if t.fields[i].name == name {
			return &t.fields[i]
		}
	}
	return nil
}
