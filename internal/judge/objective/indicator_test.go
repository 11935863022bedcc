package objective

import (
	"testing"
)

// fits is Match by its definition.
func fits(pattern, text string) bool {
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return fits(pattern[1:], text) || text != "" && fits(pattern, text[1:])
	case text == "":
		return false
	}
	return (pattern[0] == '?' || pattern[0] == text[0]) && fits(pattern[1:], text[1:])
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"**", "abc", true},
		{"?*", "", false},
		{"?*", "x", true},
		{"5??", "500", true},
		{"5??", "50", false},
		{"5??", "5000", false},
		{"/api/*", "/api/", true},
		{"/api/*", "/api", false},
		{"*/cart/*/items", "/v1/cart/7/cart/8/items", true},
		{"*/cart/*/items", "/v1/cart/7/item", false},
		{"GET", "get", false},
		{"a*b*c", "axxbxxbxxc", true},
		{"a*b*c", "axxbxxbxx", false},
	} {
		if got := Match(test.pattern, test.text); got != test.want {
			t.Errorf("Match(%q, %q) is %v, want %v", test.pattern, test.text, got, test.want)
		}
	}
}

// TestMatch_asDefined compares all short patterns with all short texts.
func TestMatch_asDefined(t *testing.T) {
	words := func(letters string, n int) []string {
		all, last := []string{""}, []string{""}
		for range n {
			var next []string
			for _, w := range last {
				for _, c := range letters {
					next = append(next, w+string(c))
				}
			}
			all, last = append(all, next...), next
		}
		return all
	}
	for _, pattern := range words("ab*?", 5) {
		for _, text := range words("ab", 5) {
			if got, want := Match(pattern, text), fits(pattern, text); got != want {
				t.Fatalf("Match(%q, %q) is %v, want %v", pattern, text, got, want)
			}
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("*a*b?", "xxaxxby")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 16 {
			return
		}
		if got, want := Match(pattern, text), fits(pattern, text); got != want {
			t.Errorf("Match(%q, %q) is %v, want %v", pattern, text, got, want)
		}
	})
}

func by(key string, patterns ...string) Selector {
	return Selector{Attributes: []Attribute{{Keys: []string{key}, Patterns: patterns}}}
}

func TestIndicator_judges(t *testing.T) {
	values := func(pairs ...string) Lookup {
		return func(key string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == key {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	routed := Selector{Service: []string{"shop", "cart-*"}, Attributes: []Attribute{{Keys: []string{"http.route", "url.template"}, Patterns: []string{"/buy/*"}}, {Keys: []string{"goshawk.role"}, Patterns: []string{"server"}}}}
	tests := []struct {
		name        string
		indicator   Indicator
		service     string
		values      Lookup
		counts, bad bool
	}{
		{"all that is good", Indicator{Signal: SignalHTTP}, "any", values(), true, false},
		{"what failed by default", Indicator{Signal: SignalHTTP}, "any", values("error.type", "503"), true, true},
		{"a request of a client that the server refused is no failure by default", Indicator{Signal: SignalHTTP}, "any", values("error.type", "404"), true, false},
		{"a panic", Indicator{Signal: SignalHTTP}, "any", values("error.type", "panic"), true, true},
		{"whatever failed, of other signals", Indicator{Signal: SignalExec}, "any", values("error.type", "1"), true, true},
		{"the first of two keys", Indicator{Select: routed}, "shop", values("http.route", "/buy/{id}", "goshawk.role", "server"), true, false},
		{"the second of two keys", Indicator{Select: routed}, "cart-eu", values("url.template", "/buy/{id}", "goshawk.role", "server"), true, false},
		{"not all attributes", Indicator{Select: routed}, "shop", values("http.route", "/buy/{id}"), false, false},
		{"another service", Indicator{Select: routed}, "cart", values("http.route", "/buy/{id}", "goshawk.role", "server"), false, false},
		{"excluded", Indicator{Exclude: []Selector{by("a", "1"), by("b", "1")}}, "any", values("b", "1"), false, false},
		{"no value is the empty text", Indicator{Select: by("a", "")}, "any", values("b", "1"), true, false},
		{"one of what is bad", Indicator{Signal: SignalHTTP, Bad: []Selector{by("a", "1"), by("b", "1", "2")}}, "any", values("b", "2"), true, true},
		{"nothing is bad", Indicator{Signal: SignalHTTP, Bad: []Selector{}}, "any", values("error.type", "503"), true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.indicator.Selects(test.service, test.values); got != test.counts {
				t.Errorf("counts: %v", got)
			}
			if got := test.indicator.IsBad(test.service, test.values); got != test.bad {
				t.Errorf("bad: %v", got)
			}
		})
	}
}

// BenchmarkMatch is the worst that a pattern and a text of these lengths can do.
func BenchmarkMatch(b *testing.B) {
	pattern, text := "*a*a*a*a*a*a*a*b", ""
	for range 200 {
		text += "a"
	}
	for b.Loop() {
		Match(pattern, text)
	}
}
