package main

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// kind puts n requests on the server through the i-th connection. begin is
// when the load began.
type kind func(l *load, begin time.Time, i, n int) (report, error)

func kinds() map[string]kind {
	return map[string]kind{
		"keepalive": keepalive, "pipelined": pipelined, "aborted": aborted,
		"panics": panics, "taken": taken, "rate": paced,
	}
}

func keepalive(l *load, _ time.Time, i, n int) (report, error) {
	r := report{latencies: make([]int64, 0, n)}
	c, err := dial(l.address)
	if err != nil {
		return r, err
	}
	defer c.Close()
	for range n {
		if err := timed(c, i, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// timed exchanges one request and its reply.
func timed(c *client, i int, r *report) error {
	begin := time.Now()
	if err := c.send("/hello/", i, 1); err != nil {
		return err
	}
	r.Sent++
	if err := c.receive(); err != nil {
		return err
	}
	r.Completed++
	r.latencies = append(r.latencies, time.Since(begin).Nanoseconds())
	return nil
}

// paced sends at even intervals; what is late is sent at once.
func paced(l *load, begin time.Time, i, n int) (report, error) {
	r := report{latencies: make([]int64, 0, n)}
	c, err := dial(l.address)
	if err != nil {
		return r, err
	}
	defer c.Close()
	every := time.Duration(float64(time.Second) / l.rate)
	for k := range n {
		time.Sleep(time.Until(begin.Add(every * time.Duration(k*l.connections+i))))
		if err := timed(c, i, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// depth is how many requests of a pipeline are sent at once.
const depth = 16

func pipelined(l *load, _ time.Time, i, n int) (report, error) {
	var r report
	c, err := dial(l.address)
	if err != nil {
		return r, err
	}
	defer c.Close()
	for r.Completed < n {
		batch := min(depth, n-r.Completed)
		if err := c.send("/pipelined/", i, batch); err != nil {
			return r, err
		}
		r.Sent += batch
		for range batch {
			if err := c.receive(); err != nil {
				return r, err
			}
			r.Completed++
		}
	}
	return r, nil
}

// aborted gives up one connection after the other.
func aborted(l *load, _ time.Time, i, n int) (report, error) {
	var r report
	for k := range n {
		c, err := dial(l.address)
		if err != nil {
			return r, err
		}
		switch k % 4 {
		case 0: // in the middle of the request
			err = c.sendPart("/aborted/", i)
			r.Partial++
		case 1: // right after it, so that the server may never read it
			err = c.send("/aborted/", i, 1)
			r.Sent++
		case 2: // while it is served
			err = c.send("/aborted/", i, 1)
			r.Sent++
			time.Sleep(300 * time.Microsecond)
		case 3: // while the first of some is served
			err = c.send("/aborted/", i, 3)
			r.Sent += 3
			time.Sleep(300 * time.Microsecond)
		}
		if err != nil {
			return r, errors.Join(err, c.Close())
		}
		r.Completed++
		if err := c.abort(); err != nil {
			return r, err
		}
	}
	return r, nil
}

func panics(l *load, _ time.Time, i, n int) (report, error) {
	return single(l, "/panics/", i, n, func(c *client) error {
		if err := c.receive(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("a handler that panics gave no end of the connection but %v", err)
		}
		return nil
	})
}

func taken(l *load, _ time.Time, i, n int) (report, error) {
	return single(l, "/taken/", i, n, (*client).receive)
}

// single makes n connections of one request each. end receives its reply.
func single(l *load, path string, i, n int, end func(*client) error) (report, error) {
	var r report
	for range n {
		c, err := dial(l.address)
		if err != nil {
			return r, err
		}
		if err := c.send(path, i, 1); err != nil {
			return r, errors.Join(err, c.Close())
		}
		r.Sent++
		if err := end(c); err != nil {
			return r, errors.Join(err, c.Close())
		}
		r.Completed++
		if err := c.abort(); err != nil {
			return r, err
		}
	}
	return r, nil
}
