package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	defaultWaiting = 1000
	defaultGrace   = 2 * time.Minute
	// saveEvery is how long the file is left alone: in a storm of alerts one
	// writing serves many.
	saveEvery = 200 * time.Millisecond
	// saveAgain is when the file is written again after that failed.
	saveAgain = 30 * time.Second
)

// Options configures a [Notifier]. The zero value notifies nobody and keeps
// nothing.
type Options struct {
	// Receivers are those to be told; [Notifier.Set] changes them.
	Receivers []Receiver
	// Dir is an existing folder for the file of what was told; empty keeps
	// nothing over a restart.
	Dir string
	// ExternalURL is where people find Goshawk.
	ExternalURL string
	// Client says how to reach servers: its Transport, when it is a
	// *[http.Transport], is what each destination starts from, with its own
	// connections and [TLS]; any other is used as it is. nil is the default.
	// Its other fields are not used.
	Client *http.Client
	// Environ has the variables of secrets, and what commands inherit but for
	// GOSHAWK_*; nil is the process's.
	Environ []string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Rand returns numbers from 0 to below 1, for the jitter; nil means
	// [rand.Float64]. It is called by one goroutine at a time.
	Rand func() float64
	// Log says what fails, and when it works again; nil discards it.
	Log *slog.Logger
	// MaxWaiting is how many alerts may wait for a destination; 0 is 1000. More
	// are dropped, and taken when they still fire and there is room.
	MaxWaiting int
	// RestartGrace is for how long after the first Notify an alert of which
	// somebody was told before the restart may be absent without having ended:
	// whoever judges may have to gather first. 0 is 2 minutes, negative none.
	RestartGrace time.Duration
}

// Stats is what became of the notifications of a receiver since it was
// configured. What a cluster has several members for counts for each.
type Stats struct {
	// Receiver is the name, Kind "webhook", "command" or "alertmanager".
	Receiver, Kind string
	// Waiting is how many alerts have news that a destination has not been told,
	// Firing of how many it was told that they fire.
	Waiting, Firing int
	// Sent is how many alerts were delivered; Failed how many were refused and
	// given up; Retried how often an attempt failed that is made again; Dropped
	// how often an alert was not told of because too many waited, or because it
	// ended before it could be.
	Sent, Failed, Retried, Dropped uint64
	// Failing says that the last attempt failed, of any destination.
	Failing bool
	// LastError is that of the last attempt that failed, at LastErrorAt, with no
	// secrets in it. LastSuccess is the time of the last delivery.
	LastError                string
	LastErrorAt, LastSuccess time.Time
}

// Notifier tells receivers of alerts. Its methods may be called by any
// goroutine.
type Notifier struct {
	o     Options
	file  stateFile
	dirty chan struct{} // what is to be kept changed
	lanes chan struct{} // the destinations changed

	mu       sync.Mutex
	list     []*lane
	restored memory    // until a destination takes it
	began    time.Time // the first Notify
}

// New returns a notifier that knows what was told before, and delivers while
// [Notifier.Run] runs. A file that it cannot read is logged, and does not keep
// it from telling. The error says which receivers are wrong.
func New(o Options) (*Notifier, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = defaultWaiting
	}
	if o.RestartGrace == 0 {
		o.RestartGrace = defaultGrace
	}
	n := &Notifier{o: o, file: stateFile{o.Dir}, dirty: make(chan struct{}, 1), lanes: make(chan struct{}, 1)}
	if err := validate(o.Receivers); err != nil {
		return nil, err
	}
	var err error
	if n.restored, err = n.file.read(o.Now()); err != nil {
		o.Log.Error("what was notified before is not known: alerts may be notified again", "error", err)
	}
	if err := n.Set(o.Receivers); err != nil {
		return nil, err
	}
	n.restored = nil
	return n, nil
}

func validate(receivers []Receiver) error {
	var errs []error
	names := make(map[string]bool, len(receivers))
	for _, r := range receivers {
		if names[r.Name] {
			errs = append(errs, fmt.Errorf("receiver %s: is there twice", show(r.Name)))
		}
		names[r.Name] = true
		errs = append(errs, r.Validate())
	}
	return errors.Join(errs...)
}

// Check says what a receiver that is right lacks here: variables and files of
// secrets, certificates, the command. environ is as in [Options]. The error shows
// no secret.
func Check(r Receiver, environ []string) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if environ == nil {
		environ = os.Environ()
	}
	var errs []error
	for _, d := range destinations(r, &Options{Environ: environ, Now: time.Now}) {
		errs = append(errs, d.check())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("receiver %s: %w", show(r.Name), err)
	}
	return nil
}

