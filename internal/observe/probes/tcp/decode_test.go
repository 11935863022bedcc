package tcp

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// pid is one that no process has.
const pid = 5_000_000

func testHost() probe.Host {
	clock := new(platform.BootClock)
	reader := target.NewReader(target.ReaderOptions{Clock: clock})
	return probe.Host{
		Processes: target.NewTable(target.TableOptions{Reader: reader}),
		Clock:     clock, Log: slog.New(slog.DiscardHandler),
	}
}

// parse reads a record as text: a kind, and settings by the names that
// tcp.bpf.c uses.
func parse(t testing.TB, text string) *bpfTcpRecord {
	t.Helper()
	kinds := map[string]bpfRecordKind{
		"connect": bpfRecordKindRECORD_CONNECT, "connect_failed": bpfRecordKindRECORD_CONNECT_FAILED,
		"reset_received": bpfRecordKindRECORD_RESET_RECEIVED, "reset_sent": bpfRecordKindRECORD_RESET_SENT,
		"retransmit": bpfRecordKindRECORD_RETRANSMIT, "unknown": 99,
	}
	words := strings.Fields(text)
	r := &bpfTcpRecord{Kind: uint32(kinds[words[0]])}
	address := func(text string) (netip.AddrPort, [16]uint8) {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			t.Fatal(err)
		}
		r.Family = unix.AF_INET6
		if a.Addr().Is4() {
			r.Family = unix.AF_INET
			four := a.Addr().As4()
			return a, [16]uint8{four[0], four[1], four[2], four[3]}
		}
		return a, a.Addr().As16()
	}
	for _, word := range words[1:] {
		key, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch key {
		case "pid":
			r.Owner.Pid = uint32(n)
		case "start":
			r.Owner.Start = n
		case "parent":
			r.Owner.ParentPid = uint32(n)
		case "comm":
			for i := range value {
				r.Owner.Comm[i] = int8(value[i])
			}
		case "time":
			r.Time = n
		case "started":
			r.Started = n
		case "bytes_acked":
			r.BytesAcked = n
		case "bytes_received":
			r.BytesReceived = n
		case "srtt_us":
			r.SrttUs = uint32(n)
		case "retransmits":
			r.Retransmits = uint32(n)
		case "flags":
			r.Flags = uint32(n)
		case "error":
			r.Error = uint16(n)
		case "role":
			r.Role = uint8(n)
		case "state":
			r.State = uint8(n)
		case "family":
			r.Family = uint16(n)
		case "local":
			a, bytes := address(value)
			r.LocalPort, r.Local = a.Port(), bytes
		case "peer":
			a, bytes := address(value)
			r.PeerPort, r.Peer = a.Port(), bytes
		default:
			t.Fatalf("record %q: no setting %q", text, key)
		}
	}
	return r
}

// raw returns the bytes of a record as the kernel writes them.
func raw(r *bpfTcpRecord) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(r)), unsafe.Sizeof(*r))
}

