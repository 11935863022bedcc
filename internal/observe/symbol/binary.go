package symbol

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/goshawk-io/goshawk/internal/model"
)

var (
	// ErrNotGo says that a file is no Go program.
	ErrNotGo = errors.New("not a Go program")
	// ErrUnsupported says that a file may well be a Go program, but of a
	// release, an architecture or a layout that this package cannot read.
	ErrUnsupported = errors.New("unsupported Go program")
)

// Binary is a Go executable, mapped read-only. It does not change after it was
// opened and is safe for concurrent use.
//
// A mapping that is no longer reachable is released by the garbage collector;
// [Binary.Close] releases it at once.
type Binary struct {
	mapping []byte
	release runtime.Cleanup

	img     *image
	table   *table
	info    buildInfo
	buildID string
	start   uint64 // lowest address of the executable segments
	fields  fieldCache
}

// Open maps the executable at path, which may be /proc/PID/exe. It blocks for
// disk reads of a few hundred KiB, whatever the size of the file.
// Errors name the path and match [ErrNotGo] or [ErrUnsupported], or the cause
// of a failed system call; a damaged file gives an error that matches none of
// these.
func Open(path string) (*Binary, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return OpenFile(f)
}

// openFile opens a file for mapping. It does not wait for the writer of a
// named pipe.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// OpenFile is [Open] for a file that is open already. The caller keeps f and
// may close it as soon as OpenFile returns.
func OpenFile(f *os.File) (*Binary, error) {
	b, err := mapFile(f)
	if err != nil {
		return nil, fmt.Errorf("symbols of %s: %w", f.Name(), err)
	}
	return b, nil
}

// mapFile is OpenFile without the name of the file in its errors.
func mapFile(f *os.File) (*Binary, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() < elfHeaderSize {
		return nil, fmt.Errorf("%w: %s of %d bytes", ErrNotGo, info.Mode(), info.Size())
	}
	if info.Size() > math.MaxInt {
		return nil, fmt.Errorf("%w: %d bytes", ErrUnsupported, info.Size())
	}
	// Into a private mapping the kernel would write the breakpoints of uprobes on
	// this file, and they would be read as its code.
	mapping, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	b := &Binary{mapping: mapping}
	if !shielded(func() { err = b.parse(mapping) }) {
		err = errors.New("the file shrank while it was read")
	}
	if err != nil {
		_ = syscall.Munmap(mapping)
		return nil, err
	}
	b.forget()
	b.release = runtime.AddCleanup(b, func(m []byte) { _ = syscall.Munmap(m) }, mapping)
	return b, nil
}

// parse fills b from the content of a file, which b aliases from then on.
func (b *Binary) parse(data []byte) error {
	img, err := parseImage(data)
	if err != nil {
		return err
	}
	t, err := locateTable(img)
	if err != nil {
		return err
	}
	b.img, b.table = img, t
	b.info = readBuildInfo(img)
	release, _ := releaseOf(b.info.version)
	t.ids = release.ids
	if id := img.note(".note.go.buildid", "Go", goNoteBuildID); len(id) <= maxName {
		b.buildID = string(id)
	}
	b.start = math.MaxUint64
	for s := range img.loads(flagExec) {
		b.start = min(b.start, s.addr)
	}
	return nil
}

// shielded runs f and reports whether it ran to its end: reading a mapping
// past the end of a file that has shrunk stops it.
func shielded(f func()) (ok bool) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
		}
	}()
	f()
	return true
}

// Close releases the mapping. b answers nothing afterwards; Close must not run
// while another method does. Closing twice is harmless.
func (b *Binary) Close() error {
	if b.mapping == nil {
		return nil
	}
	b.release.Stop()
	mapping := b.mapping
	b.mapping, b.img, b.table = nil, &image{}, &table{}
	if err := syscall.Munmap(mapping); err != nil {
		return os.NewSyscallError("munmap", err)
	}
	return nil
}

// GoVersion returns the version of the toolchain ("go1.26.8"), empty when the
// file does not say.
func (b *Binary) GoVersion() string { return b.info.version }

