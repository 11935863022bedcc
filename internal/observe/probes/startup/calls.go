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
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// What is told of one interval: the longest of all system calls, of those that are
// told however short they were more, and how many there were of each kind.
const (
	maxCalls = 40
	maxTold  = 100
	maxKinds = 256
)

// call is one system call.
type call struct {
	name, operand string
	begin, took   uint64
	result        int64
	// stands is for how many calls of its kind this one stands, 0 for itself.
	stands int64
}

// callKind is what told calls are counted by.
type callKind struct {
	name, operand string
	failure       int64 // a negative errno, 0 for none
}

func (c *call) kind() callKind {
	return callKind{name: c.name, operand: c.operand, failure: min(c.result, 0)}
}

// told reports whether a call is told however short it was: it is about the
// network, or about who looks up users and hosts.
func (c *call) told() bool {
	return c.name == "connect" || c.name == "listen" || c.name == "bind" || strings.Contains(c.operand, "nss")
}

// tally is what there was of a kind of calls.
type tally struct {
	first, last call
	n           int64
}

// calls are the system calls of an interval that are worth telling.
type calls struct {
	told, others []call
	tallies      map[callKind]*tally
}

func (c *calls) add(one call) {
	if !one.told() {
		c.others = longest(append(c.others, one), maxCalls, 2*maxCalls)
		return
	}
	c.told = longest(append(c.told, one), maxTold, 2*maxTold)
	kind := one.kind()
	t := c.tallies[kind]
	if t == nil {
		if len(c.tallies) >= maxKinds {
			return
		}
		if c.tallies == nil {
			c.tallies = make(map[callKind]*tally)
		}
		t = &tally{first: one}
		c.tallies[kind] = t
	}
	t.last = one
	t.n++
}

// longest returns the longest n of a list, once that has as many as limit.
func longest(list []call, n, limit int) []call {
	if len(list) < limit {
		return list
	}
	slices.SortStableFunc(list, func(a, b call) int { return cmp.Compare(b.took, a.took) })
	return list[:min(len(list), n)]
}

// kept returns what is told, in order of time. The first and the last of each kind
// are there; the first stands for those that are not.
func (c *calls) kept() []call {
	list := longest(c.told, maxTold, 0)
	here := make(map[callKind]int64, len(c.tallies))
	for _, one := range list {
		here[one.kind()]++
	}
	for kind, t := range c.tallies {
		for _, one := range []call{t.first, t.last} {
			if here[kind] < t.n && !slices.Contains(list, one) {
				list = append(list, one)
				here[kind]++
			}
		}
	}
	for i := range list {
		kind := list[i].kind()
		if t := c.tallies[kind]; t != nil && list[i] == t.first && here[kind] < t.n {
			list[i].stands = t.n - here[kind] + 1
		}
	}
	list = append(list, longest(c.others, maxCalls, 0)...)
	slices.SortStableFunc(list, func(a, b call) int { return cmp.Compare(a.begin, b.begin) })
	return list
}

// syscall is a system call that has ended. It belongs to what goes on then, even
// if it began before; after the last phase to that one, if it began in it.
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
	one := call{name: name, operand: operand, begin: r.Time - r.SyscallTook, took: r.SyscallTook, result: int64(r.Value)}
	within := &s.phase
	if r.Tid == r.Tgid && s.part.name != "" {
		within = &s.part
	}
	if r.Tid == r.Tgid && s.pkg.name != "" {
		within = &s.pkg
	}
	switch {
	case within.name != "":
		within.calls.add(one)
	case one.begin < s.ended.end || name == "listen" && !s.listenTold:
		// The listen that ended the phase began in it, even where what is left of it
		// without waiting for a CPU seems to have begun later.
		d.tell(s, &one, s.ended.span, emit)
	}
	s.listenTold = s.listenTold || name == "listen"
}

// tell emits a system call of the interval that has a span.
func (d *decoder) tell(s *start, c *call, span model.SpanID, emit func(*model.Event)) {
	e := d.new(s, startup.KindSyscall, c.name)
	e.ParentSpanID = span
	d.place(s, e, c.begin, c.begin+c.took)
	e.SpanID = d.span()
	if c.operand != "" {
		e.Values[fieldOperand] = model.StringValue(c.operand)
	}
	e.Values[fieldResult] = model.IntValue(c.result)
	if c.stands > 1 {
		e.Values[fieldCallCount] = model.IntValue(c.stands)
	}
	d.send(s, e, emit)
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
