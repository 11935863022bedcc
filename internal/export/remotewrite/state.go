package remotewrite

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/goshawk-io/goshawk/internal/platform"
)

const (
	stateVersion = 1
	// maxState bounds what is read: 100,000 series take 2 MB.
	maxState = 64 << 20
)

// The JSON of the file.
type (
	savedCursor struct {
		Version int `json:"version"`
		// FloorMS and UntilMS are in Unix milliseconds, as is AtMS.
		FloorMS int64       `json:"floor_ms"`
		UntilMS int64       `json:"until_ms"`
		Last    []savedLast `json:"last"`
	}
	// savedLast are the series whose last sample has one time, in hexadecimal.
	savedLast struct {
		AtMS   int64    `json:"at_ms"`
		Series []string `json:"series"`
	}
)

// encode returns the file, its parts in order.
func (c *cursor) encode() ([]byte, error) {
	saved := savedCursor{Version: stateVersion, FloorMS: c.floor, UntilMS: c.until, Last: []savedLast{}}
	byTime := make(map[int64][]uint64)
	for id, at := range c.last {
		byTime[at] = append(byTime[at], id)
	}
	for at, ids := range byTime {
		slices.Sort(ids)
		last := savedLast{AtMS: at}
		for _, id := range ids {
			last.Series = append(last.Series, strconv.FormatUint(id, 16))
		}
		saved.Last = append(saved.Last, last)
	}
	slices.SortFunc(saved.Last, func(a, b savedLast) int { return cmp.Compare(a.AtMS, b.AtMS) })
	return json.Marshal(saved)
}

// decodeCursor reads the file.
func decodeCursor(data []byte) (*cursor, error) {
	var saved savedCursor
	if err := json.Unmarshal(data, &saved); err != nil {
		return nil, fmt.Errorf("is no JSON of a cursor: %w", err)
	}
	if saved.Version != stateVersion {
		return nil, fmt.Errorf("has version %d, not %d", saved.Version, stateVersion)
	}
	if saved.FloorMS < 0 || saved.UntilMS < saved.FloorMS {
		return nil, fmt.Errorf("ends at %d, before it begins at %d", saved.UntilMS, saved.FloorMS)
	}
	c := &cursor{floor: saved.FloorMS, until: saved.UntilMS, last: make(map[uint64]int64)}
	for _, last := range saved.Last {
		for _, text := range last.Series {
			id, err := strconv.ParseUint(text, 16, 64)
			if err != nil {
				return nil, fmt.Errorf("names the series %q, which is no number", text)
			}
			if _, twice := c.last[id]; twice {
				return nil, fmt.Errorf("names the series %s twice", text)
			}
			c.last[id] = last.AtMS
		}
	}
	return c, nil
}

// stateFile is a file, or none when its path is empty.
type stateFile struct{ path string }

func newStateFile(dir, name string) stateFile {
	if dir == "" {
		return stateFile{}
	}
	return stateFile{filepath.Join(dir, "remote-write-"+name+".json")}
}

// read returns the cursor, nil when there is none. A file that is corrupt is
// renamed.
func (f stateFile) read() (*cursor, error) {
	if f.path == "" {
		return nil, nil
	}
	data, err := platform.ReadFile(f.path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if errors.Is(err, platform.ErrTooLarge) {
		return nil, fmt.Errorf("read what was acknowledged: %w", platform.SetAside(f.path, ".corrupt", err))
	}
	if err != nil {
		return nil, fmt.Errorf("read what was acknowledged: %w", err)
	}
	c, err := decodeCursor(data)
	if err == nil {
		return c, nil
	}
	return nil, fmt.Errorf("read what was acknowledged: %w", platform.SetAside(f.path, ".corrupt", err))
}

// write replaces the file: after a crash there is the old one or the new one.
func (f stateFile) write(c *cursor) (err error) {
	if f.path == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write what was acknowledged: %w", err)
		}
	}()
	data, err := c.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return platform.ReplaceFile(f.path, data, 0o600)
}
