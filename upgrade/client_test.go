package upgrade_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
)

// rawClient speaks HTTP/1.1 on one connection after the other, and never tries again: it
// uses a connection until an answer says that it ends.
type rawClient struct {
	dial func() (net.Conn, error)
	conn net.Conn
	r    *bufio.Reader

	// answered and dialed are how many requests and connections there were; pids who
	// answered.
	answered, dialed int
	pids             map[int]int
}

// rawClient returns one for the server, over TLS if it is.
func (r *rig) rawClient() *rawClient {
	network := "tcp"
	if strings.HasPrefix(r.address, "/") {
		network = "unix"
	}
	return &rawClient{pids: map[int]int{}, dial: func() (net.Conn, error) {
		c, err := net.DialTimeout(network, r.address, patience)
		if err == nil && r.plan.TLS {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		}
		return c, err
	}}
}

// ask sends a request and returns which process has answered it.
func (c *rawClient) ask(path string) (int, error) {
	if c.conn == nil {
		conn, err := c.dial()
		if err != nil {
			return 0, err
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
		c.dialed++
	}
	if err := c.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(c.conn, "GET "+path+" HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	if answer.Close {
		c.close()
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return 0, err
	}
	c.answered++
	c.pids[pid]++
	return pid, nil
}

// begun is what the name of a file has behind it by which a server says that it handles
// the request which waits for that file.
const begun = ".begun"

// held is a request whose answer waits for the test.
type held struct {
	file     string
	client   *rawClient
	answered chan error
}

// hold sends a request that only this process may answer, and waits until it is handled.
func (r *rig) hold(pid int) *held {
	r.t.Helper()
	h := &held{file: filepath.Join(r.t.TempDir(), "held"), client: r.rawClient(), answered: make(chan error, 1)}
	r.t.Cleanup(h.client.close)
	go func() {
		got, err := h.client.ask("/?until=" + url.QueryEscape(h.file))
		if err == nil && got != pid {
			err = fmt.Errorf("%d has answered, not %d", got, pid)
		}
		h.answered <- err
	}()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(h.file + begun); err == nil {
			return h
		}
	}
	r.t.Fatalf("the request is not handled:\n%s", r.log)
	return nil
}

// finish has the request answered, which must be well. The connection ends with it.
func (h *held) finish(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(h.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-h.answered; err != nil {
		t.Error(err)
	}
	h.client.close()
}

func (c *rawClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// TestUpgrade_underLoadLosesNothing has clients that never try again, on connections that
// are kept alive and on new ones, while one version follows the other.
func TestUpgrade_underLoadLosesNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		plan     func(t *testing.T, p *plan)
		upgrades int
	}{
		{"TCP", func(*testing.T, *plan) {}, 20},
		{"TLS", func(_ *testing.T, p *plan) { p.TLS = true }, 5},
		{"unix socket", func(t *testing.T, p *plan) { p.Network, p.Address = "unix", t.TempDir()+"/web" }, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := quick()
			p.Probation = 20 * time.Millisecond
			c.plan(t, &p)
			r := newRig(t, p)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var asking sync.WaitGroup
			clients := make([]*rawClient, 8)
			last := 0
			for i := range clients {
				clients[i] = r.rawClient()
				asking.Go(func() {
					defer clients[i].close()
					for ctx.Err() == nil {
						if _, err := clients[i].ask("/?wait=2ms"); err != nil {
							t.Errorf("request %d: %v", clients[i].answered+1, err)
							stop()
						}
						if i%2 == 0 {
							clients[i].close()
						}
						time.Sleep(2 * time.Millisecond)
					}
					if pid, err := clients[i].ask("/"); err != nil || pid != last {
						t.Errorf("the last request: %d, not %d: %v", pid, last, err)
					}
				})
			}
			for n := range c.upgrades {
				last = r.upgraded(n).PID
			}
			// Those that keep their connections are told by and by.
			for n := range c.upgrades {
				r.entered(n+1, upgrade.Drained)
			}
			stop()
			asking.Wait()
			// One that keeps its connection has had to change it each time at most.
			if n := clients[1].dialed; n > c.upgrades+1 || n < 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestUpgrade_ofHTTP2 has streams in flight in each upgrade, with and without TLS.
func TestUpgrade_ofHTTP2(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{true, false} {
		t.Run("TLS "+strconv.FormatBool(encrypted), func(t *testing.T) {
			t.Parallel()
			p := quick()
			p.Probation, p.TLS, p.H2C = 20*time.Millisecond, encrypted, !encrypted
			r := newRig(t, p)
			transport := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer transport.CloseIdleConnections()
			transport.Protocols.SetHTTP2(encrypted)
			transport.Protocols.SetUnencryptedHTTP2(!encrypted)
			client := &http.Client{Transport: transport, Timeout: patience}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var asking sync.WaitGroup
			for range 8 {
				asking.Go(func() {
					for ctx.Err() == nil {
						if _, err := r.get(client, "/?wait=5ms"); err != nil {
							t.Error(err)
							stop()
						}
					}
				})
			}
			for n := range 5 {
				r.upgraded(n)
			}
			r.entered(5, upgrade.Drained)
			stop()
			asking.Wait()
		})
	}
}

// TestUpgrade_longConnections has a request in flight and connections that a handler has
// taken over: the request is answered, the others are told and, in the end, cut.
func TestUpgrade_longConnections(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Drain = 3 * time.Second
	r := newRig(t, p)
	first := r.serving()
	slow := r.hold(first)
	hijack := func(path string) *bufio.Reader {
		c, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewReader(c)
		if line, err := lines.ReadString('\n'); line != "taken over\n" {
			t.Fatalf("%q, %v", line, err)
		}
		return lines
	}
	stays, goes := hijack("/hijack"), hijack("/hijack?then=close")
	r.upgraded(0)
	for _, lines := range []*bufio.Reader{stays, goes} {
		if line, err := lines.ReadString('\n'); line != "draining\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if _, err := goes.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("%v", err)
	}
	slow.finish(t)
	// The other one is open until the time of the drain is up.
	if _, err := stays.ReadByte(); err == nil {
		t.Error("more is said")
	}
	e := r.entered(1, "drained")
	if want := "1 connections that no server has any more were cut: it took more than 3s"; e.Reason != want {
		t.Errorf("%q", e.Reason)
	}
}
