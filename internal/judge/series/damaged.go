package series

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/encoding"
	"github.com/prometheus/prometheus/tsdb/index"
)

// scrubPause is between readings of all blocks.
const scrubPause = time.Minute

// damaged knows the blocks that turned out to be damaged while they are open.
// They are no longer read at once, and set aside when blocks are looked at the
// next time. The library leaves out of a compaction what it cannot read.
type damaged struct {
	aside *quarantine
	log   *slog.Logger
	db    atomic.Pointer[tsdb.DB]

	mu     sync.Mutex
	blocks map[ulid.ULID]string // what is wrong with them
	linked map[ulid.ULID]bool

	scrubMu sync.Mutex
	scrubAt time.Duration // Options.Elapsed of the last reading, 0 for none
}

func (d *damaged) opened(db *tsdb.DB) { d.db.Store(db) }

func (d *damaged) is(id ulid.ULID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, found := d.blocks[id]
	return found
}

// querier reads nothing from a damaged block.
func (d *damaged) querier(b tsdb.BlockReader, mint, maxt int64) (storage.Querier, error) {
	if d.is(b.Meta().ULID) {
		return storage.NoopQuerier(), nil
	}
	return tsdb.NewBlockQuerier(b, mint, maxt)
}

// blocksToDelete names those that are too old or too many, and the damaged
// ones, which are kept in quarantine.
func (d *damaged) blocksToDelete(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	found := map[ulid.ULID]struct{}{}
	// While the database is opened it is not known yet; the next look is soon.
	if db := d.db.Load(); db != nil {
		found = tsdb.DefaultBlocksToDelete(db)(blocks)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range blocks {
		id := b.Meta().ULID
		reason, isDamaged := d.blocks[id]
		if !isDamaged {
			continue
		}
		if !d.linked[id] {
			if err := d.aside.link(id.String(), reason); err != nil {
				d.log.Error("set aside a damaged block of series", "block", id, "err", err)
				continue
			}
			d.linked[id] = true
		}
		found[id] = struct{}{}
	}
	return found
}

// scrub reads all blocks because a query failed with err, and reports whether
// it found damaged ones: then the query is worth another try.
func (s *store) scrub(err error) bool {
	d := s.damaged
	if !isDamage(err) {
		return false
	}
	d.scrubMu.Lock()
	defer d.scrubMu.Unlock()
	now := s.opts.Elapsed()
	if d.scrubAt != 0 && now-d.scrubAt < scrubPause {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		return false
	}
	s.log.Error("read all blocks of series: some seem damaged", "dir", s.opts.Dir, "err", err)
	found := false
	for _, block := range s.db.Blocks() {
		id := block.Meta().ULID
		if d.is(id) {
			continue
		}
		if err := s.checkBlock(id.String(), true); err != nil && !isEnvironment(err) {
			d.mu.Lock()
			d.blocks[id] = err.Error()
			d.mu.Unlock()
			found = true
		}
	}
	d.scrubAt = max(s.opts.Elapsed(), 1)
	return found
}

// isDamage is true of errors of reading a block; the library has types for some
// of them only.
func isDamage(err error) bool {
	if err == nil || isEnvironment(err) {
		return false
	}
	if errors.Is(err, encoding.ErrInvalidChecksum) || errors.Is(err, encoding.ErrInvalidSize) {
		return true
	}
	text := err.Error()
	for _, part := range []string{"checksum", "cannot populate chunk", "segment doesn't include enough bytes", "unexpected error: runtime error"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// readBlock reads all series and chunks of a block.
func readBlock(block *tsdb.Block) (err error) {
	series, err := block.Index()
	if err != nil {
		return err
	}
	defer series.Close()
	data, err := block.Chunks()
	if err != nil {
		return err
	}
	defer data.Close()
	name, value := index.AllPostingsKey()
	all, err := series.Postings(context.Background(), name, value)
	if err != nil {
		return err
	}
	var builder labels.ScratchBuilder
	var metas []chunks.Meta
	for all.Next() {
		if err := series.Series(all.At(), &builder, &metas); err != nil {
			return err
		}
		for _, meta := range metas {
			if _, _, err := data.ChunkOrIterable(meta); err != nil {
				return err
			}
		}
	}
	if err := all.Err(); err != nil {
		return err
	}
	return readPostings(series)
}

// readPostings reads the lists that find series by label.
func readPostings(series tsdb.IndexReader) error {
	ctx := context.Background()
	names, err := series.LabelNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		values, err := series.SortedLabelValues(ctx, name, nil)
		if err != nil {
			return err
		}
		for _, value := range values {
			postings, err := series.Postings(ctx, name, value)
			if err != nil {
				return err
			}
			for postings.Next() {
			}
			if err := postings.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
