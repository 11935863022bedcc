package fetch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// ownerTimeout is how long the question for the process may take.
	ownerTimeout = 5 * time.Second
	// maxCommandLine bounds what is read of a command line.
	maxCommandLine = 1 << 20
)

// Owner returns the process of this host that answers at a URL, by the socket that it
// has of this client's connection, and makes sure by pprof's page of the command line
// that it does not hand requests on. It blocks for 5 s at most. The error matches
// [ErrNotSeen], and says why, when the process is on another host or cannot be told.
func (c *Client) Owner(ctx context.Context, address string) (pid int32, err error) {
	u, err := Endpoint(address, 0)
	if err != nil {
		return 0, err
	}
	page, ok := sibling(u, "cmdline")
	if !ok {
		return 0, notSeen("its URL is not pprof's")
	}
	ctx, cancel := context.WithTimeout(ctx, ownerTimeout)
	defer cancel()
	var conn struct {
		sync.Mutex
		local, remote net.Addr
	}
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
		conn.Lock()
		defer conn.Unlock()
		conn.local, conn.remote = i.Conn.LocalAddr(), i.Conn.RemoteAddr()
	}})
	status, told, err := c.get(traced, page, maxCommandLine)
	if err != nil {
		return 0, notSeen("it does not answer at " + page.Redacted())
	}
	conn.Lock()
	local, remote := addrPort(conn.local), addrPort(conn.remote)
	conn.Unlock()
	if !ownAddress(remote.Addr()) {
		return 0, notSeen("the service is on another host")
	}
	if status != 200 {
		return 0, notSeen(fmt.Sprintf("its page of the command line answers %d", status))
	}
	inode, err := peerSocket(local, remote)
	if err != nil {
		return 0, notSeen(err.Error())
	}
	pid, err = holderOf(inode)
	if err != nil {
		return 0, notSeen(err.Error())
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return 0, notSeen(fmt.Sprintf("process %d: %v", pid, err))
	}
	if !bytes.Equal(bytes.TrimRight(line, "\x00"), bytes.TrimRight(told, "\x00")) {
		return 0, notSeen(fmt.Sprintf("process %d answers for another one", pid))
	}
	return pid, nil
}

func notSeen(why string) error { return fmt.Errorf("%w: %s", ErrNotSeen, why) }

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		p := tcp.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
	}
	return netip.AddrPort{}
}

// ownAddress reports whether an address is one of this host.
func ownAddress(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	own, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(own, func(o net.Addr) bool {
		ip, ok := o.(*net.IPNet)
		if !ok {
			return false
		}
		b, _ := netip.AddrFromSlice(ip.IP)
		return b.Unmap() == a
	})
}

// peerSocket returns the inode of the other end of a connection of this host.
func peerSocket(local, remote netip.AddrPort) (string, error) {
	for _, table := range []string{"tcp", "tcp6"} {
		f, err := os.Open("/proc/self/net/" + table)
		if err != nil {
			continue
		}
		inode := findSocket(bufio.NewScanner(f), remote, local)
		f.Close()
		if inode != "" {
			return inode, nil
		}
	}
	return "", errors.New("the other end of the connection is in another network namespace")
}

// findSocket returns the inode of the connection from local to remote in a table of
// /proc/net, empty when it is not there.
func findSocket(lines *bufio.Scanner, local, remote netip.AddrPort) string {
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) >= 10 && f[9] != "0" && parseSocket(f[1]) == local && parseSocket(f[2]) == remote {
			return f[9]
		}
	}
	return ""
}

// parseSocket parses an address of /proc/net/tcp: words of four bytes in the order of
// the machine, which is little-endian, then the port.
func parseSocket(text string) netip.AddrPort {
	words, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(words)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	a, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(a.Unmap(), uint16(n))
}

// holderOf returns a process that has a socket open.
func holderOf(inode string) (int32, error) {
	want := "socket:[" + inode + "]"
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	hidden := false
	for _, dir := range dirs {
		entries, err := os.ReadDir(filepath.Join(dir, "fd"))
		hidden = hidden || os.IsPermission(err)
		for _, e := range entries {
			if link, _ := os.Readlink(filepath.Join(dir, "fd", e.Name())); link == want {
				pid, err := strconv.ParseInt(filepath.Base(dir), 10, 32)
				return int32(pid), err
			}
		}
	}
	if hidden {
		return 0, errors.New("whose socket it is may be told to root only")
	}
	return 0, errors.New("no process has the other end of the connection open")
}
