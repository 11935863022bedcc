//go:build go1.23

package main

import (
	"errors"
	"iter"
	"slices"
)

//go:noinline
func loopReturns(list iter.Seq[int]) (int, error) {
	for v := range list {
		if v == 2 {
			return v, errors.New("two")
		}
	}
	return 0, nil
}

//go:noinline
func loopReturnsNamed(list iter.Seq[int]) (_ int, err error) {
	for v := range list {
		if v == 2 {
			return v, errors.New("two")
		}
	}
	return 0, nil
}

// loopInlined has the body of its loop in its own code.
//
//go:noinline
func loopInlined(list []int) (int, error) {
	for v := range slices.Values(list) {
		if v == 2 {
			return v, errors.New("two")
		}
	}
	return 0, nil
}

// loopEnds keeps the names that the compiler gives results anyway.
//
//go:noinline
func loopEnds(list iter.Seq[int]) (int, error) {
	n := 0
	for v := range list {
		if v == 2 {
			break
		}
		n += v
	}
	return n, errors.New("end")
}

//go:noinline
func loopDefers(list iter.Seq[int]) (int, error) {
	for range list {
		defer count()
	}
	return 1, errors.New("end")
}

//go:noinline
func loopNothing(list iter.Seq[int]) {
	for v := range list {
		sink += v
	}
}

type numbers []int

//go:noinline
func (n numbers) loop() (int, error) {
	for v := range slices.Values(n) {
		if v == 2 {
			return v, errors.New("two")
		}
	}
	return 0, nil
}

//go:noinline
func loopGeneric[T comparable](list iter.Seq[T], end T) (T, error) {
	for v := range list {
		if v == end {
			return v, errors.New("end")
		}
	}
	return end, nil
}

//go:noinline
func loopClosure(list iter.Seq[int]) func(int) (int, error) {
	return func(end int) (int, error) {
		for v := range list {
			if v == end {
				return v, errors.New("end")
			}
		}
		return 0, nil
	}
}

// loopWithin has a loop in a function that it returns, and none itself.
//
//go:noinline
func loopWithin(list iter.Seq[int]) (func(int) (int, error), error) {
	return loopClosure(list), errors.New("within")
}

func init() {
	loops = func() {
		list := []int{1, 2, 3}
		values := func(yield func(int) bool) {
			for _, v := range list {
				if !yield(v) {
					return
				}
			}
		}
		loopReturns(values)
		loopReturnsNamed(values)
		loopInlined(list)
		loopEnds(values)
		loopDefers(values)
		loopNothing(values)
		numbers(list).loop()
		loopGeneric(values, 2)
		f, _ := loopWithin(values)
		f(2)
	}
}
