package upgrade

import (
	"errors"
	"time"
)

// State is where a process is in its life.
type State string

// The states, as the package's documentation has them. A new process is warming, then in
// probation, then running. Draining is a process that ends without a successor, Drained
// one that has nothing left to do.
const (
	Running    State = "running"
	Spawning   State = "spawning"
	Warming    State = "warming"
	BothAccept State = "both_accept"
	Probation  State = "probation"
	Committed  State = "committed"
	RolledBack State = "rolled_back"
	Draining   State = "draining"
	Drained    State = "drained"
)

// Errors of [Upgrader.Upgrade].
var (
	// ErrBusy is returned when an upgrade cannot begin as things are: another one goes
	// on, this process is itself in probation, or older ones still drain.
	ErrBusy = errors.New("not now")
	// ErrRolledBack is returned when the new process did not pass: this one serves.
	ErrRolledBack = errors.New("rolled back")
)

// Outcome is how an upgrade ended.
type Outcome struct {
	// Outcome is [Committed] or [RolledBack], or [Running] when nothing was started.
	Outcome State `json:"outcome"`
	// Reason says why it was rolled back, or nothing was started.
	Reason string `json:"reason,omitempty"`
	// PID is that of the new process, 0 if none was started.
	PID        int       `json:"pid,omitempty"`
	Generation int       `json:"generation"`
	Began      time.Time `json:"began"`
	// The times from Began: until the new process ran its first code of this package,
	// until it accepted, until this process stopped to, and until the outcome; 0 for
	// what was not reached.
	Started time.Duration `json:"started_ns,omitempty"`
	Ready   time.Duration `json:"ready_ns,omitempty"`
	Passive time.Duration `json:"passive_ns,omitempty"`
	Ended   time.Duration `json:"ended_ns"`
	// Resumed is how long after the failure was noticed this process accepted again.
	Resumed time.Duration `json:"resumed_ns,omitempty"`
}

// Event is a change of state.
type Event struct {
	Time time.Time `json:"time"`
	// PID and Generation are those of the process that tells it.
	PID        int `json:"pid"`
	Generation int `json:"generation"`
	// State is the one that it entered, From the one before.
	State State `json:"state"`
	From  State `json:"from,omitempty"`
	// Peer is the other process of the upgrade, 0 for none.
	Peer int `json:"peer,omitempty"`
	// Reason says why, where it is not the usual way.
	Reason string `json:"reason,omitempty"`
	// Connections are those that this process has open.
	Connections int `json:"connections"`
	// Outcome is set when an upgrade has ended.
	Outcome *Outcome `json:"outcome,omitempty"`
}

// Socket is a socket that outlives processes.
type Socket struct {
	Name    string `json:"name"`
	Network string `json:"network"`
	Address string `json:"address"`
	// Inherited is set when another process has opened it.
	Inherited bool `json:"inherited"`
	// Connections are those that were accepted from it and are open.
	Connections int `json:"connections"`
}

// Status is how a process stands.
type Status struct {
	State      State     `json:"state"`
	Generation int       `json:"generation"`
	PID        int       `json:"pid"`
	Since      time.Time `json:"since"`
	// PreviousPID is the process that handed over to this one, 0 for none, and
	// PreviousAlive whether it still drains.
	PreviousPID   int  `json:"previous_pid"`
	PreviousAlive bool `json:"previous_alive"`
	// NextPID is the new process of an upgrade that goes on or was committed.
	NextPID   int      `json:"next_pid,omitempty"`
	Program   string   `json:"program"`
	Listeners []Socket `json:"listeners"`
	Last      *Outcome `json:"last"`
	// Refused is the last upgrade that could not begin ([ErrBusy]), nil for none. It is no
	// event, as no state changes.
	Refused *Refusal `json:"refused,omitempty"`
}

// Refusal is an upgrade that could not begin.
type Refusal struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
}
