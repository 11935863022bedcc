package series

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

var errSeriesLimit = errors.New("too many series")

// census counts the series in memory and refuses what is beyond the limits. The
// store asks it before it makes a series and tells it when some are gone.
type census struct {
	maxSeries, maxHistograms int

	head atomic.Pointer[tsdb.Head] // nil while the log is read: what is in it stays

	mu         sync.Mutex
	histograms map[storage.SeriesRef]struct{}
}

// PreCreation refuses a series too many.
func (c *census) PreCreation(labels.Labels) error {
	if head := c.head.Load(); head != nil && head.NumSeries() >= uint64(c.maxSeries) {
		return errSeriesLimit
	}
	return nil
}

// PostCreation does nothing: the head counts.
func (c *census) PostCreation(labels.Labels) {}

// PostDeletion forgets histograms.
func (c *census) PostDeletion(gone map[chunks.HeadSeriesRef]labels.Labels) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ref := range gone {
		delete(c.histograms, storage.SeriesRef(ref))
	}
}

// opened begins anew with a store that was opened.
func (c *census) opened(head *tsdb.Head) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.histograms = map[storage.SeriesRef]struct{}{}
	c.head.Store(head)
}

// histogram says whether the series ref, 0 for a new one, may be a histogram.
func (c *census) histogram(ref storage.SeriesRef) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.histograms[ref]
	return known || len(c.histograms) < c.maxHistograms
}

func (c *census) addHistogram(ref storage.SeriesRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.histograms[ref] = struct{}{}
}

func (c *census) count() (series, histograms int) {
	if head := c.head.Load(); head != nil {
		series = int(head.NumSeries())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return series, len(c.histograms)
}
