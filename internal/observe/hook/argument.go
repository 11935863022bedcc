package hook

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// The limits and words of sample.h.
const (
	slotCount   = 16
	slotOffsets = 6
	textBytes   = 64
	// wordCount is how many registers for integers the programs read. Code for
	// arm64 uses more.
	wordCount = 9

	sourceWords    = 1
	sourceRegister = 2
	sourceStack    = 3

	valueRaw       = 0
	valueText      = 1
	valueInterface = 2

	stateUnread = 0
	stateRead   = 1
	stateNoText = 2
)

// argument is a value to print of a call: where it is and what it means.
type argument struct {
	name string // as it is printed: "r.URL.Path"
	typ  string
	kind reflect.Kind
	size uint64
	// empty says that it is an interface without methods.
	empty bool
	slot  bpfSlot
	// beyond says that eBPF cannot read it: it is in a register for
	// floating-point numbers, or not known to be anywhere.
	beyond bool
	// fields is how many of the arguments behind it are fields of the struct
	// that it points to: it is printed only when it is nil, they only when it is
	// not.
	fields int
}

// printAll returns what was read of the arguments of a call.
func printAll(args []argument, values []bpfValue, p program) []Arg {
	list := make([]Arg, 0, len(args))
	for i := 0; i < len(args); i++ {
		a, v := &args[i], &values[i]
		known := !a.beyond && v.State != stateUnread
		if a.fields > 0 && known && v.Raw[0] != 0 {
			continue
		}
		list = append(list, a.print(v, p))
		if known {
			i += a.fields
		}
	}
	return list
}

// Arg is an argument of a call, or a field of one.
type Arg struct {
	// Name is the name of the parameter, with the path of the field behind it.
	Name string
	// Text is the value as Go would write it, "?" when it could not be read.
	Text string
	// Value is a bool, int64, uint64, float64 or string; nil when it could not
	// be read, and for nil.
	Value any
}

// newArgument returns the argument that a path leads to, false when it is of a
// kind that is not printed.
func newArgument(name string, p *symbol.Param, a symbol.Access) (argument, bool) {
	size, ok := sizeOf(a.Kind, a.Size)
	if !ok {
		return argument{}, false
	}
	arg := argument{name: name, typ: a.Type, kind: a.Kind, size: a.Size, empty: a.Empty}
	arg.slot.Size = uint8(size)
	switch {
	case a.Kind == reflect.String, isBytes(a.Type):
		arg.slot.Kind = valueText
	case a.Kind == reflect.Interface:
		arg.slot.Kind = valueInterface
	}
	arg.beyond = !arg.slot.place(p, &a)
	return arg, true
}

func isBytes(typ string) bool { return typ == "[]uint8" }

// plain reports whether fields of a kind are printed without being asked for.
func plain(kind reflect.Kind) bool {
	return kind >= reflect.Bool && kind <= reflect.Float64 || kind == reflect.String
}

// sizeOf returns how many bytes are read of a value, false for a kind that is
// not printed.
func sizeOf(kind reflect.Kind, size uint64) (uint64, bool) {
	switch kind {
	case reflect.String, reflect.Interface:
		return 16, true
	case reflect.Slice:
		return 24, true
	case reflect.Pointer, reflect.UnsafePointer, reflect.Map, reflect.Chan, reflect.Func:
		return 8, true
	}
	return size, plain(kind) && size <= 8
}

// place fills in where the value is, false when it is out of reach.
func (s *bpfSlot) place(p *symbol.Param, a *symbol.Access) bool {
	if len(a.Hops) == 0 && p.Registers != nil {
		return s.inRegisters(p.Registers, a.Offset, uint64(s.Size))
	}
	offsets := append(append([]uint64(nil), a.Hops...), a.Offset)
	switch {
	case p.Stack >= 0:
		s.Source = sourceStack
		offsets[0] += uint64(p.Stack)
	case p.Registers != nil:
		if !s.inRegisters(p.Registers, a.Hops[0], 8) {
			return false
		}
		s.Source = sourceRegister
		offsets = offsets[1:]
	default:
		return false
	}
	if len(offsets) > slotOffsets {
		s.Source = 0
		return false
	}
	for i, off := range offsets {
		if off > math.MaxUint32 {
			s.Source = 0
			return false
		}
		s.Offsets[i] = uint32(off)
	}
	s.Hops = uint8(len(offsets) - 1)
	return true
}

// inRegisters names the registers that hold some bytes of a parameter.
func (s *bpfSlot) inRegisters(registers []symbol.Register, off, size uint64) bool {
	n := 0
	for _, r := range registers {
		if r.Offset < off || r.Offset >= off+size {
			continue
		}
		if r.Float || r.Index >= wordCount || n == 3 {
			return false
		}
		s.Words[n] = uint8(r.Index)
		n++
	}
	if n > 0 {
		s.Source = sourceWords
	}
	return n > 0
}

// program is what does not change in the target while it runs.
type program interface {
	// typeAt tells what a type is that an interface holds.
	typeAt(addr uint64) (name string, kind reflect.Kind, ok bool)
	// readAt fills dst with what is at an address, if that does not change.
	readAt(addr uint64, dst []byte) bool
}

