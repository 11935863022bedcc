package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// endPatience is how long commands may take to end with the shop.
	endPatience = 2 * time.Second
	// closePatience is how long responses may take to be sent at the end.
	closePatience = 200 * time.Millisecond
)

// Run serves the shop until ctx ends, which is no error. Then it ends and
// reaps every command that it started and removes its files, within about two
// seconds; it returns an error when some command is left, with the files that
// it may use. It owns its listener and its folder.
func Run(ctx context.Context, o Options) (err error) {
	if err := checkLoopback(o.addr()); err != nil {
		return fmt.Errorf("serve the shop: %w", err)
	}
	dir, err := os.MkdirTemp(o.Dir, "shop-")
	if err != nil {
		return fmt.Errorf("create the shop's folder: %w", err)
	}
	defer func() {
		if !errors.Is(err, errUnfinished) {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	s := newShop(ctx, o, dir)
	defer s.close()
	if err := stockUp(dir); err != nil {
		return err
	}
	if s.ledger, err = openLedger(ctx); err != nil {
		return err
	}
	defer s.ledger.close()
	restore, err := becomeSubreaper()
	if err != nil {
		s.log.Warn("processes that outlive their parent are left to init", "error", err)
	}
	defer restore()

	if o.Versions.On {
		return s.serveVersions(ctx, s.server(context.WithoutCancel(ctx)), o)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", o.addr())
	if err != nil {
		return fmt.Errorf("serve the shop: listen on %s: %w", o.addr(), err)
	}
	return s.serve(ctx, listener, o.Ready)
}

// server returns the server, whose requests have the context ctx.
func (s *shop) server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           s.routes(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
}

// serve answers requests until ctx ends. On return no handler and no command
// runs, unless the error is errUnfinished.
func (s *shop) serve(ctx context.Context, listener net.Listener, ready func(url string)) error {
	server := s.server(ctx)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	// A process must have been a zombie for a while to be noticed.
	if err := s.warmCache(); err != nil && !errors.Is(err, errLeftOut) {
		s.log.Warn("the cache is cold", "error", err)
	}
	url := "http://" + listener.Addr().String()
	s.log.Info("the shop is open", "url", url)
	if ready != nil {
		ready(url)
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
		served <- http.ErrServerClosed
		err = fmt.Errorf("serve the shop on %s: %w", listener.Addr(), err)
	}
	endErr := s.end()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closePatience)
	defer cancel()
	// A client that keeps a connection open without a request does not keep
	// the shop open.
	if server.Shutdown(closing) != nil {
		server.Close()
	}
	<-served
	return errors.Join(err, endErr)
}
