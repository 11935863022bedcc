package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// handedOver is a socket that another process has opened for this one.
type handedOver struct {
	name, network, address string
	fd                     int
}

// socket is one that this process holds for itself and for the next one.
type socket struct {
	name, network, address string
	inherited              bool
	bound                  net.Addr
	file                   os.FileInfo // of a unix socket, as it was when it was opened
	fd                     int         // of its own, beside the one that is accepted from
	valve                  *valve
	packets                bool
}

// sockets are those of a process. It may be used by several goroutines.
type sockets struct {
	mu       sync.Mutex
	waiting  []handedOver // nobody has asked for yet
	held     []*socket
	shut     bool // what is opened is opened shut
	finished bool
}

// take returns the socket that was handed over under a name for a purpose, and whether
// there is one. Another purpose is another socket: a new version may listen elsewhere.
func (s *sockets) take(name, network, address string) (int, bool) {
	i := slices.IndexFunc(s.waiting, func(h handedOver) bool { return h.name == name })
	if i < 0 {
		return 0, false
	}
	h := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	if h.network != "" && (h.network != network || h.address != address) {
		// Nobody is left who could need it: the old process has its own descriptor.
		_ = unix.Close(h.fd)
		return 0, false
	}
	return h.fd, true
}

// check says what is wrong with a name, nil if nothing is.
func (s *sockets) check(name string) error {
	switch {
	case s.finished:
		return errors.New("the process drains")
	case name == "":
		return errors.New("it has no name")
	case len(name) > 255 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == ':' }):
		// Names are separated by colons where systemd passes sockets.
		return errors.New("a name has at most 255 bytes, no colon and no control character")
	case slices.ContainsFunc(s.held, func(o *socket) bool { return o.name == name }):
		return errors.New("there is one of this name")
	}
	return nil
}

// keep holds a socket beside what is accepted or read from.
func (s *sockets) keep(name, network, address string, inherited bool, of syscall.Conn, deadline func(time.Time) error) (*socket, error) {
	fd, err := duplicate(of)
	if err != nil {
		return nil, err
	}
	k := &socket{name: name, network: network, address: address, inherited: inherited, fd: fd, valve: newValve(deadline)}
	s.held = append(s.held, k)
	if !s.shut {
		k.valve.set(false)
	}
	return k, nil
}

// duplicate returns a descriptor of the same socket, which is not inherited.
func duplicate(of syscall.Conn) (int, error) {
	raw, err := of.SyscallConn()
	if err != nil {
		return 0, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(own uintptr) { fd, failed = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 3) }); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, fmt.Errorf("hold its descriptor: %w", failed)
	}
	return fd, nil
}

// acceptor is a listener whose accepting can be interrupted.
type acceptor interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// listen returns the listener of a name.
func (s *sockets) listen(ctx context.Context, name, network, address string) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(name); err != nil {
		return nil, err
	}
	var l net.Listener
	fd, inherited := s.take(name, network, address)
	var err error
	if inherited {
		l, err = fromDescriptor(fd, name, net.FileListener)
	} else {
		l, err = open(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	a, ok := l.(acceptor)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listeners of %s cannot be handed over", network), l.Close())
	}
	if u, ok := l.(*net.UnixListener); ok {
		// The file belongs to the process that comes next as well.
		u.SetUnlinkOnClose(false)
	}
	k, err := s.keep(name, network, address, inherited, a, a.SetDeadline)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	k.bound = l.Addr()
	if path := k.path(); path != "" {
		k.file, _ = os.Lstat(path)
	}
	return &listener{Listener: l, valve: k.valve}, nil
}

// open opens a listener. The file of a unix socket that nobody listens on any more is
// replaced.
func open(ctx context.Context, network, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, network, address)
	if err == nil || network != "unix" || !errors.Is(err, unix.EADDRINUSE) || strings.HasPrefix(address, "@") {
		return l, err
	}
	c, refused := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, address)
	if refused == nil {
		return nil, errors.Join(err, c.Close())
	}
	if !errors.Is(refused, unix.ECONNREFUSED) {
		return nil, err
	}
	if err := os.Remove(address); err != nil {
		return nil, fmt.Errorf("nobody listens there, and its file stays: %w", err)
	}
	return config.Listen(ctx, network, address)
}

