package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// client is one connection to the server.
type client struct {
	*net.TCPConn
	in  *bufio.Reader
	out []byte
}

// dial connects, and waits for up to 5 s for a free port.
func dial(address string) (*client, error) {
	for end := time.Now().Add(5 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return &client{TCPConn: c.(*net.TCPConn), in: bufio.NewReaderSize(c, 16<<10)}, nil
		}
		if !errors.Is(err, syscall.EADDRNOTAVAIL) || time.Now().After(end) {
			return nil, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// send writes n requests for a path that ends in id.
func (c *client) send(path string, id, n int) error {
	c.out = c.out[:0]
	for range n {
		c.out = append(strconv.AppendInt(append(append(c.out, "GET "...), path...), int64(id), 10), " HTTP/1.1\r\nHost: bench\r\n\r\n"...)
	}
	_, err := c.Write(c.out)
	return err
}

// sendPart writes a request but for its end.
func (c *client) sendPart(path string, id int) error {
	_, err := fmt.Fprintf(c, "GET %s%d HTTP/1.1\r\nHost: be", path, id)
	return err
}

// receive reads a reply of status 200. The error is io.EOF when the server has
// closed the connection instead.
func (c *client) receive() error {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("reply begins with %q", line)
	}
	length := -1
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return noEnd(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return fmt.Errorf("reply has a length that is none: %w", err)
			}
		}
	}
	if length < 0 {
		return errors.New("reply has no length")
	}
	_, err = c.in.Discard(length)
	return noEnd(err)
}

// noEnd makes the end of input within a reply an error of its own.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// abort closes the connection with a reset, which leaves no port behind in
// TIME_WAIT.
func (c *client) abort() error {
	return errors.Join(c.SetLinger(0), c.Close())
}
