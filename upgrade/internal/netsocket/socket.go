package netsocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Listen listens on a stream socket.
func Listen(ctx context.Context, network, address string) (net.Listener, error) {
	return open(network, address, func() (net.Listener, error) { return new(net.ListenConfig).Listen(ctx, network, address) })
}

// ListenPacket opens a socket of packets.
func ListenPacket(ctx context.Context, network, address string) (net.PacketConn, error) {
	return open(network, address, func() (net.PacketConn, error) { return new(net.ListenConfig).ListenPacket(ctx, network, address) })
}

// HasFile reports whether sockets of a network and an address are files.
func HasFile(network, address string) bool {
	return strings.HasPrefix(network, "unix") && address != "" && !strings.HasPrefix(address, "@")
}

func open[T any](network, address string, listen func() (T, error)) (T, error) {
	made, err := listen()
	if err == nil || !HasFile(network, address) || !errors.Is(err, unix.EADDRINUSE) {
		return made, err
	}
	if _, err := RemoveLeft(network, address); err != nil {
		return made, fmt.Errorf("nobody listens there, and its file stays: %w", err)
	}
	return listen()
}

// RemoveLeft removes the file of a unix socket that nobody listens on, and reports whether
// somebody does. It asks for a second at most.
func RemoveLeft(network, path string) (used bool, err error) {
	// What is no socket refuses connections, too.
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
		return false, nil
	}
	c, err := net.DialTimeout(network, path, time.Second)
	if err == nil {
		return true, c.Close()
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return false, nil
	}
	return false, os.Remove(path)
}

// Duplicate returns a further descriptor of a socket, from 3 on, which is not inherited.
func Duplicate(of syscall.Conn) (int, error) {
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
