package ui

import (
	"strings"
	"testing"
	"testing/quick"
	"time"
	"unicode/utf8"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

func TestDuration_hasAUnitAndThreeDigits(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0 s", 1: "1 ns", 999: "999 ns", 1000: "1 µs", 1234: "1.23 µs", 999_499: "999 µs", 999_500: "1 ms", 12_345_678: "12.3 ms",
		1_500_000_000: "1.5 s", 59_994_000_000: "60 s", 59_995_000_000: "1 min", 61e9: "1 min 1 s", 3600e9: "1 h", 3661e9: "1 h 1 min",
		90_000e9: "1 d 1 h", -5: "−5 ns", 1<<63 - 1: "106,751 d 23 h", -1 << 63: "−106,751 d 23 h",
	} {
		if got := duration(ns); got != want {
			t.Errorf("duration(%d) = %q, want %q", ns, got, want)
		}
	}
}

func TestSize_hasABinaryUnit(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 5 << 20: "5 MiB", 1 << 62: "4,096 PiB", -2048: "−2 KiB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{count(999_999), "999,999"}, {count(1_234_567), "1.23 M"}, {count(7_000_000_000), "7 G"}, {rate(0), "0/s"}, {rate(0.05), "0.05/s"},
		{rate(1234.5), "1,235/s"}, {rate(0.0001), "<0.001/s"}, {percent(0.00117), "0.117 %"}, {grouped(-1234), "−1,234"},
		{plural(1, "row", "rows"), "1 row"}, {plural(2, "row", "rows"), "2 rows"}, {age(testNow(), testNow()), "1 s"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestQuote_isWhatAShellReads(t *testing.T) {
	for arg, want := range map[string]string{
		"plain": "plain", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "-x=/a.b,c:d": "-x=/a.b,c:d", "$(rm)": "'$(rm)'", "a\nb": `$'a\nb'`,
		"\x1b[31m": `$'\e[31m'`, "\x00": `$'\x00'`, "tab\t'": `$'tab\t\''`, "\u202eexe": `$'\u202eexe'`, "Zoë": "Zoë", "\U000e0041": `$'\U000e0041'`,
	} {
		if got := quote(arg); got != want {
			t.Errorf("quote(%q) = %s, want %s", arg, got, want)
		}
	}
}

func TestWhen_leavesTheDateOutOnlyToday(t *testing.T) {
	now := testNow()
	if w := newWhen(v1.Time(now), now); w.Short != "20:30:15.000" || w.ISO != "2026-11-21T20:30:15Z" {
		t.Errorf("got %+v", w)
	}
	if w := newWhen(v1.Time(now.Add(-24*time.Hour)), now); w.Short != "2026-11-20 20:30:15" {
		t.Errorf("got %+v", w)
	}
	if w := newWhen(v1.Time{}, now); w != (when{}) {
		t.Errorf("no time renders as %+v", w)
	}
}

func TestMiddle_losesNothingAtItsEnds(t *testing.T) {
	check := func(s string) bool {
		s = strings.ToValidUTF8(s, "\uFFFD")
		head, tail := middle(s)
		return strings.HasSuffix(s, tail) && strings.HasPrefix(s, strings.TrimSuffix(head, "…")) && utf8.ValidString(head+tail) &&
			(tail != "" || head == s)
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
	head, tail := middle(strings.Repeat("é", 5000))
	if utf8.RuneCountInString(head) != rowHead+1 || utf8.RuneCountInString(tail) != rowTail {
		t.Errorf("got %d and %d characters", utf8.RuneCountInString(head), utf8.RuneCountInString(tail))
	}
}

func FuzzQuote_showsNothingHidden(f *testing.F) {
	f.Add("a\x1b'\\\u202e\n")
	f.Fuzz(func(t *testing.T, s string) {
		if q := quote(strings.ToValidUTF8(s, "\uFFFD")); strings.IndexFunc(q, hidden) >= 0 {
			t.Errorf("quote(%q) = %q", s, q)
		}
	})
}
