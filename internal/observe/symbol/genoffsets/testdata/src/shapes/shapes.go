// Package shapes holds structs that a test measures.
package shapes

import (
	"nowhere/atall"

	alias "part"
)

type (
	leaf    = alias.Leaf
	words   [2*wordCount + 1]uint16
	handler = alias.Handler
	shape   struct {
		flag bool
		*leaf
		handler
		names  []atall.Name
		table  map[string]leaf
		fn     func(int) error
		word   words
		boxed  alias.Box[int64]
		small  alias.Box[*atall.Name]
		inner  struct{ x, y byte }
		ch     chan<- leaf
		number uint32
	}
	broken struct {
		first atall.Name
		x     int
	}
)

const (
	_ = iota * alias.Count
	wordCount
)
