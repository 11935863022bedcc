package upgrade

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// patient is for how long tests wait for what must come.
const patient = 60 * time.Second

// served is a server of HTTP that can be drained, without processes.
type served struct {
	t       *testing.T
	address string
	server  Server
	sockets *sockets
	ended   chan error
	started chan string // the path of each request whose handling begins
	release chan struct{}
}

// newServed serves until the end of the test. Requests of /slow wait until release.
func newServed(t *testing.T, s *http.Server, wrap func(net.Listener) net.Listener) *served {
	t.Helper()
	d := &served{t: t, sockets: new(sockets), ended: make(chan error, 1), started: make(chan string, 1000), release: make(chan struct{})}
	l, err := d.sockets.listen(t.Context(), "web", "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.address = l.Addr().String()
	if wrap != nil {
		l = wrap(l)
	}
	if s.Handler == nil {
		s.Handler = http.HandlerFunc(d.answer)
	}
	d.server = HTTP(s, l)
	go func() { d.ended <- d.server.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = d.server.Drain(ctx)
		d.sockets.cut()
		if err := errors.Join(d.sockets.giveBack(false), d.sockets.close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// patiently has idle connections stay open in a drain, however slow the test is.
func (d *served) patiently() {
	d.server.(*httpServer).newPace = func(ctx context.Context, now time.Time) *pace {
		p := newPace(ctx, now)
		p.idle = time.Hour
		return p
	}
}

func (d *served) answer(w http.ResponseWriter, r *http.Request) {
	d.started <- r.URL.Path
	if r.URL.Path == "/slow" {
		select {
		case <-d.release:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	text, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s", r.URL.Path, text)
}

// drain drains, for so long at most, and returns its error by and by.
func (d *served) drain(atMost time.Duration) <-chan error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), atMost, errors.New("time is up"))
	done := make(chan error, 1)
	go func() {
		defer cancel()
		done <- d.server.Drain(ctx)
	}()
	return done
}

// closed waits until the drain has closed the listener.
func (d *served) closed() {
	d.t.Helper()
	select {
	case err := <-d.ended:
		if err != nil {
			d.t.Fatal(err)
		}
	case <-time.After(patient):
		d.t.Fatal("it serves on")
	}
}

func (d *served) must(done <-chan error) {
	d.t.Helper()
	select {
	case err := <-done:
		if err != nil {
			d.t.Fatal(err)
		}
	case <-time.After(patient):
		d.t.Fatal("the drain does not end")
	}
}

func (d *served) dial() *rawConn {
	d.t.Helper()
	c, err := net.Dial("tcp", d.address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { c.Close() })
	return &rawConn{Conn: c, r: bufio.NewReader(c)}
}

// begun waits until the handling of a request begins.
func (d *served) begun(path string) {
	d.t.Helper()
	select {
	case got := <-d.started:
		if got != path {
			d.t.Fatalf("%s is handled, not %s", got, path)
		}
	case <-time.After(patient):
		d.t.Fatalf("%s is not handled", path)
	}
}

// rawConn is a client that never tries again.
type rawConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *rawConn) send(text string) error {
	_, err := io.WriteString(c, text)
	return err
}

func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: test\r\n\r\n" }

// receive reads an answer, its text and whether the connection ends with it.
func (c *rawConn) receive() (text string, ends bool, err error) {
	if err := c.SetReadDeadline(time.Now().Add(patient)); err != nil {
		return "", false, err
	}
	a, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "", false, err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	return string(body), a.Close, err
}

// want receives an answer.
func (c *rawConn) want(t *testing.T, text string, ends bool) {
	t.Helper()
	got, close, err := c.receive()
	if err != nil || strings.TrimSpace(got) != text || close != ends {
		t.Fatalf("the answer %q, the last one: %v, %v; want %q, %v", got, close, err, text, ends)
	}
}

// ends waits for the end of the connection.
func (c *rawConn) ends(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patient))
	if b, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("%d, %v", b, err)
	}
}

