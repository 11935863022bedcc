package doctor

import (
	"fmt"
	"strings"
	"time"
)

// short renders a duration with three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for limit := time.Microsecond; d.Abs() >= limit && unit < time.Second; limit *= 10 {
		unit = limit / 100
	}
	return d.Round(unit).String()
}

func percent(part, whole float64) string {
	if whole <= 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.0f %%", 100*part/whole)
}

// size renders bytes.
func size(n uint64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// cpus renders a number of CPUs that need not be whole.
func cpus(n float64) string {
	text := fmt.Sprintf("%.4g", n)
	if text == "1" {
		return "1 CPU"
	}
	return text + " CPUs"
}

// clipped returns the beginning of a text that is too long to show.
func clipped(text string) string {
	const most = 200
	if text = strings.ToValidUTF8(text, "?"); len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
