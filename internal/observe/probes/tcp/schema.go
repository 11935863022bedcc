package tcp

import "github.com/goshawk-io/goshawk/internal/model"

// The positions of the fields in Schema.Fields.
const (
	fieldName = iota
	fieldEvent
	fieldOutcome
	fieldErrorType
	fieldReset
	fieldRetransmits
	fieldRole
	fieldLocalAddress
	fieldLocalPort
	fieldPeerAddress
	fieldPeerPort
	fieldServerPort
	fieldTransport
	fieldType
	fieldState
	fieldRTT
	fieldAcked
	fieldReceived
	fieldPID
	fieldCount
)

// Schema returns the description of the tcp probe's events. They are no spans:
// a span for each connection would say little beside the request that it
// serves.
func Schema() *model.Schema {
	return &model.Schema{
		Probe: "tcp", Fields: fields(), Metrics: metrics(), Failure: "error.type",
		Groups: []string{"goshawk.tcp.event", "goshawk.role", "network.peer.address", "server.port"},
	}
}

func fields() []model.Field {
	f := make([]model.Field, fieldCount)
	f[fieldName] = model.Field{Key: "process.executable.name", Kind: model.KindString, Column: "PROCESS", Width: 12, Summary: "Base name of the executable of the process, or the short name that the kernel has for it."}
	f[fieldEvent] = model.Field{Key: "goshawk.tcp.event", Kind: model.KindString, Column: "EVENT", Width: 14, Outcome: true, Summary: "connect, connect_failed, reset_received, reset_sent or retransmit."}
	f[fieldOutcome] = model.Field{Key: "goshawk.tcp.outcome", Kind: model.KindString, Summary: "What became of a connect: established, refused, timed_out, unreachable, abandoned by the program, or failed."}
	f[fieldErrorType] = model.Field{Key: "error.type", Kind: model.KindString, Column: "ERROR", Width: 12, Summary: "Why a connect failed: the errno's name, abandoned when the program closed the socket first, else _OTHER."}
	f[fieldReset] = model.Field{Key: "goshawk.tcp.reset", Kind: model.KindString, Summary: "received or sent, at a reset."}
	f[fieldRetransmits] = model.Field{Key: "goshawk.tcp.retransmits", Kind: model.KindInt, Unit: "{segment}", Column: "RETR", Width: 4, Summary: "Segments sent again since the last event of this connection, when there were some."}
	f[fieldRole] = model.Field{Key: "goshawk.role", Kind: model.KindString, Summary: "client for the end that connected, server for the one that accepted."}
	f[fieldLocalAddress] = model.Field{Key: "network.local.address", Kind: model.KindString, Summary: "Address of this end."}
	f[fieldLocalPort] = model.Field{Key: "network.local.port", Kind: model.KindInt, Column: "LOCAL", Width: 5, Summary: "Port of this end."}
	f[fieldPeerAddress] = model.Field{Key: "network.peer.address", Kind: model.KindString, Column: "PEER", Summary: "Address of the other end; one of IPv4 that is mapped into IPv6 as IPv4."}
	f[fieldPeerPort] = model.Field{Key: "network.peer.port", Kind: model.KindInt, Column: "PORT", Width: 5, Summary: "Port of the other end."}
	f[fieldServerPort] = model.Field{Key: "server.port", Kind: model.KindInt, Summary: "Port of the end that accepts: the peer's for a client, this end's for a server."}
	f[fieldTransport] = model.Field{Key: "network.transport", Kind: model.KindString, Summary: "Always tcp."}
	f[fieldType] = model.Field{Key: "network.type", Kind: model.KindString, Summary: "ipv4 or ipv6."}
	f[fieldState] = model.Field{Key: "network.connection.state", Kind: model.KindString, Summary: "State of the connection at a reset or retransmit; closed when this end resets it."}
	f[fieldRTT] = model.Field{Key: "goshawk.tcp.srtt_ns", Kind: model.KindDuration, Unit: "ns", Summary: "Round trip time as the kernel smooths it."}
	f[fieldAcked] = model.Field{Key: "goshawk.tcp.bytes_acked", Kind: model.KindInt, Unit: "By", Summary: "Bytes sent so far that the peer has acknowledged; the kernel counts the begin and the end of a stream as one each."}
	f[fieldReceived] = model.Field{Key: "goshawk.tcp.bytes_received", Kind: model.KindInt, Unit: "By", Summary: "Bytes received on the connection so far; the kernel counts the end of the stream as one."}
	f[fieldPID] = model.Field{Key: "process.pid", Kind: model.KindInt, Summary: "The process in the root PID namespace, when it is known."}
	return f
}

func metrics() []model.Metric {
	outcome := []model.Label{{Name: "outcome", Field: "goshawk.tcp.outcome"}}
	return []model.Metric{
		{
			Name: "goshawk.tcp.connects", Kind: model.Counter, Unit: "{connect}",
			Summary: "Outgoing connects, by what became of them.",
			Labels:  outcome, When: "goshawk.tcp.outcome",
		},
		{
			Name: "goshawk.tcp.connect.duration", Kind: model.Histogram, Unit: "s",
			Summary: "How long outgoing connects took, until they were there or failed.",
			// On loopback a connect takes tens of microseconds, and a SYN that is
			// lost costs a second, then two more, then four.
			Buckets: []float64{0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 3, 7, 15, 60},
			Labels:  outcome, When: "goshawk.tcp.outcome",
		},
		{
			Name: "goshawk.tcp.retransmits", Kind: model.Counter, Unit: "{segment}", Sum: "goshawk.tcp.retransmits",
			Summary: "Segments sent again, by role.",
			Labels:  []model.Label{{Name: "role", Field: "goshawk.role"}}, When: "goshawk.tcp.retransmits",
		},
		{
			Name: "goshawk.tcp.resets", Kind: model.Counter, Unit: "{reset}",
			Summary: "Connections broken off by a reset, by who did it.",
			Labels:  []model.Label{{Name: "direction", Field: "goshawk.tcp.reset"}}, When: "goshawk.tcp.reset",
		},
	}
}
