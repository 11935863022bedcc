package probe

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// fakeRing is a ring whose producer is the test.
type fakeRing struct {
	*ring
	at uint64
}

func newFakeRing(size int) *fakeRing {
	const page = 4096
	producer := make([]byte, page+size)
	return &fakeRing{ring: &ring{consumer: make([]byte, page), producer: producer, data: producer[page:]}}
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
		got, after, ok := f.next()
		if !ok || !bytes.Equal(got, want) {
			t.Fatalf("record %d: %d bytes, %t, want %d bytes of %d", i, len(got), ok, len(want), byte(i))
		}
		f.release(after)
		if _, _, ok := f.next(); ok {
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
	if got, _, ok := f.next(); ok {
		t.Fatalf("got %q before the record ahead of it was written", got)
	}
	binary.LittleEndian.PutUint32(f.data, uint32(len("unfinished")))
	for _, want := range []string{"unfinished", "finished"} {
		got, after, ok := f.next()
		if !ok || string(got) != want {
			t.Fatalf("got %q, %t, want %q", got, ok, want)
		}
		f.release(after)
	}
}

func TestNext_keepsARecordUntilItIsReleased(t *testing.T) {
	f := newFakeRing(4096)
	f.write([]byte("one"), 0)
	for range 2 {
		if got, _, ok := f.next(); !ok || string(got) != "one" {
			t.Fatalf("got %q, %t, want the record again", got, ok)
		}
	}
}
