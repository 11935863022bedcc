package platform_test

import (
	"errors"
	"os"
	"testing"

	"github.com/goshawk-io/goshawk/internal/platform"
)

func TestPIDNamespaceOf(t *testing.T) {
	own, err := platform.PIDNamespaceOf(0)
	if err != nil {
		t.Fatal(err)
	}
	parent, err := platform.PIDNamespaceOf(os.Getppid())
	if err != nil || own != parent || own.Inode == 0 {
		t.Errorf("%+v, and %+v of the parent: %v", own, parent, err)
	}
	if _, err := platform.PIDNamespaceOf(1 << 30); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of nobody: %v", err)
	}
}
