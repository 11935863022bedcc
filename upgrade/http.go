package upgrade

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is what serves connections until it is drained.
type Server interface {
	// Serve accepts and serves. It returns nil when it ends because of Drain.
	Serve() error
	// Drain stops to accept, finishes what has begun and returns when nothing is open any
	// more. When ctx ends first it cuts what is left, and returns an error that says so.
	// It is called once, and may be called before Serve. [Replaced] says of ctx whether
	// there is time.
	Drain(ctx context.Context) error
}

// maxFurther bounds the answers of a connection that do not say that it ends because a
// further request has come already.
const maxFurther = 128

// httpServer is a [Server] of net/http.
type httpServer struct {
	server    *http.Server
	listeners []net.Listener
	now       func() time.Time
	newPace   func(context.Context, time.Time) *pace
	// pace is that of the drain, nil before it.
	pace atomic.Pointer[pace]

	mu      sync.Mutex
	conns   map[net.Conn]*httpConn
	begun   uint64 // how many connections there were
	drained bool   // before it served
	serving sync.WaitGroup
}

// httpConn is a connection of a server.
type httpConn struct {
	// share is where it is among all, from 0 on and less than 1.
	share float64
	// http2 is set for one that says itself when it ends.
	http2 atomic.Bool
	// handled is set when a request was, since it was said to be active.
	handled atomic.Bool
	// further counts answers that did not say that the connection ends.
	further atomic.Int32
	// patience is nil for connections of listeners that are not of this package.
	patience interface {
		begin(body bool)
		rest()
		end(after time.Duration) bool
		further() bool
	}

	// The server's lock is held. They are for those without patience.
	idle   bool
	since  time.Time
	closed bool
}

type httpConnKey struct{}

// HTTP makes a [Server] of s and its listeners, which are best those of
// [Upgrader.Listen]. It serves TLS if s.TLSConfig has certificates. The server, of which
// Handler, ConnState and ConnContext are wrapped, must not be used otherwise.
//
// Its drain closes the listeners, and waits until nobody accepts. Then answers say that
// their connections end ("Connection: close" in HTTP/1, GOAWAY in HTTP/2): at once if
// the service ends, and from one moment on for each connection, within [HTTPSpread], if
// another process serves. Not so an answer behind which a further request without a body
// has come already, and one that may change the protocol. A connection on which no request
// comes for [HTTPIdle] (or [HTTPIdleLast]) is closed, unless a byte of one has arrived;
// whether it has cannot be told of the first request of a TLS connection. When but those
// of HTTP/2 are left, [http.Server.Shutdown] tells these to end. Connections that a handler
// has taken over are left alone: see [Upgrader.Draining].
//
// What remains is the way through the network: a client that sends the first request after
// such a silence while it is not yet told that its idle connection has ended finds it
// closed, and has to send the request again on another one. HTTP/1 has no means against
// it, as with any server that does not keep idle connections forever; HTTP/2 has.
//
// Connections of other listeners have to be of type [*tls.Conn] above one of this
// package's for that; else one that is idle for as long is closed without a look at what
// has arrived.
func HTTP(s *http.Server, listeners ...net.Listener) Server {
	h := &httpServer{server: s, listeners: listeners, now: time.Now, newPace: newPace, conns: make(map[net.Conn]*httpConn)}
	handler := s.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _ := r.Context().Value(httpConnKey{}).(*httpConn)
		if c != nil {
			h.begin(c, r)
		}
		if h.tells(c) && mayEnd(c, r) {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
	state := s.ConnState
	s.ConnState = func(c net.Conn, now http.ConnState) {
		h.track(c, now)
		if state != nil {
			state(c, now)
		}
	}
	more := s.ConnContext
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if more != nil {
			ctx = more(ctx, c)
		}
		return context.WithValue(ctx, httpConnKey{}, h.conn(c))
	}
	return h
}

// tells reports whether answers on a connection, nil if it is not known, say that it ends.
func (h *httpServer) tells(c *httpConn) bool {
	p := h.pace.Load()
	return p != nil && (c == nil || p.tells(c.share, h.now()))
}

// mayEnd reports whether the connection of a request, nil if it is not known, may end
// with the answer.
func mayEnd(c *httpConn, r *http.Request) bool {
	if r.ProtoMajor != 1 {
		return true
	}
	if r.Header.Get("Upgrade") != "" {
		// The header that would say so says that the protocol changes.
		return false
	}
	if c == nil || c.patience == nil || r.Body != http.NoBody || c.further.Load() >= maxFurther || !c.patience.further() {
		return true
	}
	c.further.Add(1)
	return false
}

