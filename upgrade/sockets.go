package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/netsocket"
	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// handedOver is a socket that another process has opened for this one.
type handedOver struct {
	name, network, address string
	fd                     int
	// lent is set for one that outlives the service, as those of systemd.
	lent bool
}

// socket is one that this process holds for itself and for the next one.
type socket struct {
	name, network, address string
	inherited, lent        bool
	bound                  net.Addr
	path                   string      // the file of a unix socket, empty for others
	file                   os.FileInfo // as it was when the socket was opened
	fd                     int         // of its own, beside the one that is accepted from; -1 when it is given back
	valve                  *valve
	user                   io.Closer // what the program has of it
}

// sockets are those of a process. It may be used by several goroutines.
type sockets struct {
	// opening is held while a socket is opened, which may take its time.
	opening sync.Mutex
	// lending is held while descriptors are handed over, which must not be closed, and be
	// those of other files, meanwhile. It is locked after opening and before mu.
	lending sync.Mutex

	mu       sync.Mutex
	waiting  []handedOver // nobody has asked for yet
	dropped  []handedOver // were opened for what they are not used for any more, and are closed
	held     []*socket
	shut     bool // what is opened is opened shut
	finished bool
}

// take returns the socket that was handed over under a name for a purpose, and whether
// there is one. Another purpose is another socket: a new version may listen elsewhere.
// It fails when nothing can be opened under the name.
func (s *sockets) take(name, network, address string) (handedOver, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(name); err != nil {
		return handedOver{}, false, err
	}
	i := slices.IndexFunc(s.waiting, func(h handedOver) bool { return h.name == name })
	if i < 0 {
		return handedOver{}, false, nil
	}
	h := s.waiting[i]
	s.waiting = slices.Delete(s.waiting, i, i+1)
	if h.network != "" && (h.network != network || h.address != address) {
		// The old process has its own descriptor.
		_ = unix.Close(h.fd)
		s.dropped = append(s.dropped, h)
		return handedOver{}, false, nil
	}
	return h, true, nil
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
	case len(s.held)+len(s.waiting) >= wire.MaxSockets && !slices.ContainsFunc(s.waiting, func(h handedOver) bool { return h.name == name }):
		return fmt.Errorf("no more than %d sockets can be handed over", wire.MaxSockets)
	}
	return nil
}

// keep holds a socket beside what is accepted or read from. Of k all is set but what
// belongs to its file and its descriptor.
func (s *sockets) keep(k *socket, of syscall.Conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.finished {
		return errors.New("the process drains")
	}
	fd, err := netsocket.Duplicate(of)
	if err != nil {
		return err
	}
	k.fd = fd
	if a := k.bound; netsocket.HasFile(a.Network(), a.String()) {
		// The working directory may be another one at the end.
		if k.path, err = filepath.Abs(a.String()); err != nil {
			return errors.Join(err, unix.Close(fd))
		}
		k.file, _ = os.Lstat(k.path)
	}
	s.held = append(s.held, k)
	if !s.shut {
		k.valve.set(false)
	}
	return nil
}

// acceptor is a listener whose accepting can be interrupted.
type acceptor interface {
	net.Listener
	syscall.Conn
	SetDeadline(time.Time) error
}

// listen returns the listener of a name.
func (s *sockets) listen(ctx context.Context, name, network, address string) (net.Listener, error) {
	opened := func() (net.Listener, error) { return netsocket.Listen(ctx, network, address) }
	return obtain(s, name, network, address, net.FileListener, opened, func(l net.Listener, k *socket) (net.Listener, syscall.Conn, error) {
		a, ok := l.(acceptor)
		if !ok {
			return nil, nil, fmt.Errorf("listeners of %s cannot be handed over", network)
		}
		if u, ok := l.(*net.UnixListener); ok {
			// The file belongs to the process that comes next as well.
			u.SetUnlinkOnClose(false)
		}
		k.bound, k.valve = l.Addr(), newValve(a.SetDeadline)
		made := &listener{Listener: l, valve: k.valve}
		k.user = made
		return made, a, nil
	})
}

