package target

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/goshawk-io/goshawk/internal/model"
)

// skeleton returns an executable of testdata/build: all that ReadBuild looks
// at was kept of a real one, the rest is zero.
func skeleton(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "build", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadBuildOfEveryReleaseAndKind(t *testing.T) {
	const (
		hello  = "example.com/fixture/v2/cmd/hello"
		chello = "example.com/fixture/v2/cmd/chello"
	)
	tests := []struct {
		file string
		want model.GoBuild
	}{
		{"go1.20.14-static-stripped", model.GoBuild{Path: hello, Arch: "amd64", Static: true, Stripped: true}},
		{"go1.21.13-static-stripped", model.GoBuild{Path: hello, Arch: "amd64", Static: true, Stripped: true}},
		{"go1.22.12-static-stripped", model.GoBuild{Path: hello, Arch: "amd64", Static: true, Stripped: true}},
		{"go1.23.12-static-stripped", model.GoBuild{Path: hello, Arch: "amd64", Static: true, Stripped: true}},
		{"go1.24.13-static-stripped", model.GoBuild{Path: hello, Arch: "amd64", Static: true, Stripped: true}},
		{"go1.25.7-static-stripped", model.GoBuild{Path: hello, Arch: "amd64", Static: true, Stripped: true}},
		{"go1.26.8-static-stripped", model.GoBuild{Path: hello, Arch: "amd64", Static: true, Stripped: true}},
		{"go1.20.14-pie", model.GoBuild{Path: hello, Arch: "amd64", PIE: true}},
		{"go1.26.8-pie-stripped", model.GoBuild{Path: hello, Arch: "amd64", PIE: true, Stripped: true}},
		{"go1.20.14-cgo", model.GoBuild{Path: chello, Arch: "amd64", Cgo: true}},
		{"go1.26.8-cgo", model.GoBuild{Path: chello, Arch: "amd64", Cgo: true}},
		{"go1.26.8-cgo-static", model.GoBuild{Path: chello, Arch: "amd64", Cgo: true, Static: true}},
		{"go1.26.8-cgo-allowed-unused", model.GoBuild{Path: hello, Arch: "amd64", Static: true}},
		{"go1.26.8-386", model.GoBuild{Path: hello, Arch: "386", Static: true}},
		{"go1.26.8-arm64", model.GoBuild{Path: hello, Arch: "arm64", Static: true}},
		{"go1.26.8-s390x", model.GoBuild{Path: hello, Arch: "s390x", Static: true}},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			got, err := ReadBuild(bytes.NewReader(skeleton(t, tt.file)))
			if err != nil {
				t.Fatal(err)
			}
			if got.Version == "" || len(got.Revision) != 40 || strings.Count(got.BuildID, "/") != 3 {
				t.Errorf("version %q, revision %q, build id %q: want all of them", got.Version, got.Revision, got.BuildID)
			}
			want := tt.want
			want.GoVersion, _, _ = strings.Cut(tt.file, "-")
			want.Module, want.FuncTable = "example.com/fixture/v2", true
			want.Version, want.Revision, want.BuildID = got.Version, got.Revision, got.BuildID
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Errorf("ReadBuild (-want +got):\n%s", diff)
			}
			if hookable := tt.want.Arch == "amd64"; Hookable(got) != hookable {
				t.Errorf("Hookable = %v, want %v", !hookable, hookable)
			}
		})
	}
}

