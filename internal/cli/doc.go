// Package cli is the command line of Goshawk: one file for each command, each
// with a constructor that takes the environment and returns the command.
//
// [Main] is the whole program as a value: it takes the arguments and streams
// and returns the exit code, so that tests run the real commands. Results go
// to stdout, everything else to stderr; a failure is printed as "error: what:
// operand: cause", then "hint: what to do".
package cli
