package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"time"
)

// h2 is a connection of HTTP/2 that several workers share.
type h2 struct {
	url       string
	timeout   time.Duration
	counts    *tally
	transport *http.Transport
	owners    owners
}

func newHTTP2(o Options, secure *tls.Config, counts *tally) *h2 {
	c := &h2{url: "http://" + o.Address + "/", timeout: o.Timeout, counts: counts}
	protocols := new(http.Protocols)
	if secure == nil {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		c.url = "https://" + o.Address + "/"
		secure = secure.Clone()
		protocols.SetHTTP2(true)
	}
	var dialer net.Dialer
	c.transport = &http.Transport{
		Protocols:       protocols,
		TLSClientConfig: secure,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			counts.dials.Add(1)
			return dialer.DialContext(ctx, network, address)
		},
	}
	return c
}

// attempt is the connection that a request was last sent on.
type attempt struct {
	sent   int
	local  string
	reused bool
}

// exchange implements client.
func (c *h2) exchange(id int) (int, error) {
	var at attempt
	ctx, cancel := context.WithTimeout(httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			at = attempt{at.sent + 1, info.Conn.LocalAddr().String(), info.Reused}
		},
	}), c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(strconv.Itoa(id)))
	if err != nil {
		return 0, &Loss{Kind: Other, Cause: err}
	}
	answer, err := c.transport.RoundTrip(request)
	if at.sent > 1 {
		c.counts.resent.Add(int64(at.sent - 1))
	}
	owner := c.owners.of(at.local)
	if err != nil {
		return 0, &Loss{Kind: brokenStream(err, at.sent, owner != 0), PID: owner, Cause: err}
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		kind := brokenStream(err, at.sent, true)
		if kind == EOFReused || kind == ResetReused {
			kind = Cut
		}
		return 0, &Loss{Kind: kind, PID: owner, Cause: err}
	}
	pid, err := check(answer.StatusCode, string(text), id)
	if err == nil && answer.ProtoMajor != 2 {
		err = fmt.Errorf("protocol %s", answer.Proto)
	}
	if err != nil {
		return 0, &Loss{Kind: WrongAnswer, PID: owner, Cause: err}
	}
	c.owners.set(at.local, pid)
	return pid, nil
}

// brokenStream is the kind of an error of net/http, which keeps the types of those of
// HTTP/2 to itself.
func brokenStream(err error, attempts int, reused bool) LossKind {
	text := err.Error()
	var at *net.OpError
	switch {
	case timedOut(err):
		return Timeout
	case errors.As(err, &at) && at.Op == "dial":
		return connecting(err)
	case attempts == 0:
		return Handshake
	case strings.Contains(text, "GOAWAY"):
		return GoAway
	case strings.Contains(text, "stream error"):
		return Stream
	case strings.Contains(text, "client connection lost") || strings.Contains(text, "client connection force closed"):
		if reused {
			return ResetReused
		}
		return ResetFresh
	}
	return broken(err, reused)
}

// close implements client.
func (c *h2) close() { c.transport.CloseIdleConnections() }

// owners are the processes that answered on connections, by the local address.
type owners struct {
	mu  sync.Mutex
	pid map[string]int
}

// of returns 0 for a connection that brought no answer yet.
func (o *owners) of(local string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pid[local]
}

func (o *owners) set(local string, pid int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pid == nil {
		o.pid = map[string]int{}
	}
	o.pid[local] = pid
}