// obtain returns the socket of a name, as wrap makes it of what was handed over or is
// opened. Wrap says of k what of it is bound, used and stopped, and returns what the socket
// can be held by.
func obtain[T io.Closer](s *sockets, name, network, address string, inherit func(*os.File) (T, error), opened func() (T, error), wrap func(of T, k *socket) (T, syscall.Conn, error)) (made T, err error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	s.lending.Lock()
	from, inherited, err := s.take(name, network, address)
	if inherited {
		// Until it is kept it is among none of those that are handed over.
		defer s.lending.Unlock()
	} else {
		s.lending.Unlock()
	}
	if err != nil {
		return made, err
	}
	var of T
	if inherited {
		of, err = fromDescriptor(from.fd, name, inherit)
	} else {
		of, err = opened()
	}
	if err != nil {
		return made, err
	}
	k := &socket{name: name, network: network, address: address, inherited: inherited, lent: from.lent}
	made, held, err := wrap(of, k)
	if err == nil {
		err = s.keep(k, held)
	}
	if err != nil {
		var none T
		return none, errors.Join(err, of.Close())
	}
	return made, nil
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
	opened := func() (net.PacketConn, error) { return netsocket.ListenPacket(ctx, network, address) }
	return obtain(s, name, network, address, net.FilePacketConn, opened, func(c net.PacketConn, k *socket) (net.PacketConn, syscall.Conn, error) {
		p, ok := c.(packetSocket)
		if !ok {
			return nil, nil, fmt.Errorf("connections of %s cannot be handed over", network)
		}
		k.bound, k.valve = c.LocalAddr(), newValve(p.SetReadDeadline)
		made := &packetConn{PacketConn: c, valve: k.valve}
		k.user = made
		return made, p, nil
	})
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

// giveBack closes what is held for a process that will not come, and what nobody asked
// for, so that with the last who accepts nobody listens any more. Nothing can be opened
// afterwards. Who accepts goes on to; remove says whether files of unix sockets go.
func (s *sockets) giveBack(remove bool) error {
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

// settle closes what was handed over for this version and is not used by it, and removes
// files of unix sockets that nobody listens on therefore: who connects would wait for
// nobody. What is lent stays for a later version, which could not open it.
func (s *sockets) settle() error {
	s.lending.Lock()
	s.mu.Lock()
	var errs []error
	var lent []handedOver
	dropped := s.dropped
	for _, h := range s.waiting {
		if h.lent {
			lent = append(lent, h)
			continue
		}
		errs = append(errs, unix.Close(h.fd))
		dropped = append(dropped, h)
	}
	s.waiting, s.dropped = lent, nil
	s.mu.Unlock()
	s.lending.Unlock()
	for _, h := range dropped {
		// The working directory may be another one than that of the process before.
		if netsocket.HasFile(h.network, h.address) && filepath.IsAbs(h.address) {
			errs = append(errs, h.removeFile())
		}
	}
	return errors.Join(errs...)
}

// removeFile removes the file of a unix socket that nobody listens on, or is just about to
// stop to, as a process that ends.
func (h handedOver) removeFile() error {
	for range 4 {
		if used, err := netsocket.RemoveLeft(h.network, h.address); !used || err != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// close ends all accepting and reading that has not ended yet.
func (s *sockets) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, k := range s.held {
		if err := k.user.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// removeFile removes the file of a unix socket, unless somebody has put another one in
// its place.
func (k *socket) removeFile() error {
	if k.file == nil || k.lent {
		return nil
	}
	if now, err := os.Lstat(k.path); err != nil || !os.SameFile(now, k.file) {
		return nil
	}
	return os.Remove(k.path)
}

// list describes all that are held.
func (s *sockets) list() []Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Socket{}
	for _, k := range s.held {
		list = append(list, Socket{
			Name: k.name, Network: k.bound.Network(), Address: k.bound.String(), Inherited: k.inherited, Connections: k.valve.open(),
		})
	}
	return list
}

// connections returns how many connections are open.
func (s *sockets) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, k := range s.held {
		n += k.valve.open()
	}
	return n
}

// cut closes all connections and returns how many it were.
func (s *sockets) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, k := range s.held {
		n += k.valve.cut()
	}
	return n
}

// forNext returns what the next process gets: the descriptors, in the order in which it
// has them from first on, and what it is told of them. The caller holds lending until it has
// them.
func (s *sockets) forNext(first int) ([]uintptr, []handedOver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fds []uintptr
	var told []handedOver
	add := func(h handedOver) {
		fds = append(fds, uintptr(h.fd))
		h.fd = first + len(told)
		told = append(told, h)
	}
	for _, k := range s.held {
		add(handedOver{k.name, k.network, k.address, k.fd, k.lent})
	}
	// What this version does not use, another may: it is there for as long as the
	// service is.
	for _, h := range s.waiting {
		add(h)
	}
	return fds, told
}
