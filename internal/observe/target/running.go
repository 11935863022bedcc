package target

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
)

// GoProcesses returns the Go programs that run, each with the service that it
// is, in no order. The results are shared and must not be changed. A service
// is named at the first question; for that its environment is read.
func (t *Table) GoProcesses() []*model.Process {
	var entries []*entry
	t.mu.RLock()
	for _, e := range t.byID {
		if e.state == living && e.proc != nil && e.proc.Go != nil {
			entries = append(entries, e)
		}
	}
	t.mu.RUnlock()
	found := make([]*model.Process, 0, len(entries))
	for _, e := range entries {
		if p, ok := t.complete(e); ok {
			found = append(found, p)
		}
	}
	return found
}

// Running is the executable of a living process.
type Running struct {
	// File is open for reading. The caller closes it.
	File *os.File
	// ID names the file.
	ID FileID
	// StartCode is where the process has the file's lowest executable segment
	// in memory.
	StartCode uint64
}

// OpenFile opens an executable file that need not run; its StartCode is 0.
func OpenFile(path string) (*Running, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	r := &Running{File: f}
	if err := r.Identify(); err != nil {
		f.Close()
		return nil, err
	}
	return r, nil
}

// Identify sets ID to what the file is now: it may have been written since.
func (r *Running) Identify() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(r.File.Fd()), &st); err != nil {
		return fmt.Errorf("open executable %s: %w", r.File.Name(), err)
	}
	r.ID = statFileID(&st)
	return nil
}

// OpenRunning opens the executable that a process runs now, whatever its path
// leads to by now. The error matches [ErrGone] when the process has ended.
func (t *Table) OpenRunning(id model.ProcessID) (*Running, error) {
	dir, err := t.reader.openLiving(id)
	if err != nil {
		return nil, fmt.Errorf("open executable of process %d: %w", id.PID, err)
	}
	defer unix.Close(dir)
	stat, err := readStat(dir, &scratch{})
	if err != nil {
		return nil, fmt.Errorf("open executable of process %d: %w", id.PID, err)
	}
	fd, err := unix.Openat(dir, "exe", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open executable of process %d: %w", id.PID, err)
	}
	r := &Running{File: os.NewFile(uintptr(fd), fmt.Sprintf("/proc/%d/exe", id.PID)), StartCode: stat.startCode}
	if err := r.Identify(); err != nil {
		r.File.Close()
		return nil, err
	}
	return r, nil
}
