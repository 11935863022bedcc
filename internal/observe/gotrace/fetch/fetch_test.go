package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace/fetch"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

const head = "go 1.26 trace\x00\x00\x00"

func TestEndpoint(t *testing.T) {
	for _, test := range []struct {
		name, url string
		seconds   int
		want      string
	}{
		{"a host", "http://h:6060", 3, "http://h:6060/debug/pprof/trace?seconds=3"},
		{"a host with a slash", "http://h:6060/", 3, "http://h:6060/debug/pprof/trace?seconds=3"},
		{"the index", "https://h/debug/pprof", 3, "https://h/debug/pprof/trace?seconds=3"},
		{"the index with a slash", "http://h/debug/pprof/", 3, "http://h/debug/pprof/trace?seconds=3"},
		{"an index below a prefix", "http://h/api/debug/pprof/", 3, "http://h/api/debug/pprof/trace?seconds=3"},
		{"the trace", "http://h/debug/pprof/trace", 3, "http://h/debug/pprof/trace?seconds=3"},
		{"other parameters stay", "http://h/debug/pprof/trace?seconds=1&key=k", 3, "http://h/debug/pprof/trace?key=k&seconds=3"},
		{"its own seconds stay", "http://h/debug/pprof/trace?seconds=7", 0, "http://h/debug/pprof/trace?seconds=7"},
		{"a stored trace", "http://h/x/my.trace", 3, "http://h/x/my.trace"},
		{"a password", "http://u:p@h", 3, "http://u:p@h/debug/pprof/trace?seconds=3"},
		{"an address of IPv6", "http://[::1]:80#top", 3, "http://[::1]:80/debug/pprof/trace?seconds=3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, err := fetch.Endpoint(test.url, test.seconds)
			if err != nil || u.String() != test.want {
				t.Errorf("%v, %v, want %s", u, err, test.want)
			}
		})
	}
}

func TestEndpointRefuses(t *testing.T) {
	for _, test := range []struct{ name, url, want string }{
		{"no scheme", "localhost:6060", "localhost:6060: is not a URL"},
		{"a file", "file:///etc/passwd", `scheme "file" is neither`},
		{"no host", "http:///debug/pprof", "names no host"},
		{"a port that is none", "http://u:secret@h:port/", "invalid port"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := fetch.Endpoint(test.url, 1)
			checkError(t, err, test.want, "write http://HOST:PORT")
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

// checkError checks the texts of an [fetch.Error].
func checkError(t *testing.T, err error, text, hint string) {
	t.Helper()
	var e *fetch.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a fetch.Error", err)
	}
	if !strings.Contains(err.Error(), text) || !strings.Contains(e.Hint, hint) {
		t.Errorf("error %q, hint %q, want %q and %q", err, e.Hint, text, hint)
	}
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func answers(status int, kind, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

func TestOpenRefusesWhatIsNoTrace(t *testing.T) {
	for _, test := range []struct {
		name       string
		handler    http.HandlerFunc
		want, hint string
		is         error
	}{
		{"a page of HTML", answers(200, "text/html; charset=utf-8", "<!doctype html>\n<html><head><title>Log\n in</title></head><body>x"), "answered 200 OK with text/html: Log in", "another handler answers there", fetch.ErrNotTrace},
		{"HTML without a title", answers(200, "text/html", "<html><style>b{}</style>\n<p>Hello</p></html>"), "with text/html: Hello", "page to log in", fetch.ErrNotTrace},
		{"JSON", answers(200, "application/json", `{"ok":true}`), `with application/json: {"ok":true}`, "net/http/pprof", fetch.ErrNotTrace},
		{"bytes", answers(200, "application/octet-stream", "\x7fELF and much more of it"), "with application/octet-stream", "net/http/pprof", fetch.ErrNotTrace},
		{"nothing", answers(200, "application/octet-stream", ""), "the answer is empty", "try again", fetch.ErrNotTrace},
		{"a part of the head", answers(200, "application/octet-stream", head[:9]), "is not an execution trace", "net/http/pprof", fetch.ErrNotTrace},
		{"another profile", answers(200, "application/octet-stream", string(gzipped("\x0a\x04a profile, which is packed"))), "it is packed with gzip", "other profiles", fetch.ErrNotTrace},
		{"a trace of Go 1.21", answers(200, "", "go 1.21 trace\x00\x00\x00 and more"), "is a trace of Go 1.21", "Go 1.22 or later", nil},
		{"no such page", answers(404, "", "404 page not found\n"), "answered 404 Not Found: 404 page not found", `import _ "net/http/pprof"`, nil},
		{"a busy tracer", answers(500, "", "Could not enable tracing: tracing is already enabled\n"), "answered 500 Internal Server Error: Could not enable tracing: tracing is already enabled", "one trace at a time", fetch.ErrBusy},
		{"a short WriteTimeout", answers(400, "", "profile duration exceeds server's WriteTimeout\n"), "400 Bad Request", "fewer --seconds", nil},
		{"a password that is missing", answers(401, "", "\n\n  who are you?\n"), "answered 401 Unauthorized: who are you?", "USER:PASSWORD", nil},
		{"a proxy that gave up", answers(504, "text/html", "<html><h1>Gateway Timeout</h1>"), "504 Gateway Timeout: Gateway Timeout", "a proxy between gave up", nil},
		{"an answer for the terminal", answers(503, "", "\x1b[2Jgone\xff"), "503 Service Unavailable: ?[2Jgone?", "", nil},
		{"a long line", answers(418, "", strings.Repeat("x", 5000)), strings.Repeat("x", 160) + "...", "", nil},
		{"another host", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://u:secret@login.example/?next=1", http.StatusFound)
		}, "redirects to another host: http://u:xxxxx@login.example/", "by its own URL", nil},
		{"another port", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:22/", http.StatusFound)
		}, "redirects to another host", "", nil},
		{"a file", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
		}, "redirects to another host", "", nil},
		{"a circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, "redirects more than 5 times", "by its own URL", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			client := fetch.New(fetch.Options{})
			defer client.Close()
			_, err := client.Open(t.Context(), server.URL, 1)
			checkError(t, err, test.want, test.hint)
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v does not match %v", err, test.is)
			}
		})
	}
}

