// Package e2e runs Goshawk's parts against the programs that users run them
// with. What comes in are events as a probe emits them; what is checked is
// what the other program, built from its own source, made of it.
//
// The folders below are modules of their own, so that those programs'
// dependencies do not become Goshawk's.
package e2e
