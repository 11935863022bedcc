// Command stacks records call stacks of every shape and prints them.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"reflect"
	"sort"
	"strings"
	"sync"

	"stacks/fp"
	"stacks/withc"
)

// Report is what the program prints.
type Report struct {
	StartCode uint64
	Anchor    uint64 // address of main.anchor
	Stacks    []fp.Stack
}

//go:noinline
func anchor() { fmt.Fprintln(os.Stderr, "anchor") }

func inline1(name string) { fp.Record(name) }
func inline2(name string) { inline1(name + "2") }
func inline3(name string) { inline2(name + "3") }

func each[T any](list []T, f func(T)) {
	for _, v := range list {
		f(v)
	}
}

type pair[K comparable, V any] struct {
	key K
	val V
}

func (p *pair[K, V]) visit(f func(K, V)) { f(p.key, p.val) }

//go:noinline
func (p *pair[K, V]) visitOut(f func(K, V)) { f(p.key, p.val) }

type doer interface{ do(name string) }

type inner struct{ pad [4]int }

//go:noinline
func (v inner) do(name string) { fp.Record(name + fmt.Sprint(v.pad[0])) }

type outer struct {
	n int
	inner
}

type small int

func (s small) do(name string) { fp.Record(name) }

//go:noinline
func hop() {}

// deref calls, so that it has a frame pointer when it faults.
//
//go:noinline
func deref(p *int) int { hop(); return *p }

func recovered(name string, f func()) {
	defer func() {
		fp.Record(name)
		recover()
	}()
	f()
}

func many(n int, name string) {
	if n == 0 {
		fp.Record(name)
		return
	}
	many(n-1, name)
}

func record() {
	fp.Record("direct")
	inline3("inlined")
	each([]int{1}, func(int) { fp.Record("generic") })
	each([]string{"a"}, func(string) { inline2("generic inlined") })
	p := &pair[string, map[string]struct{ net.IP }]{key: "k"}
	p.visit(func(string, map[string]struct{ net.IP }) { fp.Record("generic method") })
	p.visitOut(func(string, map[string]struct{ net.IP }) { fp.Record("generic method kept") })
	for _, d := range []doer{&outer{}, outer{}, inner{}, &inner{}, small(1), new(small)} {
		d.do(fmt.Sprintf("interface %T", d))
	}
	f := doer(&outer{}).do
	f("method value")
	reflect.ValueOf(f).Call([]reflect.Value{reflect.ValueOf("reflect")})
	sort.Slice(make([]int, 2), func(i, j int) bool { fp.Record("callback"); return false })
	_ = strings.Map(func(r rune) rune { fp.Record("callback of strings"); return r }, "x")
	recovered("panic", func() { panic("x") })
	recovered("fault", func() { deref(nil) })
	recovered("fault inlined", func() { var p *pair[int, int]; p.visit(nil) })
	recovered("nil wrapper", func() { doer((*inner)(nil)).do("never") })
	recovered("nil small wrapper", func() { doer((*small)(nil)).do("never") })
	many(60, "recursion")
	withc.Call(func() { fp.Record("after C") })
	func() {
		defer inline1("deferred")
		defer many(2, "deferred call")
	}()
	var once sync.Once
	once.Do(func() { inline3("once") })
}

func goroutines() {
	var wg sync.WaitGroup
	run := func(f func()) { wg.Add(1); go func() { defer wg.Done(); f() }(); wg.Wait() }
	run(func() { fp.Record("goroutine") })
	wg.Add(1)
	go many2(&wg, "go with arguments")
	wg.Wait()
	run(record)
}

func many2(wg *sync.WaitGroup, name string) {
	defer wg.Done()
	many(3, name)
}

func startCode() uint64 {
	text, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var n uint64
	fmt.Sscan(fields[23], &n)
	return n
}

func main() {
	if len(os.Args) > 2 {
		anchor()
		net.Dial("tcp", os.Args[1])
	}
	record()
	goroutines()
	r := Report{StartCode: startCode(), Anchor: uint64(reflect.ValueOf(anchor).Pointer()), Stacks: fp.Stacks()}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(1)
	}
}
