// Command signatures calls functions of many signatures once it is told to. It
// prints what every call passes, "FUNC param|result INDEX HEX": the bytes of
// each value as they lie in memory.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"unsafe"
)

type pair struct{ x, y int }

type mixed struct {
	a uint8
	b float64
	c string
	d *pair
}

type blanks struct {
	a int16
	_ int32
	b error
	_ struct{}
}

type nested struct {
	p    pair
	one  [1]string
	none [0]int
	last bool
}

type list[T any] struct{ items []T }

type code uint16

func (c code) Error() string { return "code" }

//go:noinline
func words(a int8, b uint16, c int32, d uint64, e bool, f uintptr) (int32, uint8) { return c, uint8(a) }

//go:noinline
func unused(a int, b string, c []byte, d int) string { return "unused" }

//go:noinline
func unnamed(_ int, b string, _ error, d int) (int, error) { return d, errors.New(b) }

//go:noinline
func onlyTypes(int, string) (bool, error) { return true, nil }

//go:noinline
func kinds(m map[string]int, c chan int, f func(), p unsafe.Pointer, i any, e error) (any, error) {
	return i, e
}

type payload interface{}

type alias = payload

type holder struct {
	p payload
	e error
}

type shaped interface{ shape() }

// interfaces have methods or none, whatever their names are.
//
//go:noinline
func interfaces(a any, p payload, q alias, h *holder, e error, s shaped) payload { return p }

//go:noinline
func floats(a float32, b int, c float64, d complex128, e complex64, f int) (float64, int) {
	return c, b + f
}

//go:noinline
func structs(p pair, m mixed, n nested) (blanks, pair) {
	return blanks{a: 7, b: code(m.a)}, pair{p.y, n.p.x}
}

//go:noinline
func blankFields(b blanks, after int) (err error) { return b.b }

// spills has more values than there are registers: what does not fit as a whole
// is on the stack, and what comes after it may still be in registers.
//
//go:noinline
func spills(a, b, c, d, e, f, g, h int, s string, i int, arr [2]int32, j int, m mixed) ([2]int, string, error) {
	return [2]int{a, j}, s, code(uint16(i))
}

//go:noinline
func empties(a struct{}, b [0]int, c int, d struct{}) (struct{}, int, error) { return a, c, nil }

//go:noinline
func tenResults(a int) (r0, r1, r2, r3, r4, r5, r6, r7 int, err error) {
	return a, a + 1, a + 2, a + 3, a + 4, a + 5, a + 6, a + 7, code(3)
}

//go:noinline
func escapes(a int, b string, c *pair) (func() string, *int) {
	return func() string { b += "!"; return b }, &a
}

//go:noinline
func variadic(format string, args ...any) (n int, err error) { return len(args), errors.New(format) }

//go:noinline
func (p pair) value(k int) (int, error) { return p.x + k, nil }

//go:noinline
func (p *pair) pointer(m mixed, k int) (*pair, error) { p.x = k; return p, m.wrap() }

//go:noinline
func (m mixed) wrap() error { return code(m.a) }

//go:noinline
func (*pair) nameless(k int) int { return k }

//go:noinline
func generic[T, U any](in []T, f func(T) U, last T) (out []U, err error) {
	for _, v := range in {
		out = append(out, f(v))
	}
	return out, errors.New("generic")
}

//go:noinline
func (l *list[T]) push(v T, n int) (int, error) { l.items = append(l.items, v); return n, nil }

//go:noinline
func (l list[T]) first(n int) (v T, err error) { return l.items[0], code(n) }

// defers has its results on the stack, too: a call that is put off may change
// them.
//
//go:noinline
func defers(n int) (int, error) {
	for i := 0; i < n; i++ {
		defer count()
	}
	return n + 1, code(n)
}

// defersNamed is defers with a result that has no name among others.
//
//go:noinline
func defersNamed(n int) (_ string, total int, err error) {
	for i := 0; i < n; i++ {
		defer count()
	}
	return "first", n + 1, code(n)
}

//go:noinline
func count() { sink++ }

// inlinable is inlined where it is called, and has code of its own because it is
// a value, too: its description is in two parts.
func inlinable(a int, b string, _ bool) (int, error) {
	if a > 100 {
		panic(b)
	}
	return a + len(b), code(a)
}

