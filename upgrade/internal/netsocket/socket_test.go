package netsocket_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/upgrade/internal/netsocket"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// TestListen_whereAFileIs has a file at the address already.
func TestListen_whereAFileIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(t *testing.T, network, path string)
		ok   bool
	}{
		"none":                  {func(*testing.T, string, string) {}, true},
		"one that was left":     {left, true},
		"one that is used":      {used, false},
		"one that is no socket": {regular, false},
		"a folder":              {func(t *testing.T, _, path string) { must(t, os.Mkdir(path, 0o700)) }, false},
		"a link to nowhere":     {func(t *testing.T, _, path string) { must(t, os.Symlink("nowhere", path)) }, false},
	} {
		for network, open := range map[string]func(string) (io.Closer, error){
			"unix":     func(path string) (io.Closer, error) { return netsocket.Listen(t.Context(), "unix", path) },
			"unixgram": func(path string) (io.Closer, error) { return netsocket.ListenPacket(t.Context(), "unixgram", path) },
		} {
			t.Run(name+", "+network, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "s")
				c.make(t, network, path)
				before, _ := os.Lstat(path)
				s, err := open(path)
				if c.ok {
					must(t, err)
					must(t, s.Close())
					return
				}
				if !errors.Is(err, syscall.EADDRINUSE) {
					t.Errorf("%v", err)
				}
				if now, err := os.Lstat(path); err != nil || !os.SameFile(before, now) {
					t.Errorf("what was there is gone: %v", err)
				}
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// left leaves the file of a socket that is closed.
func left(t *testing.T, network, path string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_UNIX, map[string]int{"unix": syscall.SOCK_STREAM, "unixgram": syscall.SOCK_DGRAM}[network], 0)
	must(t, err)
	must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}))
	must(t, syscall.Close(fd))
}

func used(t *testing.T, network, path string) {
	t.Helper()
	var s io.Closer
	var err error
	if network == "unix" {
		s, err = net.Listen(network, path)
	} else {
		s, err = net.ListenPacket(network, path)
	}
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
}

func regular(t *testing.T, _, path string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte("precious"), 0o600))
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	fd, err := netsocket.Duplicate(l.(*net.TCPListener))
	must(t, err)
	if fd < 3 {
		t.Errorf("descriptor %d", fd)
	}
	must(t, l.Close())
	// The socket is there as long as one has it.
	c, err := net.Dial("tcp", l.Addr().String())
	must(t, err)
	must(t, errors.Join(c.Close(), syscall.Close(fd)))
	if _, err := netsocket.Duplicate(l.(*net.TCPListener)); err == nil {
		t.Error("of a closed one there is another descriptor")
	}
}
