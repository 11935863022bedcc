package shop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// resetEvery is which connection the ledger breaks off.
	resetEvery = 4
	// ledgerPatience bounds what one connection may take, on both ends.
	ledgerPatience = 2 * time.Second
	// customsAddr is where nobody listens: port 1 is reserved.
	customsAddr = "127.0.0.1:1"
)

// ledger is a server of one line a connection, as a database is one of many. It
// breaks some connections off.
type ledger struct {
	listener net.Listener
	serving  sync.WaitGroup
}

// openLedger listens on a loopback port of the kernel's choice.
func openLedger(ctx context.Context) (*ledger, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	l := &ledger{listener: listener}
	l.serving.Go(l.serve)
	return l, nil
}

func (l *ledger) addr() string { return l.listener.Addr().String() }

// close ends the ledger, after the connections under way.
func (l *ledger) close() {
	l.listener.Close()
	l.serving.Wait()
}

// serve takes one connection at a time, which suffices for a shop.
func (l *ledger) serve() {
	for n := 1; ; n++ {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.book(conn.(*net.TCPConn), n%resetEvery == 0)
	}
}

// book answers one line; with reset it closes the connection instead, with the
// line unread, which the kernel tells the client by a reset: bad.
func (l *ledger) book(conn *net.TCPConn, reset bool) {
	defer conn.Close()
	if reset {
		_ = conn.SetLinger(0)
		return
	}
	_ = conn.SetDeadline(time.Now().Add(ledgerPatience))
	if line, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
		// The client may be gone, which is its own affair.
		_, _ = fmt.Fprintf(conn, "booked %s", line)
	}
}

// bookPayment tells the ledger an amount, over a connection of its own. The
// ledger does not always answer.
func (s *shop) bookPayment(ctx context.Context, amount int) error {
	end, err := s.begin("bookPayment")
	if err != nil {
		return err
	}
	defer end()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.ledger.addr())
	if err != nil {
		return fmt.Errorf("book %d: %w", amount, err)
	}
	defer conn.Close()
	err = conn.SetDeadline(time.Now().Add(ledgerPatience))
	_, writeErr := fmt.Fprintf(conn, "%d\n", amount)
	_, readErr := bufio.NewReader(conn).ReadString('\n')
	if err := errors.Join(err, writeErr, readErr); err != nil {
		return fmt.Errorf("book %d: %w", amount, err)
	}
	return nil
}

// askCustoms connects to where nobody listens: it is refused.
func (s *shop) askCustoms(ctx context.Context) error {
	end, err := s.begin("askCustoms")
	if err != nil {
		return err
	}
	defer end()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", customsAddr)
	if err != nil {
		return fmt.Errorf("ask the customs: %w", err)
	}
	return conn.Close()
}
