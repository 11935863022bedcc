package shop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
)

// Versions makes the shop one that can be upgraded while it is open: by SIGUSR2, or by
// `goshawk upgrade trigger`.
type Versions struct {
	// On is whether it can.
	On bool
	// Show makes it upgrade itself that long after it was opened, which goes well, and
	// once more after as long again, to a version that has a bug and is rolled back.
	// 0 shows nothing.
	Show time.Duration
	// Upgrade configures it; what the shop needs of it for itself is set.
	Upgrade upgrade.Options
}

const (
	// drainPatience is how long what has begun may take when a new version has taken over.
	drainPatience = 10 * time.Second
	// buggy is the generation that has a bug, where upgrades are shown.
	buggy = 3
)

// errEmpty is the bug.
var errEmpty = errors.New("the catalogue is empty")

// serveVersions is serve for a shop that can be upgraded.
func (s *shop) serveVersions(ctx context.Context, server *http.Server, o Options) error {
	var up *upgrade.Upgrader
	var opened sync.Once
	options := o.Versions.Upgrade
	options.Log, options.Drain = s.log, drainPatience
	options.Warm = func(context.Context) error {
		if err := s.warmCache(); err != nil && !errors.Is(err, errLeftOut) {
			s.log.Warn("the cache is cold", "error", err)
		}
		return nil
	}
	if o.Versions.Show > 0 {
		options.Check = func(context.Context) error {
			if up.Status().Generation == buggy {
				return errEmpty
			}
			return nil
		}
	}
	url := ""
	running := make(chan struct{})
	options.Events = func(e upgrade.Event) {
		if e.State == upgrade.Running {
			opened.Do(func() { close(running) })
		}
	}
	up, err := upgrade.New(options)
	if err != nil {
		return fmt.Errorf("serve the shop: %w", err)
	}
	listener, err := up.Listen("shop", "tcp", o.addr())
	if err != nil {
		return fmt.Errorf("serve the shop: %w", err)
	}
	url = "http://" + listener.Addr().String()
	up.Add(upgrade.HTTP(server, listener))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var beside sync.WaitGroup
	beside.Go(func() {
		select {
		case <-running:
		case <-ctx.Done():
			return
		}
		s.log.Info("the shop is open", "url", url)
		if o.Ready != nil {
			o.Ready(url)
		}
		if o.Versions.Show > 0 {
			show(ctx, up, o.Versions.Show)
		}
	})
	// Who works for the shop stops when the shop is to end, not when a new version has
	// taken over: then all is finished first.
	ended := make(chan error, 1)
	beside.Go(func() {
		<-ctx.Done()
		ended <- s.end()
	})
	err = up.Run(ctx)
	cancel()
	beside.Wait()
	return errors.Join(err, <-ended)
}

// show upgrades the first version after a while, and the second one in vain.
func show(ctx context.Context, up *upgrade.Upgrader, after time.Duration) {
	if up.Status().Generation >= buggy {
		return
	}
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-up.Draining():
	case <-timer.C:
		// How it ended is in its events, and in the log.
		_, _ = up.Upgrade(ctx)
	}
}
