package target

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	maxCgroupListing = 64 << 10
	maxStat          = 4 << 10
	maxCmdline       = 4 << 20
	maxEnviron       = 1 << 20
)

// readFile reads a file below the directory dir, at most limit bytes of it.
// Unlike [os.ReadFile] it does not register the file with the poller and does
// not ask for its size, which for /proc is half of the time.
func readFile(dir int, name string, limit int) ([]byte, error) {
	return appendFile(nil, dir, name, limit)
}

// appendFile is [readFile] into the memory of buf, whose content it replaces.
func appendFile(buf []byte, dir int, name string, limit int) ([]byte, error) {
	fd, err := openat(dir, name, unix.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(fd)
	buf = buf[:0]
	for len(buf) < limit {
		if cap(buf)-len(buf) < 512 {
			grown := make([]byte, len(buf), max(2*cap(buf), 4096))
			copy(grown, buf)
			buf = grown
		}
		n, err := unix.Read(fd, buf[len(buf):cap(buf)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if n == 0 {
			return buf, nil
		}
		buf = buf[:len(buf)+n]
	}
	if len(buf) > limit {
		buf = buf[:limit]
	}
	return buf, nil
}

// openat opens a file below the directory dir and tries again when a signal
// comes between.
func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}
