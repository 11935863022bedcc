// Points calls functions of many shapes and says how often, and with what as
// the first argument. It waits for a line before it does.
package main

import (
	"bufio"
	"fmt"
	"os"
	"reflect"
	"sync"
)

// counted is how a function was called.
type counted struct {
	calls, sum, returns uint64
}

var counts = map[string]*counted{}

// note records a call with a first argument, and whether it returns.
func note(name string, arg int, returns bool) {
	c := counts[name]
	if c == nil {
		c = &counted{}
		counts[name] = c
	}
	c.calls++
	c.sum += uint64(arg)
	if returns {
		c.returns++
	}
}

//go:noinline
func leaf(n int) int { return n*3 + 1 }

//go:noinline
func loopAtEntry(n int) int {
	for n > 7 {
		n -= 5
	}
	return n
}

//go:noinline
func branchAtEntry(n int) int {
	if n == 4 {
		return 1
	}
	return n ^ 0x55
}

//go:noinline
func table(n int) int {
	switch n {
	case 0:
		return 7
	case 1:
		return 9
	case 2:
		return 100
	case 3:
		return 101
	case 4:
		return 555
	case 5:
		return 1
	case 6:
		return 2
	case 7:
		return 1 << 20
	}
	return n
}

//go:noinline
func deep(n int, pad [64]byte) int {
	if n == 0 {
		return int(pad[3])
	}
	pad[n%64]++
	return deep(n-1, pad) + 1
}

//go:noinline
func large(n int) (sum int) {
	var page [6000]byte
	for i := range page {
		page[i] = byte(n + i)
	}
	for _, b := range page {
		sum += int(b)
	}
	return sum
}

//go:noinline
func huge(n int) (sum int) {
	var page [1 << 17]byte
	for i := range page {
		page[i] = byte(n + i)
	}
	for i := 0; i < len(page); i += 97 {
		sum += int(page[i])
	}
	return sum
}

//go:noinline
func panics(n int) int {
	if n%3 == 0 {
		panic("third")
	}
	return n
}

//go:noinline
func recovers(n int) (out int) {
	defer func() {
		if recover() != nil {
			out = -1
		}
	}()
	return panics(n)
}

//go:noinline
func manyReturns(n int, s string) (string, error) {
	if n < 3 {
		return s + "a", nil
	}
	if n < 6 {
		return "", fmt.Errorf("%d %s", n, s)
	}
	for i := range s {
		if i == n {
			return s[:i], nil
		}
	}
	return s, nil
}

//go:noinline
func generic[T any](n int, v T) (int, T) {
	fmt.Fprint(sink, n)
	return n, v
}

var sink = bufio.NewWriter(os.NewFile(^uintptr(0), "nowhere"))

func drive() {
	var pad [64]byte
	done := make(chan bool)
	for i := 0; i < 40; i++ {
		leaf(i)
		note("main.leaf", i, true)
		loopAtEntry(i)
		note("main.loopAtEntry", i, true)
		branchAtEntry(i % 6)
		note("main.branchAtEntry", i%6, true)
		table(i % 10)
		note("main.table", i%10, true)
		recovers(i)
		note("main.recovers", i, true)
		note("main.panics", i, i%3 != 0)
		manyReturns(i%9, "some text")
		note("main.manyReturns", i%9, true)
		// A new goroutine begins with a small stack.
		go func() {
			deep(200, pad)
			done <- true
		}()
		<-done
		for n := 0; n <= 200; n++ {
			note("main.deep", n, true)
		}
		go func() {
			large(i)
			done <- true
		}()
		<-done
		note("main.large", i, true)
		go func() {
			huge(i)
			done <- true
		}()
		<-done
		note("main.huge", i, true)
		generic(i, "text")
		generic(i, 2.5)
	}
}

func main() {
	var once sync.Once
	once.Do(func() { fmt.Printf("drive %d\n", reflect.ValueOf(drive).Pointer()) })
	bufio.NewReader(os.Stdin).ReadString('\n')
	drive()
	for name, c := range counts {
		fmt.Println("count", name, c.calls, c.sum, c.returns)
	}
	fmt.Println("end")
	bufio.NewReader(os.Stdin).ReadString('\n')
}
