package target

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/model"
	"golang.org/x/sys/unix"
)

// ErrNotGo says that a file is not an executable that the Go toolchain linked,
// or that nothing in it says so any more.
var ErrNotGo = errors.New("not a Go executable")

const (
	buildInfoMagic = "\xff Go buildinf:"
	// buildInfoHeader is the size of what precedes the build information.
	buildInfoHeader = 32
	// inlineStrings is the header's flag for texts that follow it, as written
	// since Go 1.18.
	inlineStrings = 2
	// maxBuildInfo bounds the list of modules and settings; the largest
	// programs have some tens of KiB.
	maxBuildInfo = 4 << 20
	maxVersion   = 256
	// maxDataSearch is how far the magic is looked for in the data segment of
	// a file without section headers.
	maxDataSearch = 1 << 20
	// modInfoFrame is the size of the marks around the list of modules.
	modInfoFrame = 16
	// pclntabMagic is the first word of the function table since Go 1.20.
	pclntabMagic = 0xfffffff1
)

// ReadBuildFile reads the build information of the executable at path. It
// opens regular files only.
func ReadBuildFile(path string) (*model.GoBuild, error) {
	// O_NONBLOCK keeps the open of a FIFO from waiting for its other end.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("read build information: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read build information: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read build information of %s: not a regular file: %w", path, ErrNotGo)
	}
	build, err := ReadBuild(f)
	if err != nil {
		return nil, fmt.Errorf("read build information of %s: %w", path, err)
	}
	return build, nil
}

// ReadBuild reads what the Go toolchain (1.18 and later) recorded in an
// executable, stripped or not. It reads a few KiB: headers, section names,
// the build id note and the build information. It keeps nothing of r.
//
// Cgo is reported when the build had CGO_ENABLED=1, or does not say, and there
// is evidence that it was made use of, because the setting alone is the
// default of most builds of pure Go programs: a shared library is asked for,
// or there is a section that only a C linker writes.
//
// The error wraps [ErrNotGo] when the file is readable and not a Go
// executable.
func ReadBuild(r io.ReaderAt) (*model.GoBuild, error) {
	f, err := readELF(r)
	if err != nil {
		return nil, err
	}
	if f.kind != elf.ET_EXEC && f.kind != elf.ET_DYN {
		return nil, fmt.Errorf("ELF type %v: %w", f.kind, ErrNotGo)
	}
	version, modules, err := f.buildInfo()
	if err != nil {
		return nil, err
	}
	build := &model.GoBuild{
		GoVersion: version,
		BuildID:   f.goNote(),
		Arch:      f.arch(),
		Static:    f.segment(elf.PT_INTERP) == nil,
		PIE:       f.kind == elf.ET_DYN,
		Stripped:  f.stripped(),
		FuncTable: f.hasFuncTable(),
	}
	cgoSetting := applyModules(build, modules)
	build.Cgo = cgoSetting != "0" && (f.needsLibrary() || f.section(".init", ".init_array", ".eh_frame") != nil)
	return build, nil
}

// Hookable reports whether the functions of a Go program can be found and
// hooked: it runs on amd64 and has a function table (pclntab) of a known layout,
// which a stripped executable keeps. A nil build is not.
func Hookable(build *model.GoBuild) bool {
	return build != nil && build.FuncTable && build.Arch == "amd64"
}

