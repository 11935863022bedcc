package testutil

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RequireQuota skips the test where no control group with a CPU quota can be
// made, and returns the folder of one whose processes together get quota of CPU
// time in each period. Processes are moved there by writing their ids to its
// cgroup.procs. The group goes with the test, which must have ended them.
func RequireQuota(t testing.TB, quota, period time.Duration) string {
	t.Helper()
	name := fmt.Sprintf("goshawk-test-%d", os.Getpid())
	var refused error
	for _, v := range []struct{ root, file, text string }{
		{"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", fmt.Sprint(quota.Microseconds())},
		{"/sys/fs/cgroup", "cpu.max", fmt.Sprintf("%d %d", quota.Microseconds(), period.Microseconds())},
		{"/sys/fs/cgroup/unified", "cpu.max", fmt.Sprintf("%d %d", quota.Microseconds(), period.Microseconds())},
	} {
		dir := filepath.Join(v.root, name)
		if refused = os.Mkdir(dir, 0o755); refused != nil {
			continue
		}
		refused = os.WriteFile(filepath.Join(dir, v.file), []byte(v.text), 0)
		if refused == nil && strings.HasPrefix(v.file, "cpu.cfs") {
			refused = os.WriteFile(filepath.Join(dir, "cpu.cfs_period_us"), fmt.Append(nil, period.Microseconds()), 0)
		}
		if refused != nil {
			_ = os.Remove(dir)
			continue
		}
		t.Cleanup(func() {
			// A process that was waited for may be in its group a little longer.
			for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				err := os.Remove(dir)
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					return
				}
				if time.Now().After(end) {
					t.Errorf("remove a control group: %v", err)
					return
				}
			}
		})
		return dir
	}
	t.Skipf("no control group with a CPU quota: %v: run as root, with the controller cpu", refused)
	return ""
}
