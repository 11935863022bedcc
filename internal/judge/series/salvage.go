package series

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

const (
	logDir   = "wal"
	chunkDir = "chunks_head" // the head's full chunks; the log has them too
)

// salvage sets aside what keeps the library from opening the directory, or what
// it would delete: blocks that cannot be opened, and the log from damage to the
// end of its segment.
func (s *store) salvage() error {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return fmt.Errorf("open series: %w", err)
	}
	for _, entry := range entries {
		if _, err := ulid.ParseStrict(entry.Name()); err != nil || !entry.IsDir() {
			continue
		}
		if err := s.checkBlock(entry.Name(), false); err != nil && !isEnvironment(err) {
			if err := s.aside.move(entry.Name(), err.Error()); err != nil {
				return err
			}
		}
	}
	return s.salvageLog()
}

func (s *store) salvageLog() error {
	dir := filepath.Join(s.opts.Dir, logDir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	checkpoint, _, err := wlog.LastCheckpoint(dir)
	if err != nil && !errors.Is(err, record.ErrNotFound) {
		return s.giveUpLog(err.Error())
	}
	if err == nil {
		if err := s.salvageSegments(filepath.Join(logDir, filepath.Base(checkpoint))); err != nil {
			return err
		}
	}
	return s.salvageSegments(logDir)
}

// salvageSegments reads the segments in dir, a path in the directory of series,
// and cuts off each at the first record that is damaged. A segment can be read
// without those before it.
func (s *store) salvageSegments(dir string) error {
	first, last, err := wlog.Segments(filepath.Join(s.opts.Dir, dir))
	if err != nil {
		return s.giveUpLog(err.Error()) // one is missing
	}
	for i := max(first, 0); i <= last; i++ {
		path := wlog.SegmentName(dir, i)
		good, err := readSegment(filepath.Join(s.opts.Dir, path))
		if err == nil {
			continue
		}
		if isEnvironment(err) {
			return fmt.Errorf("read the log of series: %w", err)
		}
		if err := s.aside.cut(path, good, err.Error()); err != nil {
			return err
		}
	}
	return nil
}

// readSegment returns where the last record that can be read ends, and what is
// wrong after it.
func readSegment(path string) (good int64, err error) {
	segment, err := wlog.OpenReadSegment(path)
	if err != nil {
		return 0, err
	}
	buffered := wlog.NewSegmentBufReader(segment)
	defer buffered.Close()
	r := wlog.NewReader(buffered)
	for r.Next() {
		good = r.Offset()
	}
	return good, r.Err()
}

// giveUpLog sets aside the whole log, and what refers to it.
func (s *store) giveUpLog(reason string) error {
	for _, what := range []string{logDir, wlog.WblDirName, chunkDir} {
		if err := s.aside.move(what, reason); err != nil {
			return err
		}
	}
	return nil
}

// giveUpBlocks sets aside all blocks.
func (s *store) giveUpBlocks(reason string) error {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if _, err := ulid.ParseStrict(entry.Name()); err == nil {
			if err := s.aside.move(entry.Name(), reason); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkBlock opens the block called name, and reads all of it if deep.
func (s *store) checkBlock(name string, deep bool) (err error) {
	defer func() {
		// A damaged index may lead outside of its file.
		if r := recover(); r != nil {
			err = fmt.Errorf("block %s: %v", name, r)
		}
	}()
	block, err := tsdb.OpenBlock(s.log, filepath.Join(s.opts.Dir, name), nil, nil)
	if err != nil {
		return fmt.Errorf("block %s: %w", name, err)
	}
	defer block.Close()
	if deep {
		if err := readBlock(block); err != nil {
			return fmt.Errorf("block %s: %w", name, err)
		}
	}
	return nil
}
