package testutil

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Source is where the text of a program is: [Dir] or [Files].
type Source interface {
	// folder returns the folder to build in; cache is the build's own one.
	folder(cache string, opts BuildOptions) (string, error)
	// identity tells this source from others of the same test package.
	identity() string
}

// Dir is a folder with a main package, relative to the calling package's.
type Dir string

func (d Dir) folder(string, BuildOptions) (string, error) { return filepath.Abs(string(d)) }

func (d Dir) identity() string { return "dir " + string(d) }

// Files maps names to text, "main.go" at least. Without a go.mod among them
// the program is a module called victim that requires nothing.
type Files map[string]string

func (f Files) folder(cache string, opts BuildOptions) (string, error) {
	dir := filepath.Join(cache, "src")
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	write := func(name, text string) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(text), 0o644)
	}
	if _, ok := f["go.mod"]; !ok {
		if err := write("go.mod", "module victim\n\ngo "+opts.language()+"\n"); err != nil {
			return "", err
		}
	}
	for name, text := range f {
		if err := write(name, text); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// identity takes fmt's maps, which are printed in the order of their keys.
func (f Files) identity() string { return fmt.Sprintf("files %q", map[string]string(f)) }

// BuildOptions are the options of [BuildGo]; the zero value builds with the
// toolchain that runs the test, cgo off.
type BuildOptions struct {
	// Toolchain is a Go release such as "go1.20.14"; where it cannot be had the
	// test is skipped.
	Toolchain string
	// Flags are put after `go build`: "-ldflags=-s -w".
	Flags []string
	// Env are variables added to the environment: "CGO_ENABLED=1".
	Env []string
}

// language returns the version for a go.mod that the toolchain accepts: "1.20".
func (o BuildOptions) language() string {
	toolchain := o.Toolchain
	if toolchain == "" {
		toolchain = runtime.Version()
	}
	major, minor := releaseNumbers(strings.TrimPrefix(toolchain, "go"))
	return fmt.Sprintf("%d.%d", major, minor)
}

// BuildGo builds the main package of src and returns the path of the program.
// A program stays in the user's cache folder between runs, apart by test
// package, source and options, so an unchanged one is not linked again; it
// must not be changed. A build that fails fails the test.
func BuildGo(t testing.TB, src Source, opts BuildOptions) string {
	t.Helper()
	if opts.Toolchain != "" {
		RequireToolchain(t, opts.Toolchain)
	}
	cache, err := buildCache(t, src, opts)
	if err != nil {
		t.Fatalf("make a folder for a build: %v", err)
	}
	unlock, err := lockFolder(cache)
	if err != nil {
		t.Fatalf("lock the folder of a build: %v", err)
	}
	defer unlock()
	dir, err := src.folder(cache, opts)
	if err != nil {
		t.Fatalf("write the source of a program: %v", err)
	}
	name := "victim"
	if d, ok := src.(Dir); ok {
		name = filepath.Base(string(d))
	}
	path := filepath.Join(cache, name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, opts.Flags...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off", "PWD="+dir)
	if opts.Toolchain != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+opts.Toolchain)
	}
	cmd.Env = append(cmd.Env, opts.Env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build in %s: %v\n%s", dir, err, out)
	}
	return path
}

// buildCache makes the folder of one build: the user's cache where there is
// one, else a folder that goes with the test.
func buildCache(t testing.TB, src Source, opts BuildOptions) (string, error) {
	pkg, err := os.Getwd()
	if err != nil {
		return "", err
	}
	root, err := os.UserCacheDir()
	if err != nil {
		root = t.TempDir()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", pkg, src.identity(), opts))
	dir := filepath.Join(root, "goshawk-test", hex.EncodeToString(sum[:8]))
	return dir, os.MkdirAll(dir, 0o755)
}

// lockFolder keeps other processes that test the same package out of dir until
// the returned function is called.
func lockFolder(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("flock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
