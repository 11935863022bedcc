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

// ring reads a BPF ring buffer in place.
//
// cilium/ebpf's reader maps the data twice, end to end, so that no record
// wraps. The kernel counts both mappings as resident memory of the process,
// and the reader copies each record. This one maps the data once, hands out
// records where they lie, and copies only the one at the wrap.
type ring struct {
	fd       int
	consumer []byte // one page, written by us
	producer []byte // one page, then the data, written by the kernel
	data     []byte
	wrapped  []byte
}

// openRing maps the ring buffer m. The caller must call close.
func openRing(m *ebpf.Map) (*ring, error) {
	if m.Type() != ebpf.RingBuf {
		return nil, fmt.Errorf("map %s: is a %s, not a ring buffer", m, m.Type())
	}
	page, size := os.Getpagesize(), int(m.MaxEntries())
	consumer, err := unix.Mmap(m.FD(), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map the consumer page of %s: %w", m, err)
	}
	producer, err := unix.Mmap(m.FD(), int64(page), page+size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map the data of %s: %w", m, err), unix.Munmap(consumer))
	}
	return &ring{fd: m.FD(), consumer: consumer, producer: producer, data: producer[page:]}, nil
}

func (r *ring) close() error {
	return errors.Join(unix.Munmap(r.consumer), unix.Munmap(r.producer))
}

// position is one of the two counters of bytes, each at the start of its page.
func position(page []byte) *uint64 { return (*uint64)(unsafe.Pointer(unsafe.SliceData(page))) }

// next returns the oldest record, which is valid until release, and the
// position behind it; false when there is none, or it is being written still.
func (r *ring) next() (record []byte, after uint64, ok bool) {
	at := *position(r.consumer)
	for at != atomic.LoadUint64(position(r.producer)) {
		mask := uint64(len(r.data) - 1)
		head := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[at&mask])))
		if head&recordBusy != 0 {
			return nil, 0, false
		}
		length := uint64(head &^ (recordBusy | recordDiscarded))
		after = at + (recordHead+length+7)&^7
		if head&recordDiscarded != 0 {
			r.release(after)
			at = after
			continue
		}
		from := (at + recordHead) & mask
		if from+length <= uint64(len(r.data)) {
			return r.data[from : from+length], after, true
		}
		first := r.data[from:]
		r.wrapped = append(append(r.wrapped[:0], first...), r.data[:length-uint64(len(first))]...)
		return r.wrapped, after, true
	}
	return nil, 0, false
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
