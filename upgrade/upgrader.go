package upgrade

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/control"
	"github.com/goshawk-io/goshawk/upgrade/internal/image"
	"github.com/goshawk-io/goshawk/upgrade/internal/sealed"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// Upgrader is this process as one of a row of versions. It may be used by several
// goroutines. A process has one.
type Upgrader struct {
	options Options
	origin  *origin
	sockets sockets
	servers []Server
	parent  *parent // nil for the first process
	// successor is the process that has taken over, nil before.
	successor *next

	signals chan os.Signal
	// attempt holds an element while an upgrade goes on.
	attempt chan struct{}
	// draining is closed when this process begins to drain, succeeded when a new one
	// has taken over, condemned when the old one has rolled back.
	draining, succeeded, condemned chan struct{}

	telling sync.Mutex // events are told in order
	history history
	control *control.Server // nil for none
	manager *systemd.Notifier

	// handedOver is what the process before has handed over to the program, nil for
	// nothing, and missing why it, or a part, is not used.
	handedOver *sealed.Reader
	missing    error

	mu         sync.Mutex
	state      State
	since      time.Time
	generation int
	nextPID    int
	last       *Outcome
	refused    *Refusal
	abort      context.CancelCauseFunc
	ending     bool    // no upgrade begins any more
	tookOver   bool    // it was Running once
	dismissed  []*next // were rolled back and may still drain, the oldest first
	reason     string  // why it was condemned
	tickets    tickets

	// appointing is held while those are told who of them has to see to a successor, and
	// inherits whether one of them has to.
	appointing sync.Mutex
	inherits   bool
}

