package startup

import (
	"net"
	"slices"
	"testing"
)

func TestGoProxies(t *testing.T) {
	for _, test := range []struct {
		value string
		want  []string
	}{
		{"", nil},
		{"direct", nil},
		{"off", nil},
		{"https://proxy.golang.org,direct", []string{"proxy.golang.org:443"}},
		{"http://127.0.0.1", []string{"127.0.0.1:80"}},
		{"http://127.0.0.1:3000/go|https://proxy.example", []string{"127.0.0.1:3000", "proxy.example:443"}},
		{"http://[::1]/, http://[::1]:80", []string{"[::1]:80"}},
		{"https://user:pass@proxy.example/x?y=z", []string{"proxy.example:443"}},
		{"proxy.example", []string{"proxy.example:443"}},
		{"proxy.example/go,file:///srv/cache,/srv/cache,noproxy", []string{"proxy.example:443"}},
		{"https://", nil},
		{"https://a b/,http://%zz", nil},
		{"ftp://proxy.example", nil},
		{"http://],http://[", nil},
	} {
		if got := GoProxies(test.value); !slices.Equal(got, test.want) {
			t.Errorf("%q: %q, want %q", test.value, got, test.want)
		}
	}
}

// FuzzGoProxies checks that whatever the value is, each proxy has a host and a
// port, and none who asks.
func FuzzGoProxies(f *testing.F) {
	f.Add("https://u:p@proxy.example:443/x,direct|http://[::1%25eth0]")
	f.Fuzz(func(t *testing.T, value string) {
		for _, proxy := range GoProxies(value) {
			if host, port, err := net.SplitHostPort(proxy); err != nil || host == "" || port == "" {
				t.Errorf("%q: %q has host %q and port %q: %v", value, proxy, host, port, err)
			}
		}
	})
}
