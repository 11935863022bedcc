package config

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// pollEvery is how often files are looked at: a change is in force after
	// two looks.
	pollEvery = 250 * time.Millisecond
	// readEvery is how often they are read although they look unchanged.
	readEvery = 30 * time.Second
	// youngChange is the age from which on a change has its own time stamp.
	youngChange = 2 * time.Second
	// retryEvery is how often a resource that could not be applied is tried
	// again.
	retryEvery = 30 * time.Second
	// maxLogged is how many errors of a rejected configuration are logged.
	maxLogged = 10
)

// WatchOptions configures a [Watcher]. The zero value watches nothing.
type WatchOptions struct {
	// Paths are files and folders, as for [Load]; without any the watcher has
	// the default configuration for good.
	Paths []string
	// Load says what there is to configure.
	Load Options
	// Reload makes the watcher read at once, for SIGHUP; nil never does.
	Reload <-chan os.Signal
	// Ticks say when to look whether files changed; nil looks each 250 ms.
	Ticks <-chan time.Time
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Log says what was loaded and rejected; nil discards it.
	Log *slog.Logger
}

// Watcher has the configuration that is in force, and follows its files.
type Watcher struct {
	o       WatchOptions
	current atomic.Pointer[Config]

	mu     sync.Mutex // of status
	status Status

	// All below is Run's.
	applied map[key]*Config // in which a resource is as it runs
	stamp   string          // of the files when they were read
	changed time.Time       // the last of their changes then
	readAt  time.Time
	reading snapshot
	seen    string    // the hash that was read last
	refused string    // the hash that was rejected
	retryAt time.Time // of what failed, zero when nothing did
}

// NewWatcher loads the configuration, and fails when it is wrong: there is
// none before to fall back to. The error is of type [Errors].
func NewWatcher(o WatchOptions) (*Watcher, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{o: o, applied: make(map[key]*Config)}
	hash := w.look(true)
	c, err := parse(w.reading, o.Load)
	if err != nil {
		return nil, err
	}
	w.seen, w.reading = hash, snapshot{}
	w.status = Status{State: StateOK}
	w.current.Store(c)
	if len(o.Paths) > 0 {
		w.status.accept(c, o.Now())
	}
	for _, r := range c.resources {
		// What starts now starts with it.
		k := key{r.Kind, r.Name}
		w.applied[k] = c
		w.status.Resources = append(w.status.Resources, ResourceStatus{Kind: k.kind, Name: k.name, State: StateApplied})
	}
	return w, nil
}

// Config returns the configuration that is in force.
func (w *Watcher) Config() *Config { return w.current.Load() }

// Status returns how it came to be in force, and what became of the files
// since. The caller owns it.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status.clone()
}

// Run follows the files until ctx is done. appliers are by kind; a change of
// a resource of any other kind waits for a restart.
func (w *Watcher) Run(ctx context.Context, appliers map[string]Applier) {
	if len(w.o.Paths) == 0 {
		<-ctx.Done()
		return
	}
	ticks := w.o.Ticks
	if ticks == nil {
		ticker := time.NewTicker(pollEvery)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		now := false
		select {
		case <-ctx.Done():
			return
		case <-w.o.Reload:
			now = true
		case <-ticks:
		}
		w.poll(ctx, now, appliers)
	}
}

// poll looks at the files once. A change counts when two looks in a row find
// the same, or now: half of a file that is being written is nobody's wish.
func (w *Watcher) poll(ctx context.Context, now bool, appliers map[string]Applier) {
	// What was read is not needed longer.
	defer func() { w.reading = snapshot{} }()
	before := w.seen
	w.seen = w.look(now)
	settled := now || w.seen == before
	switch {
	case w.seen == w.Config().hash:
		if w.refused != "" {
			w.refused = ""
			w.setStatus(func(s *Status) { s.correct() })
			w.o.Log.Info("the files have again the configuration in force", "hash", w.seen)
		}
	case settled && (now || w.seen != w.refused):
		w.load(ctx, appliers)
		return
	}
	if due := !w.o.Now().Before(w.retryAt); !w.retryAt.IsZero() && (now || due) {
		w.reconcile(ctx, appliers, false)
	}
}

// look reads the files when they may have changed, or now, and returns the
// hash of what is there.
func (w *Watcher) look(now bool) string {
	at := w.o.Now()
	stamp, changed := stamp(w.o.Paths)
	same := stamp == w.stamp && w.readAt.Sub(w.changed) >= youngChange && at.Sub(w.readAt) < readEvery
	// What was seen once must be read again to be loaded.
	if !now && same && (w.seen == w.refused || w.seen == w.Config().hash) {
		return w.seen
	}
	w.stamp, w.changed, w.readAt = stamp, changed, at
	w.reading = read(w.o.Paths)
	return w.reading.hash()
}

// load puts what was read in force, or says why not.
func (w *Watcher) load(ctx context.Context, appliers map[string]Applier) {
	c, err := parse(w.reading, w.o.Load)
	if err != nil {
		var errs Errors
		errors.As(err, &errs)
		w.refused = w.seen
		w.setStatus(func(s *Status) { s.State, s.Errors, s.RejectedAt = StateRejected, errs, w.o.Now() })
		w.o.Log.Error("the configuration is rejected; the one before stays in force", "errors", len(errs))
		for _, e := range errs[:min(len(errs), maxLogged)] {
			w.o.Log.Error("configuration", "error", e, "hint", e.Hint)
		}
		return
	}
	w.refused = ""
	w.current.Store(c)
	w.setStatus(func(s *Status) { s.accept(c, w.o.Now()) })
	w.o.Log.Info("a new configuration is in force", "hash", c.hash, "resources", len(c.resources))
	w.reconcile(ctx, appliers, true)
}

func (w *Watcher) setStatus(change func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.status)
}
