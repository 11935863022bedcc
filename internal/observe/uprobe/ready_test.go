package uprobe

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestReadyLeavesNothing holds that what makes the kernel ready is gone some time
// after it was stopped, and that it was there.
func TestReadyLeavesNothing(t *testing.T) {
	testutil.RequireBPF(t)
	if !multi() {
		t.Log("this kernel is not made ready")
		return
	}
	before := descriptors(t)
	stop := Ready()
	await(t, "no uprobe is there", func() bool { return descriptors(t) > before })
	stop()
	stop()
	await(t, "uprobes stay", func() bool { return descriptors(t) == before })
}

func TestReadyStopsByItself(t *testing.T) {
	testutil.RequireBPF(t)
	before := descriptors(t)
	defer Ready()()
	time.Sleep(readyLimit)
	await(t, "uprobes stay", func() bool { return descriptors(t) == before })
}

func await(t *testing.T, otherwise string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(otherwise)
		}
	}
}

// descriptors counts the descriptors of links and programs of eBPF, and of files in
// memory.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		name, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if strings.Contains(name, "bpf") || strings.HasPrefix(name, "/memfd:") {
			n++
		}
	}
	return n
}
