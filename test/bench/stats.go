package main

import (
	"fmt"
	"slices"
)

// sample holds the values of one quantity, one per round.
type sample []float64

// median returns the middle, or the mean of the two middle ones; 0 of nothing.
func (s sample) median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// text returns "median (lowest-highest)" with each value in format.
func (s sample) text(format string) string {
	if len(s) == 0 {
		return "-"
	}
	middle := fmt.Sprintf(format, s.median())
	if len(s) == 1 {
		return middle
	}
	return fmt.Sprintf("%s ("+format+"-"+format+")", middle, slices.Min(s), slices.Max(s))
}

// over returns s / base, round by round.
func (s sample) over(base sample) sample {
	var ratios sample
	for i := range min(len(s), len(base)) {
		if base[i] != 0 {
			ratios = append(ratios, s[i]/base[i])
		}
	}
	return ratios
}
