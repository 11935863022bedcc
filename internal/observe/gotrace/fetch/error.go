package fetch

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotTrace says that the answer is not an execution trace of Go.
	ErrNotTrace = errors.New("is not an execution trace of Go")
	// ErrBusy says that the process is being traced already.
	ErrBusy = errors.New("another trace of the process is being recorded")
	// ErrStalled says that nothing came for too long.
	ErrStalled = errors.New("stalled")
	// ErrCut says that the connection ended before the trace did.
	ErrCut = errors.New("the connection ended before the trace did")
	// ErrTooLong says that the trace did not end in time.
	ErrTooLong = errors.New("did not end")
	// ErrNoEndpoint says that a process serves pprof on no TCP address.
	ErrNoEndpoint = errors.New("serves net/http/pprof on none of the addresses that it listens on")
	// ErrNotSeen says that the process behind a URL cannot be told.
	ErrNotSeen = errors.New("the process behind it cannot be told")
)

// Error says what is wrong with a URL or what it answered.
type Error struct {
	// URL is what was asked, without a password.
	URL string
	Err error
	// Hint says what to do, empty when there is nothing to say.
	Hint string
	// Started says that a part of a trace was received before.
	Started bool
}

// Error returns the URL and what is wrong; the hint is left to the caller.
func (e *Error) Error() string { return e.URL + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *Error) Unwrap() error { return e.Err }

const importHint = `the service must import _ "net/http/pprof" and serve http.DefaultServeMux, or handle /debug/pprof/trace with pprof.Trace`

// requestError says why a request got no answer.
func requestError(u *url.URL, err error) error {
	own := (*Error)(nil)
	if errors.As(err, &own) {
		return own
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", u.Redacted(), context.Canceled)
	}
	cause := err
	if of := (*url.Error)(nil); errors.As(err, &of) {
		cause = of.Err
	}
	e := &Error{URL: u.Redacted(), Err: cause}
	certificate, unknown, name := (*x509.CertificateInvalidError)(nil), (*x509.UnknownAuthorityError)(nil), (*net.DNSError)(nil)
	switch {
	case errors.Is(err, ErrStalled):
		e.Hint = "is the process stopped, or starved of CPU? pprof's trace answers soon after the seconds that it was asked for"
	case errors.Is(err, unix.ECONNREFUSED):
		e.Hint = "nothing listens there: does the service run, and is this the address that it serves pprof on?"
	case errors.As(err, &name):
		e.Hint = "write an address, or a name that this host can look up"
	case asPointer(err, &unknown), asPointer(err, &certificate):
		e.Hint = "name the file of its authority: SSL_CERT_FILE=ca.pem"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Err, e.Hint = errors.New("answers HTTP, not HTTPS"), "write http://"
	// The latter is said of what speaks before it is asked.
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "readLoopPeekFail"):
		e.Err, e.Hint = errors.New("does not answer HTTP"), "is this the port that serves pprof? if it serves TLS write https://"
	case strings.HasSuffix(err.Error(), "EOF"), errors.Is(err, unix.ECONNRESET):
		e.Err, e.Hint = fmt.Errorf("closed the connection without an answer: %w", cause), "is this the port that serves pprof?"
	case isTimeout(err):
		e.Hint = "is the address right, and does a firewall let this host reach it?"
	}
	return e
}

// asPointer is errors.As for an error that is used by value.
func asPointer[E error](err error, target **E) bool {
	var value E
	if !errors.As(err, &value) {
		return false
	}
	*target = &value
	return true
}

func isTimeout(err error) bool {
	timeout := net.Error(nil)
	return errors.As(err, &timeout) && timeout.Timeout()
}

// statusError says what a status other than 200 means.
func statusError(u *url.URL, answer *http.Response, text string) error {
	line := firstLine(text)
	err := fmt.Errorf("answered %s", answer.Status)
	if line != "" {
		err = fmt.Errorf("answered %s: %s", answer.Status, line)
	}
	e := &Error{URL: u.Redacted(), Err: err}
	switch {
	case strings.Contains(text, "tracing is already enabled"):
		e.Err = fmt.Errorf("%w: %w", err, ErrBusy)
		e.Hint = "one trace at a time: wait until the other one is over, or end who records it"
	case strings.Contains(text, "WriteTimeout"):
		e.Hint = "ask for fewer --seconds, or raise WriteTimeout of the http.Server that serves pprof"
	case strings.Contains(text, "HTTP request to an HTTPS server"):
		e.Hint = "write https://"
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		e.Hint = "write http://USER:PASSWORD@HOST:PORT, or ask the service on an address that needs no password"
	case answer.StatusCode == http.StatusNotFound, answer.StatusCode == http.StatusMethodNotAllowed:
		e.Hint = importHint
	case answer.StatusCode >= 502 && answer.StatusCode <= 504:
		e.Hint = "a proxy between gave up: ask the service itself, or for fewer --seconds"
	}
	return e
}
