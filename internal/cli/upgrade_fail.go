package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/goshawk-io/goshawk/upgrade/swap"
)

// exitOfServer is the end of a server.
func exitOfServer(name string, exit int) error {
	switch {
	case exit == 0:
		return nil
	case exit > signalExit:
		return &failure{code: exit, err: fmt.Errorf("%s: %s: ended by signal %d (%s)", runCommand, shortOperand(name), exit-signalExit, syscall.Signal(exit-signalExit))}
	}
	return &failure{code: exit, err: fmt.Errorf("%s: %s: exit status %d", runCommand, shortOperand(name), exit)}
}

// signalExit is added to the number of a signal for the exit code of what it has ended.
const signalExit = 128

// runFailure is an error that is not that of the server.
func runFailure(err error) error {
	text := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "upgrade: "), "supervise: ")
	f := &failure{code: exitInternal, err: fmt.Errorf("%s: %s", runCommand, text)}
	if l, ok := errors.AsType[*swap.ListenError](err); ok {
		f.code, f.hint = listenFailure(l.Err)
		return f
	}
	hint := swap.Hint(err)
	switch {
	case errors.Is(err, swap.ErrNotReady):
		f.hint = "leave out --ready notify if the server does not speak sd_notify, or give it more time by --timeout"
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		f.code, f.hint = exitUsage, "write the path of CMD, such as ./server"
	case hint != "":
		f.code, f.hint = exitUsage, hint
	case errors.Is(err, os.ErrPermission):
		f.code, f.hint = exitUsage, "make CMD executable for this user (chmod 755), or run it as a user who may"
	}
	return f
}

// listenFailure returns the exit code and the hint for a socket that cannot be held.
func listenFailure(cause error) (code int, hint string) {
	_, badAddress := errors.AsType[*net.AddrError](cause)
	_, badName := errors.AsType[*net.DNSError](cause)
	switch {
	case errors.Is(cause, swap.ErrNotPassed):
		return exitUsage, "write --listen NAME=ADDR; or have a socket unit with FileDescriptorName=NAME start this service"
	case errors.Is(cause, syscall.EADDRINUSE):
		return exitUsage, "another process has the address (ss -lntupx shows which), or the path is that of a file that is no socket: choose another address"
	case errors.Is(cause, syscall.EADDRNOTAVAIL):
		return exitUsage, "this host does not have the address: ip address shows those that it has"
	case errors.Is(cause, os.ErrPermission):
		return exitUnsupported, "a port below 1024 needs root or CAP_NET_BIND_SERVICE, the file of a unix socket a folder that this user may write to"
	case errors.Is(cause, os.ErrNotExist):
		return exitUsage, "make the folder of the unix socket first"
	case errors.Is(cause, syscall.EINVAL):
		return exitUsage, "the path of a unix socket has at most 107 bytes"
	case badAddress || badName:
		return exitUsage, listenHint
	}
	return exitInternal, listenHint
}
