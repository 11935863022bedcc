package http

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// routersDir has the program that serves the same by several routers.
const routersDir = "../../../../test/targets/routers"

// routersBuild is a way to build it: with one of two sets of releases.
type routersBuild struct {
	name, toolchain string
	old             bool
	flags           []string
}

func routersBuilds() []routersBuild {
	stripped := []string{"-trimpath", "-ldflags=-s -w"}
	return []routersBuild{
		{name: "new"}, {name: "new stripped", flags: stripped},
		{name: "old", old: true}, {name: "old stripped", old: true, flags: stripped},
		{name: "old by go1.22.12", old: true, toolchain: "go1.22.12", flags: stripped},
	}
}

func (b routersBuild) path(t *testing.T) string {
	t.Helper()
	files, dir := testutil.Files{}, t.TempDir()
	add := func(as, name string) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[as] = string(text)
		if err := os.WriteFile(filepath.Join(dir, as), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob(routersDir + "/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no program in %s: %v", routersDir, err)
	}
	for _, name := range names {
		add(filepath.Base(name), name)
	}
	variant := "go"
	if b.old {
		variant = "old"
	}
	add("go.mod", filepath.Join(routersDir, variant+".mod"))
	add("go.sum", filepath.Join(routersDir, variant+".sum"))
	testutil.RequireModules(t, dir)
	return testutil.BuildGo(t, files, testutil.BuildOptions{Toolchain: b.toolchain, Flags: b.flags})
}

// routers is the program at work.
type routers struct {
	*testutil.Target
	addresses map[string]string // by router
}

func (b routersBuild) start(t *testing.T) *routers {
	t.Helper()
	r := &routers{Target: testutil.StartTarget(t, b.path(t))}
	if err := json.Unmarshal([]byte("{"+r.WaitLine("{")), &r.addresses); err != nil {
		t.Fatal(err)
	}
	return r
}

// letGo lets go of one request that is held.
func (r *routers) letGo(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(r.Stdin, "\n"); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-r.Lines; !ok {
		t.Fatal("the program ended")
	}
}

// served is for the requests of one router below a path.
func (r *routers) served(router, path string) func(*model.Event) bool {
	_, port, _ := net.SplitHostPort(r.addresses[router])
	at := ofPath(r.PID, path)
	return func(e *model.Event) bool { return at(e) && text(e, fieldServerPort) == port }
}

// viaRouter is a request and the route that it must have.
type viaRouter struct {
	path   string // no two of a router are the same
	route  string // "" for none
	way    string // the header of this name
	method string // "" for GET
	host   string // "" for none
	// status is what is answered; 0 for 200, -1 for nothing.
	status int
	// own is what the router says when that is not route; a hyphen when it
	// says nothing.
	own string
	// template is the template of the path, where that is there for the route.
	template string
	// seen is the path that the probe sees, if the handler changes it.
	seen string
}

func TestRouters(t *testing.T) {
	l := startLive(t, everything())
	for _, b := range routersBuilds() {
		t.Run(b.name, func(t *testing.T) {
			r := b.start(t)
			l.attach(t, r.PID)
			tests := map[string][]viaRouter{
				"chi": chiRequests(b.old), "gin": ginRequests(), "echo": echoRequests(), "gorilla": gorillaRequests(), "mux": muxRequests(),
			}
			for router, list := range tests {
				// All requests first: the probe takes its time to tell of one.
				c := newClient(t, false)
				answers := make([]routerAnswer, len(list))
				for i, one := range list {
					answers[i] = one.ask(t, c, r, router)
				}
				for i, one := range list {
					t.Run(router+" "+one.method+one.path+" "+one.way, func(t *testing.T) { one.check(t, l, r, router, answers[i]) })
				}
			}
		})
	}
	l.stop()
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 || len(h.Off) > 0 {
		t.Errorf("health = %+v", h)
	}
}

// routerAnswer is what a request was answered.
type routerAnswer struct {
	status int
	body   string
}

func (o viaRouter) ask(t *testing.T, c *http.Client, r *routers, router string) routerAnswer {
	t.Helper()
	method, header := o.method, []string{"Way", o.way}
	if method == "" {
		method = "GET"
	}
	if o.host != "" {
		_, port, _ := net.SplitHostPort(r.addresses[router])
		header = append(header, "Host", net.JoinHostPort(o.host, port))
	}
	if o.status < 0 {
		// A client tries again when a connection that it had is closed.
		c = newClient(t, false)
	}
	status, body := do(t, c, method, "http://"+r.addresses[router]+o.path, nil, header...)
	return routerAnswer{status, body}
}

