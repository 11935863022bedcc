package cli

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// parseSize reads a size in bytes with an optional binary or decimal unit;
// the empty string is 0.
func parseSize(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	units := []struct {
		suffix string
		bytes  float64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
		{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"B", 1},
	}
	factor := 1.0
	for _, u := range units {
		if number, ok := strings.CutSuffix(s, u.suffix); ok {
			s, factor = number, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return 0, errors.New("not a size")
	}
	n *= factor
	if !(n >= 1 && n <= math.MaxInt32) {
		return 0, errors.New("not between 1 byte and 2 GiB")
	}
	return int(n), nil
}
