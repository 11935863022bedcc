package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

// store renders the state of the store of events at each scrape.
type store struct {
	state func() v1.Store

	kept, leftOut, dropped, size, limit, files, oldest, errors *prometheus.Desc
}

// Store returns a collector of the state of the store of events.
func Store(state func() v1.Store) prometheus.Collector {
	return &store{
		state:   state,
		kept:    prometheus.NewDesc("goshawk_store_events_kept_total", "Events that were written to the store.", nil, nil),
		leftOut: prometheus.NewDesc("goshawk_store_events_left_out_total", "Events that were not written because others of their kind stand for them.", nil, nil),
		dropped: prometheus.NewDesc("goshawk_store_events_dropped_total", "Events that were neither written nor summed up.", []string{"reason"}, nil),
		size:    prometheus.NewDesc("goshawk_store_size_bytes", "Size of the store's files.", nil, nil),
		limit:   prometheus.NewDesc("goshawk_store_limit_bytes", "Size beyond which the oldest events are removed.", nil, nil),
		files:   prometheus.NewDesc("goshawk_store_files", "Number of the store's files.", nil, nil),
		oldest:  prometheus.NewDesc("goshawk_store_oldest_timestamp_seconds", "Since when events are kept.", nil, nil),
		errors:  prometheus.NewDesc("goshawk_store_errors", "Number of things that do not work now, which /api/v1/store names.", nil, nil),
	}
}

func (s *store) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.kept, s.leftOut, s.dropped, s.size, s.limit, s.files, s.oldest, s.errors} {
		ch <- d
	}
}

func (s *store) Collect(ch chan<- prometheus.Metric) {
	state := s.state()
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter(s.kept, state.Kept)
	counter(s.leftOut, state.LeftOut)
	for reason, n := range state.Dropped {
		counter(s.dropped, n, reason)
	}
	gauge(s.size, float64(state.SizeBytes))
	gauge(s.limit, float64(state.LimitBytes))
	gauge(s.files, float64(state.Files))
	if state.Oldest != nil {
		gauge(s.oldest, float64(time.Time(*state.Oldest).UnixNano())/1e9)
	}
	gauge(s.errors, float64(len(state.Errors)))
}
