package tcp

import (
	"fmt"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// decoder turns each record into one event.
type decoder struct {
	host probe.Host
	// addresses is the text of the event's addresses.
	addresses []byte
}

func newDecoder(host probe.Host) probe.Decoder {
	d := &decoder{host: host}
	return probe.Stateless(Schema(), d.decode)
}

func (d *decoder) decode(record []byte, e *model.Event) (bool, error) {
	r, _, err := probe.View[bpfTcpRecord](record)
	if err != nil {
		return false, err
	}
	v := e.Values
	e.Time = d.host.Clock.Wall(r.Time)
	e.TraceID, e.ParentSpanID = probe.TraceID(r.Trace), probe.SpanID(r.Span)
	e.Requested = r.Span != 0
	switch kind := bpfRecordKind(r.Kind); kind {
	case bpfRecordKindRECORD_CONNECT:
		v[fieldEvent] = model.StringValue("connect")
		v[fieldOutcome] = model.StringValue("established")
		d.setConnect(e, r)
	case bpfRecordKindRECORD_CONNECT_FAILED:
		v[fieldEvent] = model.StringValue("connect_failed")
		outcome, errorType := failure(r)
		v[fieldOutcome] = model.StringValue(outcome)
		v[fieldErrorType] = model.StringValue(errorType)
		d.setConnect(e, r)
	case bpfRecordKindRECORD_RESET_RECEIVED, bpfRecordKindRECORD_RESET_SENT:
		event, direction := "reset_received", "received"
		if kind == bpfRecordKindRECORD_RESET_SENT {
			event, direction = "reset_sent", "sent"
		}
		v[fieldEvent] = model.StringValue(event)
		v[fieldReset] = model.StringValue(direction)
		setProgress(v, r)
	case bpfRecordKindRECORD_RETRANSMIT:
		v[fieldEvent] = model.StringValue("retransmit")
		setProgress(v, r)
	default:
		return false, fmt.Errorf("record of unknown kind %d", r.Kind)
	}
	if r.Retransmits > 0 {
		v[fieldRetransmits] = model.IntValue(int64(r.Retransmits))
	}
	if r.SrttUs > 0 {
		v[fieldRTT] = model.DurationValue(time.Duration(r.SrttUs) * time.Microsecond)
	}
	d.setNetwork(v, r)
	switch bpfConnRole(r.Role) {
	case bpfConnRoleROLE_CLIENT:
		v[fieldRole], v[fieldServerPort] = model.StringValue("client"), v[fieldPeerPort]
	case bpfConnRoleROLE_SERVER:
		v[fieldRole], v[fieldServerPort] = model.StringValue("server"), v[fieldLocalPort]
	}
	d.setProcess(e, r)
	return true, nil
}

// setConnect says when a connect began and how long it took, if its begin was
// seen.
func (d *decoder) setConnect(e *model.Event, r *bpfTcpRecord) {
	if latency := time.Duration(r.Time - r.Started); r.Started != 0 && latency >= 0 {
		e.Time = d.host.Clock.Wall(r.Started)
		e.Duration = latency
	}
}

// setProgress says how far a connection has come.
func setProgress(v []model.Value, r *bpfTcpRecord) {
	if name := stateName(r.State); name != "" {
		v[fieldState] = model.StringValue(name)
	}
	v[fieldAcked] = model.IntValue(int64(r.BytesAcked))
	v[fieldReceived] = model.IntValue(int64(r.BytesReceived))
}

// failure says why a connect failed: the kernel sets an error, or the program
// closed the socket before there was one.
func failure(r *bpfTcpRecord) (outcome, errorType string) {
	errno := unix.Errno(r.Error)
	switch errno {
	case 0:
		if bpfRecordFlags(r.Flags)&bpfRecordFlagsFLAG_CLOSED != 0 {
			return "abandoned", "abandoned"
		}
		return "failed", "_OTHER"
	case unix.ECONNREFUSED:
		outcome = "refused"
	case unix.ETIMEDOUT:
		outcome = "timed_out"
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EHOSTDOWN, unix.ENETDOWN:
		outcome = "unreachable"
	default:
		outcome = "failed"
	}
	if errorType = unix.ErrnoName(errno); errorType == "" {
		errorType = "errno " + strconv.Itoa(int(errno))
	}
	return outcome, errorType
}

// stateName returns the OpenTelemetry name of a kernel's TCP state.
func stateName(state uint8) string {
	names := [...]string{
		1: "established", 2: "syn_sent", 3: "syn_received", 4: "fin_wait_1", 5: "fin_wait_2", 6: "time_wait",
		7: "closed", 8: "close_wait", 9: "last_ack", 10: "listen", 11: "closing", 12: "syn_received",
	}
	if int(state) < len(names) {
		return names[state]
	}
	return ""
}

func (d *decoder) setNetwork(v []model.Value, r *bpfTcpRecord) {
	var local, peer netip.Addr
	switch r.Family {
	case unix.AF_INET:
		local, peer = netip.AddrFrom4([4]byte(r.Local[:4])), netip.AddrFrom4([4]byte(r.Peer[:4]))
	case unix.AF_INET6:
		local, peer = netip.AddrFrom16(r.Local).Unmap(), netip.AddrFrom16(r.Peer).Unmap()
	default:
		return
	}
	d.addresses = local.AppendTo(d.addresses[:0])
	split := len(d.addresses)
	d.addresses = peer.AppendTo(d.addresses)
	v[fieldLocalAddress] = model.StringValue(probe.Text(d.addresses[:split]))
	v[fieldPeerAddress] = model.StringValue(probe.Text(d.addresses[split:]))
	v[fieldLocalPort] = model.IntValue(int64(r.LocalPort))
	v[fieldPeerPort] = model.IntValue(int64(r.PeerPort))
	v[fieldTransport] = model.StringValue("tcp")
	v[fieldType] = model.StringValue("ipv6")
	if peer.Is4() {
		v[fieldType] = model.StringValue("ipv4")
	}
}

// setProcess names the process of a connection and the service that it is, or
// runs for. One that is gone without anybody having heard of it counts as what
// its parent is.
func (d *decoder) setProcess(e *model.Event, r *bpfTcpRecord) {
	if r.Owner.Pid == 0 {
		return
	}
	id, parent := processID(r.Owner.Pid, r.Owner.Start), processID(r.Owner.ParentPid, r.Owner.ParentStart)
	name := probe.Text(probe.CString(r.Owner.Comm[:]))
	known, ok := d.host.Processes.GetID(id)
	if !ok {
		d.host.Processes.Fork(parent, id)
		d.host.Processes.Exit(id)
	}
	// What is known may be the parent, or what ran before an exec.
	if ok && strings.HasPrefix(path.Base(known.Exe), name) {
		name = path.Base(known.Exe)
	} else {
		known, ok = d.host.Processes.GetID(parent)
	}
	e.PID = id.PID
	e.Values[fieldPID] = model.IntValue(int64(id.PID))
	e.Values[fieldName] = model.StringValue(name)
	if ok {
		e.Service, e.ContainerID, e.PodUID = known.Service, known.ContainerID, known.PodUID
	}
}

func processID(pid uint32, start uint64) model.ProcessID {
	return model.ProcessID{PID: int32(pid), Start: target.Ticks(start)}
}
