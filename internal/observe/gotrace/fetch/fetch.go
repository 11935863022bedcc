package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	defaultStall = 20 * time.Second
	defaultGrace = 5 * time.Minute
	// dialTimeout is how long a connection and its TLS handshake may take each.
	dialTimeout = 10 * time.Second
	// maxRedirects is as many as pprof behind a path that is cleaned needs, and
	// some more.
	maxRedirects = 5
)

// Options are the options of [New]; the zero value works.
type Options struct {
	// Stall is how long nothing may come: of the answer after the seconds of the
	// trace, and between its parts after that. 20 s by default: to stop a trace
	// the runtime stops the world, which a starved process cannot soon.
	Stall time.Duration
	// Grace is how long all may take beyond the seconds of the trace; 5 min by
	// default.
	Grace time.Duration
	// NetworkOf is a process whose network namespace is asked, 0 for that of this
	// process. Nothing goes through a proxy then.
	NetworkOf int32
}

// Client asks pprof endpoints. It keeps a connection until [Client.Close].
type Client struct {
	o    Options
	http *http.Client
	own  *http.Transport
}

// New returns a client. It does no I/O.
func New(o Options) *Client {
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Grace <= 0 {
		o.Grace = defaultGrace
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		// A server that packs a trace keeps it back until it has a block.
		DisableCompression: true,
		MaxConnsPerHost:    1,
		IdleConnTimeout:    time.Minute,
	}
	if o.NetworkOf != 0 {
		t.Proxy, t.DialContext = nil, namespaceDialer(o.NetworkOf)
	}
	return &Client{o: o, own: t, http: &http.Client{Transport: t, CheckRedirect: checkRedirect}}
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.own.CloseIdleConnections() }

// checkRedirect follows redirects that stay on the host.
func checkRedirect(next *http.Request, via []*http.Request) error {
	first := via[0].URL
	to := next.URL
	sameHost := strings.EqualFold(to.Host, first.Host) && to.Scheme == first.Scheme
	secured := strings.EqualFold(to.Hostname(), first.Hostname()) && first.Scheme == "http" && to.Scheme == "https"
	switch {
	case !sameHost && !secured:
		return &Error{URL: first.Redacted(), Err: fmt.Errorf("redirects to another host: %s", printable(to.Redacted())), Hint: "if that is meant ask it by its own URL"}
	case len(via) > maxRedirects:
		return &Error{URL: first.Redacted(), Err: fmt.Errorf("redirects more than %d times", maxRedirects), Hint: "ask where it leads to by its own URL"}
	}
	return nil
}

// Trace is a trace that is being received. Reading it gives [io.EOF] after the whole
// trace and an [Error] when it ends before. It belongs to one goroutine, but for
// Close.
type Trace struct {
	// URL is what was asked, without a password.
	URL string
	// Asked is how long the trace was asked to be.
	Asked time.Duration
	// Requested is when it was asked for.
	Requested time.Time
	// Go is the release that the trace is of: "go1.26", empty when it is packed.
	Go string

	head  []byte
	body  io.ReadCloser
	watch *watch
	u     *url.URL
	ended error
}

// Open asks for a trace of so many seconds, or with 0 for what the URL says, and
// returns when its first bytes are there: that is up to the seconds of the trace
// later. The caller closes it.
func (c *Client) Open(ctx context.Context, address string, seconds int) (*Trace, error) {
	u, err := Endpoint(address, seconds)
	if err != nil {
		return nil, err
	}
	w := newWatch(ctx, asked(u), c.o)
	t, err := c.open(w, u)
	if err != nil {
		w.stop()
		return nil, err
	}
	return t, nil
}

