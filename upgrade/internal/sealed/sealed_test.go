package sealed

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// random returns n bytes that are the same for the same seed.
func random(seed uint64, n int) []byte {
	var key [32]byte
	key[0] = byte(seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// seal returns a sealed file that is closed with the test.
func seal(t testing.TB, version uint32, parts ...[]byte) *os.File {
	t.Helper()
	w, err := Create("test", version)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if n, err := w.Write(p); n != len(p) || err != nil {
			t.Fatalf("wrote %d of %d bytes: %v", n, len(p), err)
		}
	}
	f, err := w.Seal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func mustOpen(t testing.TB, f *os.File) *Reader {
	t.Helper()
	r, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// content returns the image of a sealed file.
func content(t testing.TB, f *os.File) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	lengths := []int{0, 1, 4095, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 5*chunkSize - 7}
	for seed := range uint64(30) {
		lengths = append(lengths, rand.New(rand.NewPCG(seed, 1)).IntN(4*chunkSize))
	}
	for i, length := range lengths {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			want := random(uint64(i), length)
			// In parts of all sizes.
			var parts [][]byte
			dice := rand.New(rand.NewPCG(uint64(i), 2))
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 1+dice.IntN([]int{10, 9000, 3 * chunkSize}[dice.IntN(3)]))
				parts, rest = append(parts, rest[:n]), rest[n:]
			}
			r := mustOpen(t, seal(t, 7, parts...))
			if r.Version() != 7 || r.Len() != int64(length) {
				t.Errorf("version %d, %d bytes, want 7, %d", r.Version(), r.Len(), length)
			}
			if length <= chunkSize+1 && i < 8 { // it reads many times
				if err := iotest.TestReader(io.NewSectionReader(r, 0, r.Len()), want); err != nil {
					t.Error(err)
				}
			}
			if got, err := io.ReadAll(r); !bytes.Equal(got, want) || err != nil {
				t.Errorf("Read: %d bytes that are the same: %t, %v", len(got), bytes.Equal(got, want), err)
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read at the end: %d, %v", n, err)
			}
			if got, err := r.Bytes(); !bytes.Equal(got, want) || err != nil {
				t.Errorf("Bytes: %d bytes that are the same: %t, %v", len(got), bytes.Equal(got, want), err)
			}
		})
	}
}

func TestWrite_ofPartsThatAlmostFillAChunk(t *testing.T) {
	want := random(1, 2*chunkSize+5)
	for _, at := range []int{chunkSize - 1, chunkSize, chunkSize + 1, 2*chunkSize - 1} {
		r := mustOpen(t, seal(t, 1, want[:1], want[1:at], nil, want[at:]))
		got, err := r.Bytes()
		if !bytes.Equal(got, want) || err != nil {
			t.Errorf("%d bytes first: %v", at, err)
		}
		if cap(got) != len(got) {
			t.Errorf("an append would write to the mapping: %d bytes, room for %d", len(got), cap(got))
		}
	}
}

func TestReadAt(t *testing.T) {
	want := random(1, 2*chunkSize+10)
	r := mustOpen(t, seal(t, 1, want))
	for name, test := range map[string]struct {
		offset, length, n int
		err               error
	}{
		"across the end of a chunk": {chunkSize - 3, 6, 6, nil},
		"across two":                {chunkSize - 1, chunkSize + 2, chunkSize + 2, nil},
		"the last byte":             {2*chunkSize + 9, 1, 1, nil},
		"across the end":            {2*chunkSize + 9, 2, 1, io.EOF},
		"at the end":                {2*chunkSize + 10, 1, 0, io.EOF},
		"behind the end":            {9 * chunkSize, 1, 0, io.EOF},
		"nothing":                   {5, 0, 0, nil},
		"before the start":          {-1, 1, 0, os.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			b := make([]byte, test.length)
			n, err := r.ReadAt(b, int64(test.offset))
			if n != test.n || !errors.Is(err, test.err) {
				t.Fatalf("got %d, %v, want %d, %v", n, err, test.n, test.err)
			}
			if n > 0 && !bytes.Equal(b[:n], want[test.offset:test.offset+n]) {
				t.Error("other bytes")
			}
		})
	}
}

func TestReader_ofSeveralGoroutines(t *testing.T) {
	want := random(1, 8*chunkSize+10)
	r := mustOpen(t, seal(t, 1, want))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Len()))
			// It may have been closed meanwhile, but never gives other bytes.
			if !bytes.HasPrefix(want, got) || err != nil && !errors.Is(err, os.ErrClosed) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	all.Go(func() { r.Close() })
	all.Wait()
}

func TestReader_closed(t *testing.T) {
	r := mustOpen(t, seal(t, 1, []byte("hello")))
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read: %d, %v", n, err)
	}
	if b, err := r.Bytes(); b != nil || !errors.Is(err, os.ErrClosed) {
		t.Errorf("Bytes: %q, %v", b, err)
	}
}

