// Package policy keeps the rules of ARCHITECTURE.md over the repository's own
// text. What comes in is a tree of files; it is parsed once, every [Rule]
// reads it, and out come findings that say which rule, where, and why.
//
// It reads sources alone: no build, no network, all architectures' files. It
// judges neither generated code, nor testdata, nor nested modules, and it
// changes nothing. A rule is worth as much as its failing example, so each has
// one in testdata, and a rule without one fails the tests.
package policy
