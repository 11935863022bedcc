package upgrade

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// failing is a listener that fails before it accepts.
type failing struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	failed int
}

func failures() []error { return []error{unix.EMFILE, unix.ENFILE, unix.ECONNABORTED, unix.ENOMEM} }

func (l *failing) Accept() (net.Conn, error) {
	if l.failed < len(failures()) {
		l.failed++
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", failures()[l.failed-1])}
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *failing) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *failing) Addr() net.Addr { return &net.TCPAddr{} }

// newSockets returns some that are open, and given back at the end of the test.
func newSockets(t *testing.T) *sockets {
	t.Helper()
	s := new(sockets)
	t.Cleanup(func() {
		if err := errors.Join(s.giveBack(true), s.close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestPackets_deadlinesOfTheProgram has a program that sets deadlines of its own, as one
// does that reads and does something else by turns.
func TestPackets_deadlinesOfTheProgram(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	c, err := s.listenPacket(t.Context(), "dns", "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 16)
	expired := func(what string, at time.Time) {
		t.Helper()
		if err := c.SetReadDeadline(at); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReadFrom(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	expired("open", time.Now().Add(10*time.Millisecond))
	expired("open, in the past", time.Unix(1, 0))
	s.set(true)
	expired("shut", time.Now().Add(10*time.Millisecond))
	// The deadline is there when it opens again.
	if err := c.SetDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	s.set(false)
	if _, _, err := c.ReadFrom(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v", err)
	}
	// None is, and one that is set while somebody waits is kept.
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.set(true)
	read := make(chan error, 1)
	go func() {
		_, _, err := c.ReadFrom(b)
		read <- err
	}()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%v", err)
	}
}

// TestValve_opensAndShuts has who reads and who accepts interrupted again and again: they
// never notice.
func TestValve_opensAndShuts(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	c, err := s.listenPacket(t.Context(), "dns", "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.listen(t.Context(), "web", "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() {
		_, _, err := c.ReadFrom(make([]byte, 16))
		ended <- err
	}()
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	for range 20000 {
		s.set(true)
		s.set(false)
	}
	select {
	case err := <-ended:
		t.Fatalf("%v", err)
	default:
	}
	s.set(true)
	// The end is noticed, shut or not.
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v", err)
		}
	}
}

// TestSockets_cut closes what is open, whoever has it.
func TestSockets_cut(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	path := filepath.Join(t.TempDir(), "s")
	for name, network := range map[string]string{"127.0.0.1:0": "tcp", path: "unix"} {
		l, err := s.listen(t.Context(), network, network, name)
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if n := s.cut(); n != 1 {
			t.Errorf("%s: %d are cut", network, n)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: %v", network, err)
		}
		if n := s.connections(); n != 0 {
			t.Errorf("%s: %d are open", network, n)
		}
	}
}

// TestSockets_filesOfUnixSockets says which files are replaced and which are removed.
func TestSockets_filesOfUnixSockets(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"unix", "unixgram"} {
		listen := func(s *sockets, path string) error {
			if network == "unixgram" {
				_, err := s.listenPacket(t.Context(), "s", network, path)
				return err
			}
			_, err := s.listen(t.Context(), "s", network, path)
			return err
		}
		stale := func(t *testing.T, path string) {
			t.Helper()
			fd, err := unix.Socket(unix.AF_UNIX, map[string]int{"unix": unix.SOCK_STREAM, "unixgram": unix.SOCK_DGRAM}[network], 0)
			if err == nil {
				err = errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Close(fd))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, c := range map[string]struct {
			before func(t *testing.T, path string)
			fails  bool
		}{
			"nothing is there": {func(*testing.T, string) {}, false},
			"nobody listens":   {stale, false},
			"somebody listens": {func(t *testing.T, path string) {
				if err := listen(newSockets(t), path); err != nil {
					t.Fatal(err)
				}
			}, true},
			"a file is there": {func(t *testing.T, path string) {
				if err := os.WriteFile(path, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}, true},
			"a folder is there": {func(t *testing.T, path string) {
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
			}, true},
		} {
			t.Run(network+": "+name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "s")
				c.before(t, path)
				before, _ := os.Lstat(path)
				s := newSockets(t)
				err := listen(s, path)
				if (err != nil) != c.fails {
					t.Fatalf("%v", err)
				}
				if c.fails {
					if now, err := os.Lstat(path); err != nil || !os.SameFile(before, now) {
						t.Errorf("what was there is not: %v", err)
					}
					return
				}
				if err := s.giveBack(true); err != nil {
					t.Error(err)
				}
				if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("its file stays: %v", err)
				}
			})
		}
	}
}

func TestSockets_doNotRemoveFilesOfOthers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	s := newSockets(t)
	if _, err := s.listen(t.Context(), "s", "unix", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other := newSockets(t)
	if _, err := other.listen(t.Context(), "s", "unix", path); err != nil {
		t.Fatal(err)
	}
	if err := s.giveBack(true); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestSockets_names(t *testing.T) {
	t.Parallel()
	s := newSockets(t)
	for _, name := range []string{"", "a:b", "a\nb", strings.Repeat("a", 256)} {
		if _, err := s.listen(t.Context(), name, "tcp", "127.0.0.1:0"); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
	for i := range wire.MaxSockets {
		if _, err := s.listenPacket(t.Context(), strconv.Itoa(i), "udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0", "more"} {
		if _, err := s.listen(t.Context(), name, "tcp", "127.0.0.1:0"); err == nil {
			t.Errorf("there may be one more: %q", name)
		}
	}
	fds, told := s.forNext(firstFree)
	if len(fds) != wire.MaxSockets || told[0].fd != firstFree || told[len(told)-1].fd != firstFree+wire.MaxSockets-1 {
		t.Errorf("%d, %+v", len(fds), told[0])
	}
	if !slices.ContainsFunc(told, func(h handedOver) bool { return h.name == "199" && h.network == "udp" && h.address == "127.0.0.1:0" }) {
		t.Errorf("%+v", told)
	}
}

// TestSockets_settle has a version use some of what it was given: the rest is closed,
// with its file, but for what is lent.
func TestSockets_settle(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	old, next := newSockets(t), newSockets(t)
	path := func(name string) string { return filepath.Join(folder, name) }
	for _, name := range []string{"used", "moved", "unused", "lent"} {
		if _, err := old.listen(t.Context(), name, "unix", path(name)); err != nil {
			t.Fatal(err)
		}
	}
	_, told := old.forNext(firstFree)
	for i, h := range told {
		fd, err := unix.FcntlInt(uintptr(old.held[i].fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		h.fd, h.lent = fd, h.name == "lent"
		next.waiting = append(next.waiting, h)
	}
	for name, at := range map[string]string{"used": "used", "moved": "elsewhere"} {
		if _, err := next.listen(t.Context(), name, "unix", path(at)); err != nil {
			t.Fatal(err)
		}
	}
	// What other tests start has the sockets, too, until it executes its program.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := errors.Join(old.giveBack(false), old.close(), next.settle()); err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{"used": true, "elsewhere": true, "lent": true, "moved": false, "unused": false} {
		c, err := net.Dial("unix", path(name))
		if err == nil {
			c.Close()
		}
		if _, gone := os.Lstat(path(name)); (err == nil) != there || (gone == nil) != there {
			t.Errorf("%s: %v, %v", name, err, gone)
		}
	}
	// It is not lost for the version after.
	if fds, told := next.forNext(firstFree); len(fds) != 3 || told[2].name != "lent" || !told[2].lent {
		t.Errorf("%+v", told)
	}
}

// TestSockets_settleWaits has what is not used be handed over just then: it is not closed, so
// that its descriptor does not become that of another file.
func TestSockets_settleWaits(t *testing.T) {
	t.Parallel()
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &sockets{waiting: []handedOver{{name: "unused", fd: fd}}}
	s.lending.Lock()
	settled := make(chan error, 1)
	go func() { settled <- s.settle() }()
	select {
	case <-settled:
		t.Error("it does not wait")
	case <-time.After(20 * time.Millisecond):
	}
	if fds, _ := s.forNext(firstFree); len(fds) != 1 || fds[0] != uintptr(fd) {
		t.Errorf("%v", fds)
	}
	s.lending.Unlock()
	if err := <-settled; err != nil {
		t.Error(err)
	}
	if fds, _ := s.forNext(firstFree); len(fds) != 0 {
		t.Errorf("%v", fds)
	}
}
