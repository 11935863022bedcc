package startup

import (
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// decodeAll decodes records, and returns the start that they make; nil for none.
func decodeAll(t *testing.T, records ...any) (s *startup.Start) {
	t.Helper()
	clock := new(platform.BootClock)
	d := &decoder{single: true, schema: Schema(), starts: make(map[uint32]*start), host: probe.Host{
		Processes: target.NewTable(target.TableOptions{Reader: target.NewReader(target.ReaderOptions{Clock: clock})}), Clock: clock, NewIDs: newIDs,
		Attached: func(uint32) (probe.Attached, bool) { return probe.Attached{}, false }, Object: new(ebpf.Collection),
	}}
	reader := startup.NewReader()
	for _, r := range records {
		data, err := binary.Append(nil, binary.NativeEndian, r)
		if err != nil {
			t.Fatal(err)
		}
		err = d.Decode(data, func(e *model.Event) {
			if whole := reader.Add(e); whole != nil {
				s = whole
			}
		})
		if err != nil {
			t.Errorf("%+v: %v", r, err)
		}
	}
	return s
}

// TestMainOnAnotherThread has a main goroutine that another thread takes up when
// the inits are over.
func TestMainOnAnotherThread(t *testing.T) {
	const main, other = 1 << 22, 1<<22 + 1
	exec := bpfMomentRecord{Record: bpfStartupRecord{Time: 1000, Kind: uint8(bpfRecordKindRECORD_EXEC), Tgid: main, Tid: main}}
	point := func(time uint64, tid uint32, p bpfPoint) bpfStartupRecord {
		return bpfStartupRecord{Time: time, Kind: uint8(bpfRecordKindRECORD_POINT), Tgid: main, Tid: tid, Point: uint8(p)}
	}
	exit := bpfStartupRecord{Time: 9000, Kind: uint8(bpfRecordKindRECORD_EXIT), Tgid: main, Tid: other}
	for _, test := range []struct {
		name string
		on   uint32
	}{{"the same thread", main}, {"another thread", other}} {
		s := decodeAll(t, exec, point(2000, main, bpfPointPOINT_MAIN), point(3000, main, bpfPointPOINT_GCENABLE),
			point(4000, main, bpfPointPOINT_GCENABLE|bpfPointPOINT_RETURN), point(5000, other, bpfPointPOINT_PROCRESIZE),
			point(6000, test.on, bpfPointPOINT_MAIN_MAIN), point(7000, test.on, bpfPointPOINT_MAIN_MAIN), exit)
		if s == nil {
			t.Fatalf("%s: there is no start", test.name)
		}
		if p := s.Phase(startup.Main); p == nil || p.Begin != 5000 || p.Duration != 3000 || s.Phase(startup.ProcResize) != nil {
			t.Errorf("%s: phases %q, main %+v", test.name, names(s), p)
		}
	}
}
