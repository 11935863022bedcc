// Package v1 holds the wire types of Goshawk's JSON: what `--json` prints and
// what /api/v1 answers. They are written by hand and change only by addition;
// the types of package model are free to change.
//
// Conversions take a model value and return a wire value that shares nothing
// with it. They render by schema: no probe is known here. Texts that are not
// valid UTF-8 become valid, with U+FFFD in place of what is not.
package v1
