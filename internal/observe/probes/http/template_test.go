package http

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
)

func TestTemplate(t *testing.T) {
	const uuid = "0b6f3a52-7a9e-4a1c-9d53-5c7b0a2f9e11"
	for _, test := range []struct{ path, want string }{
		{"", ""},
		{"/", "/"},
		{"*", "*"},
		{"/users", "/users"},
		{"/users/", "/users/"},
		{"//users", "//users"},
		{"/users/17", "/users/{id}"},
		{"/users/17/", "/users/{id}/"},
		{"/users/0", "/users/{id}"},
		{"/v1/users", "/v1/users"},
		{"/v12/users", "/v12/users"},
		{"/v123/users", "/{id}/users"},
		{"/api2go", "/api2go"},
		{"/" + uuid, "/{id}"},
		{"/deadbeef", "/deadbeef"},
		{"/deadbeef1", "/{id}"},
		{"/DEADBEE1", "/{id}"},
		{"/abcde1", "/abcde1"},
		{"/an-order-of-2", "/an-order-of-2"},
		{"/an-order-of-mine-2", "/{id}"},
		{"/" + strings.Repeat("x", 32), "/" + strings.Repeat("x", 32)},
		{"/" + strings.Repeat("x", 33), "/{id}"},
		{"/a@example.com", "/{id}"},
		{"/100%", "/{id}"},
		{"/a=b", "/{id}"},
		{"/é", "/{id}"},
		{"/\x80", "/{id}"},
		{"/{id}", "/{id}"},
		{"/{name}/x", "/{id}/x"},
		{"/1/2/3/4/5/6/7/8", "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}"},
		{"/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"},
		{"/a/b/c/d/e/f/g/h/", "/a/b/c/d/e/f/g/h/…"},
		{"/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h/…"},
		{"/" + strings.Repeat("abcdefg/", 15) + "abcdefghi", "/abcdefg/abcdefg/abcdefg/abcdefg/abcdefg/abcdefg/abcdefg/abcdefg/…"},
		{"/" + strings.Repeat("a", 500), "/{id}"},
		{"/a/" + strings.Repeat("b/", 3) + strings.Repeat("c", 30) + "/" + strings.Repeat("d", 30) + "/" + strings.Repeat("e", 30) + "/" + strings.Repeat("f", 30),
			"/a/b/b/b/" + strings.Repeat("c", 30) + "/" + strings.Repeat("d", 30) + "/" + strings.Repeat("e", 30) + "/" + strings.Repeat("f", 26)},
	} {
		if got := template(test.path); got != test.want {
			t.Errorf("template(%q) = %q, want %q", test.path, got, test.want)
		}
	}
}

// FuzzTemplate checks what holds for every path.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"", "/", "/users/17", "/{id}", "/a@b/\xff", strings.Repeat("/a", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := template(path)
		if len(got) > templateBytes+len("/…")+(templateSegments+1)*len(placeholder) || strings.Count(got, "/") > templateSegments+1 {
			t.Errorf("template(%q) = %q", path, got)
		}
		if again := template(got); len(got) <= templateBytes && !strings.HasSuffix(got, "/…") && again != got {
			t.Errorf("template(%q) = %q, and of that %q", path, got, again)
		}
	})
}

// twins holds the templates of the paths that the programs and template saw,
// and that they agree: the same text if and only if the same route.
type twins struct {
	t *testing.T

	mu     sync.Mutex
	seen   int
	texts  map[uint64]string
	routes map[string]uint64
	paths  map[string]string // by template
}

func (w *twins) see(r *bpfHttpRecord) {
	path := string(probe.Bytes(r.Path[:r.PathBytes]))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen++
	if kind := bpfRouteKind(r.Key.RouteKind); kind != bpfRouteKindROUTE_TEMPLATE {
		w.t.Errorf("path %q has a route of kind %d", path, kind)
		return
	}
	text := template(path)
	if known, ok := w.texts[r.Key.Route]; ok && known != text {
		w.t.Errorf("paths %q and %q have one route, and the templates %q and %q", path, w.paths[known], text, known)
	}
	if known, ok := w.routes[text]; ok && known != r.Key.Route {
		w.t.Errorf("paths %q and %q have two routes, and the template %q", path, w.paths[text], text)
	}
	w.texts[r.Key.Route], w.routes[text], w.paths[text] = text, r.Key.Route, path
}

// TestTemplatesAgree sends many paths to a server: the programs tell them apart
// as template does.
func TestTemplatesAgree(t *testing.T) {
	w := &twins{t: t, texts: map[uint64]string{}, routes: map[string]uint64{}, paths: map[string]string{}}
	spec := Spec()
	spec.NewDecoder = func(h probe.Host) probe.Decoder { return spy{newDecoder(h), w.see} }
	options := everything()
	options.Settings.Routes = 1 << 20
	l := startSpec(t, spec, options)
	l.quiet = true
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	paths := oddPaths()
	sendPaths(t, v, paths)
	v.counts(t)
	l.stop()
	if w.seen != len(paths) {
		t.Errorf("%d records of %d requests; health = %+v", w.seen, len(paths), l.probe.Health())
	}
	t.Logf("%d paths, %d templates", w.seen, len(w.texts))
	if len(w.texts) < 1000 {
		t.Errorf("only %d templates", len(w.texts))
	}
	for k, n := range l.tallies {
		if _, ok := w.routes[k.template]; !ok {
			t.Errorf("%d requests are counted for the template %q, which no path has", n, k.template)
		}
	}
	if got := l.sum(func(kind) bool { return true }); got != uint64(len(paths)) {
		t.Errorf("%d requests are counted, want %d", got, len(paths))
	}
}