// image returns a value as it lies in memory.
func image(v reflect.Value) string {
	if v.Type().Size() == 0 {
		return "-"
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return fmt.Sprintf("%x", unsafe.Slice((*byte)(p.UnsafePointer()), v.Type().Size()))
}

// calls are made through package reflect, which has a convention of its own
// making for each call: it must be the same.
func calls() []call {
	var (
		aPair       = &pair{0x0a0b0c0d, -2}
		aMixed      = mixed{0x5a, 2.5, "mixed", aPair}
		anError     = error(code(9))
		wide    any = aPair
		noShape shaped
		truth   = true
		doubled = func(i int) string { return "d" }
		kept    = func(p *pair) string { return "p" }
		aList   = &list[string]{items: []string{"first"}}
		p       = unsafe.Pointer(aPair)
	)
	return []call{
		{"words", words, []any{int8(-5), uint16(0xbeef), int32(-70000), uint64(1) << 63, truth, uintptr(77)}},
		{"unused", unused, []any{1, "b", []byte("c"), 4}},
		{"unnamed", unnamed, []any{1, "b", &anError, 4}},
		{"onlyTypes", onlyTypes, []any{1, "b"}},
		{"kinds", kinds, []any{map[string]int{"a": 1}, make(chan int), func() {}, p, &wide, &anError}},
		{"interfaces", interfaces, []any{&wide, &wide, &wide, &holder{wide, anError}, &anError, &noShape}},
		{"floats", floats, []any{float32(1.5), 2, 2.5, complex(3, 4), complex64(complex(5, 6)), 7}},
		{"structs", structs, []any{pair{1, 2}, aMixed, nested{p: pair{11, 12}, one: [1]string{"one"}, last: true}}},
		{"blankFields", blankFields, []any{blanks{a: -3, b: anError}, 5}},
		{"spills", spills, []any{1, 2, 3, 4, 5, 6, 7, 8, "nine", 10, [2]int32{11, 12}, 13, aMixed}},
		{"empties", empties, []any{struct{}{}, [0]int{}, 3, struct{}{}}},
		{"tenResults", tenResults, []any{21}},
		{"escapes", escapes, []any{1, "b", aPair}},
		{"variadic", variadic, []any{"format", []any{1, "x"}}},
		{"pair.value", pair.value, []any{pair{5, 6}, 7}},
		{"(*pair).pointer", (*pair).pointer, []any{aPair, aMixed, 7}},
		{"mixed.wrap", mixed.wrap, []any{aMixed}},
		{"(*pair).nameless", (*pair).nameless, []any{aPair, 8}},
		{"generic[go.shape.int,go.shape.string]", generic[int, string], []any{[]int{1, 2}, doubled, 3}},
		{"generic[go.shape.*uint8,go.shape.string]", generic[*pair, string], []any{[]*pair{aPair}, kept, aPair}},
		{"(*list[go.shape.string]).push", (*list[string]).push, []any{aList, "pushed", 3}},
		{"list[go.shape.string].first", list[string].first, []any{*aList, 3}},
		{"defers", defers, []any{3}},
		{"defersNamed", defersNamed, []any{3}},
		{"inlinable", inlinable, []any{5, "b", true}},
		{"calls.func4", func(a string, b *pair) (int, error) { return len(a) + b.x, anError }, []any{"closure", aPair}},
	}
}

type call struct {
	name string
	f    any
	args []any // pointers to interfaces stand for these
}

// make calls the function, and prints what it is passed and what it returns.
func (c *call) make() {
	f := reflect.ValueOf(c.f)
	var in []reflect.Value
	for i, arg := range c.args {
		v := reflect.ValueOf(arg)
		if f.Type().In(i).Kind() == reflect.Interface {
			v = v.Elem()
		}
		fmt.Printf("main.%s param %d %s\n", c.name, i, image(v))
		in = append(in, v)
	}
	var out []reflect.Value
	if f.Type().IsVariadic() {
		out = f.CallSlice(in)
	} else {
		out = f.Call(in)
	}
	for i, v := range out {
		fmt.Printf("main.%s result %d %s\n", c.name, i, image(v))
	}
	runtime.KeepAlive(c.args)
}

func main() {
	if sink = inlinable0(os.Args); sink < 0 {
		return
	}
	list := calls()
	loops()
	fmt.Println("ready")
	bufio.NewScanner(os.Stdin).Scan()
	for i := range list {
		list[i].make()
	}
	fmt.Println("done")
}

var sink int

// loops calls what older releases of Go do not compile.
var loops = func() {}

// inlinable0 has inlinable inlined into it.
func inlinable0(args []string) int {
	n, _ := inlinable(len(args), "x", true)
	return n
}
