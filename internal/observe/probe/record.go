package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/goshawk-io/goshawk/internal/model"
)

// View returns the head of record as a T that bpf2go generated, in place, and
// what follows it. It copies nothing: both are valid as long as record is.
// Records are as aligned as the ring buffer makes them, to 8 bytes.
func View[T any](record []byte) (*T, []byte, error) {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if len(record) < size {
		return nil, nil, fmt.Errorf("record of %d bytes: %T has %d", len(record), zero, size)
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(record)))%unsafe.Alignof(zero) != 0 {
		return nil, nil, fmt.Errorf("record of %d bytes: not aligned for %T", len(record), zero)
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(record))), record[size:], nil
}

// Text returns b as a string that shares b's memory: it changes with b.
func Text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Bytes views a C buffer as bytes, sharing its memory.
func Bytes(c []int8) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(c))), len(c))
}

// CString views a C string up to its NUL, sharing its memory.
func CString(c []int8) []byte {
	text, _, _ := bytes.Cut(Bytes(c), []byte{0})
	return text
}

// TraceID returns a trace id from the words in which the kernel keeps its bytes.
func TraceID(words [2]uint64) model.TraceID {
	var id model.TraceID
	binary.NativeEndian.PutUint64(id[:8], words[0])
	binary.NativeEndian.PutUint64(id[8:], words[1])
	return id
}

// SpanID is [TraceID] for a span id.
func SpanID(word uint64) model.SpanID {
	var id model.SpanID
	binary.NativeEndian.PutUint64(id[:], word)
	return id
}
