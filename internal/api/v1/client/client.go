package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// maxAnswer bounds the bytes of one answer.
const maxAnswer = 256 << 20

// Options configures a client. The zero value asks http://127.0.0.1:7788.
type Options struct {
	// Transport carries the requests; nil means [http.DefaultTransport].
	Transport http.RoundTripper
	// Base is the server's URL without a path, such as
	// "https://host.example:7788".
	Base string
	// Token authorises the requests, when not empty.
	Token string
}

// Client asks one server. It is safe for concurrent use. Its methods block
// until the answer is read or ctx is done; when the server refuses, the error
// is an [*Error].
type Client struct {
	http  http.Client
	base  string
	token string
}

// New returns a client; it does not connect.
func New(o Options) *Client {
	if o.Base == "" {
		o.Base = "http://127.0.0.1:7788"
	}
	return &Client{http: http.Client{Transport: o.Transport}, base: strings.TrimRight(o.Base, "/"), token: o.Token}
}

// Error is a server's refusal.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Message says what failed, Hint what would help; Hint may be empty.
	Message, Hint string
}

// Error returns the message; the status stands for one that is missing.
func (e *Error) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the server answers %d %s", e.Status, http.StatusText(e.Status))
	}
	return e.Message
}

// Services returns the Go services of the host.
func (c *Client) Services(ctx context.Context) (v1.List[v1.Service], error) {
	return get[v1.List[v1.Service]](ctx, c, "services", nil)
}

// Service returns the service with this name; the name may be empty.
func (c *Client) Service(ctx context.Context, name string) (v1.Service, error) {
	return get[v1.Service](ctx, c, "services/"+url.PathEscape(name), nil)
}

// Processes returns the Go processes of the host.
func (c *Client) Processes(ctx context.Context) (v1.List[v1.Process], error) {
	return get[v1.List[v1.Process]](ctx, c, "processes", nil)
}

// Process returns the Go process with this id.
func (c *Client) Process(ctx context.Context, pid int32) (v1.Process, error) {
	return get[v1.Process](ctx, c, "processes/"+strconv.Itoa(int(pid)), nil)
}

// Probes returns the state and the fields of the probes.
func (c *Client) Probes(ctx context.Context) (v1.List[v1.Probe], error) {
	return get[v1.List[v1.Probe]](ctx, c, "probes", nil)
}

// Events returns a page of the events that q selects.
func (c *Client) Events(ctx context.Context, q v1.EventQuery) (v1.List[v1.Record], error) {
	return get[v1.List[v1.Record]](ctx, c, "events", q.Values())
}

// Event returns the event with this id.
func (c *Client) Event(ctx context.Context, id string) (v1.Record, error) {
	return get[v1.Record](ctx, c, "events/"+url.PathEscape(id), nil)
}

// Rollups sums up the events that q selects, those that were not kept too.
func (c *Client) Rollups(ctx context.Context, q v1.RollupQuery) (v1.List[v1.Rollup], error) {
	return get[v1.List[v1.Rollup]](ctx, c, "rollups", q.Values())
}

// Waterfall returns the commands that q selects as a tree; Order, After and
// Limit do not matter. With root, the id of a command or a request, it returns
// that, what it ran and caused, and q does not matter at all.
func (c *Client) Waterfall(ctx context.Context, q v1.EventQuery, root string) (v1.Waterfall, error) {
	q.Order, q.After, q.Limit = v1.OrderNewest, "", 0
	values := q.Values()
	if root != "" {
		values = url.Values{"root": {root}}
	}
	return get[v1.Waterfall](ctx, c, "waterfall", values)
}

// Store returns the state of the store of events.
func (c *Client) Store(ctx context.Context) (v1.Store, error) {
	return get[v1.Store](ctx, c, "store", nil)
}

// SLOs returns the objectives that q selects, and how they stand.
func (c *Client) SLOs(ctx context.Context, q v1.SLOListQuery) (v1.List[v1.SLO], error) {
	return get[v1.List[v1.SLO]](ctx, c, "slos", q.Values())
}

// SLO returns the objective with this name, and how it stands.
func (c *Client) SLO(ctx context.Context, name string) (v1.SLO, error) {
	return get[v1.SLO](ctx, c, "slos/"+url.PathEscape(name), nil)
}

// SLOHistory returns how the objective with this name stood in the time that q
// selects.
func (c *Client) SLOHistory(ctx context.Context, name string, q v1.SLOHistoryQuery) (v1.SLOHistory, error) {
	return get[v1.SLOHistory](ctx, c, "slos/"+url.PathEscape(name)+"/history", q.Values())
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	return ask[T](ctx, c, http.MethodGet, path, query, nil)
}

// ask sends a request and reads the document that answers it.
func ask[T any](ctx context.Context, c *Client, method, path string, query url.Values, body io.Reader) (T, error) {
	var document T
	answer, err := c.send(ctx, method, path, query, body)
	if err != nil {
		return document, err
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return document, fmt.Errorf("read the answer for %s: %w", path, err)
	}
	return document, nil
}

// send sends a request and returns the body of the answer.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body io.Reader) ([]byte, error) {
	target := c.base + "/api/v1/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer for %s: %w", path, err)
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("read the answer for %s: it is longer than %d bytes", path, maxAnswer)
	case response.StatusCode >= http.StatusMultipleChoices:
		return nil, refusal(response.StatusCode, answer)
	}
	return answer, nil
}

// refusal reads what a server says of a request that failed; a proxy's text is
// of no use.
func refusal(status int, body []byte) *Error {
	var said v1.Error
	if json.Unmarshal(body, &said) != nil {
		said = v1.Error{}
	}
	return &Error{Status: status, Message: said.Error, Hint: said.Hint}
}