// BuildID returns the Go build id of the linked program, empty when the file
// has none. It is not proof of the content: whoever writes a file chooses it.
func (b *Binary) BuildID() string { return b.buildID }

// LoadBias returns the difference between the addresses of a process that runs
// the file and the addresses in the file. startCode is the process's
// mm->start_code, the load address of its lowest executable segment. The bias
// of a program that is not position-independent is 0.
func (b *Binary) LoadBias(startCode uint64) uint64 { return startCode - b.start }

// GoidOffset returns the offset, in bytes, of the goroutine id in the
// runtime's g. For a release that is not in the table, one to come for
// instance, it returns the offset of the newest known release and false.
func (b *Binary) GoidOffset() (off uint64, ok bool) {
	r, ok := releaseOf(b.info.version)
	return r.goid, ok
}

// AppendFrames appends the calls that the code at pc belongs to, innermost
// first, as [runtime.Frames] describes them: inlined calls are expanded,
// wrappers made by the compiler are left out. pc is an address in the file:
// the load bias is subtracted already. call says that pc is a return address,
// so that the call is the instruction before it. For an address outside of the
// program's Go code nothing is appended.
//
// The texts are copies that outlive b.
func (b *Binary) AppendFrames(dst []model.Frame, pc uint64, call bool) []model.Frame {
	calls := b.calls(instruction(pc, call))
	dst, _ = b.appendShown(dst, calls, 0)
	return dst
}

// instruction returns an address inside of the instruction that pc stands for.
func instruction(pc uint64, call bool) uint64 {
	if call && pc > 0 {
		return pc - 1
	}
	return pc
}

// calls returns the calls at an address, wrappers included.
func (b *Binary) calls(pc uint64) (calls []call) {
	if !shielded(func() { calls = b.table.appendCalls(nil, pc) }) {
		calls = nil
	}
	runtime.KeepAlive(b)
	return calls
}

// appendShown appends the frames of calls that stacks show. callee is the
// class of the function that the innermost of them calls; that of the
// outermost is returned.
func (b *Binary) appendShown(dst []model.Frame, calls []call, callee uint8) ([]model.Frame, uint8) {
	for i := range calls {
		if !b.table.ids.hides(calls[i].id, callee) {
			dst = append(dst, calls[i].frame)
		}
		callee = calls[i].id
	}
	return dst, callee
}

// Func returns where the code of a function starts and ends, as addresses in
// the file. end is the start of the next function, padding included. name is
// the linker's: the type arguments of a generic function are part of it
// ("main.Map[go.shape.int]"; before Go 1.21 "main.Map[...]", and then the first
// one is returned). A function whose every call is inlined may have no code of
// its own.
//
// Every call searches the table: about 10 ms for a file of 150 MB. ok is false
// when there is no such function.
func (b *Binary) Func(name string) (entry, end uint64, ok bool) {
	var f function
	if !shielded(func() { f, ok = b.table.findName(name) }) {
		return 0, 0, false
	}
	b.forget()
	return f.entry, f.end, ok
}

// Forget gives back the memory that the pages of the file take in this process,
// after many questions about it. They are read again when they are needed.
func (b *Binary) Forget() { b.forget() }

// forget gives back the memory that the pages of the file take in this process.
// They stay in the kernel's cache of files.
func (b *Binary) forget() {
	if b.mapping != nil {
		_ = syscall.Madvise(b.mapping, syscall.MADV_DONTNEED)
	}
	runtime.KeepAlive(b)
}

// Text returns a copy of the machine code in [lo, hi), nil when a part of it
// is outside of the executable segments.
func (b *Binary) Text(lo, hi uint64) []byte {
	var code []byte
	shielded(func() {
		for s := range b.img.loads(flagExec) {
			if lo < hi && s.contains(lo) && s.contains(hi-1) {
				code = append(code, s.data[lo-s.addr:hi-s.addr]...)
				return
			}
		}
	})
	runtime.KeepAlive(b)
	return code
}
