package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The bounds of what a server may answer.
const (
	maxAnswer       = 64 << 10
	maxAnswerHeader = 64 << 10
)

const (
	// resendEvery is how often an Alertmanager is told that an alert fires.
	resendEvery = time.Minute
	// expireAfter is how long it takes it to fire without being told.
	expireAfter = 4 * resendEvery
	// maxPosted is how many alerts it is sent at once.
	maxPosted = 64
)

// outcome is what became of an attempt.
type outcome struct {
	// err is nil when it was delivered. It shows no secret.
	err error
	// refused: it makes no sense to try again.
	refused bool
	// uncertain: perhaps it was delivered.
	uncertain bool
	// retryAfter is what the server asked for, 0 for nothing.
	retryAfter time.Duration
}

// sender delivers to one destination. It is used by one goroutine at a time.
type sender interface {
	// deliver blocks until it is done, not for long after ctx is.
	deliver(ctx context.Context, alerts []Alert) outcome
	// close gives up what it holds.
	close()
}

// httpSender posts to a server.
type httpSender struct {
	url Secret
	// path is added to the URL's.
	path []string
	// headers are sent, and username with password or bearer unless they are
	// empty.
	headers          map[string]Secret
	username         string
	password, bearer Secret
	timeout          time.Duration
	tls              *TLS

	encode  func([]Alert) ([]byte, error)
	environ []string
	now     func() time.Time
	// transport is the one to use, or, if it is a *http.Transport, to start
	// from.
	transport http.RoundTripper

	client *http.Client // nil until it is needed
}

// deliver posts the alerts. The timeout is for all of it, from the look-up of
// the host to the end of the answer.
func (s *httpSender) deliver(ctx context.Context, alerts []Alert) outcome {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	body, err := s.encode(alerts)
	if err != nil {
		return outcome{err: fmt.Errorf("encode the notification: %w", err), refused: true}
	}
	var hidden veil
	request, err := s.request(ctx, body, &hidden)
	if err != nil {
		return outcome{err: err}
	}
	if s.client == nil {
		if s.client, err = s.newClient(); err != nil {
			return outcome{err: fmt.Errorf("%s: %w", origin(request.URL), err)}
		}
	}
	var written atomic.Bool
	trace := &httptrace.ClientTrace{WroteRequest: func(i httptrace.WroteRequestInfo) {
		if i.Err == nil {
			written.Store(true)
		}
	}}
	response, err := s.client.Do(request.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		if s.tls != nil {
			s.close() // the files of keys and authorities may be replaced
		}
		return outcome{err: fmt.Errorf("%s: %s", origin(request.URL), s.failure(err, hidden)), uncertain: written.Load()}
	}
	defer response.Body.Close()
	// What is not read is not reused; the answer itself has been given.
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	o := judge(response, hidden.over(string(answer)), s.now())
	if o.err != nil {
		o.err = fmt.Errorf("%s: %w", origin(request.URL), o.err)
	}
	return o
}

// failure says why there was no answer, without the URL.
func (s *httpSender) failure(err error, hidden veil) string {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %v", s.timeout)
	}
	return show(hidden.over(err.Error()))
}

// judge says what an answer means. The text of it has no secrets.
func judge(r *http.Response, answer string, now time.Time) outcome {
	if r.StatusCode >= 200 && r.StatusCode < 300 {
		return outcome{}
	}
	text := fmt.Sprintf("answered %d %s", r.StatusCode, http.StatusText(r.StatusCode))
	if to, err := r.Location(); err == nil && r.StatusCode < 400 {
		text += ", a redirect to " + origin(to) + ", which is not followed"
	} else if answer = strings.TrimSpace(answer); answer != "" {
		text += ": " + show(answer)
	}
	o := outcome{err: errors.New(text)}
	switch code := r.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code >= 500:
		o.retryAfter = retryAfter(r.Header.Get("Retry-After"), now)
		o.uncertain = code == http.StatusGatewayTimeout
	default:
		o.refused = true
	}
	return o
}

// retryAfter reads seconds or a date, 0 for what is neither.
func retryAfter(text string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// request returns the request, and in hidden what must not be shown of it.
func (s *httpSender) request(ctx context.Context, body []byte, hidden *veil) (*http.Request, error) {
	text, err := s.url.resolve(s.environ)
	if err != nil {
		return nil, err
	}
	u, err := parseURL(text)
	if err != nil {
		return nil, fmt.Errorf("the URL %w", err)
	}
	hidden.addURL(u)
	if len(s.path) > 0 {
		u = u.JoinPath(s.path...)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the URL makes no request")
	}
	request.Header.Set("User-Agent", "goshawk")
	for _, name := range slices.Sorted(maps.Keys(s.headers)) {
		value, err := s.headers[name].resolve(s.environ)
		if err != nil {
			return nil, fmt.Errorf("the header %s: %w", name, err)
		}
		hidden.add(value)
		hidden.add(strings.Fields(value)...)
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/json")
	return request, s.authorize(request, hidden)
}

// authorize adds the secrets that an Alertmanager asks for.
func (s *httpSender) authorize(request *http.Request, hidden *veil) error {
	password, err := s.password.resolve(s.environ)
	if err != nil {
		return fmt.Errorf("the password: %w", err)
	}
	if s.username != "" || password != "" {
		hidden.add(password, basic(s.username, password))
		request.SetBasicAuth(s.username, password)
	}
	token, err := s.bearer.resolve(s.environ)
	if err != nil {
		return fmt.Errorf("the bearer token: %w", err)
	}
	if token != "" {
		hidden.add(token)
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// newClient returns a client that follows no redirects.
func (s *httpSender) newClient() (*http.Client, error) {
	transport := s.transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	if t, ok := transport.(*http.Transport); ok {
		t = t.Clone()
		t.DisableCompression = true
		t.MaxResponseHeaderBytes = maxAnswerHeader
		if s.tls != nil {
			config, err := s.tls.config()
			if err != nil {
				return nil, err
			}
			t.TLSClientConfig = config
		}
		transport = t
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// close closes idle connections. The next delivery makes new ones, with new
// certificates.
func (s *httpSender) close() {
	if s.client == nil {
		return
	}
	if _, own := s.client.Transport.(*http.Transport); own {
		s.client.CloseIdleConnections()
	}
	s.client = nil
}

// config reads the authorities, and the certificate for each handshake.
func (t *TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.SkipVerify}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("certificates of authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("certificates of authorities: %s: has none in PEM", t.CAFile)
		}
	}
	if t.CertFile != "" {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.pair() }
	}
	return config, nil
}

// pair reads the client's certificate.
func (t *TLS) pair() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", t.CertFile, err)
	}
	return &pair, nil
}
