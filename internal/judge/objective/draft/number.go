package draft

import (
	"math/big"
	"strconv"
	"time"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// Percent reads a share that is written in per cent: 99.9 for 0.999, the same
// float64 as if that were written.
func Percent(text string) (share float64, ok bool) {
	number, ok := yamldoc.ParseDecimal(text)
	if !ok {
		return 0, false
	}
	// By way of the shortest decimal: its exponent is bounded.
	exact, ok := new(big.Rat).SetString(strconv.FormatFloat(number, 'f', -1, 64))
	if !ok {
		return 0, false
	}
	share, _ = exact.Quo(exact, big.NewRat(100, 1)).Float64()
	return share, true
}

// ReadPercent reads a share in per cent that is a number; ok is false when it is
// none, which is said.
func ReadPercent(v yamldoc.Value, to *float64) (ok bool) {
	const hint = "write a number such as 99.9"
	if _, ok := v.Decimal(hint); !ok {
		return false
	}
	text := ""
	if !v.Word(&text, MaxName) {
		return false
	}
	share, ok := Percent(text)
	if !ok {
		v.Fail(hint, "is not a decimal number")
		return false
	}
	*to = share
	return true
}

const day = 24 * time.Hour

// maxLength is the longest length of time: a century.
const maxLength = 36500 * day

// units are those of Prometheus.
func unit(name string) (time.Duration, bool) {
	switch name {
	case "ms":
		return time.Millisecond, true
	case "s":
		return time.Second, true
	case "m":
		return time.Minute, true
	case "h":
		return time.Hour, true
	case "d":
		return day, true
	case "w":
		return 7 * day, true
	case "y":
		return 365 * day, true
	}
	return 0, false
}

// Length reads a length of time as Prometheus writes it: 30d, 1h30m, 90s.
func Length(text string) (time.Duration, bool) {
	var total time.Duration
	last := maxLength + 1
	for rest := text; rest != ""; {
		n, name, after := cut(rest)
		length, known := unit(name)
		// From the largest unit to the smallest, as Prometheus wants it.
		if n < 0 || !known || length >= last || time.Duration(n) > maxLength/length {
			return 0, false
		}
		last = length
		if total += time.Duration(n) * length; total > maxLength {
			return 0, false
		}
		rest = after
	}
	return total, total > 0
}

// cut splits "90s5ms" into 90, "s" and "5ms"; n is -1 when there is no number or
// a very large one.
func cut(text string) (n int, unit, rest string) {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	end := digits
	for end < len(text) && (text[end] < '0' || text[end] > '9') {
		end++
	}
	n, err := strconv.Atoi(text[:digits])
	if err != nil || digits > 12 {
		n = -1
	}
	return n, text[digits:end], text[end:]
}

// Shorthand reads OpenSLO's duration-shorthand, a number and a unit: m, h, d, w,
// and M, Q, Y, which are months. Of days and months one is 0; short is for what
// is less than a day.
func Shorthand(text string) (short time.Duration, days, months int, ok bool) {
	n, name, rest := cut(text)
	if n <= 0 || n > 1_000_000 || rest != "" {
		return 0, 0, 0, false
	}
	switch name {
	case "m":
		return time.Duration(n) * time.Minute, 0, 0, true
	case "h":
		return time.Duration(n) * time.Hour, 0, 0, true
	case "d":
		return 0, n, 0, n <= 36500
	case "w":
		return 0, 7 * n, 0, n <= 36500/7
	case "M":
		return 0, 0, n, n <= 1200
	case "Q":
		return 0, 0, 3 * n, n <= 400
	case "Y":
		return 0, 0, 12 * n, n <= 100
	}
	return 0, 0, 0, false
}

// Rolling returns the length of what Shorthand read, with months of 30 days and
// years of 365.
func Rolling(short time.Duration, days, months int) time.Duration {
	years := months / 12
	return short + time.Duration(days+365*years+30*(months-12*years))*day
}

// Spell writes a length of time as Length reads it.
func Spell(d time.Duration) string {
	if d < 0 || d%time.Millisecond != 0 || d == 0 {
		return d.String()
	}
	text := ""
	for _, name := range []string{"d", "h", "m", "s", "ms"} {
		length, _ := unit(name)
		if n := d / length; n > 0 {
			text += strconv.FormatInt(int64(n), 10) + name
			d -= n * length
		}
	}
	return text
}
