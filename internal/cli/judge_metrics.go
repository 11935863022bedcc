package cli

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/goshawk-io/goshawk/internal/api"
	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/remotewrite"
	"github.com/goshawk-io/goshawk/internal/judge/evaluate"
	"github.com/goshawk-io/goshawk/internal/judge/notify"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/sli"
)

// maxMeasuredSLOs is how many objectives have series of their own.
const maxMeasuredSLOs = 500

// serve puts what is judged into what is served: the API, the state of the files and
// the metrics.
func (j *judging) serve(o *api.Options, registry *prometheus.Registry) {
	if j == nil {
		return
	}
	read := o.Config
	o.Judge, o.Config = j, func() v1.Config { return j.files.health(read()) }
	registry.MustRegister(newSLOMetrics(j.States, j.Counting().Read, func() bool { return len(j.files.wrong()) == 0 }), newNotifyMetrics(j.notify.Stats), remotewrite.Collector(j.written))
}

// sloMetrics renders how objectives stand at each scrape.
type sloMetrics struct {
	states   func() []evaluate.State
	readings func() []evaluate.Reading
	inForce  func() bool

	files, objectives, target, events, unjudged, budget, burn, verdict, firing *prometheus.Desc
}

// newSLOMetrics returns a collector of how objectives stand. inForce says whether what
// their files say is in force.
func newSLOMetrics(states func() []evaluate.State, readings func() []evaluate.Reading, inForce func() bool) prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("goshawk_slo_"+name, help, append([]string{"slo", "service"}, labels...), nil)
	}
	return &sloMetrics{
		states: states, readings: readings, inForce: inForce,
		files:      prometheus.NewDesc("goshawk_slo_files_in_force", "1 when what the files of objectives say is in force, 0 when some were rejected.", nil, nil),
		objectives: prometheus.NewDesc("goshawk_slo_objectives", "How many objectives there are, proposals too; the first 500 have series of their own.", nil, nil),
		target:     desc("objective_ratio", "Share of good events that is promised."),
		events:     prometheus.NewDesc(rules.CounterName, "Events that objectives are about, good and bad, over restarts.", []string{"slo", "service", "result"}, nil),
		unjudged:   desc("unjudged_events_total", "Events that were neither good nor bad, as their time was not known exactly."),
		budget:     desc("budget_remaining_ratio", "Share of the error budget of a window that is left; below 0 when more is spent than there was.", "window"),
		burn:       desc("burn_rate", "How many times faster than allowed the error budget burns, by the windows that alerts look back; none without events.", "window"),
		verdict:    desc("verdict", "1 for the verdict that holds, 0 for the others.", "verdict"),
		firing:     desc("alert_firing", "1 when the alert fires, 0 when it does not.", "severity", "long_window", "short_window"),
	}
}

func (m *sloMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.files, m.objectives, m.target, m.events, m.unjudged, m.budget, m.burn, m.verdict, m.firing} {
		ch <- d
	}
}

func (m *sloMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	states := m.states()
	gauge(m.files, truth(m.inForce()))
	gauge(m.objectives, float64(len(states)))
	readings := make(map[string]evaluate.Reading)
	for _, r := range m.readings() {
		readings[r.Name] = r
	}
	for i := range states[:min(len(states), maxMeasuredSLOs)] {
		s := &states[i]
		name, service := s.SLO.Name, s.SLO.Service
		gauge(m.target, s.SLO.Target, name, service)
		verdict := sli.InsufficientData
		if len(s.Statuses) > 0 {
			verdict = s.Statuses[0].Verdict
			m.collectStatus(s, gauge)
		}
		for _, v := range []sli.Verdict{sli.InsufficientData, sli.OK, sli.Burning, sli.Exhausted} {
			gauge(m.verdict, truth(v == verdict), name, service, v.String())
		}
		r, counted := readings[name]
		if !counted || s.Err != nil {
			continue
		}
		count := func(d *prometheus.Desc, value uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), append([]string{name, service}, labels...)...)
		}
		count(m.events, r.Counts.Good, "good")
		count(m.events, r.Counts.Bad, "bad")
		count(m.unjudged, r.Unjudged)
	}
}

// collectStatus renders the budgets and the alerts of an objective.
func (m *sloMetrics) collectStatus(s *evaluate.State, gauge func(*prometheus.Desc, float64, ...string)) {
	name, service := s.SLO.Name, s.SLO.Service
	for i := range s.Statuses {
		gauge(m.budget, s.Statuses[i].Budget.RemainingRatio, name, service, s.SLO.Windows[i].String())
	}
	burn := make(map[string]float64)
	type alert struct{ severity, long, short string }
	firing := make(map[alert]bool)
	for _, a := range s.Statuses[0].Alerts {
		long, short := rules.Text(a.Alert.Long), rules.Text(a.Alert.Short)
		if a.Long.Total() > 0 {
			burn[long] = a.LongBurn
		}
		if a.Short.Total() > 0 {
			burn[short] = a.ShortBurn
		}
		// Those that have a name of their own may share the rest.
		key := alert{a.Alert.Severity, long, short}
		firing[key] = firing[key] || a.Firing
	}
	for _, window := range slices.Sorted(maps.Keys(burn)) {
		gauge(m.burn, burn[window], name, service, window)
	}
	for a, fires := range firing {
		gauge(m.firing, truth(fires), name, service, a.severity, a.long, a.short)
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// notifyMetrics renders what became of notifications at each scrape.
type notifyMetrics struct {
	stats func() []notify.Stats

	sent, failed, retried, dropped, pending, failing *prometheus.Desc
}

// newNotifyMetrics returns a collector of what became of notifications.
func newNotifyMetrics(stats func() []notify.Stats) prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("goshawk_notifications_"+name, help, []string{"receiver", "kind"}, nil)
	}
	return &notifyMetrics{
		stats:   stats,
		sent:    desc("sent_total", "Alerts that a receiver was told of, also that they ended."),
		failed:  desc("failed_total", "Notifications that a receiver refused, and that were given up."),
		retried: desc("retried_total", "Attempts that failed and are made again."),
		dropped: desc("dropped_total", "Alerts that a receiver was not told of, as too many waited or as they ended before."),
		pending: desc("pending", "Alerts that have news that the receiver has not been told."),
		failing: desc("failing", "1 when the last attempt failed."),
	}
}

func (m *notifyMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.sent, m.failed, m.retried, m.dropped, m.pending, m.failing} {
		ch <- d
	}
}

func (m *notifyMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, s := range m.stats() {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
			ch <- prometheus.MustNewConstMetric(d, kind, value, s.Receiver, s.Kind)
		}
		send(m.sent, prometheus.CounterValue, float64(s.Sent))
		send(m.failed, prometheus.CounterValue, float64(s.Failed))
		send(m.retried, prometheus.CounterValue, float64(s.Retried))
		send(m.dropped, prometheus.CounterValue, float64(s.Dropped))
		send(m.pending, prometheus.GaugeValue, float64(s.Waiting))
		send(m.failing, prometheus.GaugeValue, truth(s.Failing))
	}
}
