package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
)

const (
	// maxAddresses bounds how many addresses of a process are asked.
	maxAddresses = 16
	// indexTimeout is how long an address may take to answer with pprof's index.
	indexTimeout = 2 * time.Second
	// maxIndex bounds what is read of it: the real one has about 4 KiB.
	maxIndex = 64 << 10
)

// Find returns the URL of the trace of a process, which must be the client's
// NetworkOf: of the addresses that it listens on, the first one that answers with the
// index of pprof. It blocks for 2 s at most for each address. The error matches
// [ErrNoEndpoint] when there is none, [fs.ErrNotExist] when the process is gone.
func (c *Client) Find(ctx context.Context, pid int32) (*url.URL, error) {
	addresses, err := target.Listens(pid)
	if errors.Is(err, fs.ErrPermission) {
		return nil, &platform.UnsupportedError{What: fmt.Sprintf("sockets of process %d", pid), Cause: err, Hint: "run as root, or as the user of the process; or give --url"}
	}
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", pid, err)
	}
	const name = "process"
	if len(addresses) == 0 {
		return nil, &Error{URL: fmt.Sprintf("%s %d", name, pid), Err: fmt.Errorf("%w: there is none", ErrNoEndpoint), Hint: importHint + "; a Unix socket is not found"}
	}
	asked := dialable(addresses)
	var answers []string
	for _, a := range asked[:min(len(asked), maxAddresses)] {
		u := &url.URL{Scheme: "http", Host: a.String(), Path: "/debug/pprof/"}
		what, err := c.isIndex(ctx, u)
		if err != nil {
			return nil, err
		}
		if what == "" {
			u.Path = tracePath
			return u, nil
		}
		answers = append(answers, a.String()+" "+what)
	}
	return nil, &Error{
		URL: fmt.Sprintf("%s %d", name, pid), Err: fmt.Errorf("%w: %s", ErrNoEndpoint, strings.Join(answers, "; ")),
		Hint: importHint + "; if it is served under another path give --url",
	}
}

// dialable turns addresses that are listened on into ones that can be connected to.
// A socket of [::] may take IPv4 as well.
func dialable(listened []netip.AddrPort) []netip.AddrPort {
	var asked []netip.AddrPort
	seen := map[netip.AddrPort]bool{}
	add := func(a netip.Addr, port uint16) {
		if p := netip.AddrPortFrom(a, port); !seen[p] {
			seen[p] = true
			asked = append(asked, p)
		}
	}
	for _, l := range listened {
		switch {
		case !l.Addr().IsUnspecified():
			add(l.Addr(), l.Port())
		case l.Addr().Is4():
			add(netip.AddrFrom4([4]byte{127, 0, 0, 1}), l.Port())
		default:
			add(netip.IPv6Loopback(), l.Port())
			add(netip.AddrFrom4([4]byte{127, 0, 0, 1}), l.Port())
		}
	}
	return asked
}

// isIndex asks for the index of pprof. It returns what answers instead, or that
// nothing does, and an error when this host cannot ask.
func (c *Client) isIndex(ctx context.Context, u *url.URL) (instead string, err error) {
	short, cancel := context.WithTimeout(ctx, indexTimeout)
	defer cancel()
	status, text, err := c.get(short, u, maxIndex)
	unsupported := (*platform.UnsupportedError)(nil)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &unsupported):
		return "", unsupported
	case isTimeout(err):
		return "does not answer", nil
	case err != nil:
		e := (*Error)(nil)
		if errors.As(requestError(u, err), &e) {
			return printable(e.Err.Error()), nil
		}
		return "does not answer HTTP", nil
	case status == 400 && bytes.Contains(text, []byte("HTTPS server")):
		return "serves HTTPS (give --url https://" + u.Host + ")", nil
	case status != 200:
		return fmt.Sprintf("answers %d", status), nil
	case !bytes.Contains(text, []byte("/debug/pprof/")) || !bytes.Contains(text, []byte("goroutine")) || !bytes.Contains(text, []byte("trace")):
		return "answers another page", nil
	}
	return "", nil
}

// namespaceDialer connects from the network namespace of a process.
func namespaceDialer(pid int32) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := &net.Dialer{Timeout: dialTimeout}
		path := fmt.Sprintf("/proc/%d/ns/net", pid)
		theirs, err := os.Readlink(path)
		if err != nil {
			return nil, fmt.Errorf("network namespace of process %d: %w", pid, err)
		}
		if own, err := os.Readlink("/proc/thread-self/ns/net"); err == nil && own == theirs {
			return dialer.DialContext(ctx, network, address)
		}
		type result struct {
			conn net.Conn
			err  error
		}
		done := make(chan result, 1)
		go func() {
			conn, err := dialWithin(ctx, dialer, path, network, address)
			done <- result{conn, err}
		}()
		r := <-done
		return r.conn, r.err
	}
}

// dialWithin connects from a network namespace. Its goroutine ends after it: with it
// ends the thread, should that not find its way back.
func dialWithin(ctx context.Context, dialer *net.Dialer, path, network, address string) (net.Conn, error) {
	// A name would be looked up by another thread.
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	defer own.Close()
	theirs, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, &platform.UnsupportedError{What: "enter the network namespace of the process", Cause: err, Hint: "run as root, or give --url with an address that this host reaches"}
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
	return conn, err
}
