package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/platform"
)

// maxFile bounds each file of a group that is read, in bytes: they are a line or two.
const maxFile = 64 << 10

// Quota is how much CPU time the processes of a group may use together within each
// period. The zero value means that there is no bound.
type Quota struct{ Quota, Period time.Duration }

// CPUs is 0 for no bound.
func (q Quota) CPUs() float64 {
	if q.Period <= 0 {
		return 0
	}
	return float64(q.Quota) / float64(q.Period)
}

// Quota reads the group's own: those above it bound it too. The root has none, nor has
// a group without the controller.
func (g *Group) Quota() (Quota, error) {
	files := []string{"cpu.cfs_quota_us", "cpu.cfs_period_us"}
	if g.V2 {
		files = []string{"cpu.max"}
	}
	var words []string
	for _, name := range files {
		text, err := platform.ReadFile(filepath.Join(g.Dir, name), maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			return Quota{}, nil
		}
		if err != nil {
			return Quota{}, fmt.Errorf("%s: %s: %w", g.Path, name, cause(err))
		}
		words = append(words, strings.Fields(string(text))...)
	}
	q, err := parseQuota(words)
	if err != nil {
		return Quota{}, fmt.Errorf("%s: %w", g.Path, err)
	}
	return q, nil
}

// parseQuota takes a quota and its period in microseconds. Version 1 writes -1 for no
// quota, version 2 max.
func parseQuota(words []string) (Quota, error) {
	if len(words) != 2 || words[0] == "max" || strings.HasPrefix(words[0], "-") {
		return Quota{}, nil
	}
	const most = math.MaxInt64 / uint64(time.Microsecond)
	quota, err1 := strconv.ParseUint(words[0], 10, 64)
	period, err2 := strconv.ParseUint(words[1], 10, 64)
	if err1 != nil || err2 != nil || period == 0 || quota > most || period > most {
		return Quota{}, fmt.Errorf("%.40q is not a quota and its period", strings.Join(words, " "))
	}
	return Quota{time.Duration(quota) * time.Microsecond, time.Duration(period) * time.Microsecond}, nil
}

// Throttling is how often and for how long a group was stopped by its quota. Time is
// summed over its CPUs.
type Throttling struct {
	Periods, Throttled uint64
	Time               time.Duration
}

// Since returns what has happened since an earlier look, nothing when the group was
// made anew meanwhile.
func (t Throttling) Since(o Throttling) Throttling {
	if t.Periods < o.Periods || t.Throttled < o.Throttled || t.Time < o.Time {
		return Throttling{}
	}
	return Throttling{t.Periods - o.Periods, t.Throttled - o.Throttled, t.Time - o.Time}
}

// Throttling reads what has happened since the group was made.
func (g *Group) Throttling() (Throttling, error) {
	text, err := platform.ReadFile(filepath.Join(g.Dir, "cpu.stat"), maxFile)
	if err != nil {
		return Throttling{}, fmt.Errorf("%s: cpu.stat: %w", g.Path, cause(err))
	}
	t, ok := ParseThrottling(text)
	if !ok {
		return Throttling{}, fmt.Errorf("%s: cpu.stat: it has no number of periods", g.Path)
	}
	return t, nil
}

// ParseThrottling parses cpu.stat of either version without an allocation:
// throttled_time is in nanoseconds, throttled_usec in microseconds. ok is false where
// periods are not counted: in the root of version 2.
func ParseThrottling(text []byte) (t Throttling, ok bool) {
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte{' '})
		n, err := strconv.ParseUint(string(value), 10, 64)
		if err != nil {
			continue
		}
		switch string(key) {
		case "nr_periods":
			t.Periods, ok = n, true
		case "nr_throttled":
			t.Throttled = n
		case "throttled_time":
			t.Time = time.Duration(min(n, math.MaxInt64))
		case "throttled_usec":
			t.Time = time.Duration(min(n, math.MaxInt64/1000)) * time.Microsecond
		}
	}
	return t, ok
}

// cause takes the operation and the path off an error of the file system: the group's
// name is beside it already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