// listen serves connections until the test ends.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestOpenSaysWhyNothingAnswers(t *testing.T) {
	secure := httptest.NewUnstartedServer(answers(200, "", head))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(answers(200, "", head))
	defer plain.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, test := range []struct{ name, url, want, hint string }{
		{"nothing listens", closed.URL, "connection refused", "nothing listens there"},
		{"HTTPS asked by HTTP", "http://" + secure.Listener.Addr().String(), "HTTP request to an HTTPS server", "write https://"},
		{"HTTP asked by HTTPS", "https://" + plain.Listener.Addr().String(), "answers HTTP, not HTTPS", "write http://"},
		{"an authority that is not known", secure.URL, "certificate", "SSL_CERT_FILE"},
		{"another protocol", "http://" + listen(t, func(c net.Conn) { c.Read(make([]byte, 9999)); io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") }), "does not answer HTTP", "port that serves pprof"},
		{"a connection that is closed", "http://" + listen(t, func(c net.Conn) { c.Read(make([]byte, 9999)) }), "closed the connection without an answer", "port that serves pprof"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := fetch.New(fetch.Options{})
			defer client.Close()
			_, err := client.Open(t.Context(), test.url, 1)
			checkError(t, err, test.want, test.hint)
		})
	}
}

// part writes a part of an answer and sends it.
func part(w http.ResponseWriter, text string) {
	io.WriteString(w, text)
	http.NewResponseController(w).Flush()
}

func TestReadSaysHowATraceEnds(t *testing.T) {
	waits := func(r *http.Request) { <-r.Context().Done() }
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		options fetch.Options
		want    error
		text    string
		started bool
	}{
		{"it never answers", func(w http.ResponseWriter, r *http.Request) { waits(r) }, fetch.Options{Stall: time.Millisecond}, fetch.ErrStalled, "nothing came for 1ms", false},
		{"it answers with headers alone", func(w http.ResponseWriter, r *http.Request) { part(w, ""); waits(r) }, fetch.Options{Stall: time.Millisecond}, fetch.ErrStalled, "nothing came", false},
		{"it stalls within", func(w http.ResponseWriter, r *http.Request) { part(w, head+"abc"); waits(r) }, fetch.Options{Stall: time.Millisecond}, fetch.ErrStalled, "nothing came", true},
		{"it drips for ever", func(w http.ResponseWriter, r *http.Request) {
			for part(w, head); r.Context().Err() == nil; time.Sleep(time.Millisecond) {
				part(w, "x")
			}
		}, fetch.Options{Grace: time.Millisecond}, fetch.ErrTooLong, "within 11ms of a trace of 10ms", true},
		{"it is cut", func(w http.ResponseWriter, r *http.Request) {
			part(w, head+"abc")
			panic(http.ErrAbortHandler)
		}, fetch.Options{}, fetch.ErrCut, "the connection ended", true},
		{"it is whole", func(w http.ResponseWriter, r *http.Request) { part(w, head); part(w, "abc") }, fetch.Options{}, nil, "", true},
		{"it is packed", func(w http.ResponseWriter, r *http.Request) { w.Write(gzipped(head + "abc")) }, fetch.Options{}, nil, "", true},
		{"it is behind a redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/there" {
				http.Redirect(w, r, "/there", http.StatusMovedPermanently)
				return
			}
			part(w, head+"abc")
		}, fetch.Options{}, nil, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			defer server.Close()
			client := fetch.New(test.options)
			defer client.Close()
			var got []byte
			trace, err := client.Open(t.Context(), server.URL+"/debug/pprof/trace?seconds=0.01", 0)
			if err == nil {
				got, err = io.ReadAll(trace)
				trace.Close()
			}
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.text) {
				t.Fatalf("error %v, want %v with %q", err, test.want, test.text)
			}
			var e *fetch.Error
			if errors.As(err, &e) && e.Started != test.started {
				t.Errorf("started %v, want %v", e.Started, test.started)
			}
			if test.want == nil && !bytes.Equal(got, []byte(head+"abc")) && !bytes.Equal(got, gzipped(head+"abc")) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	came := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part(w, head)
		close(came)
		<-r.Context().Done()
	}))
	defer server.Close()
	client := fetch.New(fetch.Options{})
	defer client.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	trace, err := client.Open(ctx, server.URL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer trace.Close()
	<-came
	cancel(errors.New("a signal"))
	got, err := io.ReadAll(trace)
	if string(got) != head || !errors.Is(err, context.Canceled) {
		t.Errorf("read %q and %v", got, err)
	}
}