func (o viaRouter) check(t *testing.T, l *live, r *routers, router string, got routerAnswer) {
	status, own, path := o.status, o.own, o.seen
	if status == 0 {
		status = 200
	}
	if own == "" {
		own = o.route
	}
	if path == "" {
		path = o.path
	}
	switch {
	case got.status != max(status, 0):
		t.Fatalf("answered %d, want %d", got.status, status)
	case status == 200 && own != "-" && router != "mux" && got.body != own:
		t.Errorf("the router says %q, want %q", got.body, own)
	}
	e := l.one(t, o.path, r.served(router, path))
	for field, want := range map[int]string{fieldRoute: o.route, fieldTemplate: o.template} {
		if want == "" {
			want = "-"
		}
		if got := text(e, field); got != want {
			t.Errorf("%s = %s, want %s", e.Schema.Fields[field].Key, got, want)
		}
	}
}

// anyRouter are the requests that all routers know.
func anyRouter(users, gone, broken string) []viaRouter {
	return []viaRouter{
		{path: "/users/1", route: users},
		{path: "/users/2", route: users, method: "POST"},
		{path: "/users/3", route: users, way: "copied"},
		{path: "/users/4", route: users, way: "cloned"},
		{path: "/users/%C3%BC", route: users, seen: "/users/ü"},
		{path: "/gone/1", route: gone, status: 404},
		{path: "/gone/2", route: gone, status: 404, way: "copied"},
		{path: "/broken/1", route: broken, status: -1},
		{path: "/broken/2", route: broken, status: -1, way: "copied"},
		{path: "/nothing/1", status: 404},
		{path: "/nothing/2", status: 404, way: "copied"},
		{path: "/nothing%2F3/x", status: 404, seen: "/nothing/3/x"},
	}
}

func chiRequests(old bool) []viaRouter {
	// Newer releases cut the slashes at the end.
	shop, slash := "/shop", "/shop"
	if old {
		shop, slash = "/shop/", "/shop//"
	}
	return append(anyRouter("/users/{id}", "/gone/{id}", "/broken/{id}"),
		viaRouter{path: "/", route: "/"},
		viaRouter{path: "/numbers/17", route: "/numbers/{n:[0-9]+}"},
		viaRouter{path: "/numbers/no", status: 404},
		viaRouter{path: "/files/a/b", route: "/files/*"},
		viaRouter{path: "/with/1", route: "/with/{id}"},
		viaRouter{path: "/users/5", status: 405, method: "DELETE"},
		viaRouter{path: "/shop", route: "/shop/", own: shop},
		viaRouter{path: "/shop/", route: "/shop/", own: slash},
		viaRouter{path: "/shop/tea/price", route: "/shop/{item}/price"},
		viaRouter{path: "/shop/tea/parts/leaf", route: "/shop/{item}/parts/{part}"},
		viaRouter{path: "/shop/tea/parts/root", route: "/shop/{item}/parts/{part}", way: "copied"},
		viaRouter{path: "/shop/tea/cost", route: "/shop/*", status: 404},
		viaRouter{path: "/admin/users/1", route: "/admin/users/{id}"},
		viaRouter{path: "/admin/nothing", route: "/admin/*", status: 404},
		viaRouter{path: "/matched/it/1", route: "/matched/it/{id}"},
		viaRouter{path: "/deep/b/c/end", route: "/deep/{level2}/{level3}/end"},
		// The routes of routers below the fourth are not told apart.
		viaRouter{path: "/deep/b/c/d/e/end", route: "/deep/{level2}/{level3}/{level4}/*", own: "/deep/{level2}/{level3}/{level4}/{level5}/end"},
	)
}

func ginRequests() []viaRouter {
	return append(anyRouter("/users/:id", "/gone/:id", "/broken/:id"),
		viaRouter{path: "/", route: "/"},
		viaRouter{path: "/files/a/b", route: "/files/*path"},
		viaRouter{path: "/slash/1/", route: "/slash/:id/"},
		viaRouter{path: "/slash/2", status: 301, template: "/slash/{id}/", seen: "/slash/2/"},
		viaRouter{path: "/users/5", status: 405, method: "DELETE"},
		viaRouter{path: "/cloned/1", route: "/cloned/:id"},
		viaRouter{path: "/rewritten/1", route: "/users/:id", seen: "/users/from"},
		viaRouter{path: "/shop/tea/price", route: "/shop/:item/price"},
		viaRouter{path: "/shop/tea/parts/leaf", route: "/shop/:item/parts/:part", way: "copied"},
		viaRouter{path: "/found/12345", own: "-", template: "/found/{id}"},
	)
}

