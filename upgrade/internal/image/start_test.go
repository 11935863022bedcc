package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// child is what a program that a test starts does.
func child(what string) error {
	switch what {
	case "self": // the end of its file, and how it is called
		path, err := os.Executable()
		if err != nil {
			return err
		}
		content, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			return err
		}
		fmt.Printf("%s %s %s", content[len(content)-3:], path, os.Args[0])
	case "running": // its program, after its file is gone
		path, err := os.Executable()
		if err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		i, err := Running()
		if err != nil {
			return err
		}
		sum, err := i.Digest()
		fmt.Printf("%x %s", sum, i.Name())
		return err
	case "threads":
		return renameThreads()
	}
	if number, ok := strings.CutPrefix(what, "files "); ok {
		return printFiles(number)
	}
	return nil
}

// printFiles prints the content of the descriptors 3, 4...
func printFiles(number string) error {
	n, err := strconv.Atoi(number)
	for fd := 3; fd < 3+n && err == nil; fd++ {
		content, length := make([]byte, 10), 0
		length, err = unix.Pread(fd, content, 0)
		fmt.Printf("%s ", content[:max(0, length)])
	}
	return err
}

func renameThreads() error {
	for range 8 {
		ready := make(chan bool)
		go func() { runtime.LockOSThread(); ready <- true; select {} }()
		<-ready
	}
	list := func() error {
		files, err := filepath.Glob("/proc/self/task/*/comm")
		if err != nil {
			return err
		}
		var names []string
		for _, f := range files {
			name, err := os.ReadFile(f)
			if err != nil {
				return err
			}
			names = append(names, strings.TrimSpace(string(name)))
		}
		slices.Sort(names)
		fmt.Printf("%d:%s ", len(names)/9, strings.Join(slices.Compact(names), ","))
		return nil
	}
	if err := list(); err != nil {
		return err
	}
	if err := NameThreads("/usr/bin/a-server-of-a-long-name"); err != nil {
		return err
	}
	return list()
}

// run starts the program as a child that does what, and returns what it writes.
func run(t *testing.T, i *Image, what string, files ...*os.File) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := i.Start([]string{"name"}, &os.ProcAttr{
		// The race detector would sleep before the child exits.
		Env:   append(os.Environ(), childKey+"="+what, "GORACE=atexit_sleep_ms=0"),
		Files: append([]*os.File{nil, w, os.Stderr}, files...),
	})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	state, err := p.Wait()
	if err != nil || !state.Success() {
		t.Fatalf("the child: %v, %v", state, err)
	}
	return string(out)
}

// replaced opens OLD and then puts NEW in its place.
func replaced(t *testing.T) (*Image, string) {
	path := filepath.Join(t.TempDir(), "program")
	write(t, path, append(self(t), "OLD"...), 0o755)
	write(t, path+".next", append(self(t), "NEW"...), 0o755)
	i := mustOpen(t, path)
	if err := os.Rename(path+".next", path); err != nil {
		t.Fatal(err)
	}
	return i, path
}

func TestStart_startsWhatWasOpened(t *testing.T) {
	i, path := replaced(t)
	if got, want := run(t, i, "self"), "OLD "+path+" name"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := i.Changed(); err != nil {
		t.Errorf("the program was replaced, not changed: %v", err)
	}
	if got, want := run(t, mustOpen(t, path), "self"), "NEW "+path+" name"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPath_startsWhatWasOpened(t *testing.T) {
	i, path := replaced(t)
	above, err := i.Dup(100)
	if err != nil {
		t.Fatal(err)
	}
	defer above.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := os.StartProcess(above.Path(), []string{"name"}, &os.ProcAttr{
		Env: []string{childKey + "=self", "GORACE=atexit_sleep_ms=0"}, Files: []*os.File{nil, w, os.Stderr}})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if got, want := string(out), "OLD "+path+" name"; got != want || err != nil {
		t.Errorf("got %q, want %q, %v", got, want, err)
	}
	if _, err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// The numbers that os.StartProcess gives to files in the child must not be that of the
// program.
func TestStart_withFilesOfAllNumbers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	write(t, path, self(t), 0o755)
	opened := mustOpen(t, path)
	at := func(fd int) *os.File {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := fmt.Fprint(f, fd); err != nil {
			t.Fatal(err)
		}
		got, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, fd)
		if err != nil || got != fd {
			t.Fatalf("descriptor %d: %d, %v", fd, got, err)
		}
		file := os.NewFile(uintptr(got), f.Name())
		t.Cleanup(func() { file.Close() })
		return file
	}
	const program = 150
	low, middle, high := at(149), at(153), at(160)
	for name, files := range map[string][]*os.File{
		"none":                        {},
		"just before the program":     {low},
		"just before it, three times": {low, low, low},
		"just behind the program":     {middle},
		"on both sides":               {high, low, middle, low},
		"more than its number":        slices.Repeat([]*os.File{low, high}, 90),
		"some twice":                  {low, high, middle, middle, high, low},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := opened.Dup(program)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			if got := int(i.File().Fd()); got != program {
				t.Fatalf("it is %d", got)
			}
			want := ""
			for _, f := range files {
				want += fmt.Sprint(f.Fd(), " ")
			}
			if got := run(t, i, fmt.Sprint("files ", len(files)), files...); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestStart_refusesWhatIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	write(t, path, self(t), 0o755)
	i := mustOpen(t, path)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, err := i.Start([]string{path}, &os.ProcAttr{Env: []string{childKey + "=none"}})
	if err == nil {
		if _, err := p.Wait(); err != nil {
			t.Error(err)
		}
		// Linux 6.11 and 6.12 did not mind.
		if !kernelIs(t, "6.11.", "6.12.") {
			t.Error("it was started")
		}
		return
	}
	if !errors.Is(err, ErrBusy) || Hint(err) == "" || !strings.HasPrefix(err.Error(), path+": ") {
		t.Error(err)
	}
}

func kernelIs(t *testing.T, prefixes ...string) bool {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(name.Release[:])
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(release, p) })
}

func TestStart_failsWithoutAProcess(t *testing.T) {
	i := mustOpen(t, "/proc/self/exe")
	_, err := i.Start([]string{"x"}, &os.ProcAttr{Dir: "/no/such/folder"})
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "/fd/") {
		t.Error(err)
	}
}

func TestDup_beyondTheLimit(t *testing.T) {
	i := mustOpen(t, "/proc/self/exe")
	if d, err := i.Dup(1 << 30); !errors.Is(err, unix.EINVAL) {
		t.Error(d, err)
	}
}

func TestDup_outlivesTheFirst(t *testing.T) {
	i := mustOpen(t, "/proc/self/exe")
	d, err := i.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if got := run(t, d, "none"); got != "" {
		t.Error(got)
	}
	if d.Name() != "/proc/self/exe" {
		t.Error(d.Name())
	}
}
