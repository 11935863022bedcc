package series

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// journal passes on what the libraries log, and remembers the last error. What
// they think worth a line on every start is for debugging here.
type journal struct {
	next slog.Handler
	last *lastError
}

// lastError is shared by a journal and those derived from it.
type lastError struct {
	mu   sync.Mutex
	text string
	at   time.Time
}

func (l *lastError) set(text string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text, l.at = text, at
}

func (l *lastError) get() (string, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text, l.at
}

func demoted(level slog.Level) slog.Level {
	if level == slog.LevelInfo {
		return slog.LevelDebug
	}
	return level
}

// Enabled is true of errors even where nobody reads the log.
func (j journal) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelError || j.next.Enabled(ctx, demoted(level))
}

// Handle remembers an error and passes the record on.
func (j journal) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		text := r.Message
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "err" {
				text += ": " + a.Value.String()
			}
			return true
		})
		j.last.set(text, r.Time)
	}
	r.Level = demoted(r.Level)
	if !j.next.Enabled(ctx, r.Level) {
		return nil
	}
	return j.next.Handle(ctx, r)
}

// WithAttrs returns a journal with the same memory.
func (j journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return journal{j.next.WithAttrs(attrs), j.last}
}

// WithGroup returns a journal with the same memory.
func (j journal) WithGroup(name string) slog.Handler {
	return journal{j.next.WithGroup(name), j.last}
}
