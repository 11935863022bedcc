package model

import "testing"

func TestPackageOf(t *testing.T) {
	for _, c := range []struct {
		function, want, short string
		standard              bool
	}{
		{"net/http.(*conn).serve", "net/http", "http.(*conn).serve", true},
		{"sync.(*Mutex).Lock", "sync", "sync.(*Mutex).Lock", true},
		{"main.main.func1", "main", "main.main.func1", false},
		{"github.com/a/b.F[go.shape.int]", "github.com/a/b", "b.F[go.shape.int]", false},
		{"example.com/x.G[example.com/y.T]", "example.com/x", "x.G[example.com/y.T]", false},
		{"shop/internal/cart.Add", "shop/internal/cart", "cart.Add", false},
		{"gopkg.in/yaml%2ev3.Unmarshal", "gopkg.in/yaml%2ev3", "yaml%2ev3.Unmarshal", false},
		{"", "", "", false},
		{"github.com/caddyserver/caddy/v2.Run", "github.com/caddyserver/caddy/v2", "caddy/v2.Run", false},
		{"v2.Run", "v2", "v2.Run", false},
		{"example.com/vote.Run", "example.com/vote", "vote.Run", false},
		{"memeqbody", "memeqbody", "memeqbody", false},
	} {
		if got := PackageOf(c.function); got != c.want {
			t.Errorf("%s: package %q, want %q", c.function, got, c.want)
		}
		if got := ShortFunction(c.function); got != c.short {
			t.Errorf("%s: short %q, want %q", c.function, got, c.short)
		}
		if got := StandardLibrary(c.function); got != c.standard {
			t.Errorf("%s: standard %v", c.function, got)
		}
	}
}
