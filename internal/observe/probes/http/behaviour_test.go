package http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// behaviour is something that a server does, and what the probe must say of it.
type behaviour struct {
	name string
	path string // of the request, told from all others by it
	// act makes the request; nil sends a GET of the path by HTTP/1.
	act  func(t *testing.T, v *victim, path string)
	want map[int]string
	// check looks at the rest of the event; nil for nothing.
	check func(t *testing.T, l *live, v *victim, e *model.Event)
}

// TestLive compares what the probe says of requests with what happened.
func TestLive(t *testing.T) {
	l := startLive(t, everything())
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	for _, group := range [][]behaviour{plainBehaviours(), routeBehaviours(), brokenBehaviours(), rawBehaviours(), secureBehaviours()} {
		for _, b := range group {
			t.Run(b.name, func(t *testing.T) { b.run(t, l, v) })
		}
	}
	l.stop()
	l.checkDurations(t)
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 || len(h.Off) > 0 {
		t.Errorf("health = %+v", h)
	}
}

func (b behaviour) run(t *testing.T, l *live, v *victim) {
	if b.act == nil {
		b.act = sends("GET", "")
	}
	began := time.Now()
	b.act(t, v, b.path)
	e := l.one(t, b.path, ofPath(v.PID, b.path))
	if e.Time.Before(began.Add(-time.Second)) || e.Time.After(time.Now()) || e.Duration <= 0 || e.Duration > time.Since(began)+time.Millisecond {
		t.Errorf("at %s, took %s; the test began at %s", e.Time, e.Duration, began)
	}
	if e.TraceID == (model.TraceID{}) || e.SpanID == (model.SpanID{}) || e.GoroutineID == 0 {
		t.Errorf("trace %x, span %x, goroutine %d", e.TraceID, e.SpanID, e.GoroutineID)
	}
	if e.Service == "" || e.Weight != 1 {
		t.Errorf("service %q, weight %d", e.Service, e.Weight)
	}
	for field, want := range b.want {
		if got := text(e, field); got != want {
			t.Errorf("%s = %s, want %s", e.Schema.Fields[field].Key, got, want)
		}
	}
	if b.check != nil {
		b.check(t, l, v, e)
	}
}

// sends returns an act that makes a request by HTTP/1.
func sends(method, body string, header ...string) func(*testing.T, *victim, string) {
	return func(t *testing.T, v *victim, path string) {
		do(t, newClient(t, false), method, "http://"+v.Plain+path, []byte(body), header...)
	}
}

// sendsRaw returns an act that sends text, in which PATH stands for the path.
func sendsRaw(text string) func(*testing.T, *victim, string) {
	return func(t *testing.T, v *victim, path string) {
		raw(t, v.Plain, strings.ReplaceAll(text, "PATH", path), 1<<20)
	}
}

