package prom

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

func TestStore_rendersItsState(t *testing.T) {
	oldest := v1.Time(time.Unix(1_800_000_000, 5e8))
	state := v1.Store{
		Files: 2, SizeBytes: 1 << 20, LimitBytes: 1 << 30, Oldest: &oldest, Kept: 10, LeftOut: 3,
		Dropped: map[string]uint64{"queue": 4}, Errors: []string{"the disk is full"},
	}
	collector := Store(func() v1.Store { return state })
	want := `# HELP goshawk_store_errors Number of things that do not work now, which /api/v1/store names.
# TYPE goshawk_store_errors gauge
goshawk_store_errors 1
# HELP goshawk_store_events_dropped_total Events that were neither written nor summed up.
# TYPE goshawk_store_events_dropped_total counter
goshawk_store_events_dropped_total{reason="queue"} 4
# HELP goshawk_store_events_kept_total Events that were written to the store.
# TYPE goshawk_store_events_kept_total counter
goshawk_store_events_kept_total 10
# HELP goshawk_store_oldest_timestamp_seconds Since when events are kept.
# TYPE goshawk_store_oldest_timestamp_seconds gauge
goshawk_store_oldest_timestamp_seconds 1.8000000005e+09
`
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "goshawk_store_errors", "goshawk_store_events_dropped_total",
		"goshawk_store_events_kept_total", "goshawk_store_oldest_timestamp_seconds"); err != nil {
		t.Error(err)
	}
	if n := testutil.CollectAndCount(collector); n != 8 {
		t.Errorf("%d series, want 8", n)
	}
	state = v1.Store{}
	if n := testutil.CollectAndCount(collector); n != 6 {
		t.Errorf("%d series of an empty store, want 6", n)
	}
}
