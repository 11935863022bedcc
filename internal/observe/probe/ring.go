package probe

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// The head of a record in the ring, as the kernel writes it: the length in the
// low bits, then whether it is still being written or was given up.
const (
	recordHead      = 8
	recordBusy      = 1 << 31
	recordDiscarded = 1 << 30
)

// windowBytes is how much of a ring is mapped at a time. It holds several of
// the largest records, and moving it costs some tens of microseconds.
const windowBytes = 4 << 20

// ring reads a BPF ring buffer in place.
//
// cilium/ebpf's reader maps the whole ring twice, end to end, so that no record
// wraps, and copies each record. The kernel counts both mappings as resident
// memory of the process: 64 MiB for a ring of 32 MiB. This one maps a window
// that moves with the reader, hands out records where they lie, and copies only
// the one at the wrap.
type ring struct {
	size     uint64 // a power of two
	consumer []byte // one page, written by us
	producer []byte // one page, written by the kernel
	// mapped maps length bytes of the data from offset on, unmap undoes it.
	mapped   func(offset uint64, length int) ([]byte, error)
	unmap    func([]byte) error
	window   []byte
	windowAt uint64
	wrapped  []byte
	fd       int
}

// openRing maps the ring buffer m. The caller must call close.
func openRing(m *ebpf.Map) (*ring, error) {
	if m.Type() != ebpf.RingBuf {
		return nil, fmt.Errorf("map %s: is a %s, not a ring buffer", m, m.Type())
	}
	page := os.Getpagesize()
	consumer, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the consumer page of %s: %w", m, err)
	}
	producer, err := unix.Mmap(m.FD(), int64(page), page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the producer page of %s: %w", m, err), unix.Munmap(consumer))
	}
	return &ring{
		size: uint64(m.MaxEntries()), consumer: consumer, producer: producer, fd: m.FD(), unmap: unix.Munmap,
		mapped: func(offset uint64, length int) ([]byte, error) {
			return unix.Mmap(m.FD(), int64(2*page)+int64(offset), length, unix.PROT_READ, unix.MAP_SHARED)
		},
	}, nil
}

func (r *ring) close() error {
	err := errors.Join(unix.Munmap(r.consumer), unix.Munmap(r.producer))
	if r.window != nil {
		err = errors.Join(err, r.unmap(r.window))
	}
	return err
}

// at returns the n bytes of the ring from position on, which lie at a stretch
// unless they wrap. They are valid until the next call.
func (r *ring) at(position, n uint64) ([]byte, error) {
	offset := position & (r.size - 1)
	if offset+n > r.size {
		first := r.size - offset
		part, err := r.at(position, first)
		if err != nil {
			return nil, err
		}
		r.wrapped = append(r.wrapped[:0], part...)
		if part, err = r.at(position+first, n-first); err != nil {
			return nil, err
		}
		r.wrapped = append(r.wrapped, part...)
		return r.wrapped, nil
	}
	if offset < r.windowAt || offset+n > r.windowAt+uint64(len(r.window)) {
		if err := r.move(offset, n); err != nil {
			return nil, err
		}
	}
	return r.window[offset-r.windowAt:][:n], nil
}

// move maps the window that begins at offset and holds n bytes at least.
func (r *ring) move(offset, n uint64) error {
	if r.window != nil {
		if err := r.unmap(r.window); err != nil {
			return fmt.Errorf("unmap a part of the ring buffer: %w", err)
		}
		r.window = nil
	}
	from := offset &^ uint64(os.Getpagesize()-1)
	length := min(max(windowBytes, offset-from+n), r.size-from)
	window, err := r.mapped(from, int(length))
	if err != nil {
		return fmt.Errorf("map %d bytes of the ring buffer at %d: %w", length, from, err)
	}
	r.window, r.windowAt = window, from
	return nil
}

// position is one of the two counters of bytes, each at the start of its page.
func position(page []byte) *uint64 { return (*uint64)(unsafe.Pointer(unsafe.SliceData(page))) }

// next returns the oldest record, which is valid until the next call, and the
// position behind it, to be given to release. It returns no record and no error
// when there is none, or it is being written still.
func (r *ring) next() (record []byte, after uint64, err error) {
	at := *position(r.consumer)
	for at != atomic.LoadUint64(position(r.producer)) {
		bytes, err := r.at(at, recordHead)
		if err != nil {
			return nil, 0, err
		}
		head := atomic.LoadUint32((*uint32)(unsafe.Pointer(unsafe.SliceData(bytes))))
		if head&recordBusy != 0 {
			return nil, 0, nil
		}
		length := uint64(head &^ (recordBusy | recordDiscarded))
		after = at + (recordHead+length+7)&^7
		if head&recordDiscarded != 0 {
			r.release(after)
			at = after
			continue
		}
		record, err = r.at(at+recordHead, length)
		return record, after, err
	}
	return nil, 0, nil
}

// release gives the space before after back to the kernel.
func (r *ring) release(after uint64) { atomic.StoreUint64(position(r.consumer), after) }

// unread reports whether there are records, finished or not.
func (r *ring) unread() bool {
	return *position(r.consumer) != atomic.LoadUint64(position(r.producer))
}

// wait blocks until the kernel wakes the reader, or for timeout. Records that
// the kernel sends without a wake-up end it only through the timeout.
func (r *ring) wait(timeout time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(timeout.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for the ring buffer: %w", os.NewSyscallError("poll", err))
	}
	return nil
}
