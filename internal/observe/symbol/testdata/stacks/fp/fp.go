// Package fp records the call stack twice: as the kernel sees it, by frame
// pointers, and as the Go runtime tells it.
package fp

import (
	"reflect"
	"runtime"
	"sync"
	"unsafe"
)

// Frame is a frame as runtime.Frames prints it.
type Frame struct {
	Func, File string
	Line       int
}

// Stack is one recorded stack.
type Stack struct {
	Name   string
	PCs    []uint64 // Record's own address, then return addresses
	Frames []Frame  // from Record's caller on
}

var (
	mu     sync.Mutex
	stacks []Stack
)

func framePointer() uintptr

// Record records the stack of its caller.
//
//go:noinline
func Record(name string) {
	pcs := make([]uint64, 1, 100)
	pcs[0] = uint64(reflect.ValueOf(Record).Pointer())
	// From here to the end of the loop the stack must not move.
	for at := framePointer(); at != 0 && len(pcs) < cap(pcs); {
		pcs = append(pcs, uint64(*(*uintptr)(unsafe.Pointer(at + 8))))
		at = *(*uintptr)(unsafe.Pointer(at))
	}
	callers := make([]uintptr, 200)
	frames := runtime.CallersFrames(callers[:runtime.Callers(2, callers)])
	s := Stack{Name: name, PCs: pcs}
	for {
		f, more := frames.Next()
		s.Frames = append(s.Frames, Frame{f.Function, f.File, f.Line})
		if !more {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	stacks = append(stacks, s)
}

// Stacks returns what was recorded.
func Stacks() []Stack { return stacks }
