package probe

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// fakeRing is a ring whose producer is the test.
type fakeRing struct {
	*ring
	data  []byte
	at    uint64
	moves int
}

func newFakeRing(size int) *fakeRing {
	const page = 4096
	f := &fakeRing{data: make([]byte, size)}
	f.ring = &ring{
		size: uint64(size), consumer: make([]byte, page), producer: make([]byte, page),
		mapped: func(offset uint64, length int) ([]byte, error) {
			f.moves++
			// A tenth of the real window, so that it moves often.
			length = min(length, max(windowBytes/10&^(page-1), 128<<10))
			return f.data[offset:][:length:length], nil
		},
		unmap: func([]byte) error { return nil },
	}
	return f
}

// write puts a record into the ring as the kernel does, flags included.
func (f *fakeRing) write(record []byte, flags uint32) {
	mask := uint64(len(f.data) - 1)
	binary.LittleEndian.PutUint32(f.data[f.at&mask:], uint32(len(record))|flags)
	for i, c := range record {
		f.data[(f.at+recordHead+uint64(i))&mask] = c
	}
	f.at += (recordHead + uint64(len(record)) + 7) &^ 7
	*position(f.producer) = f.at
}

func TestNext_readsRecordsInOrder_acrossTheWrap(t *testing.T) {
	f := newFakeRing(4096)
	for i := range 200 {
		want := bytes.Repeat([]byte{byte(i)}, 1+i*7%500)
		f.write([]byte("given up"), recordDiscarded)
		f.write(want, 0)
		got, after, err := f.next()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("record %d: %d bytes, %v, want %d bytes of %d", i, len(got), err, len(want), byte(i))
		}
		f.release(after)
		if got, _, _ := f.next(); got != nil {
			t.Fatalf("after record %d there is another", i)
		}
	}
	if f.wrapped == nil {
		t.Error("no record lay across the wrap")
	}
}

func TestNext_waitsForARecordThatIsBeingWritten(t *testing.T) {
	f := newFakeRing(4096)
	f.write([]byte("unfinished"), recordBusy)
	f.write([]byte("finished"), 0)
	if got, _, _ := f.next(); got != nil {
		t.Fatalf("got %q before the record ahead of it was written", got)
	}
	binary.LittleEndian.PutUint32(f.data, uint32(len("unfinished")))
	for _, want := range []string{"unfinished", "finished"} {
		got, after, err := f.next()
		if err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
		f.release(after)
	}
}

func TestNext_keepsARecordUntilItIsReleased(t *testing.T) {
	f := newFakeRing(4096)
	f.write([]byte("one"), 0)
	for range 2 {
		if got, _, err := f.next(); err != nil || string(got) != "one" {
			t.Fatalf("got %q, %v, want the record again", got, err)
		}
	}
}

func TestNext_movesItsWindowThroughALargeRing(t *testing.T) {
	f := newFakeRing(2 * windowBytes)
	for i := range 1000 {
		want := bytes.Repeat([]byte{byte(i)}, 1+i*977%74000)
		f.write(want, 0)
		got, after, err := f.next()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("record %d: %d bytes, %v, want %d bytes of %d", i, len(got), err, len(want), byte(i))
		}
		f.release(after)
	}
	if f.moves < 10 || f.moves > 500 {
		t.Errorf("the window was moved %d times", f.moves)
	}
}

func TestRingShare_leavesSmallHostsTheirMemory(t *testing.T) {
	for memory, want := range map[uint64]uint32{
		0: 1 << 20, 128 << 20: 1 << 20, 512 << 20: 2 << 20, 2 << 30: 8 << 20, 3 << 30: 8 << 20,
		16 << 30: 64 << 20, 1 << 40: 1 << 31,
	} {
		if got := ringShare(memory); got != want {
			t.Errorf("ringShare(%d MiB) = %d KiB, want %d KiB", memory>>20, got>>10, want>>10)
		}
	}
}