func TestReader_outlivesTheFile(t *testing.T) {
	f := seal(t, 1, []byte("hello"))
	r := mustOpen(t, f)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := r.Bytes(); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

func TestSeal_letsNobodyChangeIt(t *testing.T) {
	f := seal(t, 1, random(1, chunkSize+5))
	before := content(t, f)
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for name, change := range map[string]func(f *os.File) error{
		"write":  func(f *os.File) error { _, err := f.WriteAt([]byte("x"), headerSize); return err },
		"append": func(f *os.File) error { _, err := f.WriteAt([]byte("x"), int64(len(before))); return err },
		"shrink": func(f *os.File) error { return f.Truncate(10) },
		"grow":   func(f *os.File) error { return f.Truncate(1 << 30) },
		"punch":  func(f *os.File) error { return unix.Fallocate(int(f.Fd()), 3, 0, 4096) },
		"map": func(f *os.File) error {
			_, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_WRITE, unix.MAP_SHARED)
			return err
		},
		"a seal": func(f *os.File) error {
			_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
			return err
		},
	} {
		for _, f := range []*os.File{f, again} {
			if err := change(f); !errors.Is(err, unix.EPERM) {
				t.Errorf("%s: %v, want %v", name, err, unix.EPERM)
			}
		}
	}
	if !bytes.Equal(content(t, f), before) {
		t.Error("it was changed")
	}
}

func TestSeal_isNotInherited(t *testing.T) {
	f := seal(t, 1)
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
	if flags&unix.FD_CLOEXEC == 0 || err != nil {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

// What stands for a limit of memory here is a file that the kernel lets not grow.
func TestWriter_thatCannotWrite(t *testing.T) {
	part := random(1, chunkSize)
	for name, test := range map[string]struct{ before, after int }{
		"a chunk":      {1, 1},
		"a later one":  {2, 3},
		"the table":    {2, 0},
		"the header":   {0, 0},
		"many of them": {0, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Create("state", 1)
			if err != nil {
				t.Fatal(err)
			}
			for range test.before {
				if _, err := w.Write(part); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := unix.FcntlInt(w.file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
				t.Fatal(err)
			}
			for range test.after {
				n, err := w.Write(part)
				if n != 0 || !errors.Is(err, unix.EPERM) || !strings.HasPrefix(err.Error(), `write "state" to memory: `) {
					t.Errorf("Write: %d, %v", n, err)
				}
			}
			f, err := w.Seal()
			if f != nil || !errors.Is(err, unix.EPERM) {
				t.Errorf("Seal: %v, %v", f, err)
			}
			if _, err := w.file.Stat(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the file is still there: %v", err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWriter_thatIsClosed(t *testing.T) {
	for name, end := range map[string]func(*Writer) error{
		"given up": (*Writer).Close,
		"sealed": func(w *Writer) error {
			f, err := w.Seal()
			if err != nil {
				return err
			}
			defer f.Close()
			// The file is the caller's by now.
			return errors.Join(w.Close(), func() error { _, err := f.Stat(); return err }())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := Create("x", 1)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("hello")); err != nil || w.Len() != 5 {
				t.Errorf("%d bytes, %v", w.Len(), err)
			}
			if err := end(w); err != nil {
				t.Error(err)
			}
			if _, err := w.Write([]byte("x")); !errors.Is(err, os.ErrClosed) {
				t.Errorf("Write: %v", err)
			}
			if f, err := w.Seal(); f != nil || !errors.Is(err, os.ErrClosed) {
				t.Errorf("Seal: %v, %v", f, err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCreate_refusesNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 201), "a\x00b"} {
		if w, err := Create(name, 1); err == nil {
			w.Close()
			t.Errorf("%q is taken", name)
		}
	}
}

func TestOpen_refuses(t *testing.T) {
	memory := func(image []byte, with int) func() (*os.File, error) {
		return func() (*os.File, error) {
			fd, err := unix.MemfdCreate("other", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
			if err != nil {
				return nil, err
			}
			f := os.NewFile(uintptr(fd), "other")
			if _, err := f.Write(image); err != nil {
				return f, err
			}
			_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, with)
			return f, err
		}
	}
	good := content(t, seal(t, 1, []byte("hello")))
	newer := bytes.Clone(good)
	newer[atFormat]++
	for name, test := range map[string]struct {
		make func() (*os.File, error)
		want error
	}{
		"what is right":            {memory(good, seals), nil},
		"a file of a disk":         {func() (*os.File, error) { return os.Create(filepath.Join(t.TempDir(), "f")) }, ErrNotSealed},
		"a pipe":                   {aPipe, ErrNotSealed},
		"no seals":                 {memory(good, 0), ErrNotSealed},
		"it may shrink":            {memory(good, seals&^unix.F_SEAL_SHRINK), ErrNotSealed},
		"it may grow":              {memory(good, seals&^unix.F_SEAL_GROW), ErrNotSealed},
		"it may be written":        {memory(good, seals&^unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE), ErrNotSealed},
		"more seals may be added":  {memory(good, seals&^unix.F_SEAL_SEAL), ErrNotSealed},
		"nothing":                  {memory(nil, seals), ErrCorrupt},
		"less than its header":     {memory(good[:headerSize-1], seals), ErrCorrupt},
		"its header alone":         {memory(good[:headerSize], seals), ErrCorrupt},
		"a format of another time": {memory(newer, seals), ErrVersion},
		"a descriptor that is closed": {func() (*os.File, error) {
			f, err := aPipe()
			return f, errors.Join(err, f.Close())
		}, unix.EBADF},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := test.make()
			if f != nil {
				defer f.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			r, err := Open(f)
			if r != nil {
				defer r.Close()
			}
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), f.Name()+": ") {
				t.Errorf("%q does not name the file", err)
			}
		})
	}
}

func aPipe() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return r, w.Close()
}
