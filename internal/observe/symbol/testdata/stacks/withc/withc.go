//go:build withc

// Package withc makes the program need a C compiler and the external linker.
package withc

// static int twice(int n) { return 2 * n; }
import "C"

// Call calls C, then f.
func Call(f func()) int {
	n := int(C.twice(2))
	f()
	return n
}
