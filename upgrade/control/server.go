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
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What a [Request] asks for.
const (
	Status  = "status"
	Upgrade = "upgrade"
	Abort   = "abort"
	Events  = "events"
)

const (
	// maxLine bounds a request, in bytes.
	maxLine = 4 << 10
	// maxConns bounds who talks to a process at a time.
	maxConns = 32
	// writeTimeout is for how long one who does not read is waited for.
	writeTimeout = 5 * time.Second
)

// Request is a line that is sent to a process.
type Request struct {
	Do string `json:"do"`
}

// Reply is a line that comes back; one of its fields is set.
type Reply struct {
	Status  json.RawMessage `json:"status,omitempty"`
	Outcome json.RawMessage `json:"outcome,omitempty"`
	Event   json.RawMessage `json:"event,omitempty"`
	Aborted *bool           `json:"aborted,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// Handler answers requests. Its methods are called by several goroutines. What they
// return is written as JSON.
type Handler interface {
	Status() any
	Upgrade(ctx context.Context) (outcome any, err error)
	Abort() bool
	// Events calls tell for each event, those of before first, until there will be none
	// any more, ctx ends or tell returns an error, which it returns.
	Events(ctx context.Context, tell func(any) error) error
}

// Server answers at the socket of this process.
type Server struct {
	listener *net.UnixListener
	handler  Handler
	ctx      context.Context
	cancel   context.CancelFunc
	serving  sync.WaitGroup

	mu      sync.Mutex
	closing bool
	telling sync.WaitGroup // answers and events
	room    chan struct{}
}

// Serve opens the socket of this process in a folder, which it makes, and answers there
// until [Server.Close].
func Serve(folder string, h Handler) (*Server, error) {
	if err := prepare(folder); err != nil {
		return nil, err
	}
	tidy(folder)
	path := Path(folder, os.Getpid())
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s := &Server{listener: l, handler: h, room: make(chan struct{}, maxConns)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.serving.Go(s.accept)
	return s, nil
}

// lastWords is how long [Server.Close] waits for the last answers and events to be read.
const lastWords = time.Second

// Close removes the socket, ends all talks and waits for their end. Who was promised an
// answer has it, and who listens to events hears the last ones, if the handler has none
// any more.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	timer := time.AfterFunc(lastWords, s.cancel)
	defer timer.Stop()
	s.telling.Wait()
	s.cancel()
	s.serving.Wait()
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// No descriptor is free: one will be.
			select {
			case <-s.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		select {
		case s.room <- struct{}{}:
		default:
			_ = c.Close()
			continue
		}
		s.serving.Go(func() {
			defer func() { <-s.room }()
			s.talk(c)
		})
	}
}

// talk answers one client until it has gone.
func (s *Server) talk(c *net.UnixConn) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer c.Close()
	context.AfterFunc(ctx, func() { _ = c.Close() })
	say := func(r Reply) error {
		line, err := json.Marshal(r)
		if err == nil {
			err = c.SetWriteDeadline(time.Now().Add(writeTimeout))
		}
		if err == nil {
			_, err = c.Write(append(line, '\n'))
		}
		return err
	}
	if err := mayAsk(c); err != nil {
		_ = say(Reply{Error: err.Error()})
		return
	}
	requests := make(chan Request)
	go func() {
		// The end of the client ends what it has asked for.
		defer cancel()
		readRequests(ctx, c, requests)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-requests:
			if !s.beginTelling() {
				return
			}
			err := s.answer(ctx, r, say)
			s.telling.Done()
			if err != nil {
				return
			}
		}
	}
}

// readRequests reads lines until the client is gone, or sends what is none.
func readRequests(ctx context.Context, from io.Reader, to chan<- Request) {
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 0, 256), maxLine)
	for lines.Scan() {
		var r Request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			r.Do = "?"
		}
		select {
		case to <- r:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) answer(ctx context.Context, r Request, say func(Reply) error) error {
	switch r.Do {
	case Status:
		return sayJSON(say, s.handler.Status(), func(raw json.RawMessage) Reply { return Reply{Status: raw} })
	case Abort:
		aborted := s.handler.Abort()
		return say(Reply{Aborted: &aborted})
	case Upgrade:
		// Who has asked may go: the upgrade does not end with that.
		outcome, err := s.handler.Upgrade(context.WithoutCancel(ctx))
		text := ""
		if err != nil {
			text = err.Error()
		}
		return sayJSON(say, outcome, func(raw json.RawMessage) Reply { return Reply{Outcome: raw, Error: text} })
	case Events:
		err := s.handler.Events(ctx, func(e any) error {
			return sayJSON(say, e, func(raw json.RawMessage) Reply { return Reply{Event: raw} })
		})
		if err == nil {
			err = io.EOF // there is nothing more to say
		}
		return err
	}
	return say(Reply{Error: fmt.Sprintf("%q: is no request", r.Do)})
}

// beginTelling has [Server.Close] wait for what is told, unless it waits already.
func (s *Server) beginTelling() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.telling.Add(1)
	}
	return !s.closing
}

func sayJSON(say func(Reply) error, value any, reply func(json.RawMessage) Reply) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return say(reply(raw))
}

// mayAsk says why who is at the other end may not ask this process for anything.
func mayAsk(c *net.UnixConn) error {
	uid, _, err := peer(c)
	if err != nil {
		return err
	}
	return mayUser(uid, os.Geteuid())
}

// mayUser says why a user may not ask a process of another one.
func mayUser(uid, of int) error {
	if uid != 0 && uid != of {
		return fmt.Errorf("user %d may not ask a process of user %d", uid, of)
	}
	return nil
}

// peer returns the user and the process at the other end.
func peer(c *net.UnixConn) (uid, pid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var credentials *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		credentials, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, 0, err
	}
	if failed != nil {
		return 0, 0, fmt.Errorf("who is at the other end: %w", failed)
	}
	return int(credentials.Uid), int(credentials.Pid), nil
}