// TestHTTP_drainsIdleConnections has connections of each kind on which no request comes:
// the drain ends, long before its time is up.
func TestHTTP_drainsIdleConnections(t *testing.T) {
	t.Parallel()
	h2c := new(http.Protocols)
	h2c.SetHTTP1(true)
	h2c.SetUnencryptedHTTP2(true)
	certificates := httptest.NewUnstartedServer(nil)
	certificates.EnableHTTP2 = true
	certificates.StartTLS()
	t.Cleanup(certificates.Close)
	secret := func() *http.Server {
		return &http.Server{TLSConfig: &tls.Config{Certificates: certificates.TLS.Certificates}}
	}
	handshake := func(protocols ...string) func(*testing.T, *rawConn) {
		return func(t *testing.T, c *rawConn) {
			encrypted := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: protocols})
			if err := encrypted.Handshake(); err != nil {
				t.Fatal(err)
			}
		}
	}
	foreign := func(l net.Listener) net.Listener { return foreignListener{l} }
	for _, c := range []struct {
		name   string
		server *http.Server
		wrap   func(net.Listener) net.Listener
		use    func(*testing.T, *rawConn)
	}{
		{"new", &http.Server{}, nil, func(*testing.T, *rawConn) {}},
		{"kept alive", &http.Server{}, nil, roundTrip},
		{"with timeouts", &http.Server{IdleTimeout: time.Hour, ReadHeaderTimeout: time.Hour, ReadTimeout: time.Hour}, nil, roundTrip},
		{"new, of another listener", &http.Server{}, foreign, func(*testing.T, *rawConn) {}},
		{"kept alive, of another listener", &http.Server{}, foreign, roundTrip},
		{"TLS, without a handshake", secret(), nil, func(*testing.T, *rawConn) {}},
		{"TLS, in a handshake", secret(), nil, func(t *testing.T, c *rawConn) {
			if err := c.send("\x16\x03\x01\x02"); err != nil {
				t.Fatal(err)
			}
		}},
		{"TLS, after its handshake", secret(), nil, handshake("http/1.1")},
		{"HTTP/2 over TLS, after its handshake", secret(), nil, handshake("h2")},
		{"HTTP/2 over TLS, after its preface", secret(), nil, func(t *testing.T, c *rawConn) {
			c.Conn = tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
			c.r = bufio.NewReader(c.Conn)
			c.beginHTTP2(t)
		}},
		{"HTTP/2, after its preface", &http.Server{Protocols: h2c}, nil, func(t *testing.T, c *rawConn) { c.beginHTTP2(t) }},
		{"HTTP/1 where HTTP/2 is possible", &http.Server{Protocols: h2c}, nil, roundTrip},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newServed(t, c.server, c.wrap)
			conn := d.dial()
			c.use(t, conn)
			d.accepted()
			d.must(d.drain(patient))
			if n := d.sockets.connections(); n > 0 {
				t.Errorf("%d connections are open", n)
			}
			if strings.HasSuffix(c.name, "preface") {
				conn.toldToGo(t)
			}
		})
	}
}

// accepted waits until the connection is accepted: the drain resets others.
func (d *served) accepted() {
	d.t.Helper()
	h, ok := d.server.(*httpServer)
	if !ok {
		d.t.Fatalf("%T", d.server)
	}
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(time.Millisecond) {
		h.mu.Lock()
		n := len(h.conns)
		h.mu.Unlock()
		if n > 0 {
			return
		}
	}
	d.t.Fatal("no connection is accepted")
}

func roundTrip(t *testing.T, c *rawConn) {
	t.Helper()
	if err := c.send(get("/a")); err != nil {
		t.Fatal(err)
	}
	c.want(t, "/a", false)
}

// foreignListener hides the type of its connections.
type foreignListener struct{ net.Listener }

func (l foreignListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return struct{ net.Conn }{c}, nil
}

// TestHTTP_drainFinishes has requests that began before the drain, or come meanwhile.
func TestHTTP_drainFinishes(t *testing.T) {
	t.Parallel()
	t.Run("a request in flight for longer than connections may be idle", func(t *testing.T) {
		t.Parallel()
		d := newServed(t, &http.Server{}, nil)
		c := d.dial()
		if err := c.send(get("/slow")); err != nil {
			t.Fatal(err)
		}
		d.begun("/slow")
		done := d.drain(patient)
		d.closed()
		time.Sleep(HTTPIdleLast * 3 / 2)
		close(d.release)
		c.want(t, "/slow", false)
		c.ends(t)
		d.must(done)
	})
	t.Run("a request on a connection that is kept alive", func(t *testing.T) {
		t.Parallel()
		d := newServed(t, &http.Server{}, nil)
		d.patiently()
		c, other := d.dial(), d.dial()
		roundTrip(t, c)
		d.begun("/a")
		if err := other.send(get("/slow")); err != nil {
			t.Fatal(err)
		}
		d.begun("/slow")
		done := d.drain(patient)
		d.closed()
		if err := c.send(get("/b")); err != nil {
			t.Fatal(err)
		}
		c.want(t, "/b", true)
		c.ends(t)
		close(d.release)
		other.want(t, "/slow", false)
		other.Close()
		d.must(done)
	})
	t.Run("a header that comes in two parts", func(t *testing.T) {
		t.Parallel()
		d := newServed(t, &http.Server{}, nil)
		c := d.dial()
		roundTrip(t, c)
		text := get("/b")
		if err := c.send(text[:9]); err != nil {
			t.Fatal(err)
		}
		d.read()
		done := d.drain(patient)
		d.closed()
		time.Sleep(HTTPIdleLast * 3 / 2)
		if err := c.send(text[9:]); err != nil {
			t.Fatal(err)
		}
		c.want(t, "/b", true)
		d.must(done)
	})
	t.Run("a body that comes in two parts", func(t *testing.T) {
		t.Parallel()
		d := newServed(t, &http.Server{}, nil)
		c := d.dial()
		if err := c.send("POST /p HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nab"); err != nil {
			t.Fatal(err)
		}
		d.begun("/p")
		done := d.drain(patient)
		d.closed()
		time.Sleep(HTTPIdleLast * 3 / 2)
		if err := c.send("cd"); err != nil {
			t.Fatal(err)
		}
		c.want(t, "/p abcd", false)
		d.must(done)
	})
}