func TestReadBuildWithoutSectionHeaders(t *testing.T) {
	b := skeleton(t, "go1.26.8-static-stripped")
	clear(b[40:48]) // e_shoff
	clear(b[60:64]) // e_shnum, e_shstrndx
	got, err := ReadBuild(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if got.GoVersion != "go1.26.8" || got.BuildID == "" || got.FuncTable || !got.Stripped {
		t.Errorf("ReadBuild = %+v, want version and build id and no function table", got)
	}
	if Hookable(got) || Hookable(nil) {
		t.Error("a program without a function table, or none at all, is hookable")
	}
}

func TestReadBuildRefuses(t *testing.T) {
	goFile := skeleton(t, "go1.26.8-static-stripped")
	change := func(off int, with ...byte) []byte {
		b := bytes.Clone(goFile)
		copy(b[off:], with)
		return b
	}
	info := bytes.Index(goFile, []byte(buildInfoMagic))
	tests := []struct {
		name  string
		file  []byte
		notGo bool
	}{
		{"an empty file", nil, true},
		{"a script", []byte("#!/bin/sh\nexit 0\n" + strings.Repeat("#", 64)), true},
		{"a header alone", goFile[:64], false},
		{"an unknown class", change(4, 9), true},
		{"an unknown byte order", change(5, 9), true},
		{"an object file", change(16, byte(elf.ET_REL)), true},
		{"program headers of the wrong size", change(54, 1), true},
		{"65535 program headers", change(56, 0xff, 0xff), true},
		{"program headers outside of the file", change(32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), false},
		{"build information without its magic", change(info, 0), true},
		{"a release before 1.18", change(info+15, 0), false},
		{"a version of 2^63 bytes", change(info+32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), false},
		{"a module list of 256 MiB", change(info+32+1+len("go1.26.8"), 0x80, 0x80, 0x80, 0x80, 1), false},
		{"a module list that the file does not hold", change(info+32+1+len("go1.26.8"), 0xff, 0xff, 0xff, 1), false},
		{"a file that ends within the build information", goFile[:info+16], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ReadBuild(bytes.NewReader(tt.file))
			if err == nil {
				// Only the section headers may be lost without harm.
				t.Fatalf("ReadBuild = %+v, want an error", got)
			}
			if errors.Is(err, ErrNotGo) != tt.notGo {
				t.Errorf("error %q is ErrNotGo: %v, want %v", err, !tt.notGo, tt.notGo)
			}
		})
	}
}

// hugeFile pretends that zeros follow an executable, as a sparse file does.
type hugeFile []byte

func (h hugeFile) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(h)) {
		copy(p, h[off:])
	}
	return len(p), nil
}

func TestReadBuildOfASparseFileDoesNotReadWhatItClaimsToHold(t *testing.T) {
	b := skeleton(t, "go1.26.8-static-stripped")
	shoff := binary.LittleEndian.Uint64(b[40:])
	names := binary.LittleEndian.Uint16(b[62:])
	binary.LittleEndian.PutUint64(b[shoff+uint64(names)*64+32:], 1<<40)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := ReadBuild(hugeFile(b)); err != nil {
		t.Errorf("ReadBuild = %v, want the search of the data segment to find it", err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("ReadBuild allocated %d bytes", got)
	}
}

func TestReadBuildFileOpensRegularFilesOnly(t *testing.T) {
	if _, err := ReadBuildFile(t.TempDir()); !errors.Is(err, ErrNotGo) {
		t.Errorf("a directory: %v, want ErrNotGo", err)
	}
	if _, err := ReadBuildFile(filepath.Join(t.TempDir(), "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v, want ErrNotExist", err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	build, err := ReadBuildFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if got := build.GoVersion; got != runtime.Version() {
		t.Errorf("the test's own version is %q, want %q", got, runtime.Version())
	}
	if build.Arch != runtime.GOARCH || !build.FuncTable {
		t.Errorf("the test itself: %+v, want its architecture and a function table", build)
	}
}

// patchedFile is a file with its beginning and one half replaced.
type patchedFile struct {
	whole, head []byte
	at          int64
	value       uint16
}

func (p patchedFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := bytes.NewReader(p.whole).ReadAt(b, off)
	if off < int64(len(p.head)) {
		copy(b[:n], p.head[off:])
	}
	if i := p.at - off; i >= 0 && i+2 <= int64(n) {
		binary.LittleEndian.PutUint16(b[i:], p.value)
	}
	return n, err
}

func FuzzReadBuild(f *testing.F) {
	whole := skeleton(f, "go1.26.8-cgo")
	shoff := binary.LittleEndian.Uint64(whole[40:])
	info := bytes.Index(whole, []byte(buildInfoMagic))
	f.Add(whole[:64], uint32(shoff), uint16(0))
	f.Add(whole[:64+56*4], uint32(info), uint16(0xffff))
	f.Add(skeleton(f, "go1.26.8-386")[:512], uint32(info), uint16(0xffff))
	f.Fuzz(func(t *testing.T, head []byte, at uint32, value uint16) {
		build, err := ReadBuild(patchedFile{whole, head, int64(at), value})
		if (build == nil) == (err == nil) {
			t.Errorf("ReadBuild = %v, %v: want one of them", build, err)
		}
	})
}

func BenchmarkReadBuildFile(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ReadBuildFile(exe); err != nil {
			b.Fatal(err)
		}
	}
}
