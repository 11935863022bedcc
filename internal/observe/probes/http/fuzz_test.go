package http

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
)

// FuzzDecode decodes a sequence of records, each behind its length in two
// bytes. Whatever they hold, the decoder does not panic, and every event is
// whole.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	for _, seed := range scriptRecords(f) {
		f.Add(seed)
	}
	program, _ := ownProgram(f)
	host := testHost(f)
	host.Attached = func(index uint32) (probe.Attached, bool) {
		return probe.Attached{Program: program, Assumed: []string{"", "go1.99"}[index%2]}, index%3 > 0
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := newDecoder(host).(*decoder)
		for len(data) >= 2 {
			n := min(int(binary.LittleEndian.Uint16(data)), len(data)-2)
			record := aligned(data[2 : 2+n])
			data = data[2+n:]
			events := 0
			err := d.Decode(record, func(e *model.Event) {
				events++
				checkWhole(t, e)
			})
			if (err == nil) != (events == 1) {
				t.Errorf("%d events of a record, error %v", events, err)
			}
		}
	})
}

// tooLong is more than any text of an event has bytes.
const tooLong = 4096

// checkWhole checks what holds for every event.
func checkWhole(t *testing.T, e *model.Event) {
	role, outcome := e.Values[fieldRole].Str(), e.Values[fieldOutcome].Str()
	if role != roleServer && role != roleClient || outcome == "" || e.Duration < 0 || e.Values[fieldMethod].Str() == "" {
		t.Errorf("role %q, outcome %q, method %q, duration %s", role, outcome, e.Values[fieldMethod].Str(), e.Duration)
	}
	for n, field := range e.Schema.Fields {
		if v := e.Values[n]; v.IsSet() && field.Kind == model.KindString && len(v.Str()) >= tooLong {
			t.Errorf("%s has %d bytes", field.Key, len(v.Str()))
		}
	}
	if len(e.Stack) > 64*64 {
		t.Errorf("a stack of %d frames", len(e.Stack))
	}
	_ = e.Clone()
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
		var sequence []byte
		input, _, _ := strings.Cut(string(text), scriptEnd)
		for one := range strings.Lines(input) {
			one = strings.TrimSpace(one)
			if !strings.HasPrefix(one, "server ") && !strings.HasPrefix(one, "client ") {
				continue
			}
			record := parseLine(f, one).record()
			sequence = binary.LittleEndian.AppendUint16(sequence, uint16(len(record)))
			sequence = append(sequence, record...)
		}
		all = append(all, sequence)
	}
	return all
}
