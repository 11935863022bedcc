package upgrade

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPatience_neverLosesWhatHasCome races the end of an idle connection with the first
// byte of a request, again and again: what was read by the one who waits is never less
// than what had come when it was told that nothing did.
func TestPatience_neverLosesWhatHasCome(t *testing.T) {
	t.Parallel()
	s := new(sockets)
	l, err := s.listen(t.Context(), "web", "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = errors.Join(s.giveBack(false), s.close()) }()
	ended, came := 0, 0
	for round := range 2000 {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := accepted.(*tcpConn)
		type result struct {
			text []byte
			err  error
		}
		read := make(chan result, 1)
		go func() {
			b := make([]byte, 16)
			n, err := c.Read(b)
			read <- result{b[:n], err}
		}()
		var racing sync.WaitGroup
		before := make(chan struct{})
		racing.Go(func() {
			if round%2 == 0 {
				// What is written before the end is asked for has come.
				if _, err := client.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				close(before)
				return
			}
			close(before)
			_, _ = client.Write([]byte("x"))
		})
		racing.Go(func() {
			<-before
			c.end(0)
		})
		racing.Wait()
		switch r := <-read; {
		case len(r.text) == 1 && r.err == nil:
			came++
			// It is as before: what comes next is read, too.
			if _, err := client.Write([]byte("y")); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 1)
			if n, err := io.ReadFull(c, b); n != 1 || err != nil || b[0] != 'y' {
				t.Fatalf("round %d: then %q, %v", round, b[:n], err)
			}
		case round%2 == 1 && errors.Is(r.err, io.EOF):
			ended++
		default:
			t.Fatalf("round %d: %q, %v", round, r.text, r.err)
		}
		client.Close()
		c.Close()
	}
	if ended == 0 || came == 0 {
		t.Logf("%d ended, %d came: no race", ended, came)
	}
}

func TestPatience_endsWhatIsIdleAlone(t *testing.T) {
	t.Parallel()
	client, server := tcpPair(t)
	p := &patience{conn: server, idle: true, since: time.Now()}
	p.expect(false)
	check := func(what string, want bool) {
		t.Helper()
		if got := p.end(0); got != want {
			t.Fatalf("%s: %v", what, got)
		}
	}
	if p.end(time.Hour) {
		t.Fatal("it ends before its time")
	}
	if _, err := client.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 9)
	if _, err := p.read(b); err != nil {
		t.Fatal(err)
	}
	check("half a request has come", false)
	if !p.further() {
		t.Error("the other half is not seen")
	}
	if _, err := p.read(b); err != nil {
		t.Fatal(err)
	}
	p.begin(false)
	if p.further() {
		t.Error("something is behind the request")
	}
	check("it is handled", false)
	p.rest()
	check("it is answered", true)
	// Who waits next is told at once, although another deadline was set meanwhile.
	if err := server.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	check("again", true)
	if n, err := p.read(b); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("%d, %v", n, err)
	}
}

func tcpPair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

// TestConns_acceptAfterAFailure has accepting fail as it does when no descriptor is free:
// the server goes on when one is.
func TestConns_acceptAfterAFailure(t *testing.T) {
	t.Parallel()
	client, server := tcpPair(t)
	l := &failing{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	l.conns <- server
	s := Conns(l, func(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c) })
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, client, 1); err != nil {
		t.Fatal(err)
	}
	client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if l.failed != len(failures()) {
		t.Errorf("it has failed %d times", l.failed)
	}
}

// TestPatience_countsRequests reads requests in parts of all sizes, and says how many
// have come behind the first one.
func TestPatience_countsRequests(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(get("/"), 3)
	for size := 1; size <= len(text); size++ {
		p := new(patience)
		p.expect(false)
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			p.look(rest[:n])
			rest = rest[n:]
		}
		if p.heads != 3 || string(p.tail[:]) != endOfHeader {
			t.Errorf("in parts of %d: %d, %q", size, p.heads, p.tail)
		}
		p.begin(false)
		if p.heads != 2 {
			t.Errorf("in parts of %d: %d behind the first", size, p.heads)
		}
		p.begin(true)
		p.rest()
		if p.heads != 0 {
			t.Errorf("in parts of %d: %d behind a body", size, p.heads)
		}
	}
}

// BenchmarkLook looks at a request of a browser that comes in one read.
func BenchmarkLook(b *testing.B) {
	text := []byte("GET /a/path?with=a&query=string HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101\r\n" +
		"Accept: text/html,application/xhtml+xml\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nCookie: s=" + strings.Repeat("x", 40) + "\r\nConnection: keep-alive\r\n\r\n")
	p := new(patience)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		p.look(text)
		p.heads = 0
	}
}
