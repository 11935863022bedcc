package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/internal/judge/series"
)

const (
	// maxSlice bounds the samples that are read at once.
	maxSlice = 50_000
	// maxAttempts bounds the parts that a batch is divided into.
	maxAttempts = 256
	// Of so many batches all are divided, although nothing of them is accepted; then
	// one of so many.
	fewInVain, oneInVain = 3, 32
	// The times that a slice of what waits covers: from the least, at which it is
	// not bounded any further, to the most.
	leastStep = time.Second
	firstStep = time.Minute
	mostStep  = time.Hour
	// The time between attempts.
	firstWait = 500 * time.Millisecond
	mostWait  = 15 * time.Second
)

// Writer sends samples to one receiver.
type Writer struct {
	o        Options
	external series.Labels
	file     stateFile

	sending sync.Mutex // held while samples are sent
	cursor  *cursor
	step    time.Duration
	version Protocol // of the next request
	proven  bool     // the receiver knows it
	// attempts is how many parts of a batch that is disliked may still be tried by
	// themselves.
	attempts int
	// inVain counts batches in a row of which nothing was accepted: after some only
	// few are divided when they are disliked.
	inVain  int
	once    bool // do not try again
	unsaved bool // the file cannot be written, which was said
	leaving bool // samples were too old, which was said

	mu    sync.Mutex // guards what follows
	stats Stats
	// waiting is whether there are samples that are not acknowledged, until the time
	// until which all are.
	waiting bool
	until   int64
	// dropping is whether the receiver refused samples the last time.
	dropping bool
}

// New returns a writer that goes on where the file in [Options.Dir] ends. It sends
// nothing until Run is called. A file that is corrupt is set aside, which is said to
// the log, and is no error.
func New(options Options) (*Writer, error) {
	o := options.withDefaults()
	o.Log = o.Log.With("receiver", o.Name)
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	external, err := o.external()
	if err != nil {
		o.Log.Warn("resource attributes are ignored", "error", err)
	}
	w := &Writer{o: o, external: external, file: newStateFile(o.Dir, o.Name), step: firstStep, version: V2}
	if o.Protocol == V1 {
		w.version = V1
	}
	if w.cursor, err = w.file.read(); err != nil {
		o.Log.Warn("remote write begins anew", "error", err)
	}
	if w.cursor == nil {
		// Where it begins stays, however often that is before the first success.
		w.cursor = newCursor(o.Now())
		w.save()
	}
	w.stats, w.until = Stats{Name: o.Name, Protocol: w.version}, w.cursor.until
	return w, nil
}

