package query

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestNeedle_isFoundInEitherCase(t *testing.T) {
	tests := []struct {
		needle, text string
		want         bool
	}{
		{"", "", true}, {"", "x", true}, {"x", "", false},
		{"git", "/usr/bin/GIT", true}, {"GIT", "git", true}, {"git", "gi", false}, {"git", "ggit", true}, {"aab", "aaab", true},
		{"größe", "DIE GRÖSSE", false}, {"größe", "die GRÖßE", true}, {"Ä", "xäx", true}, {"x", "ä\xffX", true},
		{"[", "{", false}, {"@", "`", false}, {"\x00", "a\x00b", true},
	}
	for _, tt := range tests {
		if got := NewNeedle(tt.needle).In(tt.text); got != tt.want {
			t.Errorf("%q in %q: %t", tt.needle, tt.text, got)
		}
	}
}

func FuzzNeedle(f *testing.F) {
	f.Add("Git", "/usr/bin/git")
	f.Add("ß", "Größe\xff")
	f.Fuzz(func(t *testing.T, needle, text string) {
		want := strings.Contains(strings.ToLower(text), strings.ToLower(needle))
		if got := NewNeedle(needle).In(text); got != want {
			t.Errorf("%q in %q: %t, want %t", needle, text, got, want)
		}
	})
}

func FuzzCursor(f *testing.F) {
	filter, err := New(model.Query{Service: "shop"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(filter.Cursor(Position{math.MinInt64, math.MaxUint64, math.MaxInt64}))
	f.Add("")
	f.Add("AAAAAA")
	f.Fuzz(func(t *testing.T, after string) {
		filter, err := New(model.Query{Service: "shop", After: after})
		if err != nil || after == "" {
			return
		}
		begin, ok := filter.Begin()
		if !ok {
			t.Fatalf("%q: no begin", after)
		}
		again, err := New(model.Query{Service: "shop", After: filter.Cursor(begin)})
		if err != nil {
			t.Fatal(err)
		}
		if p, _ := again.Begin(); p != begin {
			t.Errorf("%+v becomes %+v", begin, p)
		}
	})
}

func TestPosition_isATotalOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	list := []Position{First()}
	for range 200 {
		list = append(list, Position{int64(r.IntN(3)) - 1, uint64(r.IntN(3)), int64(r.IntN(3))})
	}
	slices.SortFunc(list, Compare)
	if list[0] != First() {
		t.Errorf("the first is %+v", list[0])
	}
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if a != b && (!a.Before(b) || b.Before(a)) || a == b && a.Before(b) || a.Key < b.Key {
			t.Fatalf("%+v comes before %+v", a, b)
		}
	}
}

func TestNanoseconds_ofTimesThatHaveNone(t *testing.T) {
	tests := []struct {
		time time.Time
		want int64
	}{
		{time.Time{}, 7}, {time.Unix(1, 2), 1e9 + 2},
		{time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC), math.MinInt64},
		{time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC), math.MaxInt64},
	}
	for _, tt := range tests {
		if got := Nanoseconds(tt.time, 7); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.time, got, tt.want)
		}
	}
}

func TestFilter_saysItsPlace(t *testing.T) {
	for _, tt := range []struct {
		order model.Order
		want  string
	}{{model.NewestFirst, "1970-01-01T00:00:05Z"}, {model.SlowestFirst, "a duration of 5s"}} {
		f, err := New(model.Query{Order: tt.order})
		if err != nil || f.Place(Position{Key: 5e9}) != tt.want {
			t.Errorf("%v, %v; want %s", f.Place(Position{Key: 5e9}), err, tt.want)
		}
	}
}
