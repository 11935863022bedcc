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
	// It is called once, and may be called before Serve.
	Drain(ctx context.Context) error
}

// HTTPIdle is how long a drain leaves a connection open on which no request comes: who
// uses it more often learns from an answer that it ends.
const HTTPIdle = time.Second

// httpServer is a [Server] of net/http.
type httpServer struct {
	server    *http.Server
	listeners []net.Listener
	draining  atomic.Bool

	mu      sync.Mutex
	conns   map[net.Conn]*httpConn
	drained bool // before it served
	serving sync.WaitGroup
}

// httpConn is a connection of a server.
type httpConn struct {
	// http2 is set for one that says itself when it ends.
	http2 atomic.Bool
	// patience is nil for connections of listeners that are not of this package.
	patience interface {
		rest()
		end(after time.Duration) bool
	}
}

type httpConnKey struct{}

// HTTP makes a [Server] of s and its listeners, which are best those of
// [Upgrader.Listen]. It serves TLS if s.TLSConfig has certificates. The server, of which
// Handler, ConnState and ConnContext are wrapped, must not be used otherwise.
//
// Its drain closes the listeners, and waits until nobody accepts. Then each answer says
// that its connection ends ("Connection: close" in HTTP/1, GOAWAY in HTTP/2), and a
// connection on which no request comes for [HTTPIdle] is closed, unless a byte has
// arrived. When but those of HTTP/2 are left, [http.Server.Shutdown] tells these to end.
// Connections that a handler has taken over are left alone: see [Upgrader.Draining].
func HTTP(s *http.Server, listeners ...net.Listener) Server {
	h := &httpServer{server: s, listeners: listeners, conns: make(map[net.Conn]*httpConn)}
	handler := s.Handler
	if handler == nil {
		handler = http.DefaultServeMux
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(httpConnKey{}).(*httpConn); ok && r.ProtoMajor == 2 {
			c.http2.Store(true)
		}
		if h.draining.Load() {
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

// conn returns what is known of a connection.
func (h *httpServer) conn(c net.Conn) *httpConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := h.conns[c]
	if known == nil {
		known = new(httpConn)
		inner := c
		if t, ok := c.(*tls.Conn); ok {
			inner = t.NetConn()
		}
		switch inner := inner.(type) {
		case *tcpConn:
			known.patience = inner
		case *unixConn:
			known.patience = inner
		}
		h.conns[c] = known
	}
	return known
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
	if t, ok := c.(*tls.Conn); ok && now != http.StateNew && t.ConnectionState().NegotiatedProtocol == "h2" {
		known.http2.Store(true)
	}
	if now == http.StateIdle && known.patience != nil {
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
		if h.draining.Load() && (errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed)) {
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
	h.draining.Store(true)
	h.mu.Lock()
	h.drained = true
	h.mu.Unlock()
	for _, l := range h.listeners {
		// Whether it was closed before is nothing to a drain.
		_ = l.Close()
	}
	// From here on no connection is added.
	h.serving.Wait()
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for h.end() > 0 {
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

// end ends what waits for a request, and returns how many connections there are but
// for those of HTTP/2.
func (h *httpServer) end() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, c := range h.conns {
		if c.http2.Load() {
			continue
		}
		n++
		if c.patience != nil {
			c.patience.end(HTTPIdle)
		}
	}
	return n
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

// connServer is a [Server] of connections of any protocol.
type connServer struct {
	listener net.Listener
	handle   func(context.Context, net.Conn)

	drain   context.CancelFunc
	ctx     context.Context
	serving sync.WaitGroup // the accepting and the connections
	mu      sync.Mutex
	drained bool
	conns   map[net.Conn]struct{}
}

// Conns makes a [Server] that calls handle for each connection, in a goroutine of its
// own, and closes the connection afterwards. The context of handle ends when the server
// drains: handle should then come to its end. What is open at the end of the drain is
// closed.
func Conns(l net.Listener, handle func(context.Context, net.Conn)) Server {
	s := &connServer{listener: l, handle: handle, conns: make(map[net.Conn]struct{})}
	s.ctx, s.drain = context.WithCancel(context.Background())
	return s
}

// Serve implements [Server].
func (s *connServer) Serve() error {
	s.mu.Lock()
	if s.drained {
		s.mu.Unlock()
		return nil
	}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	for {
		c, err := s.listener.Accept()
		switch {
		case err == nil:
		case s.ctx.Err() != nil && errors.Is(err, net.ErrClosed):
			return nil
		default:
			return fmt.Errorf("accept on %s: %w", s.listener.Addr(), err)
		}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.serving.Go(func() {
			defer s.end(c)
			s.handle(s.ctx, c)
		})
	}
}

func (s *connServer) end(c net.Conn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Drain implements [Server].
func (s *connServer) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.drained = true
	s.mu.Unlock()
	s.drain()
	_ = s.listener.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serving.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	n := len(s.conns)
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	return fmt.Errorf("%d connections were cut: %w", n, context.Cause(ctx))
}
