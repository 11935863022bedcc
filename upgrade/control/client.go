package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// maxReply bounds an answer, in bytes.
const maxReply = 1 << 20

// Client talks to one process. It may be used by one goroutine at a time.
type Client struct {
	conn  *net.UnixConn
	lines *bufio.Scanner
	// PID is the process that answers, as the kernel says.
	PID int
}

// Dial connects to a socket. It refuses one that is held by a process of another user,
// unless that is root.
func Dial(ctx context.Context, path string) (*Client, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%s: is no unix socket", path), c.Close())
	}
	uid, pid, err := peer(conn)
	if me := os.Geteuid(); err == nil && uid != 0 && uid != me && me != 0 {
		err = fmt.Errorf("%s: is held by a process of user %d", path, uid)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	client := &Client{conn: conn, lines: bufio.NewScanner(conn), PID: pid}
	client.lines.Buffer(make([]byte, 0, 4096), maxReply)
	return client, nil
}

// Close ends the talk.
func (c *Client) Close() error { return c.conn.Close() }

// ask sends a request and calls hear for each answer, until that returns false.
func (c *Client) ask(ctx context.Context, do string, hear func(*Reply) (bool, error)) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	fail := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("ask process %d for %s: %w", c.PID, do, err)
	}
	line, err := json.Marshal(Request{Do: do})
	if err != nil {
		return err
	}
	// One that does not answer this user says so, and closes, before it is asked.
	_, unsaid := c.conn.Write(append(line, '\n'))
	for c.lines.Scan() {
		var r Reply
		if err := json.Unmarshal(c.lines.Bytes(), &r); err != nil {
			return fail(err)
		}
		more, err := hear(&r)
		if err != nil {
			return fail(err)
		}
		if !more {
			return nil
		}
	}
	switch err := c.lines.Err(); {
	case unsaid != nil:
		return fail(unsaid)
	case err != nil:
		return fail(err)
	}
	return fail(io.ErrUnexpectedEOF)
}

// Status reads how the process stands into status.
func (c *Client) Status(ctx context.Context, status any) error {
	return c.ask(ctx, Status, func(r *Reply) (bool, error) {
		if r.Error != "" {
			return false, errors.New(r.Error)
		}
		return false, json.Unmarshal(r.Status, status)
	})
}

// Upgrade has the process upgrade itself, blocks until that has ended, and reads how
// into outcome. The error is that of the upgrade, too.
func (c *Client) Upgrade(ctx context.Context, outcome any) error {
	return c.ask(ctx, Upgrade, func(r *Reply) (bool, error) {
		var err error
		if len(r.Outcome) > 0 {
			err = json.Unmarshal(r.Outcome, outcome)
		}
		if r.Error != "" {
			err = errors.Join(errors.New(r.Error), err)
		}
		return false, err
	})
}

// Abort has the process roll back the upgrade that goes on, and reports whether there is
// one.
func (c *Client) Abort(ctx context.Context) (bool, error) {
	aborted := false
	err := c.ask(ctx, Abort, func(r *Reply) (bool, error) {
		if r.Error != "" {
			return false, errors.New(r.Error)
		}
		aborted = r.Aborted != nil && *r.Aborted
		return false, nil
	})
	return aborted, err
}

// Events calls hear for each event of the process, those that it remembers first, until
// ctx ends, the process does, or hear returns an error. It returns nil when the process
// has ended.
func (c *Client) Events(ctx context.Context, hear func(json.RawMessage) error) error {
	var refused error
	err := c.ask(ctx, Events, func(r *Reply) (bool, error) {
		if r.Error != "" {
			return false, errors.New(r.Error)
		}
		refused = hear(r.Event)
		return refused == nil, nil
	})
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return errors.Join(err, refused)
}
