package upgrade

import (
	"context"
	"log/slog"
	"os"
	"time"
)

// The values of [Options] that are not set.
const (
	DefaultTimeout     = time.Minute
	DefaultProbation   = 10 * time.Second
	DefaultHeartbeat   = 2 * time.Second
	DefaultDrain       = 30 * time.Second
	DefaultGenerations = 4
)

// NoControl is the folder of a process that is not asked from outside.
const NoControl = "-"

// Options configures [New]. The zero value works.
type Options struct {
	// Program is the file of new versions; empty means the path that this process was
	// started from.
	Program string
	// Verify checks the program before it is started, by the very descriptor that it
	// is executed by; nil checks nothing but that this machine can execute it.
	Verify func(*os.File) error
	// Timeout is how long a new process may take from its start until it accepts;
	// 0 means [DefaultTimeout].
	Timeout time.Duration
	// Probation is how long a new process serves before the old one drains; 0 means
	// [DefaultProbation], below 0 is none.
	Probation time.Duration
	// Heartbeat is for how long a new process may be silent in probation before it
	// counts as hanging, and how long Check may take; 0 means [DefaultHeartbeat].
	Heartbeat time.Duration
	// Check says in the new process whether it is well, at least twice each Heartbeat of
	// its probation. An error ends it. Nil is always well.
	Check func(context.Context) error
	// Gate decides in the old process, at the end of the probation, whether the new one
	// stays. It may take its time; ctx ends when the new process does. An error
	// rolls back. Nil lets all pass.
	Gate func(ctx context.Context, next Candidate) error
	// Warm prepares a process before it accepts; an error ends it.
	Warm func(context.Context) error
	// Reload is called for SIGHUP; nil ignores the signal. It is about the
	// configuration alone: no process is started.
	Reload func(context.Context) error
	// Drain is how long connections may take to end before they are cut; 0 means
	// [DefaultDrain]. At the end of the service its manager is asked for as much time.
	Drain time.Duration
	// Generations is how many processes there may be at a time, those that still drain
	// included; 0 means [DefaultGenerations].
	Generations int
	// Handover is what is handed over in memory; nil is nothing. HandoverVersion is that of
	// its form: a process of another one begins without it.
	Handover        Handover
	HandoverVersion uint32
	// ControlFolder is where the socket is by which others ask this process (package
	// control); empty means the usual one of its user, [NoControl] none.
	ControlFolder string
	// PIDFile is a file that always has the number of the process that serves, if not
	// empty.
	PIDFile string
	// Events is told each change of state, in order, by one goroutine at a time; nil is
	// not told. It must not block.
	Events func(Event)
	// Log hears what goes on; nil discards it.
	Log *slog.Logger
}

// Candidate is a new process in probation.
type Candidate struct {
	PID        int
	Generation int
	// Since is when it began to accept.
	Since time.Time
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&o.Timeout, DefaultTimeout)
	set(&o.Probation, DefaultProbation)
	set(&o.Heartbeat, DefaultHeartbeat)
	set(&o.Drain, DefaultDrain)
	if o.Generations == 0 {
		o.Generations = DefaultGenerations
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
