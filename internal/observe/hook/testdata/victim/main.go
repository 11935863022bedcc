// Command victim is hooked by tests. It makes the calls that lines on its
// standard input ask for, "NAME COUNT", and prints "done" after each.
package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

//go:noinline
func leaf(n int) int { return n*3 + 1 }

//go:noinline
func pause(d time.Duration) { time.Sleep(d) }

//go:noinline
func recurse(n int) int {
	if n <= 1 {
		return 1
	}
	return recurse(n-1) + 1
}

//go:noinline
func mayFail(i int) (int, error) {
	if i%3 == 0 {
		return 0, errors.New("every third")
	}
	return i, nil
}

// putsOff has its results on the stack until it returns: a call that is put off
// may change them.
//
//go:noinline
func putsOff(i int) (int, error) {
	for j := 0; j < 1+i%2; j++ {
		defer leaf(j)
	}
	return mayFail(i)
}

// loops calls what older releases of Go do not compile.
var loops = func(int) {}

//go:noinline
func panics(i int) int {
	if i%2 == 0 {
		panic("even")
	}
	return i
}

//go:noinline
func guarded(i int) (n int) {
	defer func() {
		if recover() != nil {
			n = -1
		}
	}()
	return panics(i)
}

// grow needs a stack of some KiB for each level, so that it grows and moves
// while calls are open.
//
//go:noinline
func grow(n int) byte {
	var frame [2048]byte
	frame[n%len(frame)] = byte(n)
	if n > 0 {
		frame[0] += grow(n - 1)
	}
	return frame[0] + frame[n%len(frame)]
}

//go:noinline
func largest[T int | string](list []T) T {
	var m T
	for _, v := range list {
		if v > m {
			m = v
		}
	}
	return m
}

type store struct{ m map[int]int }

//go:noinline
func (s *store) Get(k int) (int, bool) { v, ok := s.m[k]; return v, ok }

type point struct{ x, y int }

//go:noinline
func (p point) Sum() int { return p.x + p.y }

// small is inlined into everything.
func small(n int) int {
	if n%7 == 3 {
		return sink ^ n
	}
	return n + 1
}

//go:noinline
func gives(up chan<- struct{}) {
	defer close(up)
	runtime.Goexit()
}

//go:noinline
func blocks(open *sync.WaitGroup, release <-chan struct{}) {
	open.Done()
	<-release
}

type inner struct {
	path string
	next *inner
}

type request struct {
	method string
	_      int
	size   int32
	ok     bool
	err    error
	url    *inner
	by     inner
	ratio  float64
	more   string
}

type failure struct{ code int }

func (f *failure) Error() string { return "failure" }

type word string

func (w word) Error() string { return string(w) }

//go:noinline
func serve(r *request, by inner, small int8, _ string, text string, raw []byte, list []int) error {
	sink += len(text) + len(raw) + len(list) + int(small) + len(by.path)
	return nil
}

//go:noinline
func holds(any interface{}, err error, f float64, late time.Duration, m map[string]int, g func()) error {
	sink += len(m)
	return err
}

// payload is an interface without methods that has a name.
type payload interface{}

//go:noinline
func carries(p payload, by *carrier) { sink++ }

type carrier struct {
	load payload
	n    int
}

//go:noinline
func stacked(a, b, c, d, e, f, g, h, i int, late string, r *request, ratio float64) (int, error) {
	return a + b + c + d + e + f + g + h + i + len(late), errors.New("stacked")
}

// unmapped is memory of which nothing can be read.
var unmapped = func() unsafe.Pointer {
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	return unsafe.Pointer(unsafe.SliceData(page))
}()

//go:noinline
func untouched(r *request, text string, err error, raw []byte) {}

// constant is longer than what the kernel takes into memory at a time.
//
//go:embed constant.txt
var constant string

func arguments(n int) {
	long := strings.Repeat("ü", 100)
	r := &request{method: "GET", size: -7, ok: true, err: errors.New("of the request"), url: &inner{path: "/index"}, by: inner{path: "by"}, ratio: 0.5, more: "more"}
	r.url.next = &inner{path: long}
	for i := 0; i < n; i++ {
		_ = serve(r, inner{path: "value"}, -3, "", "te\"xt", []byte("raw\xff"), []int{1, 2})
		_ = serve(nil, inner{}, 4, "", long, nil, nil)
		_ = holds(r, &failure{1}, 2.5, time.Second, nil, nil)
		_ = holds("in an interface", word("a word"), 2.5, -time.Millisecond, nil, nil)
		_ = holds(nil, nil, 0, 0, nil, nil)
		_ = holds(7, fmt.Errorf("wraps %w", &failure{2}), 0, 0, nil, nil)
		carries("loaded", &carrier{7, 3})
		_, _ = stacked(1, 2, 3, 4, 5, 6, 7, 8, 9, "late", r, 1.5)
		untouched((*request)(unmapped), unsafe.String((*byte)(unmapped), 10), (*failure)(unmapped), unsafe.Slice((*byte)(unmapped), 1<<40))
	}
}

var sink int

func repeat(n int, f func(int)) {
	for i := 0; i < n; i++ {
		f(i)
	}
}

func calls(name string) func(n int) {
	s := &store{m: map[int]int{1: 2}}
	each := func(f func(int)) func(int) { return func(n int) { repeat(n, f) } }
	return map[string]func(int){
		"leaf":    each(func(i int) { sink += leaf(i) }),
		"recurse": func(n int) { sink += recurse(n) },
		"fail":    each(func(i int) { n, _ := mayFail(i); sink += n }),
		"putoff":  each(func(i int) { n, _ := putsOff(i); sink += n }),
		"loops":   loops,
		"panic":   each(func(i int) { sink += guarded(i) }),
		"pause":   each(func(int) { pause(2 * time.Millisecond) }),
		"grow": func(n int) {
			done := make(chan struct{})
			go func() { sink += int(grow(n)); close(done) }()
			<-done
		},
		"generic": each(func(i int) { sink += largest([]int{i, 1}); sink += len(largest([]string{"a", "b"})) }),
		"method":  each(func(i int) { v, _ := s.Get(i); sink += v + point{i, 1}.Sum() }),
		"closure": each(func(i int) { run(func(n int) { sink += n * i }) }),
		"small":   each(func(i int) { sink += small(i) }),
		"goexit": each(func(int) {
			done := make(chan struct{})
			go gives(done)
			<-done
		}),
		"parallel": func(n int) {
			var wait sync.WaitGroup
			for g := 0; g < 8; g++ {
				wait.Add(1)
				go func() {
					defer wait.Done()
					for i := 0; i < n; i++ {
						leaf(recurse(3))
					}
				}()
			}
			wait.Wait()
		},
		"arguments": arguments,
		"constant":  each(func(int) { untouched(nil, constant[len(constant)/2:][:10], nil, nil) }),
		"exit":      func(n int) { os.Exit(n) },
	}[name]
}

//go:noinline
func run(f func(int)) { f(1) }

func main() {
	release := make(chan struct{})
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		name, count, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.Atoi(count)
		switch name {
		case "block":
			var open sync.WaitGroup
			open.Add(n)
			for i := 0; i < n; i++ {
				go blocks(&open, release)
			}
			open.Wait()
		case "release":
			close(release)
		case "spin":
			go func() {
				for {
					sink += leaf(1)
				}
			}()
		case "exec":
			// Another program in the same process.
			panic(execOther())
		default:
			calls(name)(n)
		}
		fmt.Println("done")
	}
}
