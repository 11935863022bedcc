package tcp

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// patience is how long an event that must come may take.
const patience = 20 * time.Second

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// observer is the probe as the agent runs it.
type observer struct {
	t      testing.TB
	probe  *probe.Probe
	cancel context.CancelFunc
	done   chan error
	arrive chan struct{}
	lost   uint64 // set by stop

	mu     sync.Mutex
	events []*model.Event
}

func observe(t testing.TB, options probe.Options) *observer {
	t.Helper()
	clock := new(platform.BootClock)
	reader := target.NewReader(target.ReaderOptions{Clock: clock})
	processes := target.NewTable(target.TableOptions{Reader: reader})
	host := probe.Host{Processes: processes, Clock: clock, Log: slog.New(slog.DiscardHandler)}
	p, err := probe.Start(Spec(), host, options)
	if err != nil {
		t.Fatal(err)
	}
	if faults := p.Health().Off; len(faults) > 0 {
		t.Errorf("parts of the probe are off: %+v", faults)
	}
	if err := processes.Sync(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := &observer{t: t, probe: p, cancel: cancel, done: make(chan error, 1), arrive: make(chan struct{}, 1)}
	go func() {
		o.done <- p.Run(ctx, nil, func(e *model.Event) {
			o.mu.Lock()
			o.events = append(o.events, e.Clone())
			o.mu.Unlock()
			select {
			case o.arrive <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(o.stop)
	return o
}

// stop detaches the probe and reads the rest. It may be called twice.
func (o *observer) stop() {
	o.cancel()
	if err, ok := <-o.done; ok {
		close(o.done)
		if err != nil {
			o.t.Errorf("run: %v", err)
		}
		o.lost = o.probe.Lost()
		o.probe.Close()
	}
}

// find returns the events for which match says yes.
func (o *observer) find(match func(*model.Event) bool) []*model.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []*model.Event
	for _, e := range o.events {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// wait blocks until there is an event of this name whose process is pid, and
// for which one of its two ports is that of address.
func (o *observer) wait(event string, pid int, address string) *model.Event {
	o.t.Helper()
	port := int64(netip.MustParseAddrPort(address).Port())
	deadline := time.After(patience)
	for {
		found := o.find(func(e *model.Event) bool {
			ports := []int64{e.Get("network.peer.port").Int(), e.Get("network.local.port").Int()}
			return e.Get("goshawk.tcp.event").Str() == event && e.PID == int32(pid) && slices.Contains(ports, port)
		})
		if len(found) > 0 {
			return found[0]
		}
		select {
		case <-o.arrive:
		case <-deadline:
			o.t.Fatalf("no %s of process %d at %s", event, pid, address)
		}
	}
}

// victim is a process that does as it is told.
type victim struct {
	*testutil.Target
	t testing.TB
}

type victimOptions struct {
	service string
	// alone gives it a network namespace of its own, with a loopback device.
	alone bool
	env   []string
}

func startVictim(t testing.TB, options victimOptions) *victim {
	t.Helper()
	cmd := exec.Command(testutil.BuildGo(t, testutil.Dir("testdata/victim"), testutil.BuildOptions{}))
	cmd.Env = append(os.Environ(), "OTEL_SERVICE_NAME="+options.service)
	cmd.Env = append(cmd.Env, options.env...)
	if options.alone {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	}
	v := &victim{Target: testutil.StartTargetCmd(t, cmd), t: t}
	if options.alone {
		v.do("run ip link set lo up")
	}
	return v
}

// ask gives the victim a line and returns its answer.
func (v *victim) ask(line string) string {
	v.t.Helper()
	if _, err := io.WriteString(v.Stdin, line+"\n"); err != nil {
		v.t.Fatalf("tell the victim to %s: %v", line, err)
	}
	return v.WaitLine("= ")
}

// do is ask for what must succeed.
func (v *victim) do(line string) string {
	v.t.Helper()
	answer := v.ask(line)
	if strings.HasPrefix(answer, "error: ") {
		v.t.Fatalf("%s: %s", line, answer)
	}
	return answer
}

// ready blocks until the probe has looked at the sockets that are older.
func (o *observer) ready() {
	o.t.Helper()
	v := startVictim(o.t, victimOptions{service: "ready"})
	address := v.do("listen 127.0.0.1:0")
	v.do("connect c " + address + " 5s")
	o.wait("connect", v.PID, address)
}

func TestConnect(t *testing.T) {
	testutil.RequireBPF(t)
	o := observe(t, probe.Options{})
	for _, tt := range []struct {
		name, listen, network string
	}{
		{"over IPv4", "127.0.0.1:0", "ipv4"},
		{"over IPv6", "[::1]:0", "ipv6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := startVictim(t, victimOptions{service: "client"})
			server := startVictim(t, victimOptions{service: "server"})
			address := server.do("listen " + tt.listen)
			before := time.Now()
			local := netip.MustParseAddrPort(client.do("connect c " + address + " 5s"))
			after := time.Now()
			e := o.wait("connect", client.PID, address)
			if e.Duration <= 0 || e.Duration > after.Sub(before) {
				t.Errorf("latency is %s, want more than 0 and at most the %s of the call", e.Duration, after.Sub(before))
			}
			if e.Time.Before(before.Add(-time.Millisecond)) || e.Time.After(after.Add(time.Millisecond)) {
				t.Errorf("time is %s, want it in the call, %s to %s", e.Time, before, after)
			}
			check(t, e, map[string]string{
				"service": "client", "goshawk.tcp.outcome": "established", "goshawk.role": "client",
				"network.type": tt.network, "network.transport": "tcp", "error.type": "",
				"network.peer.address": netip.MustParseAddrPort(address).Addr().String(), "network.local.address": local.Addr().String(),
				"process.executable.name": "victim",
			})
			if got := e.Get("network.local.port").Int(); got != int64(local.Port()) {
				t.Errorf("local port is %d, want %d", got, local.Port())
			}
			if !e.Get("goshawk.tcp.srtt_ns").IsSet() {
				t.Error("no round trip time")
			}
		})
	}
}

// check compares texts of an event; an empty one must not be set.
func check(t testing.TB, e *model.Event, want map[string]string) {
	t.Helper()
	for key, text := range want {
		got := e.Get(key).Str()
		if key == "service" {
			got = e.Service
		}
		if got != text {
			t.Errorf("%s: %s is %q, want %q", e.Get("goshawk.tcp.event").Str(), key, got, text)
		}
	}
}

func TestConnect_fails(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireTool(t, "ip", "iproute2")
	o := observe(t, probe.Options{})
	client := startVictim(t, victimOptions{service: "client", alone: true})
	// At the other end of this cable nobody listens, and only 10.99.0.2 seems
	// to be there.
	client.do("run ip link add hole type veth peer name void")
	client.do("run ip address add 10.99.0.1/24 dev hole")
	client.do("run ip link set hole up")
	client.do("run ip link set void up")
	client.do("run ip neighbour add 10.99.0.2 lladdr 02:00:00:00:00:02 dev hole nud permanent")
	client.do("set /proc/sys/net/ipv4/neigh/hole/mcast_solicit 1")
	client.do("set /proc/sys/net/ipv4/tcp_syn_retries 1")
	for _, tt := range []struct {
		name, address, timeout string
		outcome, errorType     string
		retransmits            bool
	}{
		{"refused", "127.0.0.1:9", "5s", "refused", "ECONNREFUSED", false},
		{"refused over IPv6", "[::1]:8", "5s", "refused", "ECONNREFUSED", false},
		{"timed out", "10.99.0.2:7", "15s", "timed_out", "ETIMEDOUT", true},
		{"no such host", "10.99.0.3:5", "15s", "unreachable", "EHOSTUNREACH", false},
		{"given up by the program", "10.99.0.2:6", "50ms", "abandoned", "abandoned", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if answer := client.ask("connect c " + tt.address + " " + tt.timeout); !strings.HasPrefix(answer, "error: ") {
				t.Fatalf("the connect succeeded: %s", answer)
			}
			e := o.wait("connect_failed", client.PID, tt.address)
			check(t, e, map[string]string{
				"service": "client", "goshawk.tcp.outcome": tt.outcome, "error.type": tt.errorType, "goshawk.role": "client",
			})
			if e.Duration <= 0 {
				t.Errorf("duration is %s", e.Duration)
			}
			if got := e.Get("goshawk.tcp.retransmits").Int(); (got > 0) != tt.retransmits {
				t.Errorf("%d retransmits, want some: %t", got, tt.retransmits)
			}
		})
	}
	if n := len(o.find(func(e *model.Event) bool { return e.PID == int32(client.PID) })); n != 5 {
		t.Errorf("%d events, want 5: one per connect", n)
	}
}

func TestReset_isOfTheProcessThatListens(t *testing.T) {
	testutil.RequireBPF(t)
	for _, tt := range []struct {
		name string
		env  []string
	}{
		{"as Go listens", nil},
		{"without Multipath TCP", []string{"GODEBUG=multipathtcp=0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := startVictim(t, victimOptions{service: "client"})
			server := startVictim(t, victimOptions{service: "server", env: tt.env})
			older := server.do("listen 127.0.0.1:0")
			old := client.do("connect old " + older + " 5s")
			o := observe(t, probe.Options{})
			o.ready()
			reset := func(name, local string) {
				client.do("write " + name + " reset")
				client.ask("read " + name)
				check(t, o.wait("reset_received", client.PID, local), map[string]string{
					"service": "client", "goshawk.tcp.reset": "received", "network.connection.state": "established",
				})
				check(t, o.wait("reset_sent", server.PID, local), map[string]string{
					"service": "server", "goshawk.tcp.reset": "sent", "goshawk.role": "server", "process.executable.name": "victim",
				})
			}
			t.Run("of a connection older than the probe", func(t *testing.T) { reset("old", old) })
			t.Run("of a listener older than the probe", func(t *testing.T) {
				reset("new", client.do("connect new "+older+" 5s"))
			})
			t.Run("of a listener on all addresses", func(t *testing.T) {
				port := netip.MustParseAddrPort(server.do("listen :0")).Port()
				reset("all", client.do("connect all "+netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String()+" 5s"))
			})
			t.Run("over IPv6", func(t *testing.T) {
				reset("six", client.do("connect six "+server.do("listen [::1]:0")+" 5s"))
			})
			t.Run("of a listener that is closed", func(t *testing.T) {
				local := client.do("connect closed " + server.do("listen 127.0.0.1:0") + " 5s")
				client.do("write closed hello")
				client.do("read closed")
				server.do("unlisten")
				reset("closed", local)
			})
		})
	}
}

func TestRetransmits_areSummedUp(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireTool(t, "ip", "iproute2")
	o := observe(t, probe.Options{})
	client := startVictim(t, victimOptions{service: "client", alone: true})
	server := startVictim(t, victimOptions{service: "server", alone: true})
	connectNamespaces(t, client, server)
	address := server.do("listen 10.99.1.2:7777")
	local := client.do("connect c " + address + " 5s")
	client.do("write c one")
	client.do("read c")

	// The server hears the client, and the client nothing.
	server.do("run ip route add blackhole 10.99.1.1")
	client.do("write c two")
	o.wait("retransmit", client.PID, local)
	for retransmitted(t, client) < 2 {
		time.Sleep(50 * time.Millisecond)
	}
	server.do("run ip route delete blackhole 10.99.1.1")
	client.do("read c")

	client.do("run ip route add blackhole 10.99.1.2")
	server.do("say three")
	o.wait("retransmit", server.PID, local)
	client.do("run ip route delete blackhole 10.99.1.2")
	client.do("read c")
	truth, serverTruth := retransmitted(t, client), retransmitted(t, server)
	client.do("write c reset")
	client.ask("read c")
	o.wait("reset_received", client.PID, local)

	sum := func(v *victim) (sum int64, events []*model.Event) {
		events = o.find(func(e *model.Event) bool { return e.PID == int32(v.PID) })
		for _, e := range events {
			sum += e.Get("goshawk.tcp.retransmits").Int()
		}
		return sum, events
	}
	told, events := sum(client)
	if told != truth {
		t.Errorf("the events tell of %d retransmits, the kernel of %d", told, truth)
	}
	if len(events) > 6 {
		t.Errorf("%d events, want few", len(events))
	}
	e := o.wait("retransmit", client.PID, local)
	check(t, e, map[string]string{"service": "client", "goshawk.role": "client", "network.connection.state": "established"})
	if got := e.Get("goshawk.tcp.bytes_acked").Int(); got != 4 {
		t.Errorf("%d bytes acknowledged at the first retransmit, want 4: a SYN and \"one\"", got)
	}
	o.stop()
	if told, _ := sum(server); told != serverTruth {
		t.Errorf("the events tell of %d retransmits of the server, the kernel of %d", told, serverTruth)
	}
	check(t, o.wait("retransmit", server.PID, local), map[string]string{"service": "server", "goshawk.role": "server"})
}

// connectNamespaces joins two victims by a virtual cable, veth0 to veth1.
func connectNamespaces(t *testing.T, a, b *victim) {
	t.Helper()
	a.do("run ip link add veth0 type veth peer name veth1 netns " + strconv.Itoa(b.PID))
	a.do("run ip address add 10.99.1.1/24 dev veth0")
	a.do("run ip link set veth0 up")
	b.do("run ip address add 10.99.1.2/24 dev veth1")
	b.do("run ip link set veth1 up")
}

// retransmitted returns what the kernel of a victim's namespace counted.
func retransmitted(t *testing.T, v *victim) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(v.PID) + "/net/snmp")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if words[0] != "Tcp:" {
			continue
		}
		if names == nil {
			names = words
			continue
		}
		n, err := strconv.ParseInt(words[slices.Index(names, "RetransSegs")], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	t.Fatal("no RetransSegs")
	return 0
}

func TestLost_isExact(t *testing.T) {
	testutil.RequireBPF(t)
	const connects = 3000
	server := startVictim(t, victimOptions{service: "server"})
	client := startVictim(t, victimOptions{service: "client"})
	address := server.do("listen 127.0.0.1:0")

	hold := make(chan struct{})
	all := observe(t, probe.Options{RingBytes: 16 << 20})
	all.ready()
	small := observe(t, probe.Options{RingBytes: 4096, BeforeRead: func() { <-hold }})
	client.do("storm " + strconv.Itoa(connects) + " " + address)
	client.do("connect last " + address + " 5s")
	close(hold)
	small.stop()
	all.stop()

	mine := func(e *model.Event) bool {
		return e.PID == int32(client.PID) && e.Get("goshawk.tcp.event").Str() == "connect"
	}
	if n := len(all.find(mine)); n != connects+1 || all.lost != 0 {
		t.Errorf("a large ring: %d connects, %d lost; want %d and none", n, all.lost, connects+1)
	}
	seen, lost := len(small.find(mine)), int(small.lost)
	others := len(all.find(func(e *model.Event) bool { return !mine(e) }))
	if lost == 0 || seen+lost < connects+1 || seen+lost > connects+1+others {
		t.Errorf("a small ring: %d connects, %d lost; want %d together, or up to %d more of other processes", seen, lost, connects+1, others)
	}
	t.Logf("a small ring: %d seen, %d lost, %d of other processes", seen, lost, others)
}
