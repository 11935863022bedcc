package cli

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAccess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a-token-of-some-length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name            string
		options         accessOptions
		variable        string
		loopback, token bool
		hosts           []string
	}{
		{"loopback trusts this machine", accessOptions{listen: "127.0.0.1:0"}, "", true, false, nil},
		{"IPv6 loopback", accessOptions{listen: "[::1]:0"}, "", true, false, nil},
		{"loopback by name, with a name of a proxy", accessOptions{listen: "localhost:0", hosts: []string{"proxy.example"}}, "", true, false, []string{"proxy.example"}},
		{"loopback with a token all the same", accessOptions{listen: "127.0.0.1:0", tokenFile: file}, "", true, true, nil},
		{"elsewhere with a token in a file", accessOptions{listen: ":0", tokenFile: file}, "", false, true, []string{machine}},
		{"elsewhere with a token in the environment", accessOptions{listen: "192.0.2.1:0"}, "a-token-of-some-length", false, true, []string{machine}},
		{"the file before the environment", accessOptions{listen: "192.0.2.1:0", tokenFile: file}, "short", false, true, []string{machine}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := tt.options.read(Env{Getenv: func(string) string { return tt.variable }})
			if err != nil {
				t.Fatal(err)
			}
			if a.loopback != tt.loopback || a.token.IsZero() == tt.token || !slices.Equal(a.hosts, tt.hosts) || a.tls != nil {
				t.Errorf("got %+v", a)
			}
		})
	}
}

func TestAccess_url(t *testing.T) {
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ip     net.IP
		secure bool
		want   string
	}{
		{net.IPv4(127, 0, 0, 1), false, "http://127.0.0.1:7788"},
		{net.IPv6loopback, true, "https://[::1]:7788"},
		{net.IPv6unspecified, true, "https://" + machine + ":7788"},
	} {
		var a access
		if tt.secure {
			a.tls = new(tls.Config)
		}
		if got := a.url(&net.TCPAddr{IP: tt.ip, Port: 7788}); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
