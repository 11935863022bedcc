package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

func TestGoProxySetting_isWhereTheGoCommandFindsIt(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go/bin/go":           "",
		"go/go.env":           "# defaults\n\nGOPROXY=https://of.goroot\nGOSUMDB=off\n",
		"plain/bin/go":        "",
		"home/.config/go/env": "GOFLAGS=-mod=mod\n GOPROXY=https://of.home \nGOPROXY=https://second\n",
		"xdg/go/env":          "GOPROXY=https://of.xdg\n",
		"elsewhere":           "GOPROXY=https://of.goenv",
		"empty":               "GOPROXY=\n#GOPROXY=https://comment\nGOPROXYX=1\nnonsense\n",
		"rooted":              "GOROOT=" + dir + "/go\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Symlink(in("go/bin/go"), in("link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(in("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, exe string
		env       map[string]string
		want      string
	}{
		{"the environment", "go/bin/go", map[string]string{"GOPROXY": "direct", "HOME": in("home")}, "direct"},
		{"go env -w of the user", "go/bin/go", map[string]string{"HOME": in("home")}, "https://of.home"},
		{"go env -w, when the environment has it empty", "go/bin/go", map[string]string{"GOPROXY": "", "HOME": in("home")}, "https://of.home"},
		{"go env -w in the folder of settings", "go/bin/go", map[string]string{"HOME": in("home"), "XDG_CONFIG_HOME": in("xdg")}, "https://of.xdg"},
		{"a folder of settings that is not absolute", "go/bin/go", map[string]string{"HOME": in("home"), "XDG_CONFIG_HOME": "xdg"}, "https://of.goroot"},
		{"the file that GOENV names", "go/bin/go", map[string]string{"HOME": in("home"), "GOENV": in("elsewhere")}, "https://of.goenv"},
		{"GOENV=off", "go/bin/go", map[string]string{"HOME": in("home"), "GOENV": "off"}, "https://of.goroot"},
		{"a GOENV that is no file", "go/bin/go", map[string]string{"GOENV": in("fifo")}, "https://of.goroot"},
		{"a GOENV that does not say", "go/bin/go", map[string]string{"GOENV": in("empty")}, "https://of.goroot"},
		{"go.env of the release", "go/bin/go", nil, "https://of.goroot"},
		{"go.env of the release that a link leads to", "link", nil, "https://of.goroot"},
		{"go.env of GOROOT", "plain/bin/go", map[string]string{"GOROOT": in("go")}, "https://of.goroot"},
		{"go.env of the GOROOT that go env -w set", "plain/bin/go", map[string]string{"GOENV": in("rooted")}, "https://of.goroot"},
		{"what is built in", "plain/bin/go", nil, defaultGoProxy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := goProxySetting(in(tt.exe), tt.env); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestAddFacts(t *testing.T) {
	env := []string{"GODEBUG=gctrace=1", "GOMAXPROCS=3", "GOPROXY=http://127.0.0.1,direct", "GODEBUG=last=1", "odd"}
	for exe, want := range map[string]int{"/usr/lib/go/bin/go": 1, "/srv/shop": 0} {
		s := &startup.Start{Exe: exe, Facts: startup.Facts{GoProxy: []string{"of the probe"}}}
		addFacts(s, env)
		if f := s.Facts; f.GoDebug != "last=1" || f.GoMaxProcs != 3 || f.CPUs < 1 || len(f.GoProxy) != want || want > 0 && f.GoProxy[0] != "127.0.0.1:80" {
			t.Errorf("%s: %+v", exe, f)
		}
	}
}

// FuzzParseGoEnv checks that a setting is a line's, whatever the text is.
func FuzzParseGoEnv(f *testing.F) {
	f.Add([]byte("# x\nGOPROXY=a=b\n\nA=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name, value := range parseGoEnv(text) {
			if strings.HasPrefix(name, "#") || !bytes.Contains(text, []byte(name+"="+value)) {
				t.Errorf("%q has %q = %q", text, name, value)
			}
		}
	})
}
