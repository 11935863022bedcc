package doctor

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tree writes files below a new folder and returns that, without symbolic links.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// noSettings is a reader of settings that finds no file.
func noSettings(string) map[string]string { return nil }

func TestInstallations_followPath(t *testing.T) {
	dir := tree(t, map[string]string{
		"a/bin/go": "", "a/VERSION": "go1.26.8\ntime 2026-08-28T16:20:06Z\n",
		"b/bin/go": "", "b/VERSION": "go1.19.8",
		"shims/go": "#!/bin/sh\n", "none/other": "", "folder/go/x": "",
	})
	if err := os.MkdirAll(filepath.Join(dir, "links"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../a/bin/go", filepath.Join(dir, "links/go")); err != nil {
		t.Fatal(err)
	}
	in := func(list ...string) string {
		for i := range list {
			list[i] = filepath.Join(dir, list[i])
		}
		return strings.Join(list, ":")
	}
	a := Installation{Root: filepath.Join(dir, "a"), Version: "go1.26.8"}
	b := Installation{Path: filepath.Join(dir, "b/bin/go"), Root: filepath.Join(dir, "b"), Version: "go1.19.8"}
	at := func(i Installation, path string) Installation { i.Path = filepath.Join(dir, path); return i }
	for _, c := range []struct {
		name, path string
		want       []Installation
	}{
		{"none", in("none", "folder") + "::relative", nil},
		{"one, and a link to it", in("links", "a/bin"), []Installation{at(a, "links/go")}},
		{"two", in("a/bin", "b/bin", "a/bin"), []Installation{at(a, "a/bin/go"), b}},
		{"a shim before one", in("shims", "b/bin"), []Installation{{Path: filepath.Join(dir, "shims/go")}, b}},
	} {
		if diff := cmp.Diff(c.want, Installations(c.path)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// The installation that runs the tests is one without anything to say of.
func TestInstallations_findTheRealOne(t *testing.T) {
	list := Installations(os.Getenv("PATH"))
	if len(list) == 0 || !strings.HasPrefix(list[0].Version, "go1.") || list[0].Root == "" {
		t.Errorf("found %+v", list)
	}
}

func TestFindModule_readsModuleAndWorkspace(t *testing.T) {
	dir := tree(t, map[string]string{
		"m/go.mod": "module example.com/m\n\ngo 1.26.0\n\ntoolchain go1.27.1\n", "m/sub/x.go": "", "m/vendor/modules.txt": "",
		"w/go.work": "go 1.27.0\n\nuse ./in\n", "w/in/go.mod": "module example.com/in\n", "w/out/go.mod": "module example.com/out\n\ngo 1.20\n",
		"bad/go.mod": "module\n\"", "none/x": "",
	})
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		name, dir, gowork string
		want              *Module
		fails             bool
	}{
		{"none", "none", "", nil, false},
		{"in a folder below", "m/sub", "", &Module{Dir: in("m"), Path: "example.com/m", Go: "go1.26.0", Toolchain: "go1.27.1", Vendor: true}, false},
		{"the lines of the workspace count", "w/in", "", &Module{Dir: in("w/in"), Path: "example.com/in", Go: "go1.27.0", Workspace: in("w/go.work")}, false},
		{"outside of the workspace", "w/out", "", &Module{Dir: in("w/out"), Path: "example.com/out", Go: "go1.27.0", Workspace: in("w/go.work"), Outside: true}, false},
		{"workspace off", "w/out", "off", &Module{Dir: in("w/out"), Path: "example.com/out", Go: "go1.20"}, false},
		{"workspace gone", "m", in("gone"), &Module{Dir: in("m"), Path: "example.com/m", Go: "go1.26.0", Toolchain: "go1.27.1", Vendor: true}, true},
		{"broken", "bad", "", &Module{Dir: in("bad")}, true},
	} {
		got, err := FindModule(in(c.dir), c.gowork)
		if diff := cmp.Diff(c.want, got); diff != "" || (err != nil) != c.fails {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
	}
}

func TestGatherEnvironment_takesSettingsWhereTheGoCommandDoes(t *testing.T) {
	dir := tree(t, map[string]string{"go/bin/go": "", "go/VERSION": "go1.26.8\n", "m/go.mod": "module m\n"})
	goEnv := filepath.Join(dir, "go/go.env")
	var e Evidence
	e.GatherEnvironment(t.Context(), EnvironmentOptions{
		Dir: filepath.Join(dir, "m"), EnvFile: "/home/u/go/env",
		Env: map[string]string{"PATH": filepath.Join(dir, "go/bin"), "GOFLAGS": "-x", "GOROOT": filepath.Join(dir, "go"), "GODEBUG": "a=1", "SECRET": "s"},
		ReadSettings: func(path string) map[string]string {
			return map[string]map[string]string{
				"/home/u/go/env": {"GOFLAGS": "-y", "GOPROXY": "direct"}, goEnv: {"GOPROXY": "off", "GOTOOLCHAIN": "local"},
			}[path]
		},
	})
	want := map[string]Setting{
		"GOFLAGS": {"-x", "the environment"}, "GOROOT": {filepath.Join(dir, "go"), "the environment"}, "GOPROXY": {"direct", "/home/u/go/env"},
		"GOTOOLCHAIN": {"local", goEnv}, "GOSUMDB": {"sum.golang.org", "the default"},
	}
	if diff := cmp.Diff(want, e.Environment.Settings); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"GOFLAGS": "-x"}, e.Environment.Variables); diff != "" {
		t.Error(diff)
	}
	if e.Environment.GOROOT == nil || e.Environment.GOROOT.Version != "go1.26.8" || e.Environment.Module == nil || e.Environment.GoDebug != "a=1" {
		t.Errorf("gathered %+v", e.Environment)
	}
	if len(e.Unseen) != 1 || !strings.Contains(e.Unseen[0].Why, "--offline") {
		t.Errorf("unseen %+v", e.Unseen)
	}
}

// refusing returns the address of a port of which nobody listens, and silent that of a
// listener that takes connections and never says a word.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func silentListener(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// asker waits for little: what it asks is on this machine, and is dead or answers.
func asker(timeout time.Duration) *Asker {
	return &Asker{
		Client: &http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Timeout: timeout, Now: time.Now,
	}
}

func TestAsker_tellsTheDeadFromTheSilent(t *testing.T) {
	var mu sync.Mutex
	var asked []string // guarded by mu
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); ok {
			t.Error("credentials were sent")
		}
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		switch {
		case strings.HasPrefix(r.URL.Path, "/moved"):
			http.Redirect(w, r, "http://"+"127.0.0.1:1/elsewhere", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/broken"):
			w.WriteHeader(http.StatusBadGateway)
		case r.URL.Path != "/full/sumdb/db.test/supported" && r.URL.Path != "/latest":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	dead, silent := refusing(t), silentListener(t)
	for _, c := range []struct {
		name, proxy, db string
		timeout         time.Duration
		outcomes        []Outcome
		rules           []string
	}{
		{"a proxy that answers for the database", server.URL + "/full", "db.test", time.Minute, []Outcome{Answered}, nil},
		{"with a password, which is not sent", "http://u:p@" + host + "/full", "db.test", time.Minute, []Outcome{Answered}, nil},
		{"refused", "http://" + dead, "off", time.Minute, []Outcome{Refused}, []string{"dead-goproxy"}},
		{"refused, and the database too", "http://" + dead + "|direct", "db.test http://" + dead, time.Minute, []Outcome{Refused}, []string{"dead-goproxy", "dead-gosumdb"}},
		{"silent", "http://" + silent, "off", 300 * time.Millisecond, []Outcome{Silent}, []string{"dead-goproxy"}},
		{"silent, over TLS", "https://" + silent, "off", 300 * time.Millisecond, []Outcome{Silent}, []string{"dead-goproxy"}},
		{"fails", server.URL + "/broken", "off", time.Minute, []Outcome{Answered}, []string{"dead-goproxy"}},
		{"moved", server.URL + "/moved", "off", time.Minute, []Outcome{Answered}, nil},
		{"the database is asked directly", server.URL, "db.test+key " + server.URL, time.Minute, []Outcome{Answered}, nil},
		{"direct", "direct", "off", time.Minute, []Outcome{}, nil},
		{"nothing after direct", "direct,http://" + dead, "off", time.Minute, []Outcome{}, nil},
		{"nothing is asked", "off", "db.test http://" + dead, time.Minute, []Outcome{}, []string{"goproxy-off"}},
	} {
		var e Evidence
		e.GatherEnvironment(t.Context(), EnvironmentOptions{
			Dir: "/", Env: map[string]string{"GOPROXY": c.proxy, "GOSUMDB": c.db}, ReadSettings: noSettings, Asker: asker(c.timeout),
		})
		outcomes := []Outcome{}
		for _, p := range e.Environment.Proxies {
			outcomes = append(outcomes, p.Outcome)
		}
		var rules []string
		for _, f := range Diagnose(&e) {
			if f.Rule == "checksums-off" {
				continue // the database is off in most cases
			}
			rules = append(rules, f.Rule)
			if strings.Contains(f.Evidence, "u:p") {
				t.Errorf("%s: the password is in %q", c.name, f.Evidence)
			}
		}
		if !slices.Equal(outcomes, c.outcomes) || !slices.Equal(rules, c.rules) {
			t.Errorf("%s: outcomes %v, rules %v, want %v and %v", c.name, outcomes, rules, c.outcomes, c.rules)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Contains(asked, "/latest") {
		t.Errorf("the database was not asked directly: %q", asked)
	}
}

func FuzzGoProxy(f *testing.F) {
	for _, seed := range []string{"", "off", "direct", "https://a,b.example|http://u:p@c:1/x,direct", "a||b,,", "http://[::1]:80/"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, goproxy, sumdb string) {
		for _, p := range proxies(goproxy) {
			if p.host == "" || p.url == nil || p.url.User != nil {
				t.Errorf("proxy %+v of %q", p, goproxy)
			}
		}
		if _, u := sumDB(sumdb); u != nil && (u.Host == "" || u.User != nil) {
			t.Errorf("address %v of %q", u, sumdb)
		}
	})
}