// New returns what this process needs to be upgraded. It must be called once, before
// sockets are opened, and by every version.
//
// From here on SIGUSR1, SIGUSR2 and SIGHUP no longer end the process, as they do by
// default: those that come before [Upgrader.Run] are taken up by it.
func New(o Options) (*Upgrader, error) {
	u := &Upgrader{
		options: o.withDefaults(), attempt: make(chan struct{}, 1), state: Warming, since: time.Now(), generation: 1,
		signals: make(chan os.Signal, 8), draining: make(chan struct{}), succeeded: make(chan struct{}), condemned: make(chan struct{}),
	}
	u.sockets.shut = true
	signal.Notify(u.signals, unix.SIGUSR1, unix.SIGUSR2, unix.SIGHUP)
	if err := u.begin(); err != nil {
		signal.Stop(u.signals)
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	u.listenToControl()
	return u, nil
}

// begin finds out whether this process follows another one.
func (u *Upgrader) begin() error {
	program := u.options.Program
	text, follows := os.LookupEnv(variable)
	if follows {
		if err := os.Unsetenv(variable); err != nil {
			return err
		}
		hello, err := u.meet(text)
		if err != nil {
			return fmt.Errorf("hear the process before: %w", err)
		}
		if program == "" {
			program = hello.Program
		}
		// A program that is executed by a descriptor has the number of it for a name.
		if err := image.NameThreads(program); err != nil {
			u.options.Log.Debug("the process keeps the name that the kernel gave it", "error", err)
		}
	} else if err := u.activated(); err != nil {
		return err
	}
	var err error
	if u.manager, err = systemd.NewNotifier(os.Environ()); err != nil {
		return err
	}
	if program != "" {
		if program, err = filepath.Abs(program); err != nil {
			return err
		}
	}
	u.origin, err = newOrigin(program)
	return err
}

// activated takes the sockets that systemd has passed.
func (u *Upgrader) activated() error {
	list, err := systemd.Listeners(ownSockets(os.Environ()))
	if err != nil {
		return err
	}
	for _, n := range list {
		name := n.Name
		for i := 1; slices.ContainsFunc(u.sockets.waiting, func(o handedOver) bool { return o.name == name }); i++ {
			// Several sockets of a unit have one name: web, web.1, web.2.
			name = n.Name + "." + strconv.Itoa(i)
		}
		u.sockets.waiting = append(u.sockets.waiting, handedOver{name: name, fd: n.FD, lent: true})
	}
	return nil
}

// meet reads what the process before has to say.
func (u *Upgrader) meet(text string) (*wire.Message, error) {
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q: is no descriptor", variable, text)
	}
	conn, err := wire.New(fd)
	if err != nil {
		return nil, err
	}
	if err := conn.SetReceiveDeadline(time.Now().Add(u.options.Heartbeat)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	hello, err := conn.Receive()
	if err == nil && hello.Kind != wire.Hello {
		err = fmt.Errorf("it says %s first", hello.Kind)
	}
	if err == nil {
		err = conn.SetReceiveDeadline(time.Time{})
	}
	if err != nil {
		said := conn.Send(wire.Message{Kind: wire.Failed, Reason: err.Error()})
		return nil, errors.Join(err, said, conn.Close())
	}
	for _, s := range hello.Sockets {
		unix.CloseOnExec(s.FD)
		u.sockets.waiting = append(u.sockets.waiting, handedOver{s.Name, s.Network, s.Address, s.FD, s.Lent})
	}
	u.generation = hello.Generation
	u.parent = &parent{conn: conn, pid: hello.PID, ancestors: hello.Ancestors, gone: make(chan struct{})}
	if hello.Previous > 0 {
		unix.CloseOnExec(hello.Previous)
		u.parent.previous = os.NewFile(uintptr(hello.Previous), "previous")
	}
	// Without it the process before knows of the end of this one.
	if err := conn.Send(wire.Message{Kind: wire.Started}); err != nil {
		u.options.Log.Warn("the process before does not hear", "error", err)
	}
	if hello.State > 0 {
		u.unpack(hello.State)
	}
	go u.hearParent()
	return hello, nil
}

// Listen returns the listener of a name: the one that the process before has handed over
// under this name, if it was opened for the same network and address, or that systemd
// has passed, or a new one. The network is tcp, tcp4, tcp6 or unix. It does not accept
// before [Upgrader.Run] is ready. Closing it ends accepting in this process alone.
func (u *Upgrader) Listen(name, network, address string) (net.Listener, error) {
	l, err := u.sockets.listen(context.Background(), name, network, address)
	if err != nil {
		return nil, fmt.Errorf("upgrade: listen %q on %s %s: %w", name, network, address, err)
	}
	return l, nil
}

// ListenPacket is [Upgrader.Listen] for packets: udp, udp4, udp6 or unixgram. Reading
// from it waits until this process is ready, and while it is passive.
func (u *Upgrader) ListenPacket(name, network, address string) (net.PacketConn, error) {
	c, err := u.sockets.listenPacket(context.Background(), name, network, address)
	if err != nil {
		return nil, fmt.Errorf("upgrade: listen %q on %s %s: %w", name, network, address, err)
	}
	return c, nil
}

// Add adds a server, for [Upgrader.Run] to serve and to drain. It must be called before.
func (u *Upgrader) Add(s Server) { u.servers = append(u.servers, s) }

// Follows reports whether another process has handed over to this one, or is about to.
func (u *Upgrader) Follows() bool { return u.parent != nil }

// Draining is closed when this process begins to drain. Whoever has taken over a
// connection of a server should end it then; [Options.Drain] later it is closed.
func (u *Upgrader) Draining() <-chan struct{} { return u.draining }

// Status returns how this process stands.
func (u *Upgrader) Status() Status {
	u.mu.Lock()
	s := Status{
		State: u.state, Generation: u.generation, PID: os.Getpid(), Since: u.since, NextPID: u.nextPID, Program: u.origin.program,
	}
	if u.last != nil {
		last := *u.last
		s.Last = &last
	}
	if u.refused != nil {
		refused := *u.refused
		s.Refused = &refused
	}
	u.mu.Unlock()
	s.Listeners = u.sockets.list()
	if u.parent != nil {
		s.PreviousPID, s.PreviousAlive = u.parent.pid, !u.parent.isGone()
	}
	return s
}

// enter changes the state and tells of it. If some are given, it does so only from one of
// these; one that ends does not leave its probation. It reports whether the state has
// changed.
func (u *Upgrader) enter(to State, e Event, from ...State) bool {
	u.telling.Lock()
	defer u.telling.Unlock()
	u.mu.Lock()
	if u.state == to || len(from) > 0 && (!slices.Contains(from, u.state) || u.ending && u.state == Probation) {
		u.mu.Unlock()
		return false
	}
	e.Time, e.PID, e.Generation, e.From, e.State = time.Now(), os.Getpid(), u.generation, u.state, to
	u.state, u.since, u.tookOver = to, e.Time, u.tookOver || to == Running
	if e.Peer == 0 {
		e.Peer = u.nextPID
	}
	u.mu.Unlock()
	e.Connections = u.sockets.connections()
	u.options.Log.Info("upgrade", "state", to, "from", e.From, "generation", e.Generation, "peer", e.Peer, "reason", e.Reason, "connections", e.Connections)
	u.history.add(e)
	if u.options.Events != nil {
		u.options.Events(e)
	}
	return true
}

func (u *Upgrader) is(states ...State) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Contains(states, u.state)
}
