package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
)

// maxCgroupFile bounds each file of /proc and of control groups that is read, in
// bytes. memory.stat is a few KiB.
const maxCgroupFile = 1 << 20

// groupsOf returns the control groups of a process for a controller, its own first.
func (r *procReader) groupsOf(pid int32, controller string) ([]cgroup.Group, error) {
	listing, err := r.file(pid, "cgroup")
	if err != nil {
		return nil, err
	}
	mounts, err := readSmall(filepath.Join(r.root, "proc/self/mountinfo"), maxCgroupFile)
	if err != nil {
		return nil, withoutPath(err)
	}
	return cgroup.Of(r.root, listing, mounts, controller)
}

// quotas returns the control groups with a quota above a process.
func (r *procReader) quotas(pid int32) ([]QuotaGroup, error) {
	all, err := r.groupsOf(pid, "cpu")
	if err != nil {
		return nil, err
	}
	var groups []QuotaGroup
	for _, g := range all {
		quota, err := g.Quota()
		if err != nil {
			return groups, err
		}
		if quota.CPUs() == 0 {
			continue
		}
		total, err := g.Throttling()
		if err != nil {
			return groups, err
		}
		groups = append(groups, QuotaGroup{Path: g.Path, CPUs: quota.CPUs(), Total: total})
	}
	return groups, nil
}

// flatKeyed reads lines of a name and a number.
func flatKeyed(text string) map[string]uint64 {
	values := make(map[string]uint64)
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 2 {
			if n, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				values[fields[0]] = n
			}
		}
	}
	return values
}

// memory returns the smallest memory limit above a process and what is used of it.
func (r *procReader) memory(pid int32) (Memory, error) {
	groups, err := r.groupsOf(pid, "memory")
	if err != nil {
		return Memory{}, err
	}
	var m Memory
	for i, g := range groups {
		limit, err := memoryLimit(&g)
		if err != nil {
			return m, fmt.Errorf("%s: %w", g.Path, err)
		}
		if i == 0 {
			m.OOMKills = oomKillsOf(&g)
		}
		if limit == 0 || m.Limit != 0 && limit >= m.Limit {
			continue
		}
		stat, err := readSmall(filepath.Join(g.Dir, "memory.stat"), maxCgroupFile)
		if err != nil {
			return m, fmt.Errorf("%s: memory.stat: %w", g.Path, withoutPath(err))
		}
		values := flatKeyed(string(stat))
		m.Limit, m.Group, m.Used = limit, g.Path, values["anon"]
		if !g.V2 {
			m.Used = cmp.Or(values["total_rss"], values["rss"])
		}
	}
	return m, nil
}

// memoryLimit is in bytes, 0 for none.
func memoryLimit(g *cgroup.Group) (uint64, error) {
	// Version 1 writes no limit as the largest number of whole pages.
	const unlimited = 1 << 62
	name := "memory.limit_in_bytes"
	if g.V2 {
		name = "memory.max"
	}
	text, err := readSmall(filepath.Join(g.Dir, name), maxCgroupFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, withoutPath(err))
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return 0, nil
	}
	n, err := strconv.ParseUint(word, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is not a number", name, clipped(word))
	}
	if n >= unlimited {
		return 0, nil
	}
	return n, nil
}

// oomKillsOf is 0 where the kernel does not tell.
func oomKillsOf(g *cgroup.Group) uint64 {
	name := "memory.oom_control"
	if g.V2 {
		name = "memory.events"
	}
	text, err := readSmall(filepath.Join(g.Dir, name), maxCgroupFile)
	if err != nil {
		return 0
	}
	return flatKeyed(string(text))["oom_kill"]
}