// conn returns what is known of a connection.
func (h *httpServer) conn(c net.Conn) *httpConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.conns[c]
	if known == nil {
		known = &httpConn{share: shareOf(h.begun), idle: true, since: time.Now()}
		h.begun++
		inner := c
		t, encrypted := c.(*tls.Conn)
		if encrypted {
			inner = t.NetConn()
		}
		var p *patience
		switch inner := inner.(type) {
		case *tcpConn:
			p = &inner.patience
		case *unixConn:
			p = &inner.patience
		}
		if p != nil {
			known.patience = p
			p.expect(encrypted)
		}
		h.conns[c] = known
	}
	return known
}

// begin says that a request is handled.
func (h *httpServer) begin(c *httpConn, r *http.Request) {
	c.handled.Store(true)
	switch {
	case r.ProtoMajor == 2:
		c.http2.Store(true)
	case c.patience != nil:
		c.patience.begin(r.Body != http.NoBody)
	default:
		h.mu.Lock()
		defer h.mu.Unlock()
		c.idle = false
	}
}

func (h *httpServer) track(c net.Conn, now http.ConnState) {
	switch now {
	case http.StateClosed, http.StateHijacked:
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.conns, c)
		return
	}
	known := h.conn(c)
	switch t, encrypted := c.(*tls.Conn); {
	case now == http.StateNew:
	case encrypted && t.ConnectionState().NegotiatedProtocol == "h2":
		known.http2.Store(true)
	case now == http.StateActive:
		known.handled.Store(false)
	case !encrypted && !known.handled.Load() && h.server.Protocols != nil && h.server.Protocols.UnencryptedHTTP2():
		// One of HTTP/1 does not become idle without a request.
		known.http2.Store(true)
	}
	if known.patience == nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		known.idle, known.since = now != http.StateActive, time.Now()
	} else if now == http.StateIdle {
		known.patience.rest()
	}
}

// Serve implements [Server].
func (h *httpServer) Serve() error {
	h.mu.Lock()
	if h.drained {
		h.mu.Unlock()
		return nil
	}
	ended := make(chan error, len(h.listeners))
	for _, l := range h.listeners {
		h.serving.Go(func() { ended <- h.serve(l) })
	}
	h.mu.Unlock()
	var errs []error
	for range h.listeners {
		err := <-ended
		if h.pace.Load() != nil && (errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed)) {
			continue
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (h *httpServer) serve(l net.Listener) error {
	var err error
	if c := h.server.TLSConfig; c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil) {
		err = h.server.ServeTLS(l, "", "")
	} else {
		err = h.server.Serve(l)
	}
	if err != nil {
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	}
	return nil
}

// drainEvery is how often a drain looks for connections to end.
const drainEvery = 5 * time.Millisecond

// Drain implements [Server].
func (h *httpServer) Drain(ctx context.Context) error {
	pace := h.newPace(ctx, h.now())
	h.pace.Store(pace)
	h.mu.Lock()
	h.drained = true
	h.mu.Unlock()
	for _, l := range h.listeners {
		// Whether it was closed before is nothing to a drain.
		_ = l.Close()
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		h.serving.Wait()
	}()
	select {
	case <-ctx.Done():
		return h.cut(ctx)
	case <-served:
		// From here on no connection is added.
	}
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for h.end(pace) {
		select {
		case <-ctx.Done():
			return h.cut(ctx)
		case <-tick.C:
		}
	}
	if err := h.server.Shutdown(ctx); err != nil {
		return h.cut(ctx)
	}
	return nil
}

// end ends what waits for a request, and reports whether there are connections that are
// not yet for [http.Server.Shutdown] to end: all but those of HTTP/2, and these as long as
// they are told one after the other.
func (h *httpServer) end(pace *pace) bool {
	toldAll := pace.toldAll(h.now())
	h.mu.Lock()
	defer h.mu.Unlock()
	more := false
	for conn, c := range h.conns {
		if c.http2.Load() {
			more = more || !toldAll
			continue
		}
		more = true
		patience := pace.patienceWith(c.share)
		switch {
		case c.patience != nil:
			c.patience.end(patience)
		case c.idle && !c.closed && time.Since(c.since) >= patience:
			c.closed = true
			// It may have to say good-bye, and wait for that.
			go conn.Close()
		}
	}
	return more
}

// cut closes all connections.
func (h *httpServer) cut(ctx context.Context) error {
	h.mu.Lock()
	n := len(h.conns)
	h.mu.Unlock()
	err := h.server.Close()
	if n == 0 {
		return err
	}
	return errors.Join(fmt.Errorf("%d connections of HTTP were cut: %w", n, context.Cause(ctx)), err)
}
