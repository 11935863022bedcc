package main

import (
	"errors"
	"io"
	"net"
	"testing"
)

// answering returns a client of a server that answers its first bytes with
// text and closes the connection.
func answering(t *testing.T, text string) *client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := dial(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(server, text); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestReceive(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
	tests := []struct {
		name, said string
		replies    int   // that are right
		then       error // nil is any but io.EOF
	}{
		{"a reply, and the end", good, 1, io.EOF},
		{"replies of a pipeline", good + good + good, 3, io.EOF},
		{"the end instead of a reply", "", 0, io.EOF},
		{"the end within the headers", good[:30], 0, io.ErrUnexpectedEOF},
		{"the end within the body", good[:len(good)-1], 0, io.ErrUnexpectedEOF},
		{"another status", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", 0, nil},
		{"no length", "HTTP/1.1 200 OK\r\n\r\nok\n", 0, nil},
		{"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := answering(t, tt.said)
			for i := range tt.replies {
				if err := c.receive(); err != nil {
					t.Fatalf("reply %d: %v", i+1, err)
				}
			}
			err := c.receive()
			if err == nil || tt.then != nil && !errors.Is(err, tt.then) || tt.then == nil && errors.Is(err, io.EOF) {
				t.Errorf("then = %v, want %v", err, tt.then)
			}
		})
	}
}
