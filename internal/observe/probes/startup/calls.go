package startup

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
)

// maxCalls bounds the system calls that are told of one interval.
const maxCalls = 40

// call is one system call.
type call struct {
	name, operand string
	begin, took   uint64
	result        int64
	// told says that it is told however short it was: it is about the network, or
	// about who looks up users and hosts.
	told bool
}

// calls are the system calls of an interval that are worth telling: those that
// always are first, then the longest.
type calls struct{ list []call }

func (c *calls) add(one call) {
	c.list = append(c.list, one)
	if len(c.list) >= 2*maxCalls {
		c.cut()
	}
}

func (c *calls) cut() {
	slices.SortStableFunc(c.list, func(a, b call) int {
		if a.told != b.told {
			if a.told {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.took, a.took)
	})
	c.list = c.list[:min(len(c.list), maxCalls)]
}

// kept returns what is told, in order of time.
func (c *calls) kept() []call {
	c.cut()
	slices.SortFunc(c.list, func(a, b call) int { return cmp.Compare(a.begin, b.begin) })
	return c.list
}

// syscall is a system call that has ended.
func (d *decoder) syscall(s *start, r *bpfStartupRecord, operand string, emit func(*model.Event)) {
	name := d.syscallName(r.Syscall)
	switch {
	case name == "bind" && r.Value == 0:
		s.bound[r.Fd] = operand
	case name == "listen":
		if operand = s.bound[r.Fd]; r.Value == 0 {
			d.listen(s, r, operand, emit)
		}
	}
	one := call{
		name: name, operand: operand, begin: r.Time - r.SyscallTook, took: r.SyscallTook, result: int64(r.Value),
		told: name == "connect" || name == "listen" || name == "bind" || strings.Contains(operand, "nss"),
	}
	within := &s.phase
	if r.Tid == r.Tgid && s.part.name != "" {
		within = &s.part
	}
	if r.Tid == r.Tgid && s.pkg.name != "" {
		within = &s.pkg
	}
	if within.name != "" && one.begin >= within.begin.Time {
		within.calls.add(one)
	}
}

// operandText returns what follows a record as text.
func operandText(r *bpfStartupRecord, rest []byte) string {
	switch bpfOperandKind(r.OperandKind) {
	case bpfOperandKindOPERAND_PATH:
		text, _, _ := bytes.Cut(rest, []byte{0})
		return string(text)
	case bpfOperandKindOPERAND_ADDRESS:
		return addressText(rest)
	}
	return ""
}

// addressText returns the text of a sockaddr.
func addressText(b []byte) string {
	const unixFamily, inet, inet6 = 1, 2, 10
	if len(b) < 28 {
		return ""
	}
	port := binary.BigEndian.Uint16(b[2:])
	switch binary.NativeEndian.Uint16(b) {
	case inet:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), port).String()
	case inet6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[8:24])).Unmap(), port).String()
	case unixFamily:
		name := b[2:min(len(b), 110)]
		if name[0] == 0 {
			name = append([]byte{'@'}, name[1:]...)
		}
		text, _, _ := bytes.Cut(name, []byte{0})
		return "unix:" + string(text)
	}
	return ""
}

// syscallName returns the name of a system call, or its number.
func (d *decoder) syscallName(number uint16) string {
	if name, ok := d.names[number]; ok {
		return name
	}
	return "syscall " + strconv.Itoa(int(number))
}
