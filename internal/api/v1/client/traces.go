package client

import (
	"context"
	"io"
	"net/http"
	"net/url"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// Traces returns the execution traces that were analysed, the latest first.
func (c *Client) Traces(ctx context.Context) (v1.List[v1.TraceSummary], error) {
	return get[v1.List[v1.TraceSummary]](ctx, c, "traces", nil)
}

// Trace returns what the trace with this id says.
func (c *Client) Trace(ctx context.Context, id string) (v1.KeptTrace, error) {
	return get[v1.KeptTrace](ctx, c, "traces/"+url.PathEscape(id), nil)
}

// AddTrace has the server analyse the trace that body holds, plain or gzip. name is
// what it is called. It blocks until the analysis has ended.
func (c *Client) AddTrace(ctx context.Context, name string, body io.Reader) (v1.KeptTrace, error) {
	return ask[v1.KeptTrace](ctx, c, http.MethodPost, "traces", url.Values{"name": {name}}, body)
}

// DeleteTrace removes what is kept of a trace.
func (c *Client) DeleteTrace(ctx context.Context, id string) error {
	_, err := c.send(ctx, http.MethodDelete, "traces/"+url.PathEscape(id), nil, nil)
	return err
}
