package http

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// decoder turns records into events and the kernel's counts into tallies.
type decoder struct {
	host    probe.Host
	schema  *model.Schema
	event   model.Event
	tallies *tallies
	pcs     []uint64
	trials  map[uint32]*trial
}

// trial is how the records of a program fare whose layout is assumed.
type trial struct {
	of          *symbol.Program
	fit, misfit uint64
}

func newDecoder(host probe.Host) probe.Decoder {
	return &decoder{host: host, schema: Schema(), tallies: newTallies(host), trials: make(map[uint32]*trial)}
}

// maxStack is how many bytes a stack has at most: STACK_FRAMES of records.h.
const maxStack = 64 * 8

var errRecord = errors.New("http record: its parts are longer than it is, or it ends before it begins")

// view returns a record and the addresses of its stack, which share its memory.
func view(record []byte) (*bpfHttpRecord, []byte, error) {
	r, stack, err := probe.View[bpfHttpRecord](record)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case int64(r.End-r.Begin) < 0, int(r.StackBytes) > min(len(stack), maxStack), r.StackBytes%8 != 0,
		int(r.MethodBytes) > len(r.Method), int(r.PathBytes) > len(r.Path), int(r.HostBytes) > len(r.Host),
		int(r.RouteParts) > len(r.Route), int(slices.Max(r.RouteBytes[:])) > len(r.Route[0]), int(r.RemoteBytes) > len(r.Remote), int(r.SchemeBytes) > len(r.Scheme):
		return nil, nil, errRecord
	}
	return r, stack[:r.StackBytes], nil
}

func (d *decoder) Decode(record []byte, emit func(*model.Event)) error {
	r, stack, err := view(record)
	if err != nil {
		return err
	}
	if at, ok := d.host.Attached(r.Layout); ok && at.Assumed != "" {
		if err := d.try(r, at); err != nil {
			return err
		}
	}
	process := d.process(r.Key.Tgid, r.Start)
	d.tallies.learn(r, process)
	d.fill(r, stack, process)
	emit(&d.event)
	return nil
}

// process returns the process that served or made a request, whether or not it
// is known.
func (d *decoder) process(pid uint32, start uint64) *model.Process {
	id := model.ProcessID{PID: int32(pid), Start: target.Ticks(start)}
	if known, ok := d.host.Processes.GetID(id); ok {
		return known
	}
	return &model.Process{ID: id}
}

// try checks a record of an executable whose layout is assumed, and refutes the
// layout when most do not fit: a handler may have changed a request into
// something odd, or a server far away have answered with it.
func (d *decoder) try(r *bpfHttpRecord, at probe.Attached) error {
	t, ok := d.trials[r.Layout]
	if !ok || t.of != at.Program {
		t = &trial{of: at.Program}
		d.trials[r.Layout] = t
	}
	err := plausible(r)
	if err == nil {
		t.fit++
		return nil
	}
	t.misfit++
	if t.misfit > t.fit {
		d.host.Refute(r.Layout, fmt.Errorf("the layout of %s does not fit: %w", at.Assumed, err))
	}
	return err
}

// plausible reports what of a record cannot be of a request. It finds out when
// the programs read structs of another layout than they think.
func plausible(r *bpfHttpRecord) error {
	method := probe.Text(probe.Bytes(r.Method[:r.MethodBytes]))
	path := probe.Text(probe.Bytes(r.Path[:r.PathBytes]))
	status := r.Key.Status
	switch {
	case strings.ContainsFunc(method, func(c rune) bool { return c <= ' ' || c > '~' }):
		return fmt.Errorf("http record: method %q", method)
	case path != "" && path[0] != '/' && path[0] != '*' && bpfRole(r.Key.Role) == bpfRoleROLE_SERVER:
		return fmt.Errorf("http record: path %q", path)
	case status != 0 && (status < 100 || status > 999):
		return fmt.Errorf("http record: status %d", status)
	case r.Protocol > 3:
		return fmt.Errorf("http record: protocol version %d", r.Protocol)
	}
	return nil
}

func (d *decoder) fill(r *bpfHttpRecord, stack []byte, p *model.Process) {
	e := &d.event
	e.Reset(d.schema)
	e.Time = d.host.Clock.Wall(r.Begin)
	e.Duration = time.Duration(r.End - r.Begin)
	e.PID = p.ID.PID
	e.Service, e.ContainerID, e.PodUID = p.Service, p.ContainerID, p.PodUID
	e.GoroutineID = r.Goid
	e.TraceID, e.SpanID, e.ParentSpanID = probe.TraceID(r.Trace), probe.SpanID(r.Span), probe.SpanID(r.Parent)
	e.Requested = true
	e.Weight = r.Weight
	v := e.Values
	v[fieldPID] = model.IntValue(int64(p.ID.PID))
	v[fieldMethod] = model.StringValue(methodText(r))
	setKind(v, &r.Key)
	if r.PathBytes > 0 {
		v[fieldPath] = model.StringValue(probe.Text(probe.Bytes(r.Path[:r.PathBytes])))
	}
	d.tallies.route(&r.Key).set(v)
	setPeers(v, r)
	v[fieldScheme] = model.StringValue("http")
	if r.Tls != 0 {
		v[fieldScheme] = model.StringValue("https")
	}
	// What a client's request says of the version means nothing.
	if bpfRole(r.Key.Role) == bpfRoleROLE_SERVER {
		v[fieldProtocol] = model.StringValue("1.1")
		if r.Protocol >= 2 {
			v[fieldProtocol] = model.StringValue(strconv.Itoa(int(r.Protocol)))
		}
	}
	if r.Length >= 0 {
		v[fieldRequestSize] = model.IntValue(r.Length)
	}
	if bpfRole(r.Key.Role) == bpfRoleROLE_SERVER && bpfOutcome(r.Key.Outcome) == bpfOutcomeOUTCOME_DONE {
		v[fieldResponseSize] = model.IntValue(int64(r.Written))
	}
	// Many a panic is recovered and harmless; one in a request that failed is
	// likely why.
	if r.Panicked != 0 && v[fieldErrorType].IsSet() {
		d.setStack(e, r, stack)
	}
}

