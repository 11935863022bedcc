package systemd

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	listenPID   = "LISTEN_PID"
	listenFDs   = "LISTEN_FDS"
	listenNames = "LISTEN_FDNAMES"

	// firstFD is the descriptor of the first socket.
	firstFD = 3
	// maxSockets bounds what is believed.
	maxSockets = 4096
	// maxName is systemd's bound for the name of a socket, in bytes.
	maxName = 255
	// unknown is the name of a socket that was given none.
	unknown = "unknown"
)

// Named is a descriptor that was passed.
type Named struct {
	// Name is what the manager calls it, "unknown" if nothing. Several may have the same.
	Name string
	FD   int
}

// Listeners returns the sockets that env, of the form of [os.Environ], announces to this
// process, in their order. There are none if it says nothing, or speaks to another
// process. The descriptors belong to the caller, and are no longer inherited by programs
// that this process starts.
func Listeners(env []string) ([]Named, error) {
	list, err := announced(env, os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("sockets of the service manager: %w", err)
	}
	for _, n := range list {
		if _, err := unix.FcntlInt(uintptr(n.FD), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return nil, fmt.Errorf("sockets of the service manager: descriptor %d (%s): %w", n.FD, n.Name, err)
		}
	}
	return list, nil
}

// announced reads what env says to the process pid.
func announced(env []string, pid int) ([]Named, error) {
	count, ok := lookup(env, listenFDs)
	if !ok {
		return nil, nil
	}
	process, ok := lookup(env, listenPID)
	if !ok {
		return nil, nil
	}
	switch n, err := number(listenPID, process, 1, math.MaxInt32); {
	case err != nil:
		return nil, err
	case n != uint64(pid):
		return nil, nil
	}
	n, err := number(listenFDs, count, 0, maxSockets)
	if err != nil || n == 0 {
		return nil, err
	}
	list := make([]Named, n)
	for i := range list {
		list[i] = Named{Name: unknown, FD: firstFD + i}
	}
	joined, ok := lookup(env, listenNames)
	if !ok {
		return list, nil
	}
	names := strings.Split(joined, ":")
	if len(names) != len(list) {
		return nil, fmt.Errorf("%s=%q has %d names, %s=%d", listenNames, joined, len(names), listenFDs, n)
	}
	for i, name := range names {
		if name == "" {
			continue
		}
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("%s: %w", listenNames, err)
		}
		list[i].Name = name
	}
	return list, nil
}

// Environment returns env with the announcement of sockets of these names, which are the
// descriptors 3, 4... of a child, and without any other announcement. The child must add
// its number by [WithPID] before it executes a program that looks for them. The names
// need not differ.
func Environment(env, names []string) ([]string, error) {
	if len(names) > maxSockets {
		return nil, fmt.Errorf("pass %d sockets: more than %d", len(names), maxSockets)
	}
	for _, name := range names {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("pass a socket: %w", err)
		}
	}
	env = Without(env)
	if len(names) == 0 {
		return env, nil
	}
	return append(env, listenFDs+"="+strconv.Itoa(len(names)), listenNames+"="+strings.Join(names, ":")), nil
}

// WithPID returns env with the announcement made to the process pid.
func WithPID(env []string, pid int) []string {
	return append(drop(env, listenPID), listenPID+"="+strconv.Itoa(pid))
}

// Without returns env without the announcement of sockets, for children that are to have
// none.
func Without(env []string) []string {
	return drop(env, listenPID, listenFDs, listenNames, "LISTEN_PIDFDID")
}

// checkName refuses what systemd would: names of other than printable ASCII, and those
// that would be read as two.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a socket without a name")
	case len(name) > maxName:
		return fmt.Errorf("the name of a socket of %d bytes: more than %d", len(name), maxName)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c >= 0x7f || c == ':' {
			return fmt.Errorf("the name of a socket %q: only printable ASCII, and no colon", name)
		}
	}
	return nil
}

// lookup returns the first value of a variable, as getenv does.
func lookup(env []string, key string) (string, bool) {
	for _, e := range env {
		if value, ok := strings.CutPrefix(e, key+"="); ok {
			return value, true
		}
	}
	return "", false
}

// drop returns a copy of env without variables.
func drop(env []string, keys ...string) []string {
	kept := make([]string, 0, len(env)+2)
	for _, e := range env {
		key, _, _ := strings.Cut(e, "=")
		if !slices.Contains(keys, key) {
			kept = append(kept, e)
		}
	}
	return kept
}

// number reads the value of a variable, which must be a decimal number in bounds.
func number(key, value string, low, high uint64) (uint64, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s=%q: not a number from %d to %d", key, value, low, high)
	}
	return n, nil
}
