package testutil

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// RequireSmallDisk skips the test where file systems may not be mounted, and
// returns a folder that has room for about bytes. It goes with the test.
func RequireSmallDisk(t testing.TB, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=0700", bytes))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		t.Skipf("mount a tmpfs: %v: run as root", err)
	}
	if err != nil {
		t.Fatalf("mount a tmpfs on %s: %v", dir, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}
