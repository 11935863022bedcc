package platform_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/goshawk-io/goshawk/internal/platform"
)

func TestLockDir(t *testing.T) {
	dir := t.TempDir()
	held, err := platform.LockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var locked *platform.LockedError
	if _, err := platform.LockDir(dir); !errors.As(err, &locked) || locked.Dir != dir || locked.PID != os.Getpid() {
		t.Errorf("a second lock: %v", err)
	}
	// Who has it need not have said who it is.
	if err := os.WriteFile(filepath.Join(dir, "LOCK"), []byte("nobody"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := platform.LockDir(dir); !errors.As(err, &locked) || locked.PID != 0 {
		t.Errorf("a second lock, of nobody: %v", err)
	}
	held.Close()
	again, err := platform.LockDir(dir)
	if err != nil {
		t.Fatalf("after it was given back: %v", err)
	}
	again.Close()
	if _, err := platform.LockDir(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
