package client

import (
	"context"
	"encoding/json"
	"fmt"
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
	var kept v1.KeptTrace
	answer, err := c.send(ctx, http.MethodPost, "traces?"+url.Values{"name": {name}}.Encode(), body)
	if err != nil {
		return kept, err
	}
	if err := json.Unmarshal(answer, &kept); err != nil {
		return kept, fmt.Errorf("read the answer for traces: %w", err)
	}
	return kept, nil
}

// DeleteTrace removes what is kept of a trace.
func (c *Client) DeleteTrace(ctx context.Context, id string) error {
	_, err := c.send(ctx, http.MethodDelete, "traces/"+url.PathEscape(id), nil)
	return err
}

// send sends a body and returns the answer's.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+"/api/v1/"+path, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
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
