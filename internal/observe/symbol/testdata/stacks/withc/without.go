//go:build !withc

// Package withc makes the program need a C compiler and the external linker.
package withc

// Call calls f.
func Call(f func()) int {
	f()
	return 4
}
