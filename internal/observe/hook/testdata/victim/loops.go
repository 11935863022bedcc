//go:build go1.23

package main

import (
	"errors"
	"iter"
	"slices"
)

//go:noinline
func loopOver(list iter.Seq[int], end int) (int, error) {
	for v := range list {
		if v == end {
			return v, errors.New("found")
		}
	}
	return 0, nil
}

//go:noinline
func loopNamed(list iter.Seq[int], end int) (_ int, err error) {
	for v := range list {
		if v == end {
			return v, errors.New("found")
		}
	}
	return 0, nil
}

//go:noinline
func valuesLoop(list []int, end int) (int, error) {
	for v := range slices.Values(list) {
		if v == end {
			return v, errors.New("found")
		}
	}
	return 0, nil
}

func init() {
	list := []int{1, 2, 3}
	loops = func(n int) {
		for i := range n {
			loopOver(slices.Values(list), i)
			loopNamed(slices.Values(list), i)
			valuesLoop(list, i)
		}
	}
}
