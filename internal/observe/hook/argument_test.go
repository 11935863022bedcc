package hook

import (
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// someProgram has types at the addresses 8 to 32, the text "constant" at 40, the
// header of that text at 48, and the table of an interface at 80.
type someProgram struct{}

func (someProgram) readAt(addr uint64, dst []byte) bool {
	words := func(n ...uint64) (b []byte) {
		for _, w := range n {
			b = binary.NativeEndian.AppendUint64(b, w)
		}
		return b
	}
	return copy(dst, map[uint64][]byte{40: []byte("constant"), 48: words(40, 8), 88: words(8)}[addr]) == len(dst)
}

func (someProgram) typeAt(addr uint64) (string, reflect.Kind, bool) {
	switch addr {
	case 8:
		return "*errors.errorString", reflect.Pointer, true
	case 16:
		return "main.word", reflect.String, true
	case 24:
		return "*fs.PathError", reflect.Pointer, true
	case 32:
		return "int", reflect.Int, true
	}
	return "", 0, false
}

func withText(v bpfValue, text string) bpfValue {
	copy(v.Text[:], text)
	v.Length = uint64(len(text))
	return v
}

func TestArgumentPrints(t *testing.T) {
	text := argument{typ: "string", kind: reflect.String, size: 16, slot: bpfSlot{Kind: valueText}}
	failure := argument{typ: "error", kind: reflect.Interface, size: 16, slot: bpfSlot{Kind: valueInterface}}
	thing := argument{typ: "interface {}", kind: reflect.Interface, size: 16, empty: true, slot: bpfSlot{Kind: valueInterface}}
	payload, named := thing, thing
	payload.typ, named.typ, named.empty = "main.Payload", "main.named", false
	number := func(kind reflect.Kind, size uint64) argument {
		return argument{typ: kind.String(), kind: kind, size: size}
	}
	word := func(n uint64) bpfValue { return bpfValue{State: 1, Raw: [3]uint64{n, 0, 0}} }
	ellipsis := strings.Repeat("a", 63)
	for _, tt := range []struct {
		name  string
		arg   argument
		value bpfValue
		text  string
		json  any
	}{
		{"what was not read", number(reflect.Int, 8), bpfValue{Raw: [3]uint64{7, 0, 0}}, "?", nil},
		{"what is out of reach", argument{kind: reflect.Float64, size: 8, beyond: true}, word(7), "?", nil},
		{"a negative number with garbage above it", number(reflect.Int16, 2), word(0xdead_0000_ffff_fffe), "-2", int64(-2)},
		{"a number with garbage above it", number(reflect.Uint8, 1), word(0xdead_beef), "239", uint64(0xef)},
		{"the largest number", number(reflect.Uint64, 8), word(math.MaxUint64), "18446744073709551615", uint64(math.MaxUint64)},
		{"the smallest number", number(reflect.Int64, 8), word(1 << 63), "-9223372036854775808", int64(math.MinInt64)},
		{"a duration", argument{typ: "time.Duration", kind: reflect.Int64, size: 8}, word(1500), "1.5µs", int64(1500)},
		{"true with garbage above it", number(reflect.Bool, 1), word(0xff01), "true", true},
		{"what is no bool", number(reflect.Bool, 1), word(2), "?", nil},
		{"a float", number(reflect.Float64, 8), word(math.Float64bits(-0.25)), "-0.25", -0.25},
		{"a small float", number(reflect.Float32, 4), word(uint64(math.Float32bits(0.1)) | 0xdead<<32), "0.1", float64(float32(0.1))},
		{"no number", number(reflect.Float64, 8), word(math.Float64bits(math.NaN())), "NaN", "NaN"},
		{"a pointer", number(reflect.Pointer, 8), word(0xc000), "0xc000", "0xc000"},
		{"nil", number(reflect.Map, 8), word(0), "nil", nil},
		{"a text", text, withText(word(1), "a\x00\"\xffü"), `"a\x00\"\xffü"`, "a\x00\"\xffü"},
		{"a text that is cut in a rune", text, withText(word(1), ellipsis+"üb"), `"` + ellipsis + `"…`, ellipsis + "…"},
		{"a text that ends like a cut one", text, withText(word(1), "x…"), `"x…"`, "x…"},
		{"a text that cannot be read", text, bpfValue{State: stateNoText, Length: 3}, "?", nil},
		{"a constant that the process has not read", text, bpfValue{State: stateNoText, Data: 40, Length: 8}, `"constant"`, "constant"},
		{"a text that is longer than the constant there", text, bpfValue{State: stateNoText, Data: 40, Length: 9}, "?", nil},
		{"an error whose text the process has not read", failure, bpfValue{State: stateNoText, Raw: [3]uint64{1, 1, 8}, Data: 40, Length: 8}, `"constant"`, `"constant"`},
		{"an error that the process has not read", failure, bpfValue{State: stateNoText, Raw: [3]uint64{1, 48, 8}}, `"constant"`, `"constant"`},
		{"an error whose table the process has not read", failure, withText(bpfValue{State: 1, Raw: [3]uint64{80, 1, 0}}, "gone"), `"gone"`, `"gone"`},
		{"a text of a length that no text has", text, bpfValue{State: 1, Length: 1 << 63}, "?", nil},
		{"a slice", argument{typ: "[]int", kind: reflect.Slice}, bpfValue{State: 1, Raw: [3]uint64{1, 2, 3}}, "[]int(len 2)", "[]int(len 2)"},
		{"what is no slice", argument{typ: "[]int", kind: reflect.Slice}, bpfValue{State: 1, Raw: [3]uint64{1, 3, 2}}, "?", nil},
		{"no error", failure, bpfValue{State: stateNoText}, "nil", nil},
		{"an error that is a text", failure, withText(bpfValue{State: 1, Raw: [3]uint64{1, 1, 8}}, "gone"), `"gone"`, `"gone"`},
		{"an error whose text cannot be read", failure, bpfValue{State: stateNoText, Raw: [3]uint64{1, 1, 8}}, "*errors.errorString", "*errors.errorString"},
		{"an error that is more than a text", failure, withText(bpfValue{State: 1, Raw: [3]uint64{1, 1, 24}}, "open"), "*fs.PathError", "*fs.PathError"},
		{"an error of a type that is not known", failure, bpfValue{State: 1, Raw: [3]uint64{1, 1, 99}}, "error", "error"},
		{"a string in an interface", thing, withText(bpfValue{State: 1, Raw: [3]uint64{16, 1, 8}}, "in"), `"in"`, `"in"`},
		{"a number in an interface with a name", payload, bpfValue{State: stateNoText, Raw: [3]uint64{32, 1, 8}}, "int", "int"},
		{"a text in an interface with methods", named, withText(bpfValue{State: 1, Raw: [3]uint64{1, 1, 16}}, "in"), `"in"`, `"in"`},
		{"a number in an interface", thing, bpfValue{State: stateNoText, Raw: [3]uint64{32, 1, 8}}, "int", "int"},
		{"what is no interface", thing, bpfValue{State: stateNoText, Raw: [3]uint64{7, 1, 8}}, "?", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.arg.print(&tt.value, someProgram{}); got.Text != tt.text || got.Value != tt.json {
				t.Errorf("%s, %#v; want %s, %#v", got.Text, got.Value, tt.text, tt.json)
			}
		})
	}
}

