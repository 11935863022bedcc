package prom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/goshawk-io/goshawk/internal/model"
)

// health renders Goshawk's own metrics at each scrape.
type health struct {
	probes  func() []model.ProbeHealth
	dropped func() map[string]uint64

	up, events, lost, records, cost, drops *prometheus.Desc
}

// Health returns a collector of Goshawk's own metrics. probes gives the state
// of the probes, dropped the events that did not fit a sink's queue, by sink.
func Health(probes func() []model.ProbeHealth, dropped func() map[string]uint64) prometheus.Collector {
	probe := []string{"probe"}
	return &health{
		probes: probes, dropped: dropped,
		up:      prometheus.NewDesc("goshawk_probe_up", "1 when the probe delivers events.", probe, nil),
		events:  prometheus.NewDesc("goshawk_probe_events_total", "Events that the probe delivered.", probe, nil),
		lost:    prometheus.NewDesc("goshawk_probe_events_lost_total", "Events known to be lost before they were decoded.", probe, nil),
		records: prometheus.NewDesc("goshawk_probe_records_lost_total", "Kernel records that did not arrive or were not readable.", probe, nil),
		cost:    prometheus.NewDesc("goshawk_probe_cost_seconds_total", "CPU time spent in the probe's eBPF programs.", probe, nil),
		drops:   prometheus.NewDesc("goshawk_sink_events_dropped_total", "Events that did not fit the queue of a sink.", []string{"sink"}, nil),
	}
}

func (h *health) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{h.up, h.events, h.lost, h.records, h.cost, h.drops} {
		ch <- d
	}
}

func (h *health) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, label string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, label)
	}
	for _, p := range h.probes() {
		up := 0.0
		if p.Up {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(h.up, prometheus.GaugeValue, up, p.Probe)
		counter(h.events, float64(p.Events), p.Probe)
		counter(h.lost, float64(p.Lost), p.Probe)
		counter(h.records, float64(p.LostRecords), p.Probe)
		if p.CostSeconds >= 0 {
			counter(h.cost, p.CostSeconds, p.Probe)
		}
	}
	for sink, n := range h.dropped() {
		counter(h.drops, float64(n), sink)
	}
}
