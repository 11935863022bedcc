package model

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// EventID names an event for good and for all who saw it: it follows from what
// the event says, so that a live event and a stored one have the same.
type EventID struct {
	// Probe is the probe's name.
	Probe string
	// Start and End are in nanoseconds since the Unix epoch; an event of
	// unknown duration ends when it starts.
	Start, End int64
	// PID is the event's process.
	PID int32
}

// ID returns the event's id.
func (e *Event) ID() EventID {
	return EventID{Probe: e.Schema.Probe, Start: e.Time.UnixNano(), End: e.End().UnixNano(), PID: e.PID}
}

// End returns when the event ended: its start when nobody knows.
func (e *Event) End() time.Time {
	if e.Duration <= 0 {
		return e.Time
	}
	return e.Time.Add(e.Duration)
}

// String renders the id in letters, digits and hyphens, for an URL:
// probe-end-duration-pid, the numbers in base 36.
func (id EventID) String() string {
	b := make([]byte, 0, 48)
	b = append(append(b, id.Probe...), '-')
	b = strconv.AppendInt(b, id.End, 36)
	b = strconv.AppendInt(append(b, '-'), id.End-id.Start, 36)
	b = strconv.AppendInt(append(b, '-'), int64(id.PID), 36)
	return string(b)
}

// ParseEventID reads what [EventID.String] writes.
func ParseEventID(s string) (EventID, error) {
	parts := strings.Split(s, "-")
	if len(parts) != 4 || parts[0] == "" {
		return EventID{}, fmt.Errorf("event id %q: is not probe-end-duration-pid", s)
	}
	var n [3]int64
	for i, bits := range []int{64, 64, 32} {
		v, err := strconv.ParseInt(parts[i+1], 36, bits)
		if err != nil || v < 0 {
			return EventID{}, fmt.Errorf("event id %q: %q is not a number in base 36", s, parts[i+1])
		}
		n[i] = v
	}
	return EventID{Probe: parts[0], Start: n[0] - n[1], End: n[0], PID: int32(n[2])}, nil
}