func plainBehaviours() []behaviour {
	const last = "Connection: close\r\n\r\n"
	return []behaviour{
		{name: "GET", path: "/hello", want: map[int]string{
			fieldMethod: "GET", fieldStatus: "200", fieldOutcome: "done", fieldErrorType: "-", fieldScheme: "http", fieldProtocol: "1.1",
			fieldRequestSize: "0", fieldResponseSize: "17", fieldServerAddress: "127.0.0.1", fieldClientAddress: "127.0.0.1", fieldRoute: "/", fieldTemplate: "/hello",
		}, check: func(t *testing.T, _ *live, v *victim, e *model.Event) {
			if _, port, _ := net.SplitHostPort(v.Plain); text(e, fieldServerPort) != port || !e.Values[fieldClientPort].IsSet() {
				t.Errorf("server port %s, want %s; client port %s", text(e, fieldServerPort), port, text(e, fieldClientPort))
			}
		}},
		{name: "HEAD", path: "/head", act: sends("HEAD", ""), want: map[int]string{fieldMethod: "HEAD", fieldStatus: "200"}},
		{name: "a method of its own", path: "/own-method", act: sends("PROPFIND", ""), want: map[int]string{fieldMethod: "PROPFIND", fieldStatus: "200"}},
		{name: "POST with a body", path: "/body/3000", act: sends("POST", strings.Repeat("x", 70000)),
			want: map[int]string{fieldMethod: "POST", fieldRequestSize: "70000", fieldResponseSize: "3000", fieldStatus: "200"}},
		{name: "a body that nobody reads", path: "/unread", act: sends("PUT", strings.Repeat("x", 70000)),
			want: map[int]string{fieldMethod: "PUT", fieldRequestSize: "70000", fieldResponseSize: "12"}},
		{name: "a body in chunks", path: "/body/10", act: sendsRaw("POST PATH HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" + last + "5\r\nhello\r\n0\r\n\r\n"),
			want: map[int]string{fieldRequestSize: "-", fieldResponseSize: "10"}},
		{name: "Expect: 100-continue", path: "/body/11", act: sendsRaw("POST PATH HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" + last + "hello"),
			want: map[int]string{fieldStatus: "200", fieldRequestSize: "5"}},
		{name: "204", path: "/status/204", want: map[int]string{fieldStatus: "204", fieldResponseSize: "0"}},
		{name: "304", path: "/status/304", want: map[int]string{fieldStatus: "304", fieldErrorType: "-"}},
		{name: "404", path: "/status/404", want: map[int]string{fieldStatus: "404", fieldErrorType: "-", fieldRoute: "/", fieldTemplate: "-"}},
		{name: "below a pattern", path: "/users/1234/mails", want: map[int]string{fieldRoute: "/", fieldTemplate: "/users/{id}/mails"}},
		{name: "500", path: "/status/500", want: map[int]string{fieldStatus: "500", fieldErrorType: "500", fieldOutcome: "done"}},
		{name: "599", path: "/status/599", want: map[int]string{fieldStatus: "599", fieldErrorType: "599"}},
		{name: "nothing is written", path: "/silent", want: map[int]string{fieldStatus: "200", fieldResponseSize: "0"}},
		{name: "103 before 201", path: "/early", want: map[int]string{fieldStatus: "201"}},
		{name: "sleep", path: "/sleep/120", check: func(t *testing.T, _ *live, _ *victim, e *model.Event) {
			if e.Duration < 120*time.Millisecond {
				t.Errorf("duration = %s of a handler that sleeps for 120 ms", e.Duration)
			}
		}},
		{name: "a long path", path: "/" + strings.Repeat("long", 60), want: map[int]string{fieldStatus: "200"}},
		{name: "TimeoutHandler in time", path: "/slow/hello", want: map[int]string{fieldStatus: "200", fieldRoute: "/slow/", fieldTemplate: "/slow/hello"}},
		{name: "TimeoutHandler too late", path: "/slow/sleep/200", want: map[int]string{fieldStatus: "503", fieldErrorType: "503"}},
		{name: "the client goes away", path: "/stream", act: func(t *testing.T, v *victim, path string) {
			raw(t, v.Plain, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n", 10000)
		}, want: map[int]string{fieldStatus: "200", fieldOutcome: "done"}},
	}
}

func rawBehaviours() []behaviour {
	const last = "Connection: close\r\n\r\n"
	return []behaviour{
		{name: "HTTP/1.0", path: "/one-zero", act: sendsRaw("GET PATH HTTP/1.0\r\n\r\n"), want: map[int]string{fieldStatus: "200", fieldServerAddress: "-"}},
		{name: "a whole URL", path: "/whole", act: sendsRaw("GET http://example.com:81PATH HTTP/1.1\r\nHost: other\r\n" + last),
			want: map[int]string{fieldPath: "/whole", fieldServerAddress: "example.com", fieldServerPort: "81"}},
		{name: "an IPv6 host", path: "/six", act: sendsRaw("GET PATH HTTP/1.1\r\nHost: [::1]:80\r\n" + last), want: map[int]string{fieldServerAddress: "::1", fieldServerPort: "80"}},
		{name: "OPTIONS *", path: "*", act: sendsRaw("OPTIONS * HTTP/1.1\r\nHost: a\r\n" + last), want: map[int]string{fieldMethod: "OPTIONS", fieldStatus: "200"}},
		{name: "CONNECT", path: "", act: sendsRaw("CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n" + last), want: map[int]string{fieldMethod: "CONNECT"}},
		{name: "a path in an odd script", path: "/ü/ñ", act: sendsRaw("GET /%C3%BC/%c3%b1 HTTP/1.1\r\nHost: a\r\n" + last), want: map[int]string{fieldStatus: "200"}},
		{name: "a handler changes method and path", path: "changed, no slash", act: sendsRaw("GET /method?m=A%20B&p=changed,%20no%20slash HTTP/1.1\r\nHost: a\r\n" + last),
			want: map[int]string{fieldStatus: "200", fieldMethod: "A B"}},
	}
}

func routeBehaviours() []behaviour {
	route := func(want string) map[int]string { return map[int]string{fieldRoute: want, fieldTemplate: "-"} }
	return []behaviour{
		{name: "wildcard", path: "/items/17", want: route("/items/{id}")},
		{name: "wildcard, another method", path: "/items/18", act: sends("POST", "x"), want: route("/items/{id}")},
		{name: "rest of the path", path: "/files/a/b/c", want: route("/files/{path...}")},
		{name: "host", path: "/hosted/1", act: sends("GET", "", "Host", "localhost"), want: route("/hosted/{id}")},
		{name: "method not allowed falls back", path: "/items/19", act: sends("DELETE", ""), want: map[int]string{fieldRoute: "/", fieldTemplate: "/items/{id}", fieldStatus: "200"}},
		{name: "redirect", path: "/strip", want: map[int]string{fieldStatus: "307", fieldRoute: "/strip/"}},
		{name: "copied request", path: "/items/20", act: sends("GET", "", "Way", "copied"), want: route("/items/{id}")},
		{name: "copied request, rest of the path", path: "/files/copied", act: sends("GET", "", "Way", "copied"), want: route("/files/{path...}")},
		{name: "mux in a mux", path: "/items/21", act: sends("GET", "", "Way", "nested"), want: route("/items/{id}")},
		{name: "StripPrefix before a mux", path: "/strip/things/7", want: route("/things/{thing}")},
		{name: "StripPrefix before a mux that has no route", path: "/strip/nothing", want: map[int]string{fieldStatus: "404", fieldRoute: "/strip/"}},
		{name: "the same again", path: "/items/22", want: route("/items/{id}")},
	}
}

// panicked is for a request whose stack must show where the panic came from.
func panicked(function string) func(*testing.T, *live, *victim, *model.Event) {
	return func(t *testing.T, _ *live, _ *victim, e *model.Event) {
		if got := text(e, fieldFunction); got != function || !strings.HasSuffix(text(e, fieldFile), "handlers.go") || e.Values[fieldLine].Int() < 10 {
			t.Errorf("panic in %s at %s:%s, want %s; stack = %+v", got, text(e, fieldFile), text(e, fieldLine), function, e.Stack)
		}
		frames := fmt.Sprint(e.Stack)
		if !strings.Contains(frames, "main.handler") || !strings.Contains(frames, "net/http.serverHandler.ServeHTTP") {
			t.Errorf("stack = %+v", e.Stack)
		}
	}
}

func brokenBehaviours() []behaviour {
	broken := map[int]string{fieldStatus: "-", fieldOutcome: "panic", fieldErrorType: "panic", fieldResponseSize: "-"}
	return []behaviour{
		{name: "panic", path: "/panic", want: broken, check: panicked("main.blowUp")},
		{name: "nil", path: "/nil", want: broken, check: panicked("main.dereference")},
		{name: "panic after the header", path: "/late", want: broken, check: panicked("main.blowUp")},
		{name: "panic that is raised again", path: "/again", want: broken, check: func(t *testing.T, _ *live, _ *victim, e *model.Event) {
			if frames := fmt.Sprint(e.Stack); !strings.Contains(frames, "main.blowUp") {
				t.Errorf("stack = %+v", e.Stack)
			}
		}},
		{name: "panic that a middleware recovers", path: "/recovered/panic",
			want: map[int]string{fieldStatus: "500", fieldOutcome: "done", fieldErrorType: "500"}, check: panicked("main.blowUp")},
		{name: "panic that the handler recovers", path: "/harmless", want: map[int]string{fieldStatus: "200", fieldOutcome: "done", fieldErrorType: "-", fieldFunction: "-"}},
		{name: "panic below TimeoutHandler", path: "/slow/panic", want: broken},
		{name: "ErrAbortHandler", path: "/abort", want: map[int]string{fieldStatus: "-", fieldOutcome: "aborted", fieldErrorType: "aborted", fieldFunction: "-"}},
		{name: "Goexit", path: "/goexit", want: map[int]string{fieldStatus: "-", fieldOutcome: "aborted", fieldErrorType: "aborted"}},
		{name: "hijack", path: "/hijack", act: hijacks, want: map[int]string{fieldStatus: "-", fieldOutcome: "hijacked", fieldErrorType: "-"},
			check: func(t *testing.T, _ *live, _ *victim, e *model.Event) {
				if e.Duration < 100*time.Millisecond {
					t.Errorf("duration = %s of a connection that was open for 100 ms", e.Duration)
				}
			}},
		{name: "after all that", path: "/well", want: map[int]string{fieldStatus: "200", fieldOutcome: "done"}},
	}
}

// hijacks talks to a handler that takes over the connection.
func hijacks(t *testing.T, v *victim, path string) {
	conn, err := net.Dial("tcp", v.Plain)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", path)
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "101") {
		t.Fatalf("%q: %v", line, err)
	}
	fmt.Fprintln(conn, "hello")
	for line := ""; line != "hello\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(100 * time.Millisecond)
}

