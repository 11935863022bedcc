package swap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/internal/netsocket"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
)

// socket is one that this process holds, and never accepts from.
type socket struct {
	name, network, address string
	inherited              bool
	file                   *os.File
	// created is the file of a unix socket as it was made, nil for others.
	created os.FileInfo
}

// ListenError says why a socket cannot be held.
type ListenError struct {
	Name string // of the socket
	Err  error
}

// Error names the socket and the cause.
func (e *ListenError) Error() string { return "listen " + e.Name + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ListenError) Unwrap() error { return e.Err }

// ErrNotPassed is the cause of a [ListenError] about a socket that only systemd could pass.
var ErrNotPassed = errors.New("systemd does not pass a socket of this name, and no address is given")

// openSockets opens the sockets, or takes those that systemd passes by env. What it has
// opened is closed when it fails.
func openSockets(list []Listener, env []string) (opened []*socket, err error) {
	passed, err := systemd.Listeners(env)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, p := range passed {
			// Nobody has asked for it.
			err = errors.Join(err, unix.Close(p.FD))
		}
		if err != nil {
			err = errors.Join(err, closeSockets(opened))
			opened = nil
		}
	}()
	for i, l := range list {
		if slices.ContainsFunc(list[:i], func(o Listener) bool { return o.Name == l.Name }) {
			return opened, &ListenError{l.Name, errors.New("there are two of this name")}
		}
		var s *socket
		at := slices.IndexFunc(passed, func(p systemd.Named) bool { return p.Name == l.Name })
		switch {
		case at >= 0:
			s, err = inherited(l.Name, passed[at].FD)
			passed = slices.Delete(passed, at, at+1)
		case l.Address == "":
			err = ErrNotPassed
		default:
			s, err = open(l)
		}
		if err != nil {
			return opened, &ListenError{l.Name, err}
		}
		opened = append(opened, s)
	}
	return opened, nil
}

// inherited describes a socket that was passed. It takes the descriptor over.
func inherited(name string, fd int) (*socket, error) {
	s := &socket{name: name, inherited: true, file: os.NewFile(uintptr(fd), name)}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("what systemd passes is no socket: %w", err), s.file.Close())
	}
	at, err := unix.Getsockname(fd)
	if err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	host := func(ip net.IP, port int) string { return (&net.TCPAddr{IP: ip, Port: port}).String() }
	stream := kind == unix.SOCK_STREAM
	switch at := at.(type) {
	case *unix.SockaddrInet4:
		s.network, s.address = "tcp", host(at.Addr[:], at.Port)
	case *unix.SockaddrInet6:
		s.network, s.address = "tcp", host(at.Addr[:], at.Port)
	case *unix.SockaddrUnix:
		s.network, s.address = "unix", at.Name
	}
	switch {
	case !stream && s.network == "tcp":
		s.network = "udp"
	case !stream && s.network == "unix":
		s.network = "unixgram"
	}
	return s, nil
}

// opened is a socket that was opened.
type opened interface {
	syscall.Conn
	Close() error
}

// open opens a socket, which waits for its first version: connections queue.
func open(l Listener) (*socket, error) {
	s := &socket{name: l.Name}
	var of opened
	var at net.Addr
	switch l.Network {
	case "udp", "udp4", "udp6", "unixgram":
		c, err := netsocket.ListenPacket(context.Background(), l.Network, l.Address)
		if err != nil {
			return nil, plain(err)
		}
		of, at = c.(opened), c.LocalAddr()
	case "tcp", "tcp4", "tcp6", "unix":
		c, err := netsocket.Listen(context.Background(), l.Network, l.Address)
		if err != nil {
			return nil, plain(err)
		}
		if u, ok := c.(*net.UnixListener); ok {
			// What is held beyond its end has the same file.
			u.SetUnlinkOnClose(false)
		}
		of, at = c.(opened), c.Addr()
	default:
		return nil, fmt.Errorf("%q is no network: tcp, tcp4, tcp6, unix, udp, udp4, udp6 or unixgram", l.Network)
	}
	s.network, s.address = at.Network(), at.String()
	fd, err := hold(of)
	if err := errors.Join(err, of.Close()); err != nil {
		return nil, err
	}
	s.file = os.NewFile(uintptr(fd), l.Name)
	if path := s.path(); path != "" {
		s.created, _ = os.Lstat(path)
	}
	return s, nil
}

// plain leaves out of an error what the caller says.
func plain(err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case !ok:
		return err
	case op.Addr == nil:
		return op.Err
	}
	return fmt.Errorf("%s %s: %w", op.Net, op.Addr, op.Err)
}

// hold returns a descriptor of its own of a socket. It blocks, as those of systemd do: a
// server that wants otherwise says so itself, and for all versions, which share it.
func hold(of syscall.Conn) (int, error) {
	fd, err := netsocket.Duplicate(of)
	if err != nil {
		return 0, err
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		return 0, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// path returns the file of a unix socket, empty for others.
func (s *socket) path() string {
	if !netsocket.HasFile(s.network, s.address) {
		return ""
	}
	return s.address
}

// closeSockets closes sockets, and removes the files of unix sockets that were made here
// unless somebody has put others in their place.
func closeSockets(list []*socket) error {
	var errs []error
	for _, s := range list {
		if s.created != nil {
			if now, err := os.Lstat(s.path()); err == nil && os.SameFile(now, s.created) {
				errs = append(errs, os.Remove(s.path()))
			}
		}
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

func describe(list []*socket) []upgrade.Socket {
	all := []upgrade.Socket{}
	for _, s := range list {
		all = append(all, upgrade.Socket{Name: s.name, Network: s.network, Address: s.address, Inherited: s.inherited})
	}
	return all
}
