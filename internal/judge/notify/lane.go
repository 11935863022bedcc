package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// destination is where a receiver, or a member of a cluster, is told.
type destination struct {
	// key is the same for the same receiver and place, also after a restart.
	key            string
	receiver, kind string
	policy         policy
	sender         sender
	// check says what the sender lacks.
	check func() error
}

// destinations returns those of a receiver that is valid.
func destinations(r Receiver, o *Options) []destination {
	d := destination{receiver: r.Name, kind: r.kind(), policy: policy{
		wants: r.filter(), repeat: or(r.RepeatEvery, DefaultRepeat), omitResolved: r.OmitResolved, batch: 1, waiting: o.MaxWaiting,
	}}
	encode := func(list []Alert) ([]byte, error) { return encodeWebhook(r.Name, o.ExternalURL, list[0]) }
	switch {
	case r.Webhook != nil:
		w := r.Webhook
		s := &httpSender{url: w.URL, headers: w.Headers, timeout: or(w.Timeout, DefaultTimeout), tls: w.TLS, encode: encode}
		return []destination{d.over(&r, s, o, string(w.URL))}
	case r.Command != nil:
		c := r.Command
		d.key = r.destinationKey(append([]string{c.Path}, c.Args...)...)
		d.sender = &commandSender{
			receiver: r.Name, path: c.Path, args: c.Args, timeout: or(c.Timeout, DefaultCommandTimeout), environ: inherited(o.Environ), encode: encode,
		}
		d.check = func() error { return executable(c.Path) }
		return []destination{d}
	}
	a := r.Alertmanager
	// It repeats by itself, and forgets what it does not hear of.
	d.policy.repeat, d.policy.omitResolved, d.policy.batch = resendEvery, false, maxPosted
	var list []destination
	for _, u := range a.URLs {
		s := &httpSender{
			url: u, path: []string{"api", "v2", "alerts"}, headers: a.Headers, timeout: or(a.Timeout, DefaultTimeout), tls: a.TLS,
			username: a.Username, password: a.Password, bearer: a.Bearer,
			encode: func(list []Alert) ([]byte, error) { return encodeAlerts(list, o.Now().Add(expireAfter)) },
		}
		list = append(list, d.over(&r, s, o, string(u)))
	}
	return list
}

func or(d, standard time.Duration) time.Duration {
	if d == 0 {
		return standard
	}
	return d
}

// over returns d with a sender over HTTP.
func (d destination) over(r *Receiver, s *httpSender, o *Options, where string) destination {
	s.environ, s.now = o.Environ, o.Now
	if o.Client != nil {
		s.transport = o.Client.Transport
	}
	d.key, d.sender, d.check = r.destinationKey(where), s, s.check
	return d
}

// check says what is missing for a request.
func (s *httpSender) check() error {
	var hidden veil
	_, err := s.request(context.Background(), nil, &hidden)
	if err == nil && s.tls != nil {
		if _, err = s.tls.config(); err == nil && s.tls.CertFile != "" {
			_, err = s.tls.pair()
		}
	}
	return err
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("command: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("command: %s: is no executable file", path)
	}
	return nil
}

// lane is a destination with the alerts that it is told of, and a worker. All
// but wake is guarded by the notifier's lock.
type lane struct {
	destination
	table table
	wake  chan struct{}
	stop  context.CancelFunc // nil without a worker

	dropping, failing        bool
	lastError                string
	lastErrorAt, lastSuccess time.Time
}

func newLane(d destination, known []told, now time.Time, random func() float64) *lane {
	l := &lane{destination: d, wake: make(chan struct{}, 1)}
	l.table = table{
		policy: d.policy, entries: make(map[string]*entry),
		backoff: func(failures int) time.Duration { return backoff(failures, random()) },
	}
	l.table.restore(known, now)
	return l
}

// adopt makes the table follow the destination.
func (l *lane) adopt() {
	l.table.policy = l.policy
	nudge(l.wake)
}

// end stops the worker, if there is one.
func (l *lane) end() {
	if l.stop != nil {
		l.stop()
	}
}

// addTo adds what the lane counted to that of its receiver.
func (l *lane) addTo(s *Stats) {
	t := &l.table
	s.Waiting += t.waiting()
	s.Firing += t.firing()
	s.Sent, s.Failed, s.Retried, s.Dropped = s.Sent+t.sent, s.Failed+t.failed, s.Retried+t.retried, s.Dropped+t.dropped
	s.Failing = s.Failing || l.failing
	if l.lastErrorAt.After(s.LastErrorAt) || s.LastError == "" {
		s.LastError, s.LastErrorAt = l.lastError, l.lastErrorAt
	}
	if l.lastSuccess.After(s.LastSuccess) {
		s.LastSuccess = l.lastSuccess
	}
}

// work delivers to one destination until ctx is done.
func (n *Notifier) work(ctx context.Context, l *lane) {
	var used sender
	defer func() {
		if used != nil {
			used.close()
		}
	}()
	for ctx.Err() == nil {
		n.mu.Lock()
		tasks, wait := l.table.take(n.o.Now())
		current := l.sender
		n.mu.Unlock()
		if used != current && used != nil {
			used.close()
		}
		used = current
		if len(tasks) == 0 {
			pause(ctx, l.wake, wait)
			continue
		}
		o := used.deliver(ctx, alertsOf(tasks))
		if o.refused && len(tasks) > 1 {
			// Perhaps one of them is refused, and the others are as well.
			n.oneByOne(ctx, l, used, tasks)
			continue
		}
		n.settle(ctx, l, tasks, o)
	}
}

// oneByOne delivers tasks that were refused together.
func (n *Notifier) oneByOne(ctx context.Context, l *lane, s sender, tasks []task) {
	for i := range tasks {
		o := s.deliver(ctx, alertsOf(tasks[i:i+1]))
		if o.err != nil && !o.refused {
			n.settle(ctx, l, tasks[i:], o) // it is not asked for each
			return
		}
		n.settle(ctx, l, tasks[i:i+1], o)
	}
}

func alertsOf(tasks []task) []Alert {
	list := make([]Alert, len(tasks))
	for i, t := range tasks {
		list[i] = t.alert
	}
	return list
}

// pause waits until wake or ctx says so, or for a time that is not negative.
func pause(ctx context.Context, wake <-chan struct{}, wait time.Duration) {
	var over <-chan time.Time
	if wait >= 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-ctx.Done():
	case <-wake:
	case <-over:
	}
}

// settle notes what became of tasks.
func (n *Notifier) settle(ctx context.Context, l *lane, tasks []task, o outcome) {
	now := n.o.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	l.table.settle(tasks, o, now)
	nudge(n.dirty)
	log := n.o.Log.With("receiver", l.receiver, "kind", l.kind)
	if o.err == nil {
		if l.failing {
			log.Info("notifications are delivered again", "waiting", l.table.waiting())
		}
		l.failing, l.lastSuccess = false, now
		return
	}
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return // it was cut off, and is no failure
	}
	text := o.err.Error()
	switch {
	case o.refused:
		log.Error("a notification was refused", "alert", tasks[0].alert.Labels[labelName], "alerts", len(tasks), "state", tasks[0].alert.State, "error", text)
	case !l.failing || text != l.lastError:
		log.Warn("a notification could not be delivered and is tried again", "alerts", len(tasks), "error", text)
	}
	l.failing, l.lastError, l.lastErrorAt = true, text, now
}
