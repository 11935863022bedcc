package image

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// childKey is the variable that makes this program a child of a test.
const childKey = "IMAGE_TEST_CHILD"

func TestMain(m *testing.M) {
	if what := os.Getenv(childKey); what != "" {
		if err := child(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testutil.NoLeaks(m)
}

// self returns this test's program.
func self(t testing.TB) []byte {
	content, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t testing.TB, path string, content []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, path string) *Image {
	t.Helper()
	i, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close() })
	return i
}

func TestOpen(t *testing.T) {
	program := self(t)
	other := elf.EM_AARCH64
	if runtime.GOARCH == "arm64" {
		other = elf.EM_X86_64
	}
	for name, test := range map[string]struct {
		make func(path string) error
		want error
	}{
		"a program":                {func(p string) error { return os.WriteFile(p, program, 0o755) }, nil},
		"a link to a program":      {func(p string) error { return os.Symlink("/proc/self/exe", p) }, nil},
		"half of a program":        {func(p string) error { return os.WriteFile(p, program[:len(program)/2], 0o755) }, ErrTruncated},
		"all but the last byte":    {func(p string) error { return os.WriteFile(p, program[:len(program)-1], 0o755) }, ErrTruncated},
		"the header of a program":  {func(p string) error { return os.WriteFile(p, program[:64], 0o755) }, ErrTruncated},
		"ten bytes of a program":   {func(p string) error { return os.WriteFile(p, program[:10], 0o755) }, ErrTruncated},
		"nothing":                  {func(p string) error { return os.WriteFile(p, nil, 0o755) }, ErrTruncated},
		"text":                     {func(p string) error { return os.WriteFile(p, []byte("hello\n"), 0o755) }, ErrFormat},
		"one byte":                 {func(p string) error { return os.WriteFile(p, []byte("#"), 0o755) }, ErrFormat},
		"a script":                 {func(p string) error { return os.WriteFile(p, []byte("#!/bin/sh\nexit\n"), 0o755) }, ErrScript},
		"not executable":           {func(p string) error { return os.WriteFile(p, program, 0o644) }, ErrNotExecutable},
		"a folder":                 {func(p string) error { return os.Mkdir(p, 0o755) }, ErrNotRegular},
		"a pipe without a writer":  {func(p string) error { return unix.Mkfifo(p, 0o755) }, ErrNotRegular},
		"a device":                 {func(p string) error { return os.Symlink("/dev/null", p) }, ErrNotRegular},
		"a socket":                 {makeSocket, ErrNotRegular},
		"a link to nothing":        {func(p string) error { return os.Symlink(p+"x", p) }, fs.ErrNotExist},
		"a link to itself":         {func(p string) error { return os.Symlink(p, p) }, unix.ELOOP},
		"no file":                  {func(string) error { return nil }, fs.ErrNotExist},
		"for another machine":      {func(p string) error { return writePatched(p, program, 18, uint16(other)) }, ErrMachine},
		"an object":                {func(p string) error { return writePatched(p, program, 16, uint16(elf.ET_REL)) }, ErrFormat},
		"no interpreter":           {withInterpreter("/no/such/loader"), ErrInterpreter},
		"a folder as interpreter":  {withInterpreter("/"), ErrInterpreter},
		"an interpreter that runs": {withInterpreter("/proc/self/exe"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			// The path of a socket is short.
			dir, err := os.MkdirTemp("", "")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(dir)
			path := filepath.Join(dir, "program")
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			i, err := Open(path, Options{})
			if err == nil {
				defer i.Close()
			}
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err == nil {
				return
			}
			if text := err.Error(); !strings.HasPrefix(text, path+": ") || strings.Count(text, path) != 1 {
				t.Errorf("%q does not name the path once, first", text)
			}
			if Hint(err) == "" && test.want != unix.ELOOP {
				t.Errorf("no hint for %v", err)
			}
		})
	}
}

func makeSocket(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	return l.Close()
}

// writePatched writes a program with other two bytes, in this machine's order.
func writePatched(path string, content []byte, offset int, value uint16) error {
	content = bytes.Clone(content)
	machineOf(runtime.GOARCH).byteOrder().PutUint16(content[offset:], value)
	return os.WriteFile(path, content, 0o755)
}

func withInterpreter(name string) func(string) error {
	return func(path string) error {
		d := newDraft(machineOf(runtime.GOARCH))
		d.interpreter(name + "\x00")
		// Of the same offset in pages of every size.
		for i := range d.programs {
			d.programs[i].Vaddr = d.programs[i].Off + 1<<24
		}
		d.header.Entry = codeAt + 1<<24
		return os.WriteFile(path, d.bytes(), 0o755)
	}
}

func TestHint_ofAnInterpreterIsAboutTheInterpreter(t *testing.T) {
	err := fmt.Errorf("x: %w: %w", ErrInterpreter, fs.ErrNotExist)
	if got := Hint(err); !strings.Contains(got, "loader") {
		t.Error(got)
	}
	if got := Hint(errors.New("something else")); got != "" {
		t.Error(got)
	}
}