// show writes an event as text: its fields in the order of the schema.
func show(e *model.Event, clock *platform.BootClock) string {
	var b strings.Builder
	fmt.Fprintf(&b, "time=%d", e.Time.Sub(clock.Wall(0)))
	if e.Duration >= 0 {
		fmt.Fprintf(&b, " duration=%d", e.Duration)
	}
	for i, v := range e.Values {
		f := &e.Schema.Fields[i]
		switch {
		case !v.IsSet():
		case f.Kind == model.KindString:
			fmt.Fprintf(&b, " %s=%s", f.Key, v.Str())
		default:
			fmt.Fprintf(&b, " %s=%d", f.Key, v.Int())
		}
	}
	return b.String()
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, record, want string
	}{
		{
			"a connect began with the SYN and is of the process",
			"connect pid=5000000 start=10000000 comm=curl time=900 started=400 role=1 srtt_us=31 bytes_acked=1 state=2 local=10.0.0.1:4000 peer=10.0.0.2:80",
			"time=400 duration=500 process.executable.name=curl goshawk.tcp.event=connect goshawk.tcp.outcome=established goshawk.role=client " +
				"network.local.address=10.0.0.1 network.local.port=4000 network.peer.address=10.0.0.2 network.peer.port=80 server.port=80 " +
				"network.transport=tcp network.type=ipv4 goshawk.tcp.srtt_ns=31000 process.pid=5000000",
		},
		{
			"a connect older than the probe has no latency, and without a process no name",
			"connect time=900 role=1 retransmits=2 local=[2001:db8::1]:4000 peer=[2001:db8::2]:443",
			"time=900 goshawk.tcp.event=connect goshawk.tcp.outcome=established goshawk.tcp.retransmits=2 goshawk.role=client " +
				"network.local.address=2001:db8::1 network.local.port=4000 network.peer.address=2001:db8::2 network.peer.port=443 server.port=443 " +
				"network.transport=tcp network.type=ipv6",
		},
		{
			"a mapped address is one of IPv4",
			"connect time=1 local=[::ffff:10.0.0.1]:4000 peer=[::ffff:10.0.0.2]:80",
			"time=1 goshawk.tcp.event=connect goshawk.tcp.outcome=established " +
				"network.local.address=10.0.0.1 network.local.port=4000 network.peer.address=10.0.0.2 network.peer.port=80 " +
				"network.transport=tcp network.type=ipv4",
		},
		{
			"a clock that ran backwards gives no latency", "connect time=400 started=900",
			"time=400 goshawk.tcp.event=connect goshawk.tcp.outcome=established",
		},
		{
			"refused", "connect_failed time=9 started=4 error=111",
			"time=4 duration=5 goshawk.tcp.event=connect_failed goshawk.tcp.outcome=refused error.type=ECONNREFUSED",
		},
		{
			"timed out", "connect_failed time=9 started=4 error=110",
			"time=4 duration=5 goshawk.tcp.event=connect_failed goshawk.tcp.outcome=timed_out error.type=ETIMEDOUT",
		},
		{
			"no such host", "connect_failed time=9 started=4 error=113",
			"time=4 duration=5 goshawk.tcp.event=connect_failed goshawk.tcp.outcome=unreachable error.type=EHOSTUNREACH",
		},
		{
			"another error", "connect_failed time=9 started=4 error=13",
			"time=4 duration=5 goshawk.tcp.event=connect_failed goshawk.tcp.outcome=failed error.type=EACCES",
		},
		{
			"an error without a name", "connect_failed time=9 started=4 error=65535",
			"time=4 duration=5 goshawk.tcp.event=connect_failed goshawk.tcp.outcome=failed error.type=errno 65535",
		},
		{
			"the program gave up", "connect_failed time=9 started=4 flags=1",
			"time=4 duration=5 goshawk.tcp.event=connect_failed goshawk.tcp.outcome=abandoned error.type=abandoned",
		},
		{
			"failed without an error", "connect_failed time=9 started=4",
			"time=4 duration=5 goshawk.tcp.event=connect_failed goshawk.tcp.outcome=failed error.type=_OTHER",
		},
		{
			"a reset by the peer", "reset_received time=9 role=2 state=8 bytes_acked=3 bytes_received=7",
			"time=9 goshawk.tcp.event=reset_received goshawk.tcp.reset=received goshawk.role=server network.connection.state=close_wait " +
				"goshawk.tcp.bytes_acked=3 goshawk.tcp.bytes_received=7",
		},
		{
			"the port of the server is the local one of a server", "connect role=2 local=10.0.0.1:80 peer=10.0.0.2:4000",
			"time=0 goshawk.tcp.event=connect goshawk.tcp.outcome=established goshawk.role=server " +
				"network.local.address=10.0.0.1 network.local.port=80 network.peer.address=10.0.0.2 network.peer.port=4000 server.port=80 " +
				"network.transport=tcp network.type=ipv4",
		},
		{
			"a reset by this end, in a state of a later kernel", "reset_sent time=9 state=77",
			"time=9 goshawk.tcp.event=reset_sent goshawk.tcp.reset=sent goshawk.tcp.bytes_acked=0 goshawk.tcp.bytes_received=0",
		},
		{
			"retransmits", "retransmit time=9 state=1 retransmits=3",
			"time=9 goshawk.tcp.event=retransmit goshawk.tcp.retransmits=3 network.connection.state=established " +
				"goshawk.tcp.bytes_acked=0 goshawk.tcp.bytes_received=0",
		},
		{
			"addresses of another family are not shown", "retransmit time=9 local=10.0.0.1:1 peer=10.0.0.2:2 family=1",
			"time=9 goshawk.tcp.event=retransmit goshawk.tcp.bytes_acked=0 goshawk.tcp.bytes_received=0",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := testHost()
			var got []string
			err := newDecoder(host).Decode(raw(parse(t, tt.record)), func(e *model.Event) { got = append(got, show(e, host.Clock)) })
			if err != nil || len(got) != 1 || got[0] != tt.want {
				t.Errorf("error %v, events\n%s\nwant\n%s", err, strings.Join(got, "\n"), tt.want)
			}
		})
	}
}

