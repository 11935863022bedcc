package load

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// fault is what a server does with a request that it has read.
type fault int

const (
	answers fault = iota
	answersLast
	answersSlowly
	closes
	resets
	fails
	answersAnother
	namesNoProcess
	cutsHeader
	cutsBody
	isSilent
)

// slowness is how long a request of answersSlowly takes at least.
const slowness = 100 * time.Millisecond

// faulty speaks HTTP/1.1, and does with each request what is planned for its number.
type faulty struct {
	address string
	plan    map[int]fault
	pid     func(id int) int
	ended   chan struct{}
}

// startFaulty starts one. Its first connections are closed at once, as many as
// unaccepted says.
func startFaulty(t *testing.T, plan map[int]fault, secure *tls.Config, unaccepted int) *faulty {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &faulty{address: listener.Addr().String(), plan: plan, pid: func(int) int { return 1 }, ended: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if n < unaccepted {
				conn.Close()
				continue
			}
			serving.Go(func() {
				defer conn.Close()
				if secure == nil {
					f.serve(conn, conn.(*net.TCPConn))
				} else {
					over := tls.Server(conn, secure)
					defer over.Close()
					f.serve(over, conn.(*net.TCPConn))
				}
			})
		}
	})
	t.Cleanup(func() {
		close(f.ended)
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return f
}

// serve answers over conn, which is socket or TLS over it.
func (f *faulty) serve(conn net.Conn, socket *net.TCPConn) {
	in := bufio.NewReader(conn)
	for {
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		id, err := strconv.Atoi(string(body))
		if err != nil {
			return
		}
		say := func(status, text, header string) {
			fmt.Fprintf(conn, "HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s", status, len(text), header, text)
		}
		right := fmt.Sprintf("%d %d", f.pid(id), id)
		switch f.plan[id] {
		case answers:
			say("200 OK", right, "")
		case answersLast:
			say("200 OK", right, "Connection: close\r\n")
			return
		case answersSlowly:
			time.Sleep(slowness)
			say("200 OK", right, "")
		case closes:
			return
		case resets:
			if err := socket.SetLinger(0); err != nil {
				panic(err)
			}
			socket.Close()
			return
		case fails:
			say("503 Service Unavailable", right, "")
		case answersAnother:
			say("200 OK", fmt.Sprintf("1 %d", id+1), "")
		case namesNoProcess:
			say("200 OK", fmt.Sprintf("- %d", id), "")
		case cutsHeader:
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-")
			return
		case cutsBody:
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1 ")
			return
		case isSilent:
			<-f.ended
			return
		}
	}
}

// secured returns what a server and its client need for TLS.
func secured(t *testing.T, protocols ...string) (*tls.Config, *Authority) {
	t.Helper()
	a, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(a.Certificate, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: protocols}, a
}

// unused returns an address at which nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return errorless(t, l.Addr().String(), l.Close())
}

func errorless[T any](t *testing.T, v T, errs ...error) T {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return v
}
