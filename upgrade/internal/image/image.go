package image

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Options say what more a program has to be. The zero value asks for nothing more.
type Options struct {
	// Verify is called last with the descriptor that will be executed; its error
	// refuses the program. The file is at its start, is read only, and must be neither
	// closed nor kept. A file that was written to while Verify ran is refused.
	Verify func(*os.File) error
}

// Image is a program that can be started. It may be used by several goroutines, but for
// [Image.Close], which is the last call.
type Image struct {
	file   *os.File
	name   string
	opened fingerprint

	mu sync.Mutex
	// digest is the first one that was asked for, nil before.
	digest *[sha256.Size]byte
}

// Open opens the program at path and checks it. The error names the path; see [Hint].
// It blocks for as long as the file system and [Options.Verify] do.
func Open(path string, o Options) (*Image, error) {
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return New(f, path, o)
}

// New checks a program that is open for reading, as [Open] does; name is what errors and
// [Image.Name] call it. It takes the file over and closes it when it refuses it.
func New(f *os.File, name string, o Options) (*Image, error) {
	i, err := adopt(f, name)
	if err == nil {
		err = i.check(o)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return i, nil
}

// Running returns the program that this process runs, which is what was started, also
// when its file was replaced, moved or deleted since. Its name is the path at which the
// file is or was last. Nothing is checked: it runs.
func Running() (*Image, error) {
	const link = "/proc/self/exe"
	f, err := os.Open(link)
	if err != nil {
		return nil, fmt.Errorf("the program that runs: %w", err)
	}
	i, err := adopt(f, link)
	if err == nil {
		i.name, err = os.Readlink(link)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the program that runs: %w", err), f.Close())
	}
	if i.opened.links == 0 {
		i.name = strings.TrimSuffix(i.name, " (deleted)")
	}
	return i, nil
}

// open opens a file without waiting for a writer of a pipe.
func open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	switch {
	case errors.Is(err, unix.ENXIO): // a socket
		return nil, ErrNotRegular
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: open it: %w", ErrNotExecutable, err)
	}
	return f, err
}

// adopt notes what a file is now.
func adopt(f *os.File, name string) (*Image, error) {
	unix.CloseOnExec(int(f.Fd()))
	at, err := fingerprintOf(f)
	if err != nil {
		return nil, err
	}
	return &Image{file: f, name: name, opened: at}, nil
}

func (i *Image) check(o Options) error {
	interpreter, err := checkFile(i.file)
	if err != nil {
		return err
	}
	if interpreter != "" {
		if err := checkInterpreter(interpreter); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrInterpreter, interpreter, err)
		}
	}
	if o.Verify == nil {
		return nil
	}
	if _, err := i.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := o.Verify(i.file); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return i.changed()
}

// checkInterpreter opens it as the kernel will. A path that is relative is so to this
// process's working directory.
func checkInterpreter(path string) error {
	f, err := open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = checkFile(f)
	return err
}

// checkFile returns the path of the interpreter.
func checkFile(f *os.File) (interpreter string, err error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%w: %s", ErrNotRegular, kindOf(info.Mode()))
	}
	if err := executable(f); err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotExecutable, err)
	}
	p := program{machine: machineOf(runtime.GOARCH), file: f, size: uint64(info.Size()), page: uint64(os.Getpagesize())}
	return p.check()
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// executable asks the kernel, which knows the effective user, its groups and
// capabilities, access lists, and file systems that are mounted noexec.
func executable(f *os.File) error {
	err := unix.Faccessat(int(f.Fd()), "", unix.X_OK, unix.AT_EMPTY_PATH|unix.AT_EACCESS)
	if errors.Is(err, unix.EINVAL) {
		// Before Linux 5.8 there are no flags; the mode of the file decides then.
		err = unix.Faccessat(unix.AT_FDCWD, procPath(f), unix.X_OK, unix.AT_EACCESS)
	}
	return err
}

