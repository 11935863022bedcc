package target

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Listens returns the TCP addresses that a process listens on, from /proc, each
// once and in order.
func Listens(pid int32) ([]netip.AddrPort, error) {
	dir := filepath.Join("/proc", strconv.Itoa(int(pid)))
	sockets, err := socketsOf(dir)
	if err != nil {
		return nil, err
	}
	var found []netip.AddrPort
	for _, table := range []string{"tcp", "tcp6"} {
		file, err := os.Open(filepath.Join(dir, "net", table))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found, err = appendListening(found, file, sockets)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("read sockets of process %d: %w", pid, err)
		}
	}
	slices.SortFunc(found, netip.AddrPort.Compare)
	return slices.Compact(found), nil
}

// socketsOf returns the inodes of the sockets that a process has open.
func socketsOf(dir string) (map[string]bool, error) {
	descriptors := filepath.Join(dir, "fd")
	entries, err := os.ReadDir(descriptors)
	if err != nil {
		return nil, err
	}
	sockets := make(map[string]bool)
	for _, e := range entries {
		// A descriptor may be closed by now.
		link, _ := os.Readlink(filepath.Join(descriptors, e.Name()))
		if inode, ok := strings.CutPrefix(link, "socket:["); ok {
			sockets[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return sockets, nil
}

// appendListening reads a table of sockets, /proc/net/tcp or tcp6, and adds those
// of sockets that listen.
func appendListening(found []netip.AddrPort, table io.Reader, sockets map[string]bool) ([]netip.AddrPort, error) {
	const listening = "0A"
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) < 10 || f[3] != listening || !sockets[f[9]] {
			continue
		}
		address, err := socketAddress(f[1])
		if err != nil {
			return found, err
		}
		found = append(found, address)
	}
	return found, lines.Err()
}

// socketAddress parses an address of /proc/net/tcp: words of four bytes in the
// order of the machine, which is little-endian, then the port.
func socketAddress(text string) (netip.AddrPort, error) {
	words, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(words)
	if err != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, fmt.Errorf("address %q", text)
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", text, err)
	}
	address, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(address.Unmap(), uint16(n)), nil
}