func TestArgumentsAreInTheirPlaces(t *testing.T) {
	words := []symbol.Register{{Index: 3, Size: 8}, {Index: 4, Offset: 8, Size: 8}, {Float: true, Index: 0, Offset: 16, Size: 8}}
	for _, tt := range []struct {
		name   string
		param  symbol.Param
		access symbol.Access
		want   bpfSlot // source, words, hops, offsets
	}{
		{"a string in registers", symbol.Param{Registers: words, Stack: -1}, symbol.Access{Kind: reflect.String, Size: 16},
			bpfSlot{Source: sourceWords, Words: [4]uint8{3, 4}}},
		{"a field of a struct in registers", symbol.Param{Registers: words, Stack: -1}, symbol.Access{Kind: reflect.Int, Size: 8, Offset: 8},
			bpfSlot{Source: sourceWords, Words: [4]uint8{4}}},
		{"a float in a register", symbol.Param{Registers: words, Stack: -1}, symbol.Access{Kind: reflect.Float64, Size: 8, Offset: 16}, bpfSlot{}},
		{"behind a pointer in a register", symbol.Param{Registers: words, Stack: -1}, symbol.Access{Kind: reflect.Int, Size: 8, Hops: []uint64{8}, Offset: 40},
			bpfSlot{Source: sourceRegister, Words: [4]uint8{4}, Offsets: [6]uint32{40}}},
		{"behind two pointers", symbol.Param{Registers: words, Stack: -1}, symbol.Access{Kind: reflect.Float64, Size: 8, Hops: []uint64{0, 24}, Offset: 40},
			bpfSlot{Source: sourceRegister, Words: [4]uint8{3}, Hops: 1, Offsets: [6]uint32{24, 40}}},
		{"on the stack", symbol.Param{Stack: 16}, symbol.Access{Kind: reflect.Float64, Size: 8, Offset: 8},
			bpfSlot{Source: sourceStack, Offsets: [6]uint32{24}}},
		{"behind a pointer on the stack", symbol.Param{Stack: 16}, symbol.Access{Kind: reflect.Int, Size: 8, Hops: []uint64{8, 1}, Offset: 2},
			bpfSlot{Source: sourceStack, Hops: 2, Offsets: [6]uint32{24, 1, 2}}},
		{"in a register that is not read", symbol.Param{Registers: []symbol.Register{{Index: 8, Size: 8}, {Index: 9, Offset: 8, Size: 8}}, Stack: -1},
			symbol.Access{Kind: reflect.String, Size: 16}, bpfSlot{}},
		{"in the last register that is read", symbol.Param{Registers: []symbol.Register{{Index: 7, Size: 8}, {Index: 8, Offset: 8, Size: 8}}, Stack: -1},
			symbol.Access{Kind: reflect.String, Size: 16}, bpfSlot{Source: sourceWords, Words: [4]uint8{7, 8}}},
		{"nowhere", symbol.Param{Stack: -1}, symbol.Access{Kind: reflect.Int, Size: 8}, bpfSlot{}},
		{"nowhere, behind a pointer", symbol.Param{Stack: -1}, symbol.Access{Kind: reflect.Int, Size: 8, Hops: []uint64{0}}, bpfSlot{}},
		{"behind too many pointers", symbol.Param{Stack: 8}, symbol.Access{Kind: reflect.Int, Size: 8, Hops: make([]uint64, 6)}, bpfSlot{}},
		{"too far away", symbol.Param{Stack: 8}, symbol.Access{Kind: reflect.Int, Size: 8, Offset: 1 << 32}, bpfSlot{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, ok := newArgument("a", &tt.param, tt.access)
			if !ok {
				t.Fatal("it is not printed")
			}
			if a.beyond != (tt.want.Source == 0) {
				t.Errorf("out of reach: %v", a.beyond)
			}
			got := bpfSlot{Source: a.slot.Source, Words: a.slot.Words, Hops: a.slot.Hops, Offsets: a.slot.Offsets}
			if !a.beyond && got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
	for _, kind := range []reflect.Kind{reflect.Struct, reflect.Array, reflect.Complex128, reflect.Invalid} {
		if a, ok := newArgument("a", &symbol.Param{Stack: 8}, symbol.Access{Kind: kind, Size: 8}); ok {
			t.Errorf("%s is printed: %+v", kind, a)
		}
	}
}

func TestErrorWord(t *testing.T) {
	number := symbol.Param{Type: "int", Kind: reflect.Int, Registers: []symbol.Register{{}}}
	failure := func(index int) symbol.Param {
		return symbol.Param{Type: "error", Kind: reflect.Interface, Registers: []symbol.Register{{Index: index, Size: 8}, {Index: index + 1, Offset: 8, Size: 8}}}
	}
	for _, tt := range []struct {
		name    string
		results []symbol.Param
		word    int
		known   bool
	}{
		{"no results", nil, -1, true},
		{"no error", []symbol.Param{failure(0), number}, -1, true},
		{"an error", []symbol.Param{number, failure(1)}, 1, true},
		{"an error in the last register that is read", []symbol.Param{failure(8)}, 8, true},
		{"an error in a register that is not read", []symbol.Param{failure(9)}, -1, false},
		{"an error on the stack", []symbol.Param{{Type: "error", Kind: reflect.Interface, Stack: 8}}, -1, false},
	} {
		if word, known := errorWordOf(&symbol.Signature{Results: tt.results}); word != tt.word || known != tt.known {
			t.Errorf("%s: %d, %v; want %d, %v", tt.name, word, known, tt.word, tt.known)
		}
	}
}

// FuzzSamples takes any records: what the programs write is as they say, what
// they have read of the process is anything.
func FuzzSamples(f *testing.F) {
	entry, _ := binary.Append(nil, binary.NativeEndian, &bpfSampleEntry{Record: recordEntry, Id: 1})
	exit, _ := binary.Append(nil, binary.NativeEndian, &bpfSampleExit{Record: recordExit, Id: 1, Failed: 1})
	f.Add(entry, exit)
	f.Add(exit, entry)
	f.Add(entry[:100], []byte{})
	for i := range entry[8:] {
		entry[8+i] = 0xff
	}
	f.Add(entry, exit)
	var args []argument
	for kind := reflect.Bool; kind <= reflect.UnsafePointer && len(args) < slotCount; kind++ {
		if a, ok := newArgument(kind.String(), &symbol.Param{Stack: 8}, symbol.Access{Kind: kind, Size: 8}); ok {
			args = append(args, a)
		}
	}
	args[0].fields = 3
	f.Fuzz(func(t *testing.T, first, second []byte) {
		s := sampler{functions: []function{{name: "f", args: args}}, program: someProgram{}, pending: map[uint64]*Sample{}}
		got := 0
		done := func(call *Sample) {
			got++
			for _, a := range call.Args {
				if text, ok := a.Value.(string); a.Text == "" || len(a.Text) > 8*textBytes || ok && len(text) > 4*textBytes {
					t.Errorf("%+v", a)
				}
				if !utf8.ValidString(a.Text) {
					t.Errorf("text %q", a.Text)
				}
			}
		}
		s.take(first, done)
		s.take(second, done)
		for len(s.pending) > 0 {
			s.giveUp(done)
		}
		if got > 2 {
			t.Errorf("%d calls of two records", got)
		}
	})
}

func TestSamplerGivesUpTheOldestCalls(t *testing.T) {
	s := sampler{functions: []function{{name: "f"}}, program: someProgram{}, pending: map[uint64]*Sample{}}
	unfinished, finished := 0, 0
	done := func(call *Sample) {
		if call.Finished {
			finished++
		} else {
			unfinished++
		}
	}
	for id := range uint64(10 * maxPending) {
		s.begin(&bpfSampleEntry{Id: id + 1}, done)
		if id%2 == 0 {
			s.end(&bpfSampleExit{Id: id + 1}, done)
		}
	}
	if finished != 5*maxPending || unfinished != 4*maxPending || len(s.pending) != maxPending || len(s.order) > 2*maxPending {
		t.Errorf("%d calls finished, %d were given up, %d are waited for in an order of %d", finished, unfinished, len(s.pending), len(s.order))
	}
	s.end(&bpfSampleExit{Id: 2}, done)
	if finished != 5*maxPending {
		t.Error("a call that was given up has finished")
	}
}