// read waits until what was sent on the one connection is read.
func (d *served) read() {
	d.t.Helper()
	h := d.server.(*httpServer)
	for end := time.Now().Add(patient); time.Now().Before(end); time.Sleep(time.Millisecond) {
		h.mu.Lock()
		for _, c := range h.conns {
			p, ok := c.patience.(*patience)
			if !ok {
				d.t.Fatalf("%T", c.patience)
			}
			p.mu.Lock()
			idle := p.idle
			p.mu.Unlock()
			if !idle && !p.hasMore() {
				h.mu.Unlock()
				return
			}
		}
		h.mu.Unlock()
	}
	d.t.Fatal("what was sent is not read")
}

// TestHTTP_drainAnswersPipelines has requests that came together: all are answered, and
// the last answer says that the connection ends.
func TestHTTP_drainAnswersPipelines(t *testing.T) {
	t.Parallel()
	for _, slow := range []bool{false, true} {
		t.Run(fmt.Sprintf("slow %v", slow), func(t *testing.T) {
			t.Parallel()
			d := newServed(t, &http.Server{}, nil)
			d.patiently()
			c, other := d.dial(), d.dial()
			roundTrip(t, c)
			d.begun("/a")
			if err := other.send(get("/slow")); err != nil {
				t.Fatal(err)
			}
			d.begun("/slow")
			done := d.drain(patient)
			d.closed()
			last := "/last"
			if slow {
				last = "/slow"
			}
			if err := c.send(get("/1") + get("/2") + get("/3") + get(last)); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/1", "/2", "/3", last} {
				d.begun(path)
			}
			close(d.release)
			for _, path := range []string{"/1", "/2", "/3"} {
				c.want(t, path, false)
			}
			c.want(t, last, true)
			other.want(t, "/slow", false)
			other.Close()
			d.must(done)
		})
	}
}

func TestHTTP_drainCutsAtTheEndOfItsTime(t *testing.T) {
	t.Parallel()
	d := newServed(t, &http.Server{}, nil)
	c := d.dial()
	if err := c.send(get("/slow")); err != nil {
		t.Fatal(err)
	}
	d.begun("/slow")
	err := <-d.drain(50 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "1 connections of HTTP were cut: time is up") {
		t.Errorf("%v", err)
	}
	if _, _, err := c.receive(); err == nil {
		t.Error("there is an answer")
	}
}

// TestHTTP_drainLeavesOthersAlone has connections that are no longer of HTTP, and such that are
// about to be: none is told that it ends.
func TestHTTP_drainLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	taken := make(chan net.Conn, 1)
	d := newServed(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			fmt.Fprint(w, r.URL.Path)
			return
		}
		if got := w.Header().Get("Connection"); got != "" {
			t.Errorf("Connection: %s", got)
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		taken <- c
	})}, nil)
	d.patiently()
	hold := d.dial()
	c := d.dial()
	roundTrip(t, c)
	roundTrip(t, hold)
	done := d.drain(patient)
	d.closed()
	if err := c.send("GET /socket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var server net.Conn
	select {
	case server = <-taken:
	case <-time.After(patient):
		t.Fatal("it is not handled")
	}
	hold.Close()
	d.must(done)
	if n := d.sockets.connections(); n != 1 {
		t.Errorf("%d connections are open", n)
	}
	if _, err := io.WriteString(server, "still here"); err != nil {
		t.Error(err)
	}
	if text, err := c.r.Peek(10); err != nil || string(text) != "still here" {
		t.Errorf("%q, %v", text, err)
	}
}
