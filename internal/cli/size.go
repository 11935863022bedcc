package cli

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// parseSize reads a size of memory: up to 2 GiB, else as [parseBytes] does.
func parseSize(s string) (int, error) {
	n, err := parseBytes(s)
	if errors.Is(err, errSizeRange) || n > math.MaxInt32 {
		return 0, errors.New("not between 1 byte and 2 GiB")
	}
	return int(n), err
}

var errSizeRange = errors.New("not between 1 byte and 1024 TiB")

// parseBytes reads a size in bytes with an optional binary or decimal unit;
// the empty string is 0.
func parseBytes(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	units := []struct {
		suffix string
		bytes  float64
	}{
		{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
		{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
		{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1},
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
	if !(n >= 1 && n <= 1<<50) {
		return 0, errSizeRange
	}
	return int64(n), nil
}
