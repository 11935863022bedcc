package uprobe_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
)

// guarded returns a guard of a new file, and the file's path.
func guarded(t *testing.T) (*uprobe.Guard, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("old"), 0o755); err != nil {
		t.Fatal(err)
	}
	g, err := uprobe.NewGuard(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g, path
}

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGuard_aWriterWaitsUntilItIsClosed(t *testing.T) {
	g, path := guarded(t)
	if g.Awaited() {
		t.Error("awaited before anybody writes")
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte("new"), 0) }()
	for deadline := time.Now().Add(time.Minute); !g.Awaited(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the writer is not seen")
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "old" {
		t.Errorf("the file is %q, %v while it is guarded", text, err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "new" {
		t.Errorf("the file is %q, %v", text, err)
	}
}

func TestGuard_readersAndRenamesAreNotHeldUp(t *testing.T) {
	g, path := guarded(t)
	if _, err := os.ReadFile(path); err != nil {
		t.Error(err)
	}
	second, err := uprobe.NewGuard(open(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	other := path + ".new"
	if err := os.WriteFile(other, []byte("new"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path); err != nil {
		t.Error(err)
	}
	if g.Awaited() || second.Awaited() {
		t.Error("awaited though nobody writes to the file")
	}
}

func TestGuard_refuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	writer, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	pipe, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, test := range []struct {
		name string
		file *os.File
		err  error
	}{
		{"a file that is open for writing", open(t, path), uprobe.ErrBeingWritten},
		{"what has no leases", pipe, uprobe.ErrUnguarded},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer test.file.Close()
			if _, err := uprobe.NewGuard(test.file); !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			if _, err := test.file.Stat(); err != nil {
				t.Errorf("the file is closed: %v", err)
			}
		})
	}
}