func TestDecode_refuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		record []byte
	}{
		{"an empty record", nil},
		{"a record cut short", raw(new(bpfTcpRecord))[:unsafe.Sizeof(bpfTcpRecord{})-1]},
		{"an unknown kind", raw(parse(t, "unknown time=9"))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := newDecoder(testHost()).Decode(tt.record, func(e *model.Event) { t.Errorf("emitted %v", e.Values) })
			if err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestDecode_process gives a process that is gone to its parent, and one that
// the table knows to itself.
func TestDecode_process(t *testing.T) {
	const ticks = uint64(10 * time.Millisecond)
	parent := model.ProcessID{PID: pid, Start: 1}
	for _, tt := range []struct {
		name, exe, comm, want string
	}{
		{"known", "/usr/bin/fetcher-of-pages", "fetcher-of-page", "fetcher-of-pages"},
		{"known by what it ran before", "/bin/sh", "fetcher", "fetcher"},
		{"unknown", "", "fetcher", "fetcher"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			host := testHost()
			id := model.ProcessID{PID: pid + 1, Start: 2}
			host.Processes.Exec(parent, target.ExecInfo{Exe: "/bin/parent"})
			if tt.exe != "" {
				host.Processes.Exec(id, target.ExecInfo{Exe: tt.exe, Parent: parent})
			}
			r := parse(t, "connect time=9 comm="+tt.comm)
			r.Owner.Pid, r.Owner.Start = uint32(id.PID), id.Start*ticks
			r.Owner.ParentPid, r.Owner.ParentStart = uint32(parent.PID), parent.Start*ticks
			err := newDecoder(host).Decode(raw(r), func(e *model.Event) {
				if got := e.Get("process.executable.name").Str(); got != tt.want || e.PID != id.PID {
					t.Errorf("process %d is %q, want %d and %q", e.PID, got, id.PID, tt.want)
				}
				if !host.Processes.Descends(id.PID, parent) {
					t.Error("the table does not know the parent")
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSchema(t *testing.T) {
	s := Schema()
	for i := range s.Fields {
		if s.Fields[i].Key == "" || s.Fields[i].Summary == "" || s.Index(s.Fields[i].Key) != i {
			t.Errorf("field %d %q: without a key of its own, or without a summary", i, s.Fields[i].Key)
		}
	}
	for _, m := range s.Metrics {
		keys := []string{m.When}
		for _, l := range m.Labels {
			keys = append(keys, l.Field)
		}
		for _, key := range keys {
			if s.Index(key) < 0 {
				t.Errorf("metric %s: no field %q", m.Name, key)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(raw(parse(f, "connect pid=5000000 comm=curl time=9 started=4 local=10.0.0.1:1 peer=10.0.0.2:2")))
	f.Add(raw(parse(f, "connect_failed error=111 local=[::1]:1 peer=[::ffff:1.2.3.4]:2")))
	f.Add(raw(parse(f, "retransmit retransmits=3 state=200 role=9")))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The ring's records are aligned to 8 bytes.
		words := make([]uint64, len(data)/8+1)
		record := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)[:len(data)]
		copy(record, data)
		if len(record) >= int(unsafe.Sizeof(bpfTcpRecord{})) {
			// No process of this host is to be looked at.
			(*bpfTcpRecord)(unsafe.Pointer(&words[0])).Owner.Pid |= 1 << 30
		}
		events := 0
		err := newDecoder(testHost()).Decode(record, func(e *model.Event) {
			events++
			if e.Get("goshawk.tcp.event").Str() == "" || e.Duration < -1 {
				t.Errorf("event without a name, or of duration %d", e.Duration)
			}
			e.Clone()
		})
		if (err == nil) != (events == 1) {
			t.Errorf("error %v and %d events", err, events)
		}
	})
}
