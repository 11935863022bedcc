package exec

import (
	"encoding/binary"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// BenchmarkDecode decodes the four records of one command after the other: a
// Go program that runs /bin/sh from one line. An op is a command.
func BenchmarkDecode(b *testing.B) {
	host := benchHost(b)
	d := newDecoder(host)
	records := newBenchRecords(b)
	ends := 0
	emit := func(e *model.Event) {
		if e.Phase == model.PhaseEnd && e.Service != "" && len(e.Stack) > 0 {
			ends++
		}
	}
	run := func(n int) {
		for range n {
			for _, record := range records.next() {
				if err := d.Decode(record, emit); err != nil {
					b.Fatal(err)
				}
			}
			if records.commands%1024 == 0 {
				d.Tick(time.Duration(records.now), 0, emit)
			}
		}
	}
	// The table of processes keeps 65536 dead ones: the steady state is when
	// it forgets one for each that ends.
	run(100_000)
	b.ReportAllocs()
	b.ResetTimer()
	ends = 0
	run(b.N)
	if ends != b.N {
		b.Fatalf("%d of %d commands had a service and a stack", ends, b.N)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
	b.ReportMetric(4*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// benchHost is what the agent makes, for this host.
func benchHost(b *testing.B) probe.Host {
	b.Helper()
	clock := new(platform.BootClock)
	cgroups, err := target.NewCgroups(target.CgroupsOptions{})
	if err != nil {
		b.Fatal(err)
	}
	processes := target.NewTable(target.TableOptions{Reader: target.NewReader(target.ReaderOptions{Clock: clock}), Cgroups: cgroups})
	if err := processes.Sync(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	return probe.Host{
		Processes: processes, Cgroups: cgroups, Clock: clock,
		Symbols: symbol.NewCache(symbol.Options{}),
		NewIDs: func() (model.TraceID, model.SpanID) {
			return model.TraceID{1}, model.SpanID{1}
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// kernelID is the identity of a file as the kernel's records give it.
func kernelID(tb testing.TB, path string) bpfFileId {
	tb.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		tb.Fatal(err)
	}
	return bpfFileId{
		Inode: st.Ino, CtimeSec: st.Ctim.Sec, CtimeNsec: uint32(st.Ctim.Nsec),
		Dev: unix.Major(st.Dev)<<20 | unix.Minor(st.Dev),
	}
}

// benchRecords makes the records of commands that this process runs.
type benchRecords struct {
	forkRecord, execRecord, exitRecord, reapRecord []byte

	all      [4][]byte
	now      uint64
	commands int
}

func newBenchRecords(b *testing.B) *benchRecords {
	self, err := target.NewReader(target.ReaderOptions{}).ReadProcess(int32(os.Getpid()))
	if err != nil {
		b.Fatal(err)
	}
	parent := key{uint32(self.ID.PID), self.ID.Start * clockTick}
	exe := kernelID(b, "/proc/self/exe")
	var stack []byte
	pcs := make([]uintptr, 32)
	for _, pc := range pcs[:runtime.Callers(0, pcs)] {
		stack = binary.LittleEndian.AppendUint64(stack, uint64(pc))
	}
	var st unix.Stat_t
	if err := unix.Stat("/sys/fs/cgroup", &st); err != nil {
		b.Fatal(err)
	}
	r := &benchRecords{now: uint64(platform.BootTime())}
	fork := bpfForkRecord{
		Head: bpfRecordHead{Kind: uint32(bpfRecordKindRECORD_FORK)}, ParentPid: parent.pid, ParentStart: parent.start,
		ParentCode: self.StartCode, ParentExe: exe, StackLo: 1, StackHi: 3, Sp: 2, StackBytes: uint32(len(stack)),
	}
	r.forkRecord = raw(&fork, stack)
	paths := [][]byte{components("/bin/sh"), components("/var/lib/shop")}
	args := []byte("/bin/sh\x00-c\x00exec convert --quality 80 in.png out.png\x00")
	exec := bpfExecRecord{
		Head: bpfRecordHead{Kind: uint32(bpfRecordKindRECORD_EXEC)}, ParentPid: parent.pid, ParentStart: parent.start,
		Exe: kernelID(b, "/bin/sh"), CgroupV2: st.Ino, CgroupV1: st.Ino,
		ExeBytes: uint32(len(paths[0])), PathsBytes: uint32(len(paths[0]) + len(paths[1])), ArgsBytes: uint32(len(args)),
	}
	r.execRecord = raw(&exec, paths[0], paths[1], args)
	exit := bpfExitRecord{
		Head: bpfRecordHead{Kind: uint32(bpfRecordKindRECORD_EXIT)}, ParentPid: parent.pid, ExecsSent: 1,
		CgroupV2: st.Ino, CgroupV1: st.Ino,
	}
	r.exitRecord = raw(&exit)
	reap := bpfReapRecord{Head: bpfRecordHead{Kind: uint32(bpfRecordKindRECORD_REAP)}}
	r.reapRecord = raw(&reap)
	r.all = [4][]byte{r.forkRecord, r.execRecord, r.exitRecord, r.reapRecord}
	return r
}

// next returns the records of one more command, 10 us after the last one; they
// are valid until the next call.
func (r *benchRecords) next() [][]byte {
	pid := uint32(1<<22 + r.commands%(1<<22))
	r.commands++
	start := r.now
	for _, record := range r.all {
		r.now += 2500
		binary.LittleEndian.PutUint32(record[4:], pid)
		binary.LittleEndian.PutUint64(record[8:], r.now)
		binary.LittleEndian.PutUint64(record[16:], start)
	}
	return r.all[:]
}
