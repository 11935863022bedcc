package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Version is the protocol that this package speaks. One that only adds fields stays
// the same: fields that are not known are left out.
const Version = 1

// MaxPacket bounds a message, in bytes.
const MaxPacket = 64 << 10

// MaxSockets bounds the sockets of a [Hello].
const MaxSockets = 200

// ErrVersion is that of a process that speaks another protocol.
var ErrVersion = errors.New("the other process speaks another protocol of upgrades")

// Kind is what a message says.
type Kind string

// The kinds. From the old process: Hello is the first message, Commit ends the
// probation for good, Rollback ends it by giving up the new process, Ancestors says
// how many older processes still drain. From the new one: Started when it has read
// Hello, Ready when it accepts connections, Beat while it is well, Failed when it is
// not, Committed when it has taken over.
const (
	Hello     Kind = "hello"
	Commit    Kind = "commit"
	Rollback  Kind = "rollback"
	Ancestors Kind = "ancestors"

	Started   Kind = "started"
	Ready     Kind = "ready"
	Beat      Kind = "beat"
	Failed    Kind = "failed"
	Committed Kind = "committed"
)

func kinds() []Kind {
	return []Kind{Hello, Commit, Rollback, Ancestors, Started, Ready, Beat, Failed, Committed}
}

// Socket is one that is handed over: as which descriptor of the new process, by which
// name, and what it was opened for.
type Socket struct {
	FD   int    `json:"fd"`
	Name string `json:"name"`
	// Network and Address are what the program asked for; empty when somebody else
	// has opened it.
	Network string `json:"network,omitempty"`
	Address string `json:"address,omitempty"`
	// Lent is set for one that is not the service's own, and outlives it.
	Lent bool `json:"lent,omitempty"`
}

// Message is one message. Which fields are set depends on its kind.
type Message struct {
	Kind Kind `json:"kind"`
	// Version is that of a [Hello] and of a [Started].
	Version int `json:"version,omitempty"`
	// PID is the number of the old process in a [Hello].
	PID int `json:"pid,omitempty"`
	// Program is the path that new versions are started from, of a [Hello].
	Program string `json:"program,omitempty"`
	// Generation is that of the new process: the first one is 1.
	Generation int `json:"generation,omitempty"`
	// Ancestors is how many processes older than the old one still drain.
	Ancestors int      `json:"ancestors,omitempty"`
	Sockets   []Socket `json:"sockets,omitempty"`
	// State is the descriptor of what is handed over in memory, 0 for nothing;
	// Previous that of the program of the old process.
	State    int `json:"state,omitempty"`
	Previous int `json:"previous,omitempty"`
	// Reason says why, in a [Failed] and a [Rollback].
	Reason string `json:"reason,omitempty"`
	// Final is set in a [Rollback] when nobody is needed any more should the old process
	// end: it has another heir, or ends because it shall. One that is not final, also after
	// a final one, makes the new process the heir.
	Final bool `json:"final,omitempty"`
	// Outcome is how the upgrade went until a [Commit], as the library tells it.
	Outcome json.RawMessage `json:"outcome,omitempty"`
}

// encode returns the packet of a message.
func (m *Message) encode() ([]byte, error) {
	// A byte becomes up to six in JSON.
	if limit := MaxPacket / 8; len(m.Reason) > limit {
		short := *m
		short.Reason = m.Reason[:limit]
		m = &short
	}
	packet, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(packet) > MaxPacket {
		return nil, fmt.Errorf("a message of %d bytes: more than %d", len(packet), MaxPacket)
	}
	return packet, nil
}

// parse reads a packet.
func parse(packet []byte) (*Message, error) {
	var m Message
	if err := json.Unmarshal(packet, &m); err != nil {
		return nil, fmt.Errorf("no message: %w", err)
	}
	if !slices.Contains(kinds(), m.Kind) {
		return nil, fmt.Errorf("a message of the kind %q: not known", m.Kind)
	}
	if m.Kind == Hello || m.Kind == Started {
		if m.Version != Version {
			return nil, fmt.Errorf("%w: %d, this one speaks %d", ErrVersion, m.Version, Version)
		}
	}
	if m.Generation < 0 || m.Ancestors < 0 || m.State < 0 || m.Previous < 0 {
		return nil, errors.New("a message has a number below 0")
	}
	if len(m.Sockets) > MaxSockets {
		return nil, fmt.Errorf("a message of %d sockets: more than %d", len(m.Sockets), MaxSockets)
	}
	for i, s := range m.Sockets {
		if s.FD < 3 {
			return nil, fmt.Errorf("socket %q: descriptor %d", s.Name, s.FD)
		}
		if slices.ContainsFunc(m.Sockets[:i], func(o Socket) bool { return o.FD == s.FD || o.Name == s.Name }) {
			return nil, fmt.Errorf("socket %q: its name or its descriptor is there twice", s.Name)
		}
	}
	return &m, nil
}
