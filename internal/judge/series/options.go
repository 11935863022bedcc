package series

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// What the zero value of an option means.
const (
	// DefaultRetention holds a window of 30 days and the one before it.
	DefaultRetention     = 62 * 24 * time.Hour
	DefaultMaxBytes      = 2 << 30
	DefaultMaxSeries     = 20_000
	DefaultMaxHistograms = 200
	DefaultMaxAhead      = 10 * time.Minute
	DefaultMinFree       = 64 << 20
	DefaultLookback      = 5 * time.Minute
	DefaultMaxSamples    = 5_000_000
	DefaultMaxQueries    = 4
	DefaultQueryTimeout  = 20 * time.Second
	DefaultRuleInterval  = 30 * time.Second
	DefaultOutage        = time.Hour
	DefaultResend        = time.Minute
)

// Options are the options of [Open]. All but Dir may be left out.
type Options struct {
	// Dir is where the series are; it is made if need be, for this user only.
	Dir string
	// Retention is how long samples are kept. What is too old goes a block at a
	// time, so up to two days late; 0 means [DefaultRetention].
	Retention time.Duration
	// MaxBytes bounds all files, about: the oldest block is removed when they
	// have more. 0 means [DefaultMaxBytes].
	MaxBytes int64
	// MaxSeries bounds the series that had a sample in the last one to three
	// hours, those of rules included. 0 means [DefaultMaxSeries].
	MaxSeries int
	// MaxHistograms bounds those of them that are native histograms, which
	// need ten times the memory of a counter when the log is read again, and
	// as much more as they have more than 60 buckets. 0 means
	// [DefaultMaxHistograms], negative none.
	MaxHistograms int
	// MaxAhead is how far a sample may be ahead of the clock, how far that may
	// step forward and be believed at once, and after how long it is believed
	// anyhow. 0 means [DefaultMaxAhead].
	MaxAhead time.Duration
	// MinFree is how many bytes must be free on the disk for samples to be
	// taken. 0 means [DefaultMinFree], negative that all may be used.
	MinFree int64

	// Lookback is how old a sample may be to stand for "now" in a query; 0
	// means [DefaultLookback].
	Lookback time.Duration
	// MaxSamples bounds how many samples a query has in memory at a time, at
	// 16 bytes each. 0 means [DefaultMaxSamples].
	MaxSamples int
	// MaxQueries bounds the queries that run at a time; others wait. Rules do
	// not count. 0 means [DefaultMaxQueries].
	MaxQueries int
	// QueryTimeout bounds a query, waiting included, and a rule. 0 means
	// [DefaultQueryTimeout].
	QueryTimeout time.Duration

	// RuleInterval is how often groups without an own interval are evaluated;
	// 0 means [DefaultRuleInterval].
	RuleInterval time.Duration
	// Outage is how long an agent may be away and still know since when its
	// alerts are active; 0 means [DefaultOutage].
	Outage time.Duration
	// Resend is after how long [Options.Notify] is told again of an alert that
	// fires; 0 means [DefaultResend].
	Resend time.Duration
	// Manual has rules evaluated by [Engine.Evaluate] only.
	Manual bool
	// Notify is told of alerts that begin to fire, still fire, or are
	// resolved; nil nobody is. It is called by the evaluation of rules, by
	// several at a time, which waits for it; so it must not call the engine's
	// SetRules, Alerts, Stats or Close. The alerts are its own.
	Notify func(context.Context, []Alert)

	// Log gets what goes wrong; nil discards it.
	Log *slog.Logger
	// Now is the wall clock, nil the system's. Rules have the system's anyhow.
	Now func() time.Time
	// Elapsed is a clock that never steps, nil the system's.
	Elapsed func() time.Duration

	// For tests: 0 takes what the constants say.
	segmentBytes int
	reload       time.Duration
}

// withDefaults returns options in which nothing is left out.
func (o Options) withDefaults() Options {
	o.Retention = cmp.Or(o.Retention, DefaultRetention)
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	o.MaxSeries = cmp.Or(o.MaxSeries, DefaultMaxSeries)
	o.MaxHistograms = cmp.Or(o.MaxHistograms, DefaultMaxHistograms)
	o.MaxAhead = cmp.Or(o.MaxAhead, DefaultMaxAhead)
	o.MinFree = cmp.Or(o.MinFree, DefaultMinFree)
	o.Lookback = cmp.Or(o.Lookback, DefaultLookback)
	o.MaxSamples = cmp.Or(o.MaxSamples, DefaultMaxSamples)
	o.MaxQueries = cmp.Or(o.MaxQueries, DefaultMaxQueries)
	o.QueryTimeout = cmp.Or(o.QueryTimeout, DefaultQueryTimeout)
	o.RuleInterval = cmp.Or(o.RuleInterval, DefaultRuleInterval)
	o.Outage = cmp.Or(o.Outage, DefaultOutage)
	o.Resend = cmp.Or(o.Resend, DefaultResend)
	o.segmentBytes = cmp.Or(o.segmentBytes, segmentBytes)
	o.reload = cmp.Or(o.reload, reloadInterval)
	if o.Notify == nil {
		o.Notify = func(context.Context, []Alert) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Elapsed == nil {
		start := time.Now()
		o.Elapsed = func() time.Duration { return time.Since(start) }
	}
	return o
}