func (c *Client) open(w *watch, u *url.URL) (*Trace, error) {
	request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, &Error{URL: u.Redacted(), Err: err}
	}
	t := &Trace{URL: u.Redacted(), Asked: asked(u), Requested: w.began, watch: w, u: u}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, requestError(u, w.cause(err))
	}
	t.body = answer.Body
	// Where redirects have led to is what answers.
	t.u, t.URL = answer.Request.URL, answer.Request.URL.Redacted()
	if answer.StatusCode != http.StatusOK {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, maxText))
		return nil, statusError(t.u, answer, string(text))
	}
	head, err := readHead(watched{t})
	if err == nil {
		err = checkHead(t.u, answer, head)
	}
	if err != nil {
		answer.Body.Close()
		return nil, err
	}
	t.head = head
	if minor, ok := minorOf(head); ok {
		t.Go = fmt.Sprintf("go1.%d", minor)
	}
	return t, nil
}

// watched reads the body of a trace and watches over it.
type watched struct{ t *Trace }

func (r watched) Read(p []byte) (int, error) {
	n, err := r.t.body.Read(p)
	if n > 0 {
		r.t.watch.progress()
	}
	switch cause := r.t.watch.cause(err); {
	case err == nil, err == io.EOF:
		return n, err
	case errors.Is(cause, context.Canceled), errors.Is(cause, context.DeadlineExceeded):
		return n, fmt.Errorf("%s: %w", r.t.URL, cause)
	case errors.Is(cause, ErrStalled), errors.Is(cause, ErrTooLong):
		return n, &Error{URL: r.t.URL, Err: cause, Hint: "is the process stopped, or starved of CPU, or the network slow?", Started: r.t.head != nil}
	default:
		return n, &Error{URL: r.t.URL, Err: fmt.Errorf("%w: %w", ErrCut, err), Hint: "has the service ended, or a proxy between given up?", Started: r.t.head != nil}
	}
}

// Read implements [io.Reader].
func (t *Trace) Read(p []byte) (int, error) {
	if len(t.head) > 0 {
		n := copy(p, t.head)
		if t.head = t.head[n:]; len(t.head) == 0 {
			t.head = []byte{} // it was there
		}
		return n, nil
	}
	if t.ended != nil {
		return 0, t.ended
	}
	n, err := watched{t}.Read(p)
	t.ended = err
	return n, err
}

// Close ends the request if it goes on. It may be called more than once.
func (t *Trace) Close() error {
	t.watch.stop()
	return t.body.Close()
}

// watch ends a request from which nothing comes, or too much for too long.
type watch struct {
	parent context.Context
	ctx    context.Context
	cancel context.CancelCauseFunc
	began  time.Time
	asked  time.Duration
	o      Options

	mu    sync.Mutex
	timer *time.Timer // guarded by mu
	whole *time.Timer
}

func newWatch(ctx context.Context, asked time.Duration, o Options) *watch {
	w := &watch{parent: ctx, began: time.Now(), asked: asked, o: o}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(asked+o.Stall, func() {
		w.cancel(fmt.Errorf("%w: nothing came for %s", ErrStalled, o.Stall))
	})
	w.whole = time.AfterFunc(asked+o.Grace, func() {
		w.cancel(fmt.Errorf("%w within %s of a trace of %s", ErrTooLong, asked+o.Grace, asked))
	})
	return w
}

// progress says that something came. Nothing need come before the trace is over: a
// program that does nothing has nothing to tell.
func (w *watch) progress() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Reset(max(0, w.asked-time.Since(w.began)) + w.o.Stall)
}

// cause returns why the request was ended, err when it was not.
func (w *watch) cause(err error) error {
	if err == nil {
		return nil
	}
	// The cause that a parent gives may be a signal's own.
	if canceled := w.parent.Err(); canceled != nil {
		return canceled
	}
	if cause := context.Cause(w.ctx); cause != nil {
		return cause
	}
	return err
}

func (w *watch) stop() {
	w.mu.Lock()
	w.timer.Stop()
	w.mu.Unlock()
	w.whole.Stop()
	w.cancel(context.Canceled)
}

// get reads a small page of pprof.
func (c *Client) get(ctx context.Context, u *url.URL, limit int64) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(io.LimitReader(answer.Body, limit))
	return answer.StatusCode, b.Bytes(), err
}
