package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// relative is a process that may have to do with a command.
type relative struct {
	pid, parent, group int
	// start tells it from others that had its id before or have it later.
	start uint64
	name  string
}

// relatives returns the processes of this host that have not ended.
func relatives() []relative {
	// A host without /proc has no eBPF either.
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	var list []relative
	for _, path := range paths {
		if p, err := readRelative(path); err == nil {
			list = append(list, p)
		}
	}
	return list
}

func readRelative(path string) (relative, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return relative{}, err
	}
	return parseRelative(text)
}

var errNoRelative = errors.New("has ended, or is no line of /proc/PID/stat")

// parseRelative reads /proc/PID/stat. The name may hold anything, so the fields
// are counted from its last parenthesis. It fails for a process that has ended.
func parseRelative(text []byte) (relative, error) {
	const state, parent, group, start = 0, 1, 2, 19
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return relative{}, errNoRelative
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return relative{}, errNoRelative
	}
	p := relative{name: string(text[open+1 : end])}
	var errs [4]error
	p.pid, errs[0] = strconv.Atoi(strings.TrimSpace(string(text[:open])))
	p.parent, errs[1] = strconv.Atoi(fields[parent])
	p.group, errs[2] = strconv.Atoi(fields[group])
	p.start, errs[3] = strconv.ParseUint(fields[start], 10, 64)
	return p, errors.Join(errs[:]...)
}

// descendants returns those of all that descend from a process.
func descendants(pid int, all []relative) []relative {
	below := map[int]bool{pid: true}
	var found []relative
	// A child may come before its parent: ids begin again.
	for more := true; more; {
		more = false
		for _, p := range all {
			if below[p.parent] && !below[p.pid] {
				below[p.pid], more = true, true
				found = append(found, p)
			}
		}
	}
	return found
}

// withDescendants returns a family with those of all that descend from who is left
// of it.
func withDescendants(family, all []relative) []relative {
	// Parents change: who loses his is given another one.
	type id struct {
		pid   int
		start uint64
	}
	known := make(map[id]bool, len(family))
	for _, p := range family {
		known[id{p.pid, p.start}] = true
	}
	for _, p := range all {
		if !known[id{p.pid, p.start}] {
			continue
		}
		for _, below := range descendants(p.pid, all) {
			if k := (id{below.pid, below.start}); !known[k] {
				known[k] = true
				family = append(family, below)
			}
		}
	}
	return family
}

// living returns those that have not ended.
func living(list []relative) []relative {
	var there []relative
	for _, p := range list {
		if p.alive() {
			there = append(there, p)
		}
	}
	return there
}

func (p *relative) alive() bool {
	now, err := readRelative("/proc/" + strconv.Itoa(p.pid) + "/stat")
	return err == nil && now.start == p.start
}

// signal signals it, unless another process has its id by now: the handle is
// opened first, and stays that of whoever had the id then.
func (p *relative) signal(signal os.Signal) {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return
	}
	defer handle.Release()
	if p.alive() {
		_ = handle.Signal(signal)
	}
}

// goesOn names processes that go on after a command.
func goesOn(list []relative, why string) startup.Unseen {
	const most = 5
	var names []string
	for _, p := range list[:min(len(list), most)] {
		names = append(names, strconv.Itoa(p.pid)+" ("+p.name+")")
	}
	text := strings.Join(names, ", ")
	if more := len(list) - most; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return startup.Unseen{What: counted(uint64(len(list)), "process that goes on", "processes that go on") + ": " + text, Why: why}
}