func secureBehaviours() []behaviour {
	two := func(t *testing.T, v *victim, path string) {
		do(t, newClient(t, true), "GET", "https://"+v.TLS+path, nil)
	}
	one := func(t *testing.T, v *victim, path string) {
		do(t, newClient(t, false), "GET", "https://"+v.TLS+path, nil)
	}
	proto := func(version string, more map[int]string) map[int]string {
		want := map[int]string{fieldProtocol: version, fieldScheme: "https", fieldClientAddress: "127.0.0.1"}
		for field, value := range more {
			want[field] = value
		}
		return want
	}
	broken := map[int]string{fieldStatus: "-", fieldOutcome: "panic", fieldErrorType: "panic"}
	return []behaviour{
		{name: "TLS", path: "/items/30", act: one, want: proto("1.1", map[int]string{fieldStatus: "200", fieldRoute: "/items/{id}"})},
		{name: "HTTP/2", path: "/items/31", act: two, want: proto("2", map[int]string{fieldStatus: "200", fieldRoute: "/items/{id}", fieldResponseSize: "20"})},
		{name: "HTTP/2 500", path: "/status/501", act: two, want: proto("2", map[int]string{fieldStatus: "501", fieldErrorType: "501"})},
		{name: "HTTP/2, nothing is written", path: "/silent/2", act: two, want: proto("2", map[int]string{fieldStatus: "200"})},
		{name: "HTTP/2 103 before 201", path: "/early/2", act: two, want: proto("2", map[int]string{fieldStatus: "201"})},
		{name: "HTTP/2 panic", path: "/panic/2", act: two, want: proto("2", broken), check: panicked("main.blowUp")},
		{name: "HTTP/2 panic after the header", path: "/late/2", act: two, want: proto("2", broken), check: panicked("main.blowUp")},
		{name: "HTTP/2 Goexit", path: "/goexit/2", act: two, want: proto("2", map[int]string{fieldOutcome: "aborted"})},
		{name: "HTTP/2 cannot be taken over", path: "/hijack/2", act: two, want: proto("2", map[int]string{fieldStatus: "501", fieldOutcome: "done"})},
		{name: "HTTP/2, the client goes away", path: "/stream/2", act: func(t *testing.T, v *victim, path string) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, "GET", "https://"+v.TLS+path, nil)
			resp, err := newClient(t, true).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			io.CopyN(io.Discard, resp.Body, 10000)
			cancel()
			resp.Body.Close()
		}, want: proto("2", map[int]string{fieldStatus: "200"})},
		{name: "HTTP/2 without TLS", path: "/items/32", act: sendsH2C, want: map[int]string{fieldProtocol: "2", fieldScheme: "http", fieldRoute: "/items/{id}"}},
		{name: "HTTP/2 panic without TLS", path: "/panic/3", act: sendsH2C, want: broken, check: panicked("main.blowUp")},
	}
}

