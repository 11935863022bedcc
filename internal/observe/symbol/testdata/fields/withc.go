//go:build withc

package main

// int one(void) { return 1; }
import "C"

var _ = C.one()
