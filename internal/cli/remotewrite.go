package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/goshawk-io/goshawk/internal/export/remotewrite"
	"github.com/goshawk-io/goshawk/internal/judge/notify"
)

// flushTimeout bounds how long the last samples may take to be sent at the end.
// What is not sent then is sent after the next start.
const flushTimeout = 2 * time.Second

// remoteWriter sends series to a receiver of remote write.
type remoteWriter struct {
	*remotewrite.Writer
	client *notify.Client
}

// openWriters makes a writer for each receiver of remote write.
func (j *judging) openWriters(o *judgingOptions, log *slog.Logger) error {
	for _, r := range o.writes {
		client, err := notify.NewClient(r.Destination, nil)
		if err != nil {
			return fmt.Errorf("up: remote write to %s: %w", r.Name, err)
		}
		w, err := remotewrite.New(remotewrite.Options{
			Name: r.Name, Source: j.engine, Poster: client, Dir: o.dir, Protocol: remotewrite.Protocol(r.Protocol),
			Labels: r.Labels, Metrics: r.Metrics, Log: log,
		})
		if err != nil {
			return fmt.Errorf("up: %w", err)
		}
		j.writers = append(j.writers, remoteWriter{w, client})
	}
	return nil
}

// flush sends what the judge stored last, and closes connections.
func (j *judging) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	for _, w := range j.writers {
		if err := w.Flush(ctx); err != nil {
			j.log.Warn("the last samples are sent after the next start", "error", err)
		}
		w.client.Close()
	}
}

// written returns how the receivers of remote write stand.
func (j *judging) written() []remotewrite.Stats {
	var list []remotewrite.Stats
	for _, w := range j.writers {
		list = append(list, w.Stats())
	}
	return list
}