// fromDescriptor makes of a descriptor what is used in a program. The descriptor is
// closed.
func fromDescriptor[T io.Closer](fd int, name string, make func(*os.File) (T, error)) (T, error) {
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		var none T
		return none, fmt.Errorf("descriptor %d is none", fd)
	}
	made, err := make(f)
	if err != nil {
		return made, errors.Join(fmt.Errorf("what was handed over under this name: %w", err), f.Close())
	}
	return made, f.Close()
}

// packetSocket is a connection of packets whose reading can be interrupted.
type packetSocket interface {
	net.PacketConn
	syscall.Conn
}

// listenPacket returns the packet connection of a name.
func (s *sockets) listenPacket(ctx context.Context, name, network, address string) (net.PacketConn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(name); err != nil {
		return nil, err
	}
	var c net.PacketConn
	fd, inherited := s.take(name, network, address)
	var err error
	if inherited {
		c, err = fromDescriptor(fd, name, net.FilePacketConn)
	} else {
		var config net.ListenConfig
		c, err = config.ListenPacket(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	p, ok := c.(packetSocket)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connections of %s cannot be handed over", network), c.Close())
	}
	k, err := s.keep(name, network, address, inherited, p, p.SetReadDeadline)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	k.bound, k.packets = c.LocalAddr(), true
	return &packetConn{PacketConn: c, valve: k.valve}, nil
}

// set lets all be accepted from, or none, and what is opened later too.
func (s *sockets) set(shut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut = shut
	for _, k := range s.held {
		k.valve.set(shut)
	}
}

// close closes what is held for a process that will not come, and what nobody asked
// for. Who accepts goes on to; remove says whether files of unix sockets go as well.
func (s *sockets) close(remove bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
	var errs []error
	for _, h := range s.waiting {
		errs = append(errs, unix.Close(h.fd))
	}
	s.waiting = nil
	for _, k := range s.held {
		if k.fd < 0 {
			continue
		}
		if remove {
			errs = append(errs, k.removeFile())
		}
		errs = append(errs, unix.Close(k.fd))
		k.fd = -1
	}
	return errors.Join(errs...)
}

// path returns the file of a unix socket, empty for others.
func (k *socket) path() string {
	a, ok := k.bound.(*net.UnixAddr)
	if !ok || strings.HasPrefix(a.Name, "@") {
		return ""
	}
	return a.Name
}

// removeFile removes the file of a unix socket, unless somebody has put another one in
// its place.
func (k *socket) removeFile() error {
	path := k.path()
	if path == "" || k.file == nil {
		return nil
	}
	if now, err := os.Lstat(path); err != nil || !os.SameFile(now, k.file) {
		return nil
	}
	return os.Remove(path)
}

// list describes all that are held.
func (s *sockets) list() []Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Socket{}
	for _, k := range s.held {
		list = append(list, Socket{
			Name: k.name, Network: k.bound.Network(), Address: k.bound.String(), Inherited: k.inherited, Connections: int(k.valve.open.Load()),
		})
	}
	return list
}

// connections returns how many connections are open.
func (s *sockets) connections() int {
	n := 0
	for _, k := range s.list() {
		n += k.Connections
	}
	return n
}

// forNext returns what the next process gets: the descriptors, in the order in which it
// has them from first on, and what it is told of them.
func (s *sockets) forNext(first int) ([]uintptr, []handedOver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fds []uintptr
	var told []handedOver
	add := func(name, network, address string, fd int) {
		told = append(told, handedOver{name, network, address, first + len(fds)})
		fds = append(fds, uintptr(fd))
	}
	for _, k := range s.held {
		add(k.name, k.network, k.address, k.fd)
	}
	// What this version does not use, another may: it is there for as long as the
	// service is.
	for _, h := range s.waiting {
		add(h.name, h.network, h.address, h.fd)
	}
	return fds, told
}