func echoRequests() []viaRouter {
	return append(anyRouter("/users/:id", "/gone/:id", "/broken/:id"),
		viaRouter{path: "/", route: "/"},
		viaRouter{path: "/files/a/b", route: "/files/*"},
		viaRouter{path: "/users/5", route: "/users/:id", status: 405, method: "DELETE"},
		viaRouter{path: "/cloned/1", route: "/cloned/:id"},
		viaRouter{path: "/shop/tea/price", route: "/shop/:item/price"},
		viaRouter{path: "/shop/tea/parts/leaf", route: "/shop/:item/parts/:part", way: "copied"},
	)
}

func gorillaRequests() []viaRouter {
	return append(anyRouter("/users/{id}", "/gone/{id}", "/broken/{id}"),
		viaRouter{path: "/", route: "/"},
		viaRouter{path: "/numbers/17", route: "/numbers/{n:[0-9]+}"},
		viaRouter{path: "/numbers/no", status: 404},
		viaRouter{path: "/files/a/b", route: "/files/"},
		viaRouter{path: "/users/5", status: 405, method: "DELETE"},
		viaRouter{path: "/hosted/1", route: "/hosted/{id}", host: "a.example.com"},
		viaRouter{path: "/hosted/2", status: 404},
		viaRouter{path: "/shop/tea/price", route: "/shop/{item}/price"},
		viaRouter{path: "/shop/tea/parts/leaf", route: "/shop/{item}/parts/{part}", way: "copied"},
		viaRouter{path: "/shop/tea/cost", status: 404},
		viaRouter{path: "/own404/1/2", route: "/own404", status: 404},
		viaRouter{path: "/inner/1", route: "/inner/{id}"},
	)
}

func muxRequests() []viaRouter {
	return append(anyRouter("/users/{id}", "/gone/{id}", "/broken/{id}"),
		viaRouter{path: "/", route: "/{$}"},
		viaRouter{path: "/users/5", status: 405, method: "DELETE"},
		viaRouter{path: "/hosted/1", route: "/hosted/{id}", host: "example.com"},
		viaRouter{path: "/inner/1/2/3", route: "/inner/{id}/{rest...}"},
		viaRouter{path: "/chi/1", route: "/chi/{id}"},
		viaRouter{path: "/chi/1/2", route: "/chi/", status: 404},
		viaRouter{path: "/chi/2", route: "/chi/{id}", way: "copied"},
	)
}

// TestRouters_useTheirContextsAgain has a router serve another request with what
// it kept the route of a request in that is not over.
func TestRouters_useTheirContextsAgain(t *testing.T) {
	l := startLive(t, everything())
	for _, b := range routersBuilds() {
		t.Run(b.name, func(t *testing.T) {
			r := b.start(t)
			l.attach(t, r.PID)
			for router, address := range r.addresses {
				t.Run(router, func(t *testing.T) {
					hold := func(path string) io.ReadCloser {
						request, err := http.NewRequest("GET", "http://"+address+path, nil)
						if err != nil {
							t.Fatal(err)
						}
						request.Header.Set("Way", "held")
						response, err := newClient(t, false).Do(request)
						if err != nil {
							t.Fatal(err)
						}
						return response.Body
					}
					first := hold("/users/held")
					second := hold("/gone/held")
					for range 2 {
						r.letGo(t)
					}
					for _, body := range []io.ReadCloser{first, second} {
						io.Copy(io.Discard, body)
						body.Close()
					}
					users, gone := l.one(t, "the first", r.served(router, "/users/held")), l.one(t, "the second", r.served(router, "/gone/held"))
					for _, test := range []struct {
						e      *model.Event
						prefix string
					}{{users, "/users/"}, {gone, "/gone/"}} {
						// What the router told of the first may be lost, and its path be instead.
						if route := text(test.e, fieldRoute); route != "-" && !strings.HasPrefix(route, test.prefix) {
							t.Errorf("%s has the route %s", text(test.e, fieldPath), route)
						}
						if (text(test.e, fieldRoute) == "-") == (text(test.e, fieldTemplate) == "-") {
							t.Errorf("%s has the route %s and the template %s", text(test.e, fieldPath), text(test.e, fieldRoute), text(test.e, fieldTemplate))
						}
					}
				})
			}
		})
	}
}