// oddPaths returns paths of 0 to 12 segments, of all that makes a difference,
// and around all bounds.
func oddPaths() []string {
	random := rand.New(rand.NewPCG(1, 2))
	parts := []string{
		"", "a", "users", "api", "v1", "v2", "1", "12", "123", "a1", "a12", "a123", "abc12345", "deadbeef", "deadbee1", "DEADBEEF1",
		"0b6f3a52-7a9e-4a1c-9d53-5c7b0a2f9e11", strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 33),
		strings.Repeat("y", 15) + "1", strings.Repeat("y", 14) + "1", "-", "--", "1-", "----1", "-------1", "a@b", "100%", "x=y", "ü", "ñandú",
		"{id}", "{", "}", "*", "…", "\x00", "\xff", " ", "g", "gggggggg1", ":", "/", "`", "@", "Z", "[", "0x1f", "é1", "~", ".", "..", "a.b.c", "index.html",
	}
	paths := []string{"/", "//", "///", "/" + strings.Repeat("/", 20)}
	for _, part := range parts {
		paths = append(paths, "/"+part, "/"+part+"/", "/a/"+part+"/b")
	}
	// Every length around that of which the programs see no more.
	for n := 100; n < 140; n++ {
		paths = append(paths, "/"+strings.Repeat("ab/", 2)+strings.Repeat("c", 30)+"/"+strings.Repeat("d", 30)+"/"+strings.Repeat("e", 30)+"/"+strings.Repeat("f", n-100))
		paths = append(paths, "/"+strings.Repeat(strings.Repeat("q", 24)+"/", 6)[:n]+"7")
	}
	for range 4000 {
		var path strings.Builder
		for range random.IntN(13) {
			path.WriteString("/" + parts[random.IntN(len(parts))])
			for random.IntN(8) == 0 {
				path.WriteByte(byte(random.IntN(256)))
			}
		}
		if s := path.String(); len(s) > 0 && len(s) < 250 {
			paths = append(paths, s)
		}
	}
	return paths
}

// sendPaths requests each path by one connection, past the victim's mux.
func sendPaths(t *testing.T, v *victim, paths []string) {
	t.Helper()
	conn, err := net.Dial("tcp", v.Plain)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for len(paths) > 0 {
		n := min(50, len(paths))
		var all strings.Builder
		for _, path := range paths[:n] {
			all.WriteString("GET ")
			for _, c := range []byte(path) {
				if c == '/' {
					all.WriteByte(c)
				} else {
					fmt.Fprintf(&all, "%%%02X", c)
				}
			}
			all.WriteString(" HTTP/1.1\r\nHost: a\r\nWay: bare\r\n\r\n")
		}
		if _, err := io.WriteString(conn, all.String()); err != nil {
			t.Fatal(err)
		}
		for _, path := range paths[:n] {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("path %q: status %d", path, resp.StatusCode)
			}
		}
		paths = paths[n:]
	}
}

// TestLimits sends more kinds of paths, and asks more hosts, than are kept
// apart.
func TestLimits(t *testing.T) {
	options := everything()
	options.Settings.Routes = 5
	l := startLive(t, options)
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	var paths []string
	for range 3 {
		for i := range 12 {
			paths = append(paths, "/kind-"+string(rune('a'+i)))
		}
	}
	sendPaths(t, v, paths)
	_, port, err := net.SplitHostPort(v.Plain)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		v.ask(t, fmt.Sprintf("get http://127.0.0.%d:%s/asked", i+1, port))
	}
	v.counts(t)
	l.wait(t, "the calls", 12, func(e *model.Event) bool { return e.Values[fieldRole].Str() == roleClient })
	l.stop()
	templates, hosts := map[string]uint64{}, map[string]uint64{}
	for k, n := range l.tallies {
		if k.role == roleClient {
			hosts[k.host] += n
		} else if k.route == "" {
			templates[k.template] += n
		}
	}
	if len(templates) != 6 || templates["(other)"] != 3*7 || templates["/kind-a"] != 3 || templates["/kind-e"] != 3 {
		t.Errorf("templates = %v, want the first five and (other)", templates)
	}
	if len(hosts) != 6 || hosts["(other)"] != 7 || hosts["127.0.0.1"] != 1 || hosts["127.0.0.5"] != 1 {
		t.Errorf("hosts = %v, want the first five and (other)", hosts)
	}
	// Events say what they were about all the same.
	l.one(t, "the last host", func(e *model.Event) bool { return e.Values[fieldServerAddress].Str() == "127.0.0.12" })
	if e := l.where(ofPath(v.PID, "/kind-l"))[0]; text(e, fieldTemplate) != "(other)" {
		t.Errorf("template = %s", text(e, fieldTemplate))
	}
}