func TestOpen_verifies(t *testing.T) {
	refused := errors.New("no signature")
	for name, test := range map[string]struct {
		verify func(path string, f *os.File) error
		want   error
	}{
		"what passes": {func(_ string, f *os.File) error {
			content, err := io.ReadAll(f)
			if want, _ := os.ReadFile("/proc/self/exe"); !bytes.Equal(content, want) {
				return errors.New("it is given another content")
			}
			return err
		}, nil},
		"what fails": {func(string, *os.File) error { return refused }, refused},
		"what is changed meanwhile": {func(path string, _ *os.File) error {
			return os.Truncate(path, 100)
		}, ErrChanged},
		"a descriptor that it closes": {func(_ string, f *os.File) error { return f.Close() }, unix.EBADF},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "program")
			write(t, path, self(t), 0o755)
			i, err := Open(path, Options{Verify: func(f *os.File) error { return test.verify(path, f) }})
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, want %v", err, test.want)
			}
			if err == nil {
				i.Close()
			}
		})
	}
}

func TestOpen_verifiesOnlyWhatCouldBeStarted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	write(t, path, []byte("text"), 0o755)
	_, err := Open(path, Options{Verify: func(*os.File) error { t.Error("called"); return nil }})
	if !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func TestNew_takesADescriptorOverFromItsMiddle(t *testing.T) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
		t.Fatal(err)
	}
	i, err := New(f, "previous", Options{Verify: func(f *os.File) error {
		if b, err := io.ReadAll(f); len(b) == 0 || err != nil {
			t.Errorf("verify gets %d bytes, %v", len(b), err)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 || err != nil {
		t.Errorf("it is inherited: %v", err)
	}
	if i.Name() != "previous" || i.File() != f {
		t.Error(i.Name())
	}
}

func TestChanged(t *testing.T) {
	past := time.Unix(1e9, 0)
	// overwrite changes the content, and neither the size nor the modification time.
	overwrite := func(path string) error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte("X"), 200)
		return errors.Join(err, f.Close(), os.Chtimes(path, past, past))
	}
	for name, test := range map[string]struct {
		change          func(path string) error
		without, digest error
	}{
		"nothing":        {nil, nil, nil},
		"longer":         {func(p string) error { return os.Truncate(p, 1<<24) }, ErrChanged, ErrChanged},
		"touched":        {func(p string) error { return os.Chtimes(p, past, past.Add(time.Hour)) }, ErrChanged, ErrChanged},
		"overwritten":    {overwrite, ErrChanged, ErrChanged},
		"another mode":   {func(p string) error { return os.Chmod(p, 0o711) }, nil, nil},
		"removed":        {os.Remove, nil, nil},
		"moved":          {func(p string) error { return os.Rename(p, p+"x") }, ErrChanged, nil},
		"the same owner": {func(p string) error { return os.Chown(p, os.Getuid(), os.Getgid()) }, ErrChanged, nil},
	} {
		for _, withDigest := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, with its digest %t", name, withDigest), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "program")
				write(t, path, self(t), 0o755)
				if err := os.Chtimes(path, past, past); err != nil {
					t.Fatal(err)
				}
				i := mustOpen(t, path)
				if withDigest {
					if _, err := i.Digest(); err != nil {
						t.Fatal(err)
					}
				}
				want := test.without
				if withDigest {
					want = test.digest
				}
				if test.change != nil {
					changeInNextTick(t, i, func() error { return test.change(path) })
				}
				if err := i.Changed(); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			})
		}
	}
}

// changeInNextTick waits for a tick of the file system's clock before the change, so that
// the time of the change differs from that of the opened file.
func changeInNextTick(t *testing.T, i *Image, change func() error) {
	t.Helper()
	probe, err := os.Create(filepath.Join(t.TempDir(), "clock"))
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	for {
		if err := probe.Chmod(0o600); err != nil {
			t.Fatal(err)
		}
		at, err := fingerprintOf(probe)
		if err != nil {
			t.Fatal(err)
		}
		if at.attributesChanged.Nano() > i.opened.attributesChanged.Nano() {
			break
		}
	}
	if err := change(); err != nil {
		t.Fatal(err)
	}
	if now, err := fingerprintOf(i.file); err != nil || now == i.opened {
		t.Fatalf("the change is not seen: %v", err)
	}
}

func TestDigest(t *testing.T) {
	i := mustOpen(t, "/proc/self/exe")
	got, err := i.Digest()
	if want := sha256.Sum256(self(t)); got != want || err != nil {
		t.Errorf("got %x, want %x, %v", got, want, err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Digest(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("of a closed one: %v", err)
	}
}

func TestRunning(t *testing.T) {
	i, err := Running()
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	path, err := os.Executable()
	if i.Name() != path || err != nil {
		t.Errorf("its name is %q, want %q, %v", i.Name(), path, err)
	}
	if err := i.Changed(); err != nil {
		t.Error(err)
	}
}

func TestRunning_afterItsFileIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	content := append(self(t), "OLD"...)
	write(t, path, content, 0o755)
	sum := sha256.Sum256(content)
	if got, want := run(t, mustOpen(t, path), "running"), hex.EncodeToString(sum[:])+" "+path; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNameThreads(t *testing.T) {
	i := mustOpen(t, "/proc/self/exe")
	before, after, ok := strings.Cut(strings.TrimSpace(run(t, i, "threads")), " ")
	if !ok || !strings.HasPrefix(before, "1:") || strings.Contains(before, "server") {
		t.Errorf("before: %q", before)
	}
	if after != "1:a-server-of-a-l" {
		t.Errorf("after: %q", after)
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		i, err := Open("/proc/self/exe", Options{})
		if err != nil {
			b.Fatal(err)
		}
		i.Close()
	}
}