// TestOpenKeepsNothing holds that a trace of any size is a stream.
func TestOpenKeepsNothing(t *testing.T) {
	const blocks = 64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		part(w, head)
		for range blocks {
			w.Write(make([]byte, 1<<20))
		}
	}))
	defer server.Close()
	client := fetch.New(fetch.Options{})
	defer client.Close()
	trace, err := client.Open(t.Context(), server.URL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer trace.Close()
	if trace.Go != "go1.26" || trace.Asked != time.Second {
		t.Errorf("trace %s of %s", trace.Go, trace.Asked)
	}
	n, err := io.Copy(io.Discard, trace)
	if err != nil || n != int64(len(head))+blocks<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := trace.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

func startService(t *testing.T, args ...string) (*testutil.Target, string) {
	t.Helper()
	service := testutil.StartTarget(t, testutil.BuildGo(t, testutil.Dir("testdata/service"), testutil.BuildOptions{}), args...)
	return service, service.WaitLine("listening ")
}

func TestServiceIsFoundAndTraced(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", ":0"} {
		t.Run("listening on "+address, func(t *testing.T) {
			service, _ := startService(t, "-listen", address)
			client := fetch.New(fetch.Options{NetworkOf: int32(service.PID)})
			defer client.Close()
			u, err := client.Find(t.Context(), int32(service.PID))
			if err != nil {
				t.Fatal(err)
			}
			pid, err := client.Owner(t.Context(), u.String())
			if err != nil || pid != int32(service.PID) {
				t.Errorf("owner %d, %v, want %d", pid, err, service.PID)
			}
			trace, err := client.Open(t.Context(), u.String()+"?seconds=0.1", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer trace.Close()
			got, err := io.ReadAll(trace)
			if err != nil || len(got) < 100 {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestFindSaysWhatAnswersInstead(t *testing.T) {
	page, address := startService(t, "-page")
	_, port, _ := net.SplitHostPort(address)
	for _, test := range []struct {
		name string
		pid  int
		want string
		is   error
	}{
		{"another page", page.PID, "127.0.0.1:" + port + " answers another page", fetch.ErrNoEndpoint},
		{"a process that listens nowhere", testutil.StartTarget(t, testutil.RequireTool(t, "cat", "coreutils")).PID, "there is none", fetch.ErrNoEndpoint},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := fetch.New(fetch.Options{NetworkOf: int32(test.pid)})
			defer client.Close()
			_, err := client.Find(t.Context(), int32(test.pid))
			checkError(t, err, test.want, `import _ "net/http/pprof"`)
			if !errors.Is(err, test.is) {
				t.Errorf("error %v does not match %v", err, test.is)
			}
		})
	}
}

func TestOwnerIsNotToldOfWhoHandsOn(t *testing.T) {
	_, address := startService(t)
	proxy := listen(t, func(c net.Conn) {
		to, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		go func() { io.Copy(to, c); to.Close() }()
		io.Copy(c, to)
	})
	other := httptest.NewServer(answers(404, "", "no"))
	defer other.Close()
	for _, test := range []struct{ name, url, want string }{
		{"a proxy of this host", "http://" + proxy, "answers for another one"},
		{"no page of the command line", other.URL, "answers 404"},
		{"a stored trace", other.URL + "/my.trace", "not pprof's"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := fetch.New(fetch.Options{})
			defer client.Close()
			pid, err := client.Owner(t.Context(), test.url)
			if !errors.Is(err, fetch.ErrNotSeen) || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("process %d, error %v, want %q", pid, err, test.want)
			}
		})
	}
}
