package ui

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// unknown stands for a number that nobody knows.
const unknown = "–"

// significant renders f with three significant digits, without an exponent and
// without zeros at its end.
func significant(f float64) string {
	size := math.Abs(f)
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return unknown
	case size >= 99.95:
		return grouped(int64(math.Round(f)))
	case size >= 9.995:
		return trimZeros(strconv.FormatFloat(f, 'f', 1, 64))
	case size >= 0.9995 || size == 0:
		return trimZeros(strconv.FormatFloat(f, 'f', 2, 64))
	case size < 0.0005:
		return "<0.001"
	}
	return trimZeros(strconv.FormatFloat(f, 'f', 3, 64))
}

func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// grouped renders n with a comma between thousands.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// count renders how many: exactly up to a million.
func count(n uint64) string {
	switch {
	case n < 1_000_000:
		return grouped(int64(n))
	case n < 1_000_000_000:
		return significant(float64(n)/1e6) + " M"
	}
	return significant(float64(n)/1e9) + " G"
}

// duration renders nanoseconds in the unit that suits their size.
func duration(ns int64) string {
	f := float64(ns)
	switch {
	case ns < 0:
		return "−" + duration(-max(ns, -math.MaxInt64))
	case ns == 0:
		return "0 s"
	case ns < 1000:
		return strconv.FormatInt(ns, 10) + " ns"
	case f < 999.5e3:
		return significant(f/1e3) + " µs"
	case f < 999.5e6:
		return significant(f/1e6) + " ms"
	case f < 59.995e9:
		return significant(f/1e9) + " s"
	}
	d := time.Duration(ns)
	if d < time.Hour-time.Second/2 {
		return pair(d, time.Minute, "min", time.Second, "s")
	}
	if d < 24*time.Hour-time.Minute/2 {
		return pair(d, time.Hour, "h", time.Minute, "min")
	}
	return pair(d, 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, large time.Duration, largeName string, small time.Duration, smallName string) string {
	d = d.Round(small)
	s := grouped(int64(d/large)) + " " + largeName
	if rest := d % large / small; rest > 0 {
		s += " " + strconv.Itoa(int(rest)) + " " + smallName
	}
	return s
}

// durationOr renders a duration that may be missing.
func durationOr(ns *int64) string {
	if ns == nil {
		return unknown
	}
	return duration(*ns)
}

// size renders bytes in binary units.
func size(n int64) string {
	if n < 0 {
		return "−" + size(-max(n, -math.MaxInt64))
	}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f /= 1024; f < 1023.5 {
			return significant(f) + " " + unit
		}
	}
	return significant(f/1024) + " PiB"
}

// rate renders how often per second something happens, always in one unit, so
// that a column of them compares.
func rate(perSecond float64) string { return significant(perSecond) + "/s" }

// percent renders a share.
func percent(share float64) string { return significant(share*100) + " %" }

// when is a time as pages show it: the machine's form, the whole of it, and a
// short form.
type when struct {
	ISO, Full, Short string
}

// newWhen renders t in UTC; the date is left out when it is that of now.
func newWhen(t v1.Time, now time.Time) when {
	u := time.Time(t).UTC()
	if u.IsZero() {
		return when{}
	}
	w := when{ISO: u.Format(time.RFC3339Nano), Full: u.Format("2006-01-02 15:04:05.000000000 UTC"), Short: u.Format("15:04:05.000")}
	if y, m, d := u.Date(); !sameDay(now.UTC(), y, m, d) {
		w.Short = u.Format("2006-01-02 15:04:05")
	}
	return w
}

// newDay renders a time that is not about fractions of a second.
func newDay(t v1.Time, now time.Time) when {
	w := newWhen(t, now)
	if u := time.Time(t).UTC(); !u.IsZero() {
		w.Short = u.Format("15:04:05")
		if y, m, d := u.Date(); !sameDay(now.UTC(), y, m, d) {
			w.Short = u.Format("2006-01-02 15:04")
		}
	}
	return w
}

func sameDay(t time.Time, year int, month time.Month, day int) bool {
	y, m, d := t.Date()
	return y == year && m == month && d == day
}

// age renders how long ago t was.
func age(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d <= time.Second:
		return "1 s"
	case d >= 10*time.Minute:
		return duration(int64(d.Round(time.Minute)))
	}
	return duration(int64(d.Round(time.Second)))
}

// commandLine joins arguments as a shell reads them, so that a copy of it runs.
func commandLine(argv []string) string {
	var b strings.Builder
	for i, arg := range argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(arg))
	}
	return b.String()
}

// quote renders an argument for a shell: bare when nothing in it is special,
// and with escapes what could not be seen or would change how it is read.
func quote(arg string) string {
	bare, plain := arg != "", true
	for _, r := range arg {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@%+=:,./_-", r) {
			bare = false
		}
		if hidden(r) {
			plain = false
		}
	}
	switch {
	case bare:
		return arg
	case plain:
		return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, r := range arg {
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case hidden(r):
			b.WriteString(escape(r))
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// hidden is true of what has no shape of its own: control characters, line
// separators, and marks that turn the direction of text.
func hidden(r rune) bool {
	if r >= ' ' && r <= '~' {
		return false
	}
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

func escape(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\t':
		return `\t`
	case '\r':
		return `\r`
	case 0x1b:
		return `\e`
	}
	s := strconv.FormatInt(int64(r), 16)
	switch {
	case r < 0x80:
		return `\x` + strings.Repeat("0", 2-len(s)) + s
	case r < 0x10000:
		return `\u` + strings.Repeat("0", 4-len(s)) + s
	}
	return `\U` + strings.Repeat("0", 8-len(s)) + s
}

// visible replaces what has no shape by escapes.
func visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// shown is the last resort for a page: whatever text has come into it
// unchanged, what has no shape is written as an escape that JSON reads, too.
func shown(page []byte) []byte {
	clean := func(r rune) bool { return r == '\n' || r == '\t' || !hidden(r) }
	if bytes.IndexFunc(page, func(r rune) bool { return !clean(r) }) < 0 {
		return page
	}
	out := make([]byte, 0, len(page)+256)
	for _, r := range string(page) {
		if clean(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	return out
}

// The lengths, in characters, of what a row shows of a long text. What the
// window has no room for is left out of the head.
const (
	rowHead = 220
	rowTail = 22
)

// middle splits a text into the head that may be shortened and the tail that
// stays. A short text has no tail.
func middle(s string) (head, tail string) {
	n := utf8.RuneCountInString(s)
	if n <= 2*rowTail {
		return s, ""
	}
	end := len(s)
	for range rowTail {
		_, size := utf8.DecodeLastRuneInString(s[:end])
		end -= size
	}
	return clip(s[:end], rowHead), s[end:]
}

// clip shortens s to n characters.
func clip(s string, n int) string {
	i := 0
	for at := range s {
		if i++; i > n {
			return s[:at] + "…"
		}
	}
	return s
}

// plural renders n with the noun that suits it.
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
