package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

// ErrChanged says that a file changed while it was read.
var ErrChanged = errors.New("the file changed while it was read")

// Program is an executable, open for looking at. It is safe for concurrent use.
type Program struct {
	// Process is the process that runs the program. For a file that was opened
	// by its path only Exe, Go and Service are set.
	Process model.Process
	// Hookable says that the functions of the program can be found and hooked.
	Hookable bool
	// Size is the size of the file in bytes.
	Size int64
	// Linking says how the program was linked and what the file keeps.
	Linking symbol.Linking
	// Build is what the build tool recorded of modules and settings, nil when
	// it recorded nothing. It must not be changed.
	Build *debug.BuildInfo

	file    *os.File
	opened  os.FileInfo
	bin     *symbol.Binary
	noPatch string // why no function can be patched

	inlinedOnce sync.Once
	inlined     *symbol.Inlinings
}

// OpenFile opens the executable at path. Errors match [symbol.ErrNotGo],
// [symbol.ErrUnsupported] or the cause that the operating system gives; they do
// not name the path.
func OpenFile(path string) (*Program, error) {
	f, err := openExecutable(path)
	if err != nil {
		return nil, err
	}
	p, err := open(f, model.Process{Exe: path})
	if err != nil {
		return nil, err
	}
	p.Process.Service = target.ServiceName(p.Process.Go, path, nil)
	return p, nil
}

// attempts is how often a process that executes another program meanwhile is
// looked at again.
const attempts = 3

// OpenProcess opens the executable that a process runs, whatever has become of
// the file at its path. Errors match, besides those of [OpenFile],
// [target.ErrGone] and [target.ErrKernelThread]; they do not name the process.
func OpenProcess(reader *target.Reader, pid int32) (*Program, error) {
	before, err := reader.ReadProcess(pid)
	for range attempts {
		if err != nil {
			return nil, cause(err)
		}
		f, openErr := openExecutable(fmt.Sprintf("/proc/%d/exe", pid))
		after, err := reader.ReadProcess(pid)
		switch {
		case err != nil:
			closeQuietly(f)
			return nil, cause(err)
		case openErr != nil:
			return nil, openErr
		case before.ID != after.ID || before.File != after.File:
			closeQuietly(f)
			before = after
			continue
		}
		p, err := open(f, after.Process)
		if err != nil {
			return nil, err
		}
		p.Process.Service = reader.Service(&p.Process)
		return p, nil
	}
	return nil, errors.New("it executes one program after the other")
}

func closeQuietly(f *os.File) {
	if f != nil {
		f.Close()
	}
}

// cause takes the name of the process off an error: the caller names it.
func cause(err error) error {
	for _, known := range []error{target.ErrGone, target.ErrKernelThread, fs.ErrPermission} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// smallest is the size of an ELF header in bytes.
const smallest = 64

// openExecutable opens a regular file without waiting for anything.
func openExecutable(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, withoutPath(err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = withoutPath(err)
	case info.IsDir():
		err = fmt.Errorf("%w: it is a directory", symbol.ErrNotGo)
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%w: it is not a regular file", symbol.ErrNotGo)
	case info.Size() < smallest:
		err = fmt.Errorf("%w: it has %d bytes", symbol.ErrNotGo, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// withoutPath takes the path off an error of the operating system.
func withoutPath(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// open reads the executable f, which belongs to the program from then on.
func open(f *os.File, process model.Process) (*Program, error) {
	p := &Program{file: f, Process: process}
	err := p.read()
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *Program) read() error {
	var err error
	if p.opened, err = p.file.Stat(); err != nil {
		return withoutPath(err)
	}
	p.Size = p.opened.Size()
	if p.bin, err = symbol.OpenFile(p.file); err != nil {
		if inner := errors.Unwrap(err); inner != nil {
			return inner // without the path
		}
		return err
	}
	p.Linking, p.Build = p.bin.Linking(), p.bin.BuildInfo()
	build, err := target.ReadBuild(p.file)
	if err != nil {
		build = p.describe()
	}
	// The table was found, whatever its section is called.
	build.FuncTable = true
	p.Process.Go, p.Hookable = build, target.Hookable(build)
	p.noPatch = programVerdict(build, p.Build)
	return nil
}

// describe says what the table of functions and the program headers show, where
// the file does not say it in the usual place.
func (p *Program) describe() *model.GoBuild {
	build := &model.GoBuild{
		GoVersion: p.bin.GoVersion(), BuildID: p.bin.BuildID(), Arch: p.Linking.Arch,
		Static: p.Linking.Static, PIE: p.Linking.PIE, Stripped: !p.Linking.SymbolTable,
	}
	if p.Build == nil {
		return build
	}
	build.Path, build.Module, build.Version = p.Build.Path, p.Build.Main.Path, p.Build.Main.Version
	for _, s := range p.Build.Settings {
		if s.Key == "vcs.revision" {
			build.Revision = s.Value
		}
	}
	return build
}

// intact returns [ErrChanged] when the file is not what it was.
func (p *Program) intact() error {
	now, err := p.file.Stat()
	if err != nil {
		return withoutPath(err)
	}
	if now.Size() != p.opened.Size() || !now.ModTime().Equal(p.opened.ModTime()) {
		return ErrChanged
	}
	return nil
}

// Close lets go of the file. p answers nothing about functions afterwards.
func (p *Program) Close() error {
	return errors.Join(p.bin.Close(), p.file.Close())
}
