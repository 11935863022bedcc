package symbol

import (
	"slices"
	"testing"
)

func TestBinary_StdLib(t *testing.T) {
	shop := &Binary{info: buildInfo{modules: []string{"shop", "shop/cmd/shopd", "corp/lib"}}}
	for _, test := range []struct {
		fn   string
		want bool
	}{
		{"os/exec.(*Cmd).Start", true},
		{"net/http.HandlerFunc.ServeHTTP", true},
		{"slices.SortFunc[...]", true},
		{"slices.Collect[go.shape.struct { github.com/x/y.A int }]", true},
		{"sync.(*Pool[github.com/x/y.T]).Get", true},
		{"runtime.goexit", true},
		{"runtime.main.func2", true},
		{"internal/poll.(*FD).Read", true},
		{"vendor/golang.org/x/net/http2/hpack.(*Decoder).Write", true},
		{"plugin.Open", true},
		{"shopping.Cart", true},
		{"type:.eq.github.com/x/y.T", true},
		{"go:buildid", true},
		{"gogo", true},
		{"_cgo_sys_thread_start", true},
		{"", true},
		{"?", true},
		{"main.main", false},
		{"main.main.func1", false},
		{"main.(*server).run-fm", false},
		{"main.Map[...]", false},
		{"command-line-arguments.TestX", false},
		{"command-line-arguments_test.TestX", false},
		{"github.com/x/y.(*T).M", false},
		{"github.com/x/y.init.0", false},
		{"gopkg.in/yaml%2ev3.Unmarshal", false},
		{"example%2ecom.F", false},
		{"example.com/pkg.F[...]", false},
		{"golang.org/x/net/http2.(*Server).serve", false},
		{"cmd/go/internal/work.(*Builder).build", false},
		{"_/home/me/x.F", false},
		{"plugin/unnamed-1234.F", false},
		{"shop.Run", false},
		{"shop/internal/cart.(*Cart).Add", false},
		{"shop_test.TestCart", false},
		{"corp/lib/log.Printf", false},
		{"corp/library.F", true},
	} {
		if got := shop.StdLib(test.fn); got != test.want {
			t.Errorf("StdLib(%q) = %v", test.fn, got)
		}
	}
}

func TestDotlessModules(t *testing.T) {
	marker := string(make([]byte, modInfoFrame))
	info := marker + "path\tshop/cmd/shopd\nmod\tshop\t(devel)\t\ndep\tgithub.com/x/y\tv1.0.0\th1:x=\n" +
		"dep\tcorp/lib\tv0.0.0\n=>\tother/place\tv1.2.3\th1:y=\nbuild\tCGO_ENABLED=0\n" + marker
	want := []string{"shop/cmd/shopd", "shop", "corp/lib"}
	if got := dotlessModules([]byte(info)); !slices.Equal(got, want) {
		t.Errorf("dotlessModules() = %q, want %q", got, want)
	}
	for _, info := range []string{"", "short", marker, marker + marker, marker + "mod" + marker, marker + "mod\t\n" + marker} {
		if got := dotlessModules([]byte(info)); got != nil {
			t.Errorf("dotlessModules(%q) = %q", info, got)
		}
	}
}

func TestReleaseOf(t *testing.T) {
	newest := releases()[len(releases())-1].minor
	for _, test := range []struct {
		version string
		minor   int
		known   bool
	}{
		{"go1.20", 20, true},
		{"go1.20.14", 20, true},
		{"go1.23.12 X:nocoverageredesign", 23, true},
		{"go1.24rc1", 24, true},
		{"devel go1.25-3ae6ee1 Mon Jan 2", 25, true},
		{"go1.26-custom", 26, true},
		{"go1.19.13", newest, false},
		{"go1.99.1", newest, false},
		{"go1.99999999999999999999", newest, false},
		{"go2.0", newest, false},
		{"gotip", newest, false},
		{"", newest, false},
	} {
		if r, known := releaseOf(test.version); r.minor != test.minor || known != test.known {
			t.Errorf("releaseOf(%q) = 1.%d, %v", test.version, r.minor, known)
		}
	}
}