// TestClient compares what the probe says of requests that a server makes with
// what happened.
func TestClient(t *testing.T) {
	l := startLive(t, everything())
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	closed.Close()
	for _, test := range []struct {
		name, way, url, host string
		want                 map[int]string
	}{
		{"answered", "call", "http://" + v.Plain + "/called/1", "", map[int]string{fieldStatus: "200", fieldErrorType: "-", fieldOutcome: "done", fieldScheme: "http", fieldMethod: "GET"}},
		{"not found", "call", "http://" + v.Plain + "/status/404", "", map[int]string{fieldStatus: "404", fieldErrorType: "404"}},
		{"four goroutines down", "four", "http://" + v.Plain + "/called/2", "", map[int]string{fieldStatus: "200"}},
		{"nobody listens", "call", "http://" + nobody + "/called/3", "", map[int]string{fieldStatus: "-", fieldErrorType: "error", fieldOutcome: "error"}},
		{"panic at the other end", "call", "http://" + v.Plain + "/panic/called", "", map[int]string{fieldStatus: "-", fieldErrorType: "error"}},
		{"redirect", "call", "http://" + v.Plain + "/strip", "", map[int]string{fieldStatus: "307"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := url.Parse(test.url)
			if err != nil {
				t.Fatal(err)
			}
			// What the victim serves of this test has a path of its own.
			path := "/" + test.way + "/" + strings.ReplaceAll(test.name, " ", "-")
			do(t, newClient(t, false), "GET", "http://"+v.Plain+path+"?"+test.url, nil)
			served := l.one(t, path, ofPath(v.PID, path))
			made := l.one(t, "the call", func(e *model.Event) bool {
				return int(e.PID) == v.PID && e.Values[fieldRole].Str() == roleClient && e.Values[fieldPath].Str() == u.Path
			})
			for field, want := range test.want {
				if got := text(made, field); got != want {
					t.Errorf("%s = %s, want %s", made.Schema.Fields[field].Key, got, want)
				}
			}
			if got := text(made, fieldServerAddress) + ":" + text(made, fieldServerPort); got != u.Host {
				t.Errorf("asked %s, want %s", got, u.Host)
			}
			if made.TraceID != served.TraceID || made.ParentSpanID != served.SpanID {
				t.Errorf("trace %x, parent %x, want those of the request: %x, %x", made.TraceID, made.ParentSpanID, served.TraceID, served.SpanID)
			}
			if made.Time.Before(served.Time) || made.Duration > served.Duration {
				t.Errorf("the call, at %s for %s, is not within the request, at %s for %s", made.Time, made.Duration, served.Time, served.Duration)
			}
		})
	}
	t.Run("of nobody's request", func(t *testing.T) {
		v.ask(t, "get http://"+v.Plain+"/called/4")
		made := l.one(t, "the call", func(e *model.Event) bool {
			return e.Values[fieldRole].Str() == roleClient && e.Values[fieldPath].Str() == "/called/4"
		})
		if made.ParentSpanID != (model.SpanID{}) {
			t.Errorf("it has the parent %x", made.ParentSpanID)
		}
	})
}

