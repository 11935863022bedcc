package cli

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/goshawk-io/goshawk/internal/api"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/ui"
)

// site is everything that is served over HTTP.
type site struct {
	server   *http.Server
	listener net.Listener
	feed     *api.Feed
	url      string
}

// newSite returns what serves an agent at listener.
func newSite(p *parts, registry *prometheus.Registry, listener net.Listener, who access, log *slog.Logger) *site {
	s := &site{
		listener: listener, url: who.url(listener.Addr()),
		feed: api.NewFeed(api.FeedOptions{Filter: selects}),
	}
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "goshawk_stream_events_dropped_total", Help: "Live events that did not fit the queue of a slow listener.",
	}, func() float64 { return float64(s.feed.Dropped()) }))
	options := api.Options{
		Host: &backend{agent: p.agent, store: p.store, upgrades: p.upgrades}, Events: p.store, Feed: s.feed, Config: p.configuration.wire, Log: log,
		Metrics: promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}),
	}
	options.Traces = openTraces(p.store.dir, log)
	p.judging.serve(&options, registry)
	// The pages ask the API as any client does, but past the guard.
	options.UI = ui.New(ui.Options{
		API:     client.New(client.Options{Transport: client.InProcess(api.New(options)), Base: "http://localhost"}),
		Version: buildVersion().Version, Log: log,
	})
	s.server = &http.Server{
		Handler:           api.Guard(api.New(options), api.GuardOptions{Hosts: who.hosts, Token: who.token, TLS: who.tls != nil}),
		TLSConfig:         who.tls,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    1 << 18,
		// Whoever scans a port is not worth a warning each.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	if !who.loopback && who.tls == nil {
		log.Warn("the token and all data cross the network in the clear; --tls-cert and --tls-key encrypt them")
	}
	return s
}

// openTraces opens what is kept of execution traces in the folder of the data. It
// returns nil without a folder, and when it cannot be used: all else works.
func openTraces(dir string, log *slog.Logger) *api.Traces {
	if dir == "" {
		return nil
	}
	traces, err := api.NewTraces(filepath.Join(dir, "traces"), api.TracesOptions{Log: log})
	if err != nil {
		log.Warn("execution traces cannot be analysed here", "error", err)
		return nil
	}
	return traces
}

// serve answers until stop; it always returns an error.
func (s *site) serve() error {
	if s.server.TLSConfig != nil {
		return s.server.ServeTLS(s.listener, "", "")
	}
	return s.server.Serve(s.listener)
}

// lastAnswers is how long answers that are under way may take at the end.
const lastAnswers = time.Second

// stop ends the streams, lets answers that are under way finish for a moment,
// and closes all connections.
func (s *site) stop(ctx context.Context) {
	s.feed.Close()
	ctx, cancel := context.WithTimeout(ctx, lastAnswers)
	defer cancel()
	// A connection that was opened and not used holds up Shutdown as well.
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
}
