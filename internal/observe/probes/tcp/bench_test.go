package tcp

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// connectionsPerBlock are made with or without the probe, turn by turn.
const connectionsPerBlock = 1000

// BenchmarkConnection measures the CPU time of a connection over loopback that
// is made, accepted and closed, both ends of it, in rounds of three blocks:
// alone; with the programs attached and nobody reading; with this process
// reading and decoding as well. It reports medians over the rounds, of the
// differences those within a round.
func BenchmarkConnection(b *testing.B) {
	testutil.RequireBPF(b)
	var alone, kernel, all []float64
	for round := range b.N {
		base := connectionBlock(b, round)
		hold := make(chan struct{})
		o := observe(b, probe.Options{BeforeRead: func() { <-hold }})
		attached := connectionBlock(b, round)
		close(hold)
		o.stop()
		o = observe(b, probe.Options{})
		o.ready()
		read := connectionBlock(b, round)
		o.stop()
		alone, kernel, all = append(alone, base), append(kernel, attached-base), append(all, read-base)
	}
	for _, m := range []struct {
		unit    string
		samples []float64
	}{{"ns/connection", alone}, {"kernel-ns/connection", kernel}, {"all-ns/connection", all}} {
		slices.Sort(m.samples)
		b.ReportMetric(m.samples[len(m.samples)/2], m.unit)
	}
	b.ReportMetric(0, "ns/op")
}

// connectionBlock returns the CPU time per connection, in ns. Each round has an
// address of its own, so that no port is short.
func connectionBlock(b *testing.B, round int) float64 {
	b.Helper()
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.%d.%d:0", 1+round/250, 1+round%250))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	before := cpuTime(b)
	for range connectionsPerBlock {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
		s.Close()
	}
	return float64(cpuTime(b)-before) / connectionsPerBlock
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkDecode decodes connects of a process that is known.
func BenchmarkDecode(b *testing.B) {
	host := testHost()
	self, ok := host.Processes.Get(int32(unix.Getpid()))
	if !ok {
		b.Fatal("this process is not found")
	}
	r := parse(b, "connect comm=tcp.test time=900 started=400 role=1 srtt_us=31 local=10.0.0.1:4000 peer=10.0.0.2:80")
	r.Owner.Pid, r.Owner.Start = uint32(self.ID.PID), self.ID.Start*uint64(10*time.Millisecond)
	d, record := newDecoder(host), raw(r)
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Decode(record, func(e *model.Event) {}); err != nil {
			b.Fatal(err)
		}
	}
}