// Name returns the path that the program was opened at. By now another file may be
// there.
func (i *Image) Name() string { return i.name }

// Path returns "/proc/self/fd/N", for an exec in a process that has inherited the
// descriptors of this one and has not executed anything yet. [os.Executable] of the new
// process reads the real path of the file.
//
// Between the fork and the exec, [os.StartProcess] gives the child's files their numbers,
// and may so overwrite N. [Image.Start] avoids that; who uses Path with files to hand
// over must have N behind the numbers that are used, by [Image.Dup].
func (i *Image) Path() string { return procPath(i.file) }

func procPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// File returns the open file, to hand the program over to another process. It belongs to
// the image.
func (i *Image) File() *os.File { return i.file }

// Dup returns the same program under a further descriptor, whose number is min or
// higher. What the first has learned of the file, the second knows.
func (i *Image) Dup(min int) (*Image, error) {
	fd, err := unix.FcntlInt(i.file.Fd(), unix.F_DUPFD_CLOEXEC, min)
	if err != nil {
		return nil, fmt.Errorf("%s: a descriptor from %d on: %w", i.name, min, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return &Image{file: os.NewFile(uintptr(fd), i.name), name: i.name, opened: i.opened, digest: i.digest}, nil
}

// Start starts the program, as [os.StartProcess] does: argv[0] is the name that the new
// process is given, attr may be nil. An error means that no process is left.
func (i *Image) Start(argv []string, attr *os.ProcAttr) (*os.Process, error) {
	if attr == nil {
		attr = &os.ProcAttr{}
	}
	// The child copies each file, and one pipe, at most once to the numbers behind the
	// highest, before it copies them down to 0, 1, 2...
	highest := len(attr.Files)
	for _, f := range attr.Files {
		highest = max(highest, int(f.Fd()))
	}
	own, err := i.Dup(highest + len(attr.Files) + 4)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	p, err := os.StartProcess(own.Path(), argv, attr)
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	switch {
	case errors.Is(err, unix.ETXTBSY):
		return nil, fmt.Errorf("%s: start it: %w", i.name, ErrBusy)
	case err != nil:
		return nil, fmt.Errorf("%s: start it: %w", i.name, err)
	}
	return p, nil
}

// Changed returns an error that wraps [ErrChanged] when the file was written to since it
// was opened. After a child was started it tells whether the child is what was checked:
// while a process executes a file, the kernel lets nobody write to it.
//
// A new size or time of modification is a change. A new time of the file's attributes
// alone is none if they explain it: the owner, the mode or the number of names, which a
// file that replaces this one changes. Where [Image.Digest] was called before, it is the
// content that decides.
func (i *Image) Changed() error {
	if err := i.changed(); err != nil {
		return fmt.Errorf("%s: %w", i.name, err)
	}
	return nil
}

func (i *Image) changed() error {
	now, err := fingerprintOf(i.file)
	if err != nil {
		return err
	}
	if now == i.opened {
		return nil
	}
	if now.content() != i.opened.content() {
		return ErrChanged
	}
	i.mu.Lock()
	before := i.digest
	i.mu.Unlock()
	if before == nil {
		if now.attributes() != i.opened.attributes() {
			return nil
		}
		return ErrChanged
	}
	after, err := i.sum()
	if err != nil {
		return err
	}
	if after != *before {
		return ErrChanged
	}
	return nil
}

// Digest returns the SHA-256 of the content as it is now. It reads all of the file.
func (i *Image) Digest() ([sha256.Size]byte, error) {
	sum, err := i.sum()
	if err != nil {
		return sum, fmt.Errorf("%s: %w", i.name, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.digest == nil {
		i.digest = &sum
	}
	return sum, nil
}

func (i *Image) sum() (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	// By ReadAt, because the position belongs to all who have the file.
	if _, err := io.Copy(h, io.NewSectionReader(i.file, 0, 1<<62)); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

// Close closes the descriptor. Processes that were started go on.
func (i *Image) Close() error { return i.file.Close() }
