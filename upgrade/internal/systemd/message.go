package systemd

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// ErrMessage is that of a message that is none of the protocol. It is dropped, and the
// next one can be received.
var ErrMessage = errors.New("not a notification")

const (
	// maxMessage bounds a message, in bytes, as systemd does.
	maxMessage = 4096
	maxFields  = 64
)

// Message is what a process has told.
type Message struct {
	// PID and UID are those of the sender, which the kernel vouches for. Root can name
	// another process that lives.
	PID int
	UID int
	// Fields are what it said: "READY" is "1". Of a field that is there twice, the
	// first counts.
	Fields map[string]string
}

// Is reports whether the message says a thing that has no more to say than 1: "READY",
// "STOPPING", "RELOADING", "WATCHDOG".
func (m Message) Is(what string) bool { return m.Fields[what] == "1" }

// MainPID returns the process that the sender wants to be the main one, 0 for none. That
// it is one of the service's is for the caller to check.
func (m Message) MainPID() (int, error) {
	value, ok := m.Fields["MAINPID"]
	if !ok {
		return 0, nil
	}
	n, err := number("MAINPID", value, 1, math.MaxInt32)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return int(n), nil
}

// ExtendTimeout returns for how long from now on the sender wants its start, reload or end
// to last at least, 0 if it does not say. More than an hour is an hour.
func (m Message) ExtendTimeout() (time.Duration, error) {
	value, ok := m.Fields[extendTimeout]
	if !ok {
		return 0, nil
	}
	n, err := number(extendTimeout, value, 1, math.MaxUint64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return time.Duration(min(n, uint64(maxExtension/time.Microsecond))) * time.Microsecond, nil
}

// parseFields reads the text of a message: lines of KEY=value.
func parseFields(text []byte) (map[string]string, error) {
	switch {
	case len(text) > maxMessage:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrMessage, maxMessage)
	case !utf8.Valid(text):
		return nil, fmt.Errorf("%w: no UTF-8", ErrMessage)
	}
	fields := map[string]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || key == "" || strings.ContainsFunc(key, notOfKey) {
			return nil, fmt.Errorf("%w: the line %.80q is not of the form KEY=value", ErrMessage, line)
		}
		if strings.ContainsFunc(value, isControl) {
			return nil, fmt.Errorf("%w: the value of %.80s has control characters", ErrMessage, key)
		}
		if _, twice := fields[key]; twice {
			continue
		}
		if len(fields) == maxFields {
			return nil, fmt.Errorf("%w: more than %d fields", ErrMessage, maxFields)
		}
		fields[key] = value
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrMessage)
	}
	return fields, nil
}

func notOfKey(r rune) bool {
	return !(r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-')
}

// isControl is true of what does not belong into a line that is shown to a person; a tab
// does.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }
