package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// procReader reads /proc below a root.
type procReader struct{ root string }

func (r *procReader) dir(pid int) string { return filepath.Join(r.root, "proc", strconv.Itoa(pid)) }

func (r *procReader) file(pid int32, name string) ([]byte, error) {
	text, err := readSmall(filepath.Join(r.dir(int(pid)), name), maxCgroupFile)
	return text, withoutPath(err)
}

// stat is what rules need of /proc/PID/stat.
type stat struct {
	name   string
	state  byte
	parent int
	start  uint64 // in ticks after boot
}

// parseStat reads /proc/PID/stat. A name may hold anything.
func parseStat(text string) (stat, error) {
	open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return stat{}, errors.New("stat has no name in it")
	}
	// proc(5) numbers the fields: the state is the third, the start the 22nd.
	fields := strings.Fields(text[end+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, fmt.Errorf("stat has %d fields", len(fields))
	}
	parent, err := strconv.Atoi(fields[1])
	start, err2 := strconv.ParseUint(fields[19], 10, 64)
	if err := errors.Join(err, err2); err != nil {
		return stat{}, err
	}
	return stat{name: text[open+1 : end], state: fields[0][0], parent: parent, start: start}, nil
}

func (r *procReader) stat(pid int) (stat, error) {
	text, err := readSmall(filepath.Join(r.dir(pid), "stat"), maxCgroupFile)
	if err != nil {
		return stat{}, withoutPath(err)
	}
	return parseStat(string(text))
}

// zombiesOf returns the children of a process that have ended, by id.
func (r *procReader) zombiesOf(parent int) (map[int]stat, error) {
	pids, err := numbers(filepath.Join(r.root, "proc"))
	if err != nil {
		return nil, err
	}
	found := make(map[int]stat)
	for _, pid := range pids {
		if s, err := r.stat(pid); err == nil && s.parent == parent && s.state == 'Z' {
			found[pid] = s
		}
	}
	return found, nil
}

func sortZombies(list []Zombie) {
	slices.SortFunc(list, func(a, b Zombie) int { return cmp.Compare(a.PID, b.PID) })
}

// schedstat is how long a thread ran, and was ready and did not.
type schedstat struct{ cpu, delay time.Duration }

// parseSchedstat reads /proc/PID/task/TID/schedstat: nanoseconds on a CPU,
// nanoseconds ready, turns.
func parseSchedstat(text string) (schedstat, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return schedstat{}, fmt.Errorf("schedstat has %d fields", len(fields))
	}
	cpu, err := strconv.ParseInt(fields[0], 10, 64)
	delay, err2 := strconv.ParseInt(fields[1], 10, 64)
	return schedstat{time.Duration(cpu), time.Duration(delay)}, errors.Join(err, err2)
}

// threads returns the threads of a process. One that ends meanwhile is left out.
func (r *procReader) threads(pid int32) (map[int]schedstat, error) {
	dir := filepath.Join(r.dir(int(pid)), "task")
	tids, err := numbers(dir)
	if err != nil {
		return nil, err
	}
	found := make(map[int]schedstat, len(tids))
	for _, tid := range tids {
		text, err := readSmall(filepath.Join(dir, strconv.Itoa(tid), "schedstat"), maxCgroupFile)
		if err != nil {
			continue
		}
		s, err := parseSchedstat(string(text))
		if err != nil {
			return nil, err
		}
		found[tid] = s
	}
	if len(found) == 0 && len(tids) > 0 {
		return nil, errors.New("the kernel keeps no statistics of its scheduler")
	}
	return found, nil
}

// descriptors returns how many are open, and how many may be.
func (r *procReader) descriptors(pid int32) (open, limit uint64, err error) {
	limits, err := r.file(pid, "limits")
	if err != nil {
		return 0, 0, err
	}
	if limit, err = parseLimit(string(limits)); err != nil {
		return 0, 0, err
	}
	list, err := numbers(filepath.Join(r.dir(int(pid)), "fd"))
	if err != nil {
		return 0, 0, err
	}
	return uint64(len(list)), limit, nil
}

// numbers returns the entries of a folder whose names are numbers.
func numbers(dir string) ([]int, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	var list []int
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil && n >= 0 {
			list = append(list, n)
		}
	}
	return list, withoutPath(err)
}
