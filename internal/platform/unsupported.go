package platform

import (
	"errors"
	"fmt"
)

// ErrUnsupported is wrapped by every error that says that this host cannot do
// something: a privilege, a kernel feature or an architecture is missing.
var ErrUnsupported = errors.New("not supported on this host")

// UnsupportedError says what this host cannot do, why, and what would help.
type UnsupportedError struct {
	// What names the operation and its operand.
	What string
	// Cause is the kernel's answer or the failed check.
	Cause error
	// Hint says what would help.
	Hint string
}

// Error returns what failed and why; the hint is left to the CLI.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%s: %v", e.What, e.Cause)
}

// Unwrap makes the error match [ErrUnsupported] and its cause.
func (e *UnsupportedError) Unwrap() []error { return []error{ErrUnsupported, e.Cause} }
