package upgrade

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// TestHTTP_drainOfHTTP2 has streams in flight, and clients that begin others meanwhile: those are
// told to go away, and none is lost.
func TestHTTP_drainOfHTTP2(t *testing.T) {
	t.Parallel()
	certificates := httptest.NewUnstartedServer(nil)
	certificates.StartTLS()
	t.Cleanup(certificates.Close)
	for _, encrypted := range []bool{true, false} {
		t.Run(fmt.Sprintf("TLS %v", encrypted), func(t *testing.T) {
			t.Parallel()
			s := &http.Server{Protocols: new(http.Protocols)}
			transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			t.Cleanup(transport.CloseIdleConnections)
			scheme := "http"
			if encrypted {
				scheme = "https"
				s.TLSConfig = &tls.Config{Certificates: certificates.TLS.Certificates}
				s.Protocols.SetHTTP2(true)
				transport.Protocols.SetHTTP2(true)
			} else {
				s.Protocols.SetUnencryptedHTTP2(true)
				transport.Protocols.SetUnencryptedHTTP2(true)
			}
			d := newServed(t, s, nil)
			client := &http.Client{Transport: transport, Timeout: patient}
			var asking sync.WaitGroup
			for range 20 {
				asking.Go(func() {
					a, err := client.Get(scheme + "://" + d.address + "/slow")
					if err != nil {
						t.Error(err)
						return
					}
					defer a.Body.Close()
					if text, err := io.ReadAll(a.Body); err != nil || a.ProtoMajor != 2 || string(text) != "/slow " {
						t.Errorf("%s, %q, %v", a.Proto, text, err)
					}
				})
			}
			for range 20 {
				d.begun("/slow")
			}
			done := d.drain(patient)
			d.closed()
			time.Sleep(HTTPIdleLast * 3 / 2)
			close(d.release)
			asking.Wait()
			d.must(done)
		})
	}
}

// beginHTTP2 sends the preface, and waits for that of the server.
func (c *rawConn) beginHTTP2(t *testing.T) {
	t.Helper()
	if err := c.send(preface); err != nil {
		t.Fatal(err)
	}
	if _, err := c.r.Peek(9); err != nil {
		t.Fatal(err)
	}
}

// toldToGo reads frames of HTTP/2 until the client is told to go away.
func (c *rawConn) toldToGo(t *testing.T) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patient))
	for {
		var head [9]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			t.Fatalf("it is not told to go away: %v", err)
		}
		const goAway = 7
		if head[3] == goAway {
			return
		}
		if _, err := c.r.Discard(int(head[0])<<16 | int(head[1])<<8 | int(head[2])); err != nil {
			t.Fatal(err)
		}
	}
}

// preface is how a client of HTTP/2 begins, with no settings.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