// Run sends until ctx is done. One call of Run or Flush works at a time.
func (w *Writer) Run(ctx context.Context) {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	for {
		if err := w.send(ctx, false); err != nil && ctx.Err() == nil {
			w.failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Flush sends what waits, without trying anything twice. What it could not send it
// sends after the next start.
func (w *Writer) Flush(ctx context.Context) error {
	if err := w.send(ctx, true); err != nil {
		return fmt.Errorf("remote write to %s: %w", w.o.Name, err)
	}
	return nil
}

// send sends all that there is.
func (w *Writer) send(ctx context.Context, once bool) error {
	w.sending.Lock()
	defer w.sending.Unlock()
	w.once = once
	for {
		s, err := w.read(ctx)
		if err != nil {
			return err
		}
		w.setWaiting(len(s.stored) > 0)
		for _, b := range s.batches(w.o.MaxSamples, w.o.MaxBytes, w.external) {
			if w.attempts = maxAttempts; w.inVain >= fewInVain && w.inVain%oneInVain != 0 {
				w.attempts = 0
			}
			w.inVain++ // until something is accepted
			if err := w.deliver(ctx, b); err != nil {
				return err
			}
		}
		w.cursor.advance(s.until)
		if len(s.stored) > 0 {
			w.save()
		}
		if s.last {
			w.leaving = false
			w.upToDate()
			return nil
		}
	}
}

// read reads the slice that follows.
func (w *Writer) read(ctx context.Context) (slice, error) {
	now := w.o.Now()
	oldest := now.Add(-w.o.MaxAge).UnixMilli()
	for {
		end := w.cursor.until + w.step.Milliseconds()
		span := series.Span{After: w.cursor.after(), Until: end, Seen: w.cursor.seen, Wanted: w.o.wanted(), Limit: maxSlice}
		last := end >= now.UnixMilli()
		if last {
			span.Until = 0 // what is ahead of the clock, too
		}
		if w.step <= leastStep {
			span.Limit = 0
		}
		stored, newest, err := w.o.Source.Tail(ctx, span)
		switch {
		case errors.Is(err, series.ErrTooMuch) && w.step > leastStep:
			w.step = max(leastStep, w.step/2)
			continue
		case err != nil:
			return slice{}, fmt.Errorf("read the samples to send: %w", err)
		case newest > w.cursor.until && w.cursor.until < oldest:
			w.leaveOut(oldest)
			continue
		}
		s := slice{stored: stored, until: newest, last: last}
		if !last {
			s.until = min(newest, end)
			// Nothing is stored later, however far that is.
			s.last = newest <= end
			w.step = min(mostStep, 2*w.step)
		} else {
			w.step = max(w.step, firstStep)
		}
		return s, nil
	}
}

// leaveOut gives up samples that are too old.
func (w *Writer) leaveOut(oldest int64) {
	w.cursor.leaveOut(oldest)
	if !w.leaving {
		w.leaving = true
		w.o.Log.Warn("remote write leaves out samples that are too old", "max_age", w.o.MaxAge)
	}
}

// deliver returns when the receiver has acknowledged the samples of a batch or
// refused them, or with an error when ctx is done or nothing is tried twice.
func (w *Writer) deliver(ctx context.Context, b batch) error {
	for failures := 0; ; {
		o := w.post(ctx, b)
		switch o.verdict {
		case accepted:
			w.inVain = 0
			w.take(b, o)
			return nil
		case unknown:
			if w.o.Protocol == Auto {
				w.fallBack(o.err)
				continue
			}
			w.drop(b, o)
			return nil
		case tooLarge:
			if len(b.samples) > 1 {
				return w.deliverAll(ctx, b.halves())
			}
			w.drop(b, o)
			return nil
		case disliked:
			return w.dislike(ctx, b, o)
		case refused:
			w.drop(b, o)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.failed(o.err)
		if w.once {
			return o.err
		}
		failures++
		if err := wait(ctx, max(o.retryAfter, backoff(failures, w.o.Random()))); err != nil {
			return err
		}
	}
}

// dislike divides a batch, by time at first, so that samples that the receiver does
// not like, or has already, take no others with them.
func (w *Writer) dislike(ctx context.Context, b batch, o outcome) error {
	if w.version == V2 && w.o.Protocol == Auto && !w.proven {
		w.fallBack(o.err)
		return w.deliver(ctx, b)
	}
	parts := b.byTime()
	if len(parts) == 1 && len(b.samples) > 1 {
		parts = b.halves()
	}
	if len(parts) == 1 || w.attempts < len(parts) {
		w.drop(b, o)
		return nil
	}
	w.attempts -= len(parts)
	return w.deliverAll(ctx, parts)
}

func (w *Writer) deliverAll(ctx context.Context, parts []batch) error {
	for _, part := range parts {
		if err := w.deliver(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// post makes one attempt.
func (w *Writer) post(ctx context.Context, b batch) outcome {
	version := w.version
	response, err := w.o.Poster.Post(ctx, headers(version), encode(version, b.groups(), w.external))
	if err != nil {
		return outcome{verdict: failed, err: err}
	}
	o := judge(version, response, len(b.samples), w.o.Now())
	if version == V2 && response.Header.Get(writtenHeader) != "" {
		w.proven = true
	}
	return o
}

// take notes that the samples of a batch need not be sent again.
func (w *Writer) take(b batch, o outcome) {
	for _, s := range b.samples {
		w.cursor.take(b.stored[s.series].ID, s.At)
	}
	w.save()
	w.done(len(b.samples), o)
}

// drop notes that all samples of a batch are refused.
func (w *Writer) drop(b batch, o outcome) {
	w.take(b, outcome{verdict: o.verdict, dropped: len(b.samples), err: o.err})
}

// fallBack makes version 1.0 the one of all requests from now on.
func (w *Writer) fallBack(why error) {
	w.o.Log.Info("remote write goes on with version 1.0", "because", "the receiver "+why.Error())
	w.setVersion(V1)
}

// save writes the file. Without it the samples since are sent again after a crash.
func (w *Writer) save() {
	err := w.file.write(w.cursor)
	if failing := err != nil; failing != w.unsaved {
		w.unsaved = failing
		if failing {
			w.o.Log.Warn("a crash would have samples sent twice", "error", err)
		}
	}
}

// wait returns when d is over, or with an error when ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// backoff returns how long to wait after so many failures in a row, at least one:
// it is doubled each time, and random, at least 0 and below 1, takes away up to a
// half.
func backoff(failures int, random float64) time.Duration {
	d := mostWait
	if shift := failures - 1; shift < 10 {
		d = min(mostWait, firstWait<<shift)
	}
	return d - time.Duration(random*float64(d)/2)
}
