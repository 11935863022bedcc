package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// LossKind is how a request was lost.
type LossKind string

// The kinds of losses. A connection is fresh until it has brought an answer.
const (
	Refused     LossKind = "refused"          // nobody listens
	Unconnected LossKind = "not connected"    // connecting failed in another way
	Handshake   LossKind = "handshake"        // TLS ended before the request
	ResetReused LossKind = "reset on reused"  // connection reset
	ResetFresh  LossKind = "reset on fresh"   // connection reset
	EOFReused   LossKind = "EOF on reused"    // closed instead of an answer
	EOFFresh    LossKind = "EOF on fresh"     // closed instead of an answer
	Cut         LossKind = "cut answer"       // ended within the answer
	Timeout     LossKind = "timeout"          // no answer in time
	WrongAnswer LossKind = "wrong answer"     // status, number or process
	GoAway      LossKind = "GOAWAY, then EOF" // HTTP/2: closed before a stream it kept had its answer
	Stream      LossKind = "stream reset"     // HTTP/2: RST_STREAM other than a refusal
	Status      LossKind = "gRPC status"      // a status of the server, or of its connection
	Other       LossKind = "other"
)

// Loss is a request without its answer.
type Loss struct {
	// At is when it was meant to be sent, and After when it was known to be lost, both
	// from the beginning of the run.
	At, After time.Duration
	Kind      LossKind
	// PID is the process that gave the last answer on this connection, 0 for none.
	PID int
	// Cause is the error of the connection.
	Cause error
}

// Error implements error.
func (l *Loss) Error() string {
	if l.PID == 0 {
		return fmt.Sprintf("%s: %v", l.Kind, l.Cause)
	}
	return fmt.Sprintf("%s (process %d): %v", l.Kind, l.PID, l.Cause)
}

// Unwrap returns the cause.
func (l *Loss) Unwrap() error { return l.Cause }

func lossOf(err error, at, after time.Duration) Loss {
	loss := Loss{Kind: Other, Cause: err}
	var known *Loss
	if errors.As(err, &known) {
		loss = *known
	}
	loss.At, loss.After = at, after
	return loss
}

// connecting is the kind of a failure to connect.
func connecting(err error) LossKind {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case timedOut(err):
		return Timeout
	}
	return Unconnected
}

// broken is the kind of a connection's end before an answer.
func broken(err error, reused bool) LossKind {
	switch {
	case timedOut(err):
		return Timeout
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		if reused {
			return ResetReused
		}
		return ResetFresh
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if reused {
			return EOFReused
		}
		return EOFFresh
	}
	return Other
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}