// Set replaces the receivers. A destination that stays knows what it was told;
// one that goes is told nothing more. The error says which receivers are wrong,
// and all stay as they are.
func (n *Notifier) Set(receivers []Receiver) error {
	if err := validate(receivers); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.list
	n.list = nil
	for _, r := range receivers {
		for _, d := range destinations(r.Clone(), &n.o) {
			i := slices.IndexFunc(old, func(l *lane) bool { return l.key == d.key })
			if i >= 0 {
				old[i].destination = d
				n.list = append(n.list, old[i])
				old = slices.Delete(slices.Clone(old), i, i+1)
				n.list[len(n.list)-1].adopt()
				continue
			}
			n.list = append(n.list, newLane(d, n.restored[d.key], n.o.Now(), n.random))
		}
	}
	for _, l := range old {
		l.end()
	}
	nudge(n.lanes)
	nudge(n.dirty)
	return nil
}

// random is called with the lock held.
func (n *Notifier) random() float64 { return min(max(n.o.Rand(), 0), 1) }

// Notify takes the full set of alerts that are active now, and those that were
// resolved since the last call. An alert of which somebody was told, and that is
// not among them, has ended. It does not block, and keeps nothing of alerts.
func (n *Notifier) Notify(alerts []Alert) {
	now := n.o.Now()
	notices := prepare(alerts, now)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.began.IsZero() {
		n.began = now
	}
	grace := now.Sub(n.began) < n.o.RestartGrace
	for _, l := range n.list {
		before := l.table.dropped
		if l.table.offer(notices, now, grace) {
			nudge(n.dirty)
		}
		// Once for each time that it begins.
		if dropping := l.table.dropped > before; dropping != l.dropping {
			if l.dropping = dropping; dropping {
				n.o.Log.Warn("alerts are not notified: too many wait, or they ended before", "receiver", l.receiver, "dropped", l.table.dropped)
			}
		}
		nudge(l.wake)
	}
}

// nudge wakes whoever waits for c.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is awake
	}
}

// Stats returns what became of the notifications, by receiver.
func (n *Notifier) Stats() []Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []Stats
	for _, l := range n.list {
		if i := len(list) - 1; i < 0 || list[i].Receiver != l.receiver {
			list = append(list, Stats{Receiver: l.receiver, Kind: l.kind})
		}
		l.addTo(&list[len(list)-1])
	}
	return list
}

// Run delivers until ctx is done, and returns when all has ended and what was
// told is written. It is called once.
func (n *Notifier) Run(ctx context.Context) {
	var running sync.WaitGroup
	running.Go(func() { n.keep(ctx) })
	for ctx.Err() == nil {
		n.mu.Lock()
		for _, l := range n.list {
			if l.stop == nil {
				var own context.Context
				own, l.stop = context.WithCancel(ctx)
				running.Go(func() { n.work(own, l) })
			}
		}
		n.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-n.lanes:
		}
	}
	running.Wait()
	n.mu.Lock()
	for _, l := range n.list {
		l.end()
	}
	n.mu.Unlock()
	if err := n.file.write(n.memory()); err != nil {
		n.o.Log.Error("what was notified is not kept", "error", err)
	}
}

// keep writes the file whenever it is not as things are. A disk that is slow or
// full holds up no notification.
func (n *Notifier) keep(ctx context.Context) {
	var again <-chan time.Time
	failing := false
	for {
		select {
		case <-ctx.Done():
		case <-n.dirty:
		case <-again:
		}
		if ctx.Err() != nil {
			return // the last writing is Run's
		}
		again = nil
		err := n.file.write(n.memory())
		if err != nil {
			timer := time.NewTimer(saveAgain)
			defer timer.Stop()
			again = timer.C
			if !failing {
				n.o.Log.Error("what was notified is not kept: after a restart alerts may be notified again", "error", err)
			}
		} else if failing {
			n.o.Log.Info("what was notified is kept again")
		}
		failing = err != nil
		pause(ctx, nil, saveEvery)
	}
}

// memory returns what is to be kept.
func (n *Notifier) memory() memory {
	n.mu.Lock()
	defer n.mu.Unlock()
	m := memory{}
	for _, l := range n.list {
		if known := l.table.memory(); len(known) > 0 {
			m[l.key] = known
		}
	}
	return m
}
