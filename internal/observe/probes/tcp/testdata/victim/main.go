// Victim is the program that the tests of the tcp probe observe. It does what
// the lines of its standard input say and answers each with one line.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	conns, others := make(map[string]net.Conn), new(accepted)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		answer, err := do(conns, others, strings.Fields(in.Text()))
		if err != nil {
			answer = "error: " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		fmt.Println("=", answer)
	}
}

func do(conns map[string]net.Conn, others *accepted, words []string) (string, error) {
	switch verb, args := words[0], words[1:]; verb {
	case "listen": // ADDRESS
		l, err := net.Listen("tcp", args[0])
		if err != nil {
			return "", err
		}
		others.listeners = append(others.listeners, l)
		go others.serve(l)
		return l.Addr().String(), nil
	case "unlisten": // all that it listens to
		for _, l := range others.listeners {
			if err := l.Close(); err != nil {
				return "", err
			}
		}
		return "unlistened", nil
	case "connect": // NAME ADDRESS TIMEOUT
		timeout, err := time.ParseDuration(args[2])
		if err != nil {
			return "", err
		}
		c, err := net.DialTimeout("tcp", args[1], timeout)
		if err != nil {
			return "", err
		}
		conns[args[0]] = c
		return c.LocalAddr().String(), nil
	case "write": // NAME TEXT
		_, err := conns[args[0]].Write([]byte(args[1]))
		return "written", err
	case "read": // NAME
		var b [64]byte
		n, err := conns[args[0]].Read(b[:])
		return string(b[:n]), err
	case "close": // NAME
		return "closed", conns[args[0]].Close()
	case "say": // TEXT, to all that connected
		return "said", others.say(args[0])
	case "storm": // N ADDRESS
		return storm(args[0], args[1])
	case "set": // FILE TEXT
		return "set", os.WriteFile(args[0], []byte(args[1]), 0o644)
	case "run": // COMMAND...
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return "done", nil
	}
	return "", fmt.Errorf("unknown verb %q", words[0])
}

// storm connects n times, one after the other, and says how often.
func storm(n, address string) (string, error) {
	count, err := strconv.Atoi(n)
	if err != nil {
		return "", err
	}
	for range count {
		c, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		c.Close()
	}
	return n, nil
}

// accepted are the connections that others made, and where.
type accepted struct {
	listeners []net.Listener

	mu    sync.Mutex
	conns []net.Conn
}

func (a *accepted) say(text string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.conns {
		if _, err := c.Write([]byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// serve echoes what it reads, and resets a connection that says so.
func (a *accepted) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		a.conns = append(a.conns, c)
		a.mu.Unlock()
		go echo(c)
	}
}

func echo(c net.Conn) {
	defer c.Close()
	var b [64]byte
	for {
		n, err := c.Read(b[:])
		if err != nil {
			return
		}
		if strings.HasPrefix(string(b[:n]), "reset") {
			c.(*net.TCPConn).SetLinger(0)
			return
		}
		c.Write(b[:n])
	}
}
