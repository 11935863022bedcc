// Package part holds what package shapes takes from others.
package part

type Leaf struct{ _ byte }

type Handler interface{ Serve() }

type Box[T any] struct {
	_     [0]*T
	value T
}

const Count = 1
