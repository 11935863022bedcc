package sealed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// seals let nobody change the file, nor add or remove seals.
const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// Writer writes bytes that will be sealed. It is for one goroutine.
//
// Its memory counts as that of this process's group (cgroup), and of no disk.
type Writer struct {
	file    *os.File
	name    string
	version uint32
	// partial is the beginning of a chunk that is not full, which is not written yet.
	partial []byte
	// written are the bytes in the file.
	written uint64
	table   []byte
	// failed is what all calls return once the file is closed.
	failed error
}

// Create makes a file in memory. The name, of at most 200 bytes, is what /proc shows it
// as and what errors call it; version is the application's number for what it will
// write.
func Create(name string, version uint32) (*Writer, error) {
	if len(name) > 200 || strings.ContainsRune(name, 0) {
		return nil, fmt.Errorf("make %q in memory: its name has more than 200 bytes, or a zero", name)
	}
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("make %q in memory: %w", name, os.NewSyscallError("memfd_create", err))
	}
	return &Writer{file: os.NewFile(uintptr(fd), name), name: name, version: version}, nil
}

// Write writes b. When it fails the file is gone: every later call fails, too.
func (w *Writer) Write(b []byte) (int, error) {
	if w.failed != nil {
		return 0, w.failed
	}
	total := len(b)
	if len(w.partial) > 0 {
		n := min(chunkSize-len(w.partial), len(b))
		w.partial = append(w.partial, b[:n]...)
		b = b[n:]
		if len(w.partial) == chunkSize {
			if err := w.chunk(w.partial); err != nil {
				return 0, err
			}
			w.partial = w.partial[:0]
		}
	}
	// Whole chunks need no copy.
	for len(b) >= chunkSize {
		if err := w.chunk(b[:chunkSize]); err != nil {
			return 0, err
		}
		b = b[chunkSize:]
	}
	if len(b) > 0 {
		if w.partial == nil {
			w.partial = make([]byte, 0, chunkSize)
		}
		w.partial = append(w.partial, b...)
	}
	return total, nil
}

// Len returns how many bytes were written.
func (w *Writer) Len() int64 { return int64(w.written) + int64(len(w.partial)) }

// chunk writes a chunk, of which only the last one may be shorter. A chunk is still in
// the cache when it is written: longer writes are no faster.
func (w *Writer) chunk(b []byte) error {
	w.table = binary.LittleEndian.AppendUint32(w.table, crc32.Checksum(b, castagnoli))
	if err := w.put(b, headerSize+int64(w.written)); err != nil {
		return err
	}
	w.written += uint64(len(b))
	return nil
}

func (w *Writer) put(b []byte, offset int64) error {
	if _, err := w.file.WriteAt(b, offset); err != nil {
		return w.fail(err)
	}
	return nil
}

func (w *Writer) fail(err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		err = pathError.Err
	}
	w.failed = fmt.Errorf("write %q to memory: %w", w.name, err)
	w.file.Close()
	return w.failed
}

// Seal completes the file and seals it. The file belongs to the caller; it is not
// inherited by itself. The Writer is closed, whatever happens.
func (w *Writer) Seal() (*os.File, error) {
	if w.failed != nil {
		return nil, w.failed
	}
	if len(w.partial) > 0 {
		if err := w.chunk(w.partial); err != nil {
			return nil, err
		}
	}
	if err := w.put(w.table, headerSize+int64(w.written)); err != nil {
		return nil, err
	}
	h := header{version: w.version, length: w.written, tableSum: crc32.Checksum(w.table, castagnoli)}
	if err := w.put(h.encode(), 0); err != nil {
		return nil, err
	}
	if _, err := unix.FcntlInt(w.file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, w.fail(os.NewSyscallError("seal", err))
	}
	w.failed = fmt.Errorf("write %q to memory: %w", w.name, os.ErrClosed)
	w.partial, w.table = nil, nil
	return w.file, nil
}

// Close gives up what was written. After [Writer.Seal] it does nothing.
func (w *Writer) Close() error {
	if w.failed != nil {
		return nil
	}
	w.failed = fmt.Errorf("write %q to memory: %w", w.name, os.ErrClosed)
	w.partial, w.table = nil, nil
	return w.file.Close()
}
