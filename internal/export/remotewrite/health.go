package remotewrite

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats returns how the receiver stands.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	if w.waiting {
		s.Lag = max(0, w.o.Now().Sub(time.UnixMilli(w.until)))
	}
	return s
}

// setWaiting says whether samples wait.
func (w *Writer) setWaiting(waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.until = waiting, w.cursor.until
}

// upToDate notes that nothing waits.
func (w *Writer) upToDate() {
	w.setWaiting(false)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.works()
}

func (w *Writer) setVersion(v Protocol) {
	w.version = v
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Protocol = v
}

// failed notes an attempt that is made again.
func (w *Writer) failed(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Failed++
	w.stats.LastError, w.stats.LastErrorAt = err.Error(), w.o.Now()
	if !w.stats.Failing {
		w.stats.Failing = true
		w.o.Log.Warn("remote write fails; samples wait in the store", "error", err)
	}
}

// done notes that so many samples are acknowledged, but for those that are dropped.
func (w *Writer) done(samples int, o outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stats.Samples += uint64(samples - o.dropped)
	w.stats.Dropped += uint64(o.dropped)
	if o.err != nil {
		w.stats.LastError, w.stats.LastErrorAt = o.err.Error(), w.o.Now()
	}
	if o.dropped < samples {
		w.stats.Requests++
		w.stats.LastSuccess = w.o.Now()
	}
	w.works()
	switch dropping := o.dropped > 0; {
	case dropping && !w.dropping:
		w.o.Log.Warn("the receiver refuses samples, which are dropped", "samples", o.dropped, "error", o.err)
		w.dropping = true
	case !dropping && w.dropping:
		w.o.Log.Info("the receiver refuses samples no more", "dropped", w.stats.Dropped)
		w.dropping = false
	}
}

// works notes the end of failures. The lock is held.
func (w *Writer) works() {
	if w.stats.Failing {
		w.stats.Failing = false
		w.o.Log.Info("remote write works again")
	}
}

// collector renders the state of receivers at each scrape.
type collector struct {
	stats                                     func() []Stats
	samples, dropped, requests, attempts, lag *prometheus.Desc
}

// Collector returns a collector of how receivers stand, as goshawk_remote_write_…
func Collector(stats func() []Stats) prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("goshawk_remote_write_"+name, help, []string{"receiver"}, nil)
	}
	return &collector{
		stats:    stats,
		samples:  desc("samples_total", "Samples that the receiver has acknowledged."),
		dropped:  desc("samples_dropped_total", "Samples that the receiver has refused for good."),
		requests: desc("requests_total", "Requests that the receiver has answered with success."),
		attempts: desc("failed_attempts_total", "Attempts that failed and were made again."),
		lag:      desc("lag_seconds", "How long ago the newest sample was stored up to which all are acknowledged or dropped; 0 when none waits."),
	}
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.samples, c.dropped, c.requests, c.attempts, c.lag} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.stats() {
		count := func(d *prometheus.Desc, n uint64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), s.Name)
		}
		count(c.samples, s.Samples)
		count(c.dropped, s.Dropped)
		count(c.requests, s.Requests)
		count(c.attempts, s.Failed)
		ch <- prometheus.MustNewConstMetric(c.lag, prometheus.GaugeValue, s.Lag.Seconds(), s.Name)
	}
}