// print returns what was read of an argument.
func (a *argument) print(v *bpfValue, p program) Arg {
	arg := Arg{Name: a.name, Text: "?"}
	if a.beyond || v.State == stateUnread {
		return arg
	}
	switch {
	case a.slot.Kind == valueText:
		v.completeText(p)
		if text, rest, ok := cutText(v); ok && v.State == stateRead {
			arg.Value, arg.Text = text+rest, strconv.Quote(text)+rest
		}
	case a.kind == reflect.Interface:
		arg.Text = interfaceText(v, a.typ, a.empty, p)
		if arg.Text != "?" && arg.Text != "nil" {
			arg.Value = arg.Text
		}
	case a.kind == reflect.Slice:
		if v.Raw[1] <= v.Raw[2] && v.Raw[2] < maxLength {
			arg.Text = fmt.Sprintf("%s(len %d)", a.typ, v.Raw[1])
			arg.Value = arg.Text
		}
	default:
		a.printWord(&arg, v.Raw[0])
	}
	return arg
}

// printWord prints what fits into a register. What lies above the value in the
// register is garbage.
func (a *argument) printWord(arg *Arg, word uint64) {
	shift := 64 - 8*min(a.size, 8)
	switch {
	case a.kind == reflect.Bool:
		switch word & 0xff {
		case 0, 1:
			arg.Value, arg.Text = word&1 == 1, strconv.FormatBool(word&1 == 1)
		}
	case a.kind <= reflect.Int64:
		n := int64(word<<shift) >> shift
		arg.Value, arg.Text = n, strconv.FormatInt(n, 10)
		if a.typ == "time.Duration" {
			arg.Text = time.Duration(n).String()
		}
	case a.kind <= reflect.Uintptr:
		n := word << shift >> shift
		arg.Value, arg.Text = n, strconv.FormatUint(n, 10)
	case a.kind == reflect.Float32, a.kind == reflect.Float64:
		f := math.Float64frombits(word)
		if a.kind == reflect.Float32 {
			f = float64(math.Float32frombits(uint32(word)))
		}
		arg.Text = strconv.FormatFloat(f, 'g', -1, int(8*a.size))
		arg.Value = arg.Text // what is no number has no JSON
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			arg.Value = f
		}
	case word == 0:
		arg.Text = "nil"
	default:
		arg.Text = fmt.Sprintf("%#x", word)
		arg.Value = arg.Text
	}
}

// maxLength is more bytes than any string has: what claims more is garbage.
const maxLength = 1 << 47

// cutText returns a text as far as it was read, and an ellipsis where it goes
// on; false when it cannot be one.
func cutText(v *bpfValue) (text, rest string, ok bool) {
	if v.Length >= maxLength {
		return "", "", false
	}
	if v.Length <= textBytes {
		return string(v.Text[:v.Length]), "", true
	}
	read := v.Text[:]
	// A rune that is cut in two is left out.
	for i := 1; i < utf8.UTFMax; i++ {
		if tail := read[len(read)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				read = read[:len(read)-i]
			}
			break
		}
	}
	return string(read), "…", true
}

// completeText reads a text that eBPF could not: constants are not in memory
// before the process reads them.
func (v *bpfValue) completeText(p program) {
	if v.State == stateNoText && v.Data != 0 && v.Length < maxLength && p.readAt(v.Data, v.Text[:min(v.Length, textBytes)]) {
		v.State = stateRead
	}
}

// completeInterface is completeText of an interface: its table and what it
// points to may be constants, too.
func (v *bpfValue) completeInterface(p program) {
	var words [16]byte
	if v.Raw[2] == 0 && p.readAt(v.Raw[0]+8, words[:8]) {
		v.Raw[2] = binary.NativeEndian.Uint64(words[:])
	}
	if v.State == stateNoText && v.Data == 0 && p.readAt(v.Raw[1], words[:]) {
		v.Data, v.Length = binary.NativeEndian.Uint64(words[:]), binary.NativeEndian.Uint64(words[8:])
	}
	v.completeText(p)
}

// interfaceText returns the text of an error or of a string, else the name of
// the type that an interface holds. Without either an error is just that. static
// is the type of the interface, empty says that it has no methods.
func interfaceText(v *bpfValue, static string, empty bool, p program) string {
	if v.Raw[0] == 0 {
		return "nil"
	}
	v.completeInterface(p)
	at := v.Raw[2]
	if empty {
		at = v.Raw[0]
	}
	name, kind, ok := p.typeAt(at)
	switch {
	case ok && (kind == reflect.String || startsWithText(name)) && v.State != stateNoText:
		if text, rest, ok := cutText(v); ok {
			return strconv.Quote(text) + rest
		}
		return name
	case ok:
		return name
	case static == "error":
		return "error"
	}
	return "?"
}

// startsWithText reports whether a type of error points to a struct whose first
// field is the whole text.
func startsWithText(name string) bool {
	switch name {
	case "*errors.errorString", "*fmt.wrapError", "*fmt.wrapErrors", "*errors.fundamental":
		return true
	}
	return false
}
