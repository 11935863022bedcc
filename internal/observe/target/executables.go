package target

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/goshawk-io/goshawk/internal/model"
	"golang.org/x/sys/unix"
)

// FileID names one state of one file: writing to the file or putting another
// in its place gives another one.
type FileID struct {
	// Dev is the device as stat(2) encodes it. It tells files apart but is not
	// compared with what stat says, since file systems with sub-volumes show
	// another device there than inside of the kernel.
	Dev uint64
	// Ino is the inode.
	Ino uint64
	// CTime is the inode's change time in nanoseconds since 1970, 0 when it is
	// not known. Without it a file that takes the inode of a deleted one is
	// mistaken for it.
	CTime int64
}

// KernelFileID is the [FileID] of an inode as the kernel keeps it: dev is
// i_sb->s_dev, sec and nsec are i_ctime. The flag that kernels from 6.13 keep
// in nsec is ignored.
func KernelFileID(dev uint32, ino uint64, sec int64, nsec uint32) FileID {
	const minorBits = 20
	return FileID{
		Dev:   unix.Mkdev(dev>>minorBits, dev&(1<<minorBits-1)),
		Ino:   ino,
		CTime: sec*1e9 + int64(nsec&^(1<<31)),
	}
}

func statFileID(st *unix.Stat_t) FileID {
	return FileID{Dev: st.Dev, Ino: st.Ino, CTime: st.Ctim.Nano()}
}

// same reports whether a file that stat describes as o is the one that f
// names, as far as f says.
func (f FileID) same(o FileID) bool {
	return f.Ino == o.Ino && (f.CTime == 0 || f.CTime == o.CTime)
}

// Executable is what is known of an executable file.
type Executable struct {
	// Build is nil when it is not a Go program. It is shared and must not be
	// changed.
	Build *model.GoBuild
	// Service is the service name that the build gives, empty when the name
	// of the file has to.
	Service string
	// Path is a path under which the file was run, and the memory that
	// processes which run it under that path share.
	Path string
}

// pathOf returns path in memory of its own or of e.
func (e *Executable) pathOf(path string) string {
	if path == e.Path {
		return e.Path
	}
	return strings.Clone(path)
}

// Executables remembers what executables are, so that each is opened once. It
// is safe for concurrent use.
type Executables struct {
	mu    sync.Mutex
	files *lru[FileID, Executable]
}

// NewExecutables returns an empty memory for max files; 4096 when max is 0.
func NewExecutables(max int) *Executables {
	if max <= 0 {
		max = 4096
	}
	return &Executables{files: newLRU[FileID, Executable](max)}
}

// Lookup returns what is known of a file.
func (e *Executables) Lookup(id FileID) (Executable, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.files.get(id)
}

// Load returns what the file id, run as path, is and opens it through open if
// that is not known. It remembers files that are readable, Go programs or not;
// it closes what open returns and does not keep the memory of path.
func (e *Executables) Load(id FileID, path string, open func() (*os.File, error)) (Executable, error) {
	if exe, ok := e.Lookup(id); ok {
		return exe, nil
	}
	f, err := open()
	if err != nil {
		return Executable{}, err
	}
	defer f.Close()
	build, err := ReadBuild(f)
	if err != nil && !errors.Is(err, ErrNotGo) {
		return Executable{}, fmt.Errorf("read executable %s: %w", f.Name(), err)
	}
	exe := Executable{Build: build, Service: packageServiceName(build), Path: strings.Clone(path)}
	e.mu.Lock()
	e.files.put(id, exe)
	e.mu.Unlock()
	return exe, nil
}

// openSame opens the file that name, relative to dir, leads to, provided that
// it is a regular file and the one that want names. Nothing but such a file is
// ever opened for reading, so no device or FIFO is touched.
func openSame(dir int, name string, want FileID) (*os.File, error) {
	fd, err := openat(dir, name, unix.O_PATH)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer unix.Close(fd)
	return reopen(fd, name, want)
}

// openInRoot opens the file at path as a process with that root directory
// would, and never leaves it, whatever symbolic links say.
func openInRoot(root, path string, want FileID) (*os.File, error) {
	dir, err := openat(unix.AT_FDCWD, root, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat2(dir, strings.TrimPrefix(path, "/"), &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", path, root, err)
	}
	defer unix.Close(fd)
	return reopen(fd, path, want)
}

// reopen opens for reading what the descriptor fd stands for.
func reopen(fd int, name string, want FileID) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, fmt.Errorf("stat %s: %w", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("open %s: not a regular file", name)
	}
	if want.Ino != 0 && !want.same(statFileID(&st)) {
		return nil, fmt.Errorf("open %s: it is another file by now", name)
	}
	file, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return os.NewFile(uintptr(file), name), nil
}
