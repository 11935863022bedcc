package exec

import (
	"encoding/binary"
	"os"
	"path/filepath"
	runtimemetrics "runtime/metrics"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// FuzzDecode decodes a sequence of records, each behind its length in two
// bytes. Whatever they hold, the decoder neither panics nor takes memory out
// of proportion, and every event is whole.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	for _, seed := range scriptRecords(f) {
		f.Add(seed)
	}
	s := newScript(f)
	host, scripted := scriptDecoder(f, s)
	reader := target.NewReader(target.ReaderOptions{Root: s.root, Clock: host.Clock})
	f.Fuzz(func(t *testing.T, data []byte) {
		host.Processes = target.NewTable(target.TableOptions{Reader: reader})
		d := newDecoder(host).(*decoder)
		d.sites.programs = scripted.sites.programs
		d.sites.programs[bpfFileId{Inode: goProgram}].stack = func(pcs []uint64, _ uint64) []model.Frame {
			return make([]model.Frame, len(pcs))
		}
		before := allocated()
		decodeAll(d, data)
		if got := allocated() - before; got > 1<<20+200*uint64(len(data)) {
			t.Errorf("%d bytes are allocated for %d bytes of records", got, len(data))
		}
	})
}

// decodeAll decodes a sequence of records, with the time going by.
func decodeAll(d *decoder, data []byte) {
	emit := func(e *model.Event) {
		for n, field := range e.Schema.Fields {
			if field.Kind == model.KindStrings {
				for range e.Values[n].Strings() {
				}
			}
		}
	}
	for lost := uint64(0); len(data) >= 2; lost++ {
		n := min(int(binary.LittleEndian.Uint16(data)), len(data)-2)
		// A record is aligned, as the ring's reader hands it out.
		record := append(make([]byte, 0, n+8), data[2:2+n]...)
		data = data[2+n:]
		_ = d.Decode(record, emit)
		d.Tick(time.Duration(d.latest), lost, emit)
	}
	d.Flush(emit)
}

func allocated() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64()
}

// scriptRecords returns the records of each script as one sequence.
func scriptRecords(f *testing.F) [][]byte {
	files, err := filepath.Glob("testdata/decode/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no scripts: %v", err)
	}
	var all [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		s := newScript(f)
		var sequence []byte
		input, _, _ := strings.Cut(string(text), scriptEnd)
		for one := range strings.Lines(input) {
			one = strings.TrimSpace(one)
			switch verb, _, _ := strings.Cut(one, " "); verb {
			case "fork", "exec", "exit", "reap", "refused", "pipe":
				record := s.record(parseLine(f, one))
				sequence = binary.LittleEndian.AppendUint16(sequence, uint16(len(record)))
				sequence = append(sequence, record...)
			}
		}
		all = append(all, sequence)
	}
	return all
}
