package swap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/internal/image"
)

// DefaultReady is how long a version must live until it counts as ready, if it is not
// said otherwise.
const DefaultReady = time.Second

// Listener is a socket that all versions serve.
type Listener struct {
	// Name is what the server knows the socket by (LISTEN_FDNAMES).
	Name string
	// Network is tcp, tcp4, tcp6, unix, udp, udp4, udp6 or unixgram, Address as for
	// [net.Listen]. Both are empty for a socket that systemd passes; one that systemd
	// passes under the name is taken in any case.
	Network, Address string
}

// Options configures [New]. Command, Listeners and Shim must be set; the zero value of
// all else works.
type Options struct {
	// Command is the program, as a path or a name that PATH leads to, and its arguments.
	Command []string
	// Listeners are at least one.
	Listeners []Listener
	// Shim is a program with the first of its arguments; with further ones behind them
	// it must call [Exec] at once.
	Shim []string
	// Notify makes a version ready when it says so (READY=1 to NOTIFY_SOCKET). Else it
	// is ready when it has lived for Ready, or when it says so before; 0 means
	// [DefaultReady].
	Notify bool
	Ready  time.Duration
	// Timeout is how long a version may take until it is ready, unless it asks for more
	// (EXTEND_TIMEOUT_USEC), an hour at a time at most; 0 means [upgrade.DefaultTimeout].
	Timeout time.Duration
	// Probation is how long a new version serves beside the old one before that is told to
	// end; 0 means [upgrade.DefaultProbation], below 0 is none.
	Probation time.Duration
	// Drain is how long a version that was told to end may take; 0 means
	// [upgrade.DefaultDrain].
	Drain time.Duration
	// Generations is how many processes there may be at a time, those that end
	// included; 0 means [upgrade.DefaultGenerations].
	Generations int
	// Verify and Gate are as in [upgrade.Options].
	Verify func(*os.File) error
	Gate   func(ctx context.Context, next upgrade.Candidate) error
	// ControlFolder is as in [upgrade.Options].
	ControlFolder string
	// Reap is set for a process that gets the children of others when these have ended, as
	// the first one of a container does: it clears away those that end. It must not be set
	// in a process that starts others by itself.
	Reap bool
	// Stdin, Stdout and Stderr are those of the server; nil are those of this process.
	Stdin, Stdout, Stderr *os.File
	// Events is told each change of state, in order, by one goroutine at a time; nil is
	// not told. It must not block.
	Events func(upgrade.Event)
	// Log hears what goes on; nil discards it.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Ready, DefaultReady)
	set(&o.Timeout, upgrade.DefaultTimeout)
	set(&o.Probation, upgrade.DefaultProbation)
	set(&o.Drain, upgrade.DefaultDrain)
	if o.Generations == 0 {
		o.Generations = upgrade.DefaultGenerations
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, f := range []struct {
		at   **os.File
		mine *os.File
	}{{&o.Stdin, os.Stdin}, {&o.Stdout, os.Stdout}, {&o.Stderr, os.Stderr}} {
		if *f.at == nil {
			*f.at = f.mine
		}
	}
	return o
}

func (o *Options) check() error {
	switch {
	case len(o.Command) == 0 || o.Command[0] == "":
		return errors.New("no command")
	case len(o.Listeners) == 0:
		return errors.New("no sockets to hold")
	case len(o.Shim) == 0:
		return errors.New("no shim")
	case o.Ready < 0 || o.Timeout < 0 || o.Drain < 0:
		return errors.New("a duration is negative")
	case !o.Notify && o.Ready > o.Timeout:
		return fmt.Errorf("a version is ready after %v, and has only %v", o.Ready, o.Timeout)
	}
	return nil
}

// Hint returns what a person can do about an error of this package or of an upgrade, as
// one sentence without a full stop, "" when there is nothing to say.
func Hint(err error) string { return image.Hint(err) }

// Status is how a server stands that an engine holds the sockets of: the fields of
// [upgrade.Status] are those of the process that serves. Connections are not known, and 0.
type Status struct {
	upgrade.Status
	// SupervisorPID is the process that holds the sockets, which is the one that answers;
	// 0 where the server does so itself.
	SupervisorPID int `json:"supervisor_pid,omitempty"`
}
