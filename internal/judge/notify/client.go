package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"strings"
	"time"
)

// Destination is a server to post to, with the secrets and files of a configuration.
type Destination struct {
	URL     Secret
	Headers map[string]Secret
	// Username and Password are for basic authentication, Bearer is a token; they are
	// empty for none.
	Username         string
	Password, Bearer Secret
	// Timeout is that of an attempt; 0 is [DefaultTimeout].
	Timeout time.Duration
	TLS     *TLS
}

// Validate returns all that is wrong with d; the errors show no secret.
func (d Destination) Validate() error {
	var errs []error
	if err := d.URL.ValidateURL(); err != nil {
		errs = append(errs, fmt.Errorf("the URL %w", err))
	}
	if d.Bearer != "" && (d.Username != "" || d.Password != "") {
		errs = append(errs, errors.New("there are a bearer token and a password"))
	}
	return errors.Join(append(errs, d.Password.Validate(), d.Bearer.Validate(), validateRequest(d.Headers, d.Timeout, d.TLS))...)
}

// Client posts to a destination. One goroutine uses it at a time.
type Client struct{ sender httpSender }

// NewClient returns a client of a destination, which it reads the secrets of for each
// request: from environ, nil for [os.Environ], and from files. It connects when it
// posts.
func NewClient(d Destination, environ []string) (*Client, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	if environ == nil {
		environ = os.Environ()
	}
	return &Client{httpSender{
		url: d.URL, headers: d.Headers, username: d.Username, password: d.Password, bearer: d.Bearer,
		timeout: or(d.Timeout, DefaultTimeout), tls: d.TLS, environ: environ, now: time.Now,
	}}, nil
}

// Post posts a body, with these headers besides those of the destination, and
// returns the answer whatever its status; redirects are not followed. Its body has
// been read, up to a bound, and is without secrets, as is the error, which says that
// there was no answer within the destination's timeout.
func (c *Client) Post(ctx context.Context, header http.Header, body []byte) (*http.Response, error) {
	s := &c.sender
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var hidden veil
	request, err := s.request(ctx, body, &hidden)
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, header)
	if s.client == nil {
		if s.client, err = s.newClient(); err != nil {
			return nil, fmt.Errorf("%s: %w", origin(request.URL), err)
		}
	}
	response, err := s.client.Do(request)
	if err != nil {
		if s.tls != nil {
			s.close() // the files of keys and authorities may be replaced
		}
		return nil, fmt.Errorf("%s: %s", origin(request.URL), s.failure(err, hidden))
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	response.Body = io.NopCloser(strings.NewReader(hidden.over(string(answer))))
	return response, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.sender.close() }
