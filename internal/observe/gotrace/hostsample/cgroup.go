package hostsample

import (
	"os"
	"path/filepath"

	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
)

// quotaGroup is a control group with a quota, whose cpu.stat is open.
type quotaGroup struct {
	Group
	stat *counterFile
	last cgroup.Throttling
}

// quotaGroups opens the groups with a quota that a process is in, innermost first.
// The caller closes them, after an error as well.
func quotaGroups(proc string) (groups []*quotaGroup, err error) {
	listing, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	all, err := cgroup.Of("/", listing, mounts, "cpu")
	for _, g := range all {
		quota, err := g.Quota()
		if err != nil {
			return groups, err
		}
		if quota.CPUs() == 0 {
			continue
		}
		stat, err := openCounters(filepath.Join(g.Dir, "cpu.stat"), 4096)
		if err != nil {
			return groups, err
		}
		groups = append(groups, &quotaGroup{
			Group: Group{Path: g.Path, QuotaNS: quota.Quota.Nanoseconds(), PeriodNS: quota.Period.Nanoseconds()},
			stat:  stat,
		})
	}
	return groups, err
}
