package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// partialSuffix is added to the name of a file that is being written.
const partialSuffix = ".partial"

// traceFile is a trace that is being received, with the samples of its host. Both
// have a name of their own until they are whole. It belongs to one goroutine, but for
// the file that host returns.
type traceFile struct {
	path     string
	file     *os.File // nil once it has its name
	samples  *os.File // nil when there are none
	received int64
	kept     bool
}

// createTraceFile makes sure that path can be written, and leaves what is there
// untouched until commit.
func createTraceFile(path string) (*traceFile, error) {
	path, _, err := replaceable(path)
	if err != nil {
		return nil, err
	}
	file, err := createPartial(path + partialSuffix)
	if err != nil {
		return nil, err
	}
	return &traceFile{path: path, file: file}, nil
}

// createPartial opens a file that this process alone writes.
func createPartial(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o666)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errors.New("another goshawk is writing it")
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Write implements [io.Writer] for the trace.
func (t *traceFile) Write(p []byte) (int, error) {
	n, err := t.file.Write(p)
	t.received += int64(n)
	return n, err
}

// host returns where the samples of the host go.
func (t *traceFile) host() (io.Writer, error) {
	f, err := createPartial(t.path + hostSuffix + partialSuffix)
	if err != nil {
		return nil, err
	}
	t.samples = f
	return f, nil
}

// dropHost removes what there is of the samples.
func (t *traceFile) dropHost() {
	if t.samples != nil {
		_ = os.Remove(t.samples.Name())
		t.samples.Close()
		t.samples = nil
	}
}

// commit gives the files their names: the samples first, so that who sees the trace
// sees them too. Samples of an earlier trace of that name go away with it.
func (t *traceFile) commit(r *recordResult) error {
	name := t.path + hostSuffix
	err := error(nil)
	if t.samples != nil {
		err = os.Rename(t.samples.Name(), name)
	} else {
		err = removeSamples(name)
	}
	if err == nil {
		err = os.Rename(t.file.Name(), t.path)
	}
	if err != nil {
		return err
	}
	t.kept = true
	r.File = t.path
	if r.Host != nil {
		r.Host.File = name
	}
	return nil
}

// removeSamples removes a file if it is one of samples of a host.
func removeSamples(name string) error {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, len(hostHead))
	if _, err := io.ReadFull(f, head); err != nil || !bytes.Equal(head, []byte(hostHead)) {
		return fmt.Errorf("%s: is not a file of goshawk, and would be taken for the samples of this trace", name)
	}
	return os.Remove(name)
}

// hostHead is how a file of samples begins.
const hostHead = `{"goshawk_host":`

// keepPartial leaves the files under their names for what is not whole: the samples
// where they are found by that of the trace.
func (t *traceFile) keepPartial(r *recordResult) {
	t.kept = true
	r.File = t.file.Name()
	if t.samples == nil {
		return
	}
	name := t.file.Name() + hostSuffix
	if os.Rename(t.samples.Name(), name) == nil && r.Host != nil {
		r.Host.File = name
	}
}

// close removes what was not kept. It may be called always.
func (t *traceFile) close() {
	if !t.kept {
		_ = os.Remove(t.file.Name())
		t.dropHost()
	}
	t.file.Close()
	if t.samples != nil {
		t.samples.Close()
	}
}