// TestH2C looks at a server of HTTP/2 without TLS by golang.org/x/net, which
// takes connections over from net/http.
func TestH2C(t *testing.T) {
	testutil.RequireModules(t, "testdata/h2c")
	l := startLive(t, everything())
	for _, flags := range [][]string{nil, {"-trimpath", "-ldflags=-s -w"}} {
		v := startVictim(t, testutil.BuildGo(t, testutil.Dir("testdata/h2c"), testutil.BuildOptions{Flags: flags}))
		l.attach(t, v.PID)
		v.H2C = v.Plain
		for _, b := range []behaviour{
			{name: "HTTP/1", path: "/items/1", want: map[int]string{fieldRoute: "/items/{id}", fieldProtocol: "1.1", fieldStatus: "200"}},
			{name: "HTTP/2", path: "/items/2", act: sendsH2C, want: map[int]string{fieldRoute: "/items/{id}", fieldProtocol: "2", fieldStatus: "200", fieldResponseSize: "8"}},
			{name: "HTTP/2, no route", path: "/nothing", act: sendsH2C, want: map[int]string{fieldRoute: "-", fieldTemplate: "-", fieldStatus: "404"}},
			{name: "HTTP/2 418", path: "/status/418", act: sendsH2C, want: map[int]string{fieldRoute: "/status/418", fieldStatus: "418"}},
			{name: "HTTP/2 panic", path: "/panic", act: sendsH2C, want: map[int]string{fieldOutcome: "panic", fieldFunction: "main.blowUp", fieldStatus: "-"}},
			{name: "HTTP/2 Goexit", path: "/goexit", act: sendsH2C, want: map[int]string{fieldOutcome: "aborted", fieldStatus: "-"}},
		} {
			t.Run(b.name, func(t *testing.T) { b.run(t, l, v) })
		}
		v.Stdin.Close()
		v.Wait()
	}
	l.stop()
	// What a connection begins with is no request, though net/http takes it
	// for one.
	if all := l.where(func(*model.Event) bool { return true }); len(all) != 2*6 || l.sum(func(kind) bool { return true }) != 2*6 {
		t.Errorf("%d events, %d counted, want 12", len(all), l.sum(func(kind) bool { return true }))
	}
}

// sendsH2C makes a request by HTTP/2 without TLS.
func sendsH2C(t *testing.T, v *victim, path string) {
	c := newClient(t, false)
	c.Transport.(*http.Transport).Protocols = new(http.Protocols)
	c.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	do(t, c, "GET", "http://"+v.H2C+path, nil)
}