// setKind fills the fields that follow from what kind of request it is.
func setKind(v []model.Value, k *bpfSeriesKey) {
	outcome, failed := "done", 500
	v[fieldRole] = model.StringValue(roleServer)
	if bpfRole(k.Role) == bpfRoleROLE_CLIENT {
		v[fieldRole], failed = model.StringValue(roleClient), 400
	}
	if k.Status != 0 {
		v[fieldStatus] = model.IntValue(int64(k.Status))
	}
	switch bpfOutcome(k.Outcome) {
	case bpfOutcomeOUTCOME_PANIC:
		outcome = "panic"
	case bpfOutcomeOUTCOME_HIJACKED:
		outcome = "hijacked"
	case bpfOutcomeOUTCOME_ERROR:
		outcome = "aborted"
		if bpfRole(k.Role) == bpfRoleROLE_CLIENT {
			outcome = "error"
		}
	}
	v[fieldOutcome] = model.StringValue(outcome)
	switch {
	case outcome != "done" && outcome != "hijacked":
		v[fieldErrorType] = model.StringValue(outcome)
	case int(k.Status) >= failed:
		v[fieldErrorType] = model.StringValue(strconv.Itoa(int(k.Status)))
	}
}

// methodText returns the request's method; a client's empty one is GET.
func methodText(r *bpfHttpRecord) string {
	if r.MethodBytes == 0 {
		return "GET"
	}
	return probe.Text(probe.Bytes(r.Method[:r.MethodBytes]))
}

// routeText returns the route of which a record has the parts: a router within
// a router goes on where the outer one has an asterisk. A pattern may begin with
// a method and a host, which are no part of the route.
func routeText(r *bpfHttpRecord) string {
	var text string
	for i := range int(r.RouteParts) {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "*"), "/") + string(probe.Bytes(r.Route[i][:r.RouteBytes[i]]))
	}
	if i := strings.IndexByte(text, '/'); i > 0 {
		return text[i:]
	}
	return text
}

func setPeers(v []model.Value, r *bpfHttpRecord) {
	host := probe.Text(probe.Bytes(r.Host[:r.HostBytes]))
	if address, port := splitPort(host); address != "" {
		v[fieldServerAddress] = model.StringValue(address)
		if port > 0 {
			v[fieldServerPort] = model.IntValue(port)
		}
	}
	remote := probe.Text(probe.Bytes(r.Remote[:r.RemoteBytes]))
	if address, port := splitPort(remote); address != "" {
		v[fieldClientAddress] = model.StringValue(address)
		if port > 0 {
			v[fieldClientPort] = model.IntValue(port)
		}
	}
}

// splitPort splits a host from its port, which is 0 when there is none.
func splitPort(s string) (host string, port int64) {
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return strings.Trim(s, "[]"), 0
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return host, 0
	}
	return host, int64(n)
}

// setStack says where the panic came from.
func (d *decoder) setStack(e *model.Event, r *bpfHttpRecord, stack []byte) {
	at, ok := d.host.Attached(r.Layout)
	if !ok || len(stack) == 0 {
		return
	}
	b := at.Program.Binary()
	d.pcs = d.pcs[:0]
	for len(stack) > 0 {
		d.pcs = append(d.pcs, binary.NativeEndian.Uint64(stack))
		stack = stack[8:]
	}
	if r.Caller != 0 && (len(d.pcs) < 2 || d.pcs[1] != r.Caller) {
		d.pcs = slices.Insert(d.pcs, 1, r.Caller)
	}
	e.Stack = at.Program.AppendStack(e.Stack, d.pcs, b.LoadBias(r.Code))
	i := slices.IndexFunc(e.Stack, func(f model.Frame) bool { return !b.StdLib(f.Func) })
	if i < 0 {
		return
	}
	e.Values[fieldFunction] = model.StringValue(e.Stack[i].Func)
	e.Values[fieldFile] = model.StringValue(e.Stack[i].File)
	e.Values[fieldLine] = model.IntValue(int64(e.Stack[i].Line))
}

// Tick emits what was counted since the last one.
func (d *decoder) Tick(_ time.Duration, _ uint64, emit func(*model.Event)) {
	d.tallies.emit(time.Now(), false, emit)
}

// Flush emits what was counted last.
func (d *decoder) Flush(emit func(*model.Event)) { d.tallies.emit(time.Now(), true, emit) }
