package sealed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Reader reads what was sealed. [Reader.ReadAt], [Reader.Bytes] and [Reader.Close] may be
// called by several goroutines; [Reader.Read] is for one.
type Reader struct {
	header header
	data   []byte
	table  []byte
	// checked has a 1 for each chunk whose checksum was right.
	checked []atomic.Uint32
	// position is that of Read.
	position int64

	// mapping is nil when it is closed. The lock keeps it while it is read.
	mu      sync.RWMutex
	mapping []byte
}

// Open checks a file that [Writer.Seal] returned, in this process or in another one, and
// maps it. The file stays the caller's, who may close it at once.
func Open(f *os.File) (*Reader, error) {
	has, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	switch {
	case errors.Is(err, unix.EINVAL):
		return nil, fmt.Errorf("%s: %w: it is no file in memory", f.Name(), ErrNotSealed)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.Name(), os.NewSyscallError("read its seals", err))
	case has&seals != seals:
		return nil, fmt.Errorf("%s: %w: it has the seals %#x of %#x", f.Name(), ErrNotSealed, has&seals, seals)
	}
	r, err := openMapped(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return r, nil
}

func openMapped(f *os.File) (*Reader, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size < headerSize || int64(int(size)) != size {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrCorrupt, size)
	}
	// A private mapping is of the same pages. A shared one would be refused before
	// Linux 6.7, because the descriptor was opened for writing.
	mapping, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	r, err := newReader(mapping)
	if err != nil {
		return nil, errors.Join(err, os.NewSyscallError("munmap", unix.Munmap(mapping)))
	}
	return r, nil
}

// newReader reads an image, which must not change.
func newReader(image []byte) (*Reader, error) {
	h, data, table, err := parse(image)
	if err != nil {
		return nil, err
	}
	return &Reader{header: h, data: data, table: table, mapping: image, checked: make([]atomic.Uint32, chunks(h.length))}, nil
}

// Version returns the application's number that was given to [Create].
func (r *Reader) Version() uint32 { return r.header.version }

// Len returns how many bytes there are.
func (r *Reader) Len() int64 { return int64(r.header.length) }

// check checks the chunk with the number n, unless that has been done.
func (r *Reader) check(n int) error {
	if r.checked[n].Load() == 1 {
		return nil
	}
	start := n * chunkSize
	chunk := r.data[start:min(start+chunkSize, len(r.data))]
	if crc32.Checksum(chunk, castagnoli) != binary.LittleEndian.Uint32(r.table[n*sumSize:]) {
		return fmt.Errorf("%w: the checksum of the %d bytes from %d on", ErrCorrupt, len(chunk), start)
	}
	r.checked[n].Store(1)
	return nil
}

// ReadAt implements [io.ReaderAt]. The bytes that it returns are checked, also those
// before an error.
func (r *Reader) ReadAt(b []byte, offset int64) (int, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	switch {
	case r.mapping == nil:
		return 0, os.ErrClosed
	case offset < 0:
		return 0, fmt.Errorf("read at %d: %w", offset, os.ErrInvalid)
	}
	total := 0
	for total < len(b) {
		at := offset + int64(total)
		if at >= int64(len(r.data)) {
			return total, io.EOF
		}
		n := int(at / chunkSize)
		if err := r.check(n); err != nil {
			return total, err
		}
		end := min((n+1)*chunkSize, len(r.data))
		total += copy(b[total:], r.data[at:end])
	}
	return total, nil
}

// Read implements [io.Reader]. It returns no more than one chunk at a time.
func (r *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	rest := chunkSize - int(r.position%chunkSize)
	n, err := r.ReadAt(b[:min(len(b), rest)], r.position)
	r.position += int64(n)
	if n > 0 {
		return n, nil
	}
	return 0, err
}

// Bytes checks all chunks and returns all bytes, which are valid until [Reader.Close],
// begin with a page of memory and must not be written to: that would crash the process.
func (r *Reader) Bytes() ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.mapping == nil {
		return nil, os.ErrClosed
	}
	for n := range r.checked {
		if err := r.check(n); err != nil {
			return nil, err
		}
	}
	return r.data, nil
}

// Close gives the memory back, once the other processes have closed the file, too. It
// waits for reads that are going on. What [Reader.Bytes] returned must not be touched
// any more.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mapping == nil {
		return nil
	}
	mapping := r.mapping
	r.mapping, r.data, r.table = nil, nil, nil
	return os.NewSyscallError("munmap", unix.Munmap(mapping))
}