// buildInfo returns the toolchain's version and the list of modules.
func (f *elfFile) buildInfo() (version, modules string, err error) {
	off, err := f.findBuildInfo()
	if err != nil {
		return "", "", err
	}
	// One read gets both texts of all but the largest programs.
	head := make([]byte, 16<<10)
	n, err := f.r.ReadAt(head, int64(off))
	if n < buildInfoHeader {
		return "", "", fmt.Errorf("read Go build information at %#x: %w", off, err)
	}
	head = head[:n]
	if string(head[:len(buildInfoMagic)]) != buildInfoMagic {
		return "", "", fmt.Errorf("no Go build information at %#x: %w", off, ErrNotGo)
	}
	if head[15]&inlineStrings == 0 {
		return "", "", errors.New("build information of a release before Go 1.18 is not supported")
	}
	rest := head[buildInfoHeader:]
	size, width := binary.Uvarint(rest)
	if width <= 0 || size > maxVersion || size > uint64(len(rest)-width) {
		return "", "", fmt.Errorf("build information at %#x: implausible version of %d bytes", off, size)
	}
	version = string(rest[width : width+int(size)])
	rest = rest[width+int(size):]
	size, width = binary.Uvarint(rest)
	if width <= 0 || size > maxBuildInfo {
		return "", "", fmt.Errorf("build information at %#x: implausible module list of %d bytes", off, size)
	}
	rest = rest[width:]
	if size > uint64(len(rest)) {
		at := off + uint64(len(head)-len(rest))
		if rest, err = f.read(at, size); err != nil {
			return "", "", fmt.Errorf("read Go module list: %w", err)
		}
	}
	rest = rest[:size]
	if len(rest) < 2*modInfoFrame+1 || rest[len(rest)-modInfoFrame-1] != '\n' {
		return version, "", nil
	}
	return version, string(rest[modInfoFrame : len(rest)-modInfoFrame]), nil
}

// findBuildInfo returns the file offset of the build information.
func (f *elfFile) findBuildInfo() (uint64, error) {
	if len(f.sections) > 0 {
		s := f.section(".go.buildinfo")
		if s == nil || s.off > 1<<62 {
			return 0, ErrNotGo
		}
		return s.off, nil
	}
	for _, s := range f.segments {
		if s.kind != elf.PT_LOAD || s.flags&elf.PF_W == 0 || s.off > 1<<62 {
			continue
		}
		data := make([]byte, min(s.size, maxDataSearch))
		n, err := f.r.ReadAt(data, int64(s.off))
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, fmt.Errorf("search data segment: %w", err)
		}
		for at := 0; at < n; at++ {
			i := bytes.Index(data[at:n], []byte(buildInfoMagic))
			if i < 0 {
				break
			}
			at += i
			if at%16 == 0 {
				return s.off + uint64(at), nil
			}
		}
	}
	return 0, ErrNotGo
}

// applyModules reads the main package, the main module and the settings from
// the list of modules and returns the setting of CGO_ENABLED.
func applyModules(build *model.GoBuild, modules string) (cgo string) {
	for line := range strings.Lines(modules) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		switch kind {
		case "path":
			build.Path = strings.Clone(rest)
		case "mod":
			fields := strings.SplitN(rest, "\t", 3)
			build.Module = strings.Clone(fields[0])
			if len(fields) > 1 {
				build.Version = strings.Clone(fields[1])
			}
		case "build":
			key, value, _ := strings.Cut(rest, "=")
			if unquoted, err := strconv.Unquote(value); err == nil {
				value = unquoted
			}
			switch key {
			case "CGO_ENABLED":
				cgo = strings.Clone(value)
			case "vcs.revision":
				build.Revision = strings.Clone(value)
			}
		}
	}
	return cgo
}

// stripped reports whether the symbol table is gone.
func (f *elfFile) stripped() bool {
	for i := range f.sections {
		if f.sections[i].kind == elf.SHT_SYMTAB {
			return false
		}
	}
	return true
}

// hasFuncTable reports whether the pclntab is there in the layout that Go has
// used since 1.20.
func (f *elfFile) hasFuncTable() bool {
	s := f.section(".gopclntab", ".data.rel.ro.gopclntab")
	if s == nil {
		return false
	}
	b, err := f.read(s.off, 4)
	return err == nil && f.order.Uint32(b) == pclntabMagic
}

// arch returns the machine as GOARCH names it.
func (f *elfFile) arch() string {
	little := f.order == binary.LittleEndian
	switch f.machine {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	case elf.EM_386:
		return "386"
	case elf.EM_ARM:
		return "arm"
	case elf.EM_RISCV:
		return "riscv64"
	case elf.EM_S390:
		return "s390x"
	case elf.EM_LOONGARCH:
		return "loong64"
	case elf.EM_PPC64:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	case elf.EM_MIPS:
		name := "mips"
		if f.class == elf.ELFCLASS64 {
			name = "mips64"
		}
		if little {
			name += "le"
		}
		return name
	}
	return ""
}
