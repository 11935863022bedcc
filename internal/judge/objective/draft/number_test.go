package draft

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		text string
		want float64
		ok   bool
	}{
		// What the decimals say, where 99.95/100 is 0.9994999999999999 in binary.
		{"99.95", 0.9995, true}, {"99.9", 0.999, true}, {"99.0", 0.99, true}, {"99.999999", 0.99999999, true}, {"57.3", 0.573, true}, {"1e2", 1, true}, {"0", 0, true}, {"-1", -0.01, true},
		{"", 0, false}, {"ninety", 0, false}, {"NaN", 0, false}, {"Inf", 0, false}, {"0x1p3", 0, false}, {"1_0", 0, false}, {"1e1000000000", 0, false},
	} {
		if got, ok := Percent(test.text); got != test.want || ok != test.ok {
			t.Errorf("%s: %v %v, want %v %v", test.text, got, ok, test.want, test.ok)
		}
	}
}

func TestLength(t *testing.T) {
	for _, test := range []struct {
		text string
		want time.Duration
	}{
		{"30d", 30 * day}, {"4w", 28 * day}, {"1h30m", 90 * time.Minute}, {"90s", 90 * time.Second}, {"200ms", 200 * time.Millisecond}, {"1y2w3d4h5m6s7ms", 365*day + 17*day + 4*time.Hour + 5*time.Minute + 6*time.Second + 7*time.Millisecond},
		{"36500d", 36500 * day},
		// None of these, 0 stands for that.
		{"", 0}, {"30", 0}, {"d", 0}, {"1.5h", 0}, {"-1h", 0}, {"1 h", 0}, {"30m1h", 0}, {"1h1h", 0}, {"0d", 0}, {"36501d", 0}, {"999999999999w", 0}, {"9999999999999999999d", 0}, {"1M", 0}, {"36500d1s", 0},
	} {
		if got, ok := Length(test.text); got != test.want && ok || ok != (test.want > 0) {
			t.Errorf("%s: %v %v, want %v", test.text, got, ok, test.want)
		}
	}
}

func TestShorthand(t *testing.T) {
	for _, test := range []struct {
		text         string
		short        time.Duration
		days, months int
		rolling      time.Duration
	}{
		{"5m", 5 * time.Minute, 0, 0, 5 * time.Minute}, {"12h", 12 * time.Hour, 0, 0, 12 * time.Hour}, {"365d", 0, 365, 0, 365 * day}, {"4w", 0, 28, 0, 28 * day},
		{"1M", 0, 0, 1, 30 * day}, {"1Q", 0, 0, 3, 90 * day}, {"1Y", 0, 0, 12, 365 * day}, {"18M", 0, 0, 18, (365 + 180) * day},
		{"", 0, 0, 0, 0}, {"1", 0, 0, 0, 0}, {"1s", 0, 0, 0, 0}, {"0m", 0, 0, 0, 0}, {"-1d", 0, 0, 0, 0}, {"1h30m", 0, 0, 0, 0}, {"1 d", 0, 0, 0, 0}, {"1D", 0, 0, 0, 0}, {"2000Y", 0, 0, 0, 0}, {"99999999999999999999m", 0, 0, 0, 0},
	} {
		short, days, months, ok := Shorthand(test.text)
		if ok != (test.rolling > 0) || ok && (short != test.short || days != test.days || months != test.months || Rolling(short, days, months) != test.rolling) {
			t.Errorf("%s: %v, %d days, %d months, %v; want %+v", test.text, short, days, months, ok, test)
		}
	}
}

// TestSpell_isReadAgain: a length of whole milliseconds is the same when it is read.
func TestSpell_isReadAgain(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		want := time.Duration(1+random.Int64N(int64(maxLength/time.Millisecond))) * time.Millisecond
		want = want.Truncate([]time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, day}[random.IntN(5)])
		if got, ok := Length(Spell(want)); want > 0 && (!ok || got != want) {
			t.Fatalf("%v is spelled %s and read as %v", want, Spell(want), got)
		}
	}
	for want, length := range map[string]time.Duration{"1h30m": 90 * time.Minute, "30d": 30 * day, "1.5µs": 1500, "0s": 0, "-1s": -time.Second} {
		if got := Spell(length); got != want {
			t.Errorf("%v is spelled %s, want %s", length, got, want)
		}
	}
}
