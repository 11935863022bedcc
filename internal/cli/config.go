package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/config"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/probes"
)

func newConfig(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check configuration files, or write one",
		Long: `Check the files of goshawk up --config, or write one to begin with.

Exit codes: 0 done, 2 bad usage, or the files have errors.`,
		Example: "  goshawk config example > goshawk.yaml\n  goshawk config check goshawk.yaml",
		Args:    noSubcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// For noSubcommand.
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newConfigCheck(env), newConfigExample(env))
	return cmd
}

func newConfigCheck(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE... [--json]",
		Short: "Say what is wrong with configuration files",
		Long: `Read configuration files as goshawk up --config does, and say all that is
wrong with them. FILE may be a folder: its *.yaml files are read.

Exit codes: 0 the files are right, 2 they have errors.`,
		Example: "  goshawk config check goshawk.yaml\n  goshawk config check --json /etc/goshawk",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("usage: "+cmd.UseLine(), "%s: want one FILE or more, got none", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return checkConfig(env, args, asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	return cmd
}

func newConfigExample(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "example",
		Short: "Print a configuration file in which all is as by default",
		Long: `Print a configuration file in which all is as by default, with a comment on
each field.

Exit codes: 0 done, 2 bad usage.`,
		Example: "  goshawk config example > goshawk.yaml",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(env.Stdout, config.Example(knownProbes()))
			return err
		},
	}
}

func checkConfig(env Env, paths []string, asJSON bool) error {
	c, err := config.Load(paths, config.Options{Probes: knownProbes()})
	if asJSON {
		if writing := json.NewEncoder(env.Stdout).Encode(wireChecked(c, err)); writing != nil {
			return writing
		}
		if err != nil {
			return usageError("they are in the document on stdout", "config check: the files have errors")
		}
		return nil
	}
	if err != nil {
		return reportConfig(env, "config check", err)
	}
	for _, r := range c.Resources() {
		fmt.Fprintf(env.Stdout, "%s:%d: %s %s\n", r.File, r.Line, r.Kind, r.Name)
	}
	_, err = fmt.Fprintf(env.Stdout, "ok: resources=%d files=%d\n", len(c.Resources()), len(c.Files()))
	return err
}

// reportConfig prints all errors of a configuration but the last, and returns
// that one.
func reportConfig(env Env, what string, err error) error {
	var all config.Errors
	if !errors.As(err, &all) {
		return usageError("", "%s: %w", what, err)
	}
	var last error
	for _, e := range all {
		if last != nil {
			report(env.Stderr, last)
		}
		last = usageError(e.Hint, "%s: %w", what, e)
	}
	return last
}

// knownProbes says what each probe can be told.
func knownProbes() []config.KnownProbe {
	var list []config.KnownProbe
	for _, spec := range probes.All() {
		list = append(list, config.KnownProbe{Name: spec.Name, Functions: spec.Functions != nil, Requests: spec.Name == "http", Starts: spec.Name == startupProbe, OnRequest: spec.OnRequest})
	}
	return list
}

// configOptions are the flags that say where the configuration is.
type configOptions struct {
	paths []string
}

func (o *configOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.paths, "config", nil, "read the configuration in `FILE`, or in the *.yaml files of a folder; may be repeated")
}

// configured is the configuration of a running agent.
type configured struct {
	*config.Watcher
	env Env
	// terminal says that there was one at the start.
	terminal bool
	// hangups has each SIGHUP, reload those that ask for the configuration to
	// be read again; both are nil without configuration.
	hangups, reload chan os.Signal
}

// open loads the configuration and, when there is any, has SIGHUP read it
// again; without, SIGHUP ends the process as it does by default. The caller
// must call close.
func (o *configOptions) open(env Env, log *slog.Logger) (*configured, error) {
	c := &configured{env: env, terminal: env.Width() > 0}
	if len(o.paths) > 0 {
		c.hangups, c.reload = make(chan os.Signal, 1), make(chan os.Signal, 1)
	}
	watcher, err := config.NewWatcher(config.WatchOptions{
		Paths: o.paths, Load: config.Options{Probes: knownProbes()}, Reload: c.reload, Log: log,
	})
	if err != nil {
		return nil, reportConfig(env, "up: --config", err)
	}
	c.Watcher = watcher
	if c.hangups != nil {
		signal.Notify(c.hangups, syscall.SIGHUP)
	}
	return c, nil
}

// close gives SIGHUP back.
func (c *configured) close() {
	if c.hangups != nil {
		signal.Stop(c.hangups)
	}
}

// enabled returns the probes that the configuration does not turn off.
func (c *configured) enabled(specs []*probe.Spec) []*probe.Spec {
	now := c.Config()
	return slices.DeleteFunc(slices.Clone(specs), func(s *probe.Spec) bool { return !now.Probe(s.Name).Enabled })
}

// follow applies changes until ctx is done; the channel is closed then. live
// has, by name, what tells a running probe its new configuration; a probe that
// has none changes at the next start. receivers is told of those who are told of
// alerts. stop is called when SIGHUP says that the
// terminal is gone.
func (c *configured) follow(ctx context.Context, stop func(), live map[string]liveProbe, receivers config.Applier) <-chan struct{} {
	var running sync.WaitGroup
	running.Go(func() {
		c.Run(ctx, map[string]config.Applier{config.KindProbe: applyProbe(live), config.KindReceiver: receivers})
	})
	running.Go(func() { c.forward(ctx, stop) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		running.Wait()
	}()
	return done
}

// forward tells a hang-up from a wish to reload: both are SIGHUP, and a
// terminal that is gone has no width.
func (c *configured) forward(ctx context.Context, stop func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-c.hangups:
			if c.terminal && c.env.Width() == 0 {
				stop()
				return
			}
			select {
			case c.reload <- s:
			default: // it is going to be read anyway
			}
		}
	}
}

// liveProbe tells a running probe its new configuration.
type liveProbe func(context.Context, config.ProbeConfig) error

// applyProbe returns what applies a change of a probe: live by name.
func applyProbe(live map[string]liveProbe) config.Applier {
	return func(ctx context.Context, name string, old, new *config.Config) error {
		was, is := old.Probe(name), new.Probe(name)
		tell := live[name]
		switch {
		case was.Enabled != is.Enabled, tell == nil && is.Enabled:
			return config.ErrNeedsRestart
		case !is.Enabled:
			return nil
		}
		return tell(ctx, is)
	}
}

// register adds the metrics of the configuration, by which a reload that was
// rejected raises an alert.
func (c *configured) register(registry *prometheus.Registry) {
	gauge := func(name, help string, read func(config.Status) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return read(c.Status()) }))
	}
	gauge("goshawk_config_in_force", "1 when what the configuration files say is in force, 0 when they were rejected or a resource could not be applied.", func(s config.Status) float64 {
		if s.OK() {
			return 1
		}
		return 0
	})
	gauge("goshawk_config_generation", "How many configurations came in force since the start, 0 without files.", func(s config.Status) float64 { return float64(s.Generation) })
	gauge("goshawk_config_loaded_timestamp_seconds", "When the configuration came in force, in Unix time; 0 without files.", func(s config.Status) float64 {
		if s.LoadedAt.IsZero() {
			return 0
		}
		return float64(s.LoadedAt.UnixNano()) / 1e9
	})
}

// wire returns the state of the configuration for the API.
func (c *configured) wire() v1.Config {
	s := c.Status()
	w := v1.Config{
		State: s.State, Files: append([]string{}, s.Files...), Hash: s.Hash, Generation: s.Generation,
		Errors: wireConfigErrors(s.Errors), Resources: []v1.ConfigResource{},
	}
	if !s.LoadedAt.IsZero() {
		at := v1.Time(s.LoadedAt)
		w.LoadedAt = &at
	}
	if !s.RejectedAt.IsZero() {
		at := v1.Time(s.RejectedAt)
		w.RejectedAt = &at
	}
	for _, r := range s.Resources {
		w.Resources = append(w.Resources, v1.ConfigResource{Kind: r.Kind, Name: r.Name, State: r.State, Message: r.Message})
	}
	return w
}

// wireChecked returns what a check found.
func wireChecked(c *config.Config, err error) v1.Config {
	w := v1.Config{State: config.StateOK, Files: append([]string{}, c.Files()...), Hash: c.Hash(), Resources: []v1.ConfigResource{}}
	var errs config.Errors
	if errors.As(err, &errs) {
		w.State, w.Errors = config.StateRejected, wireConfigErrors(errs)
	}
	for _, r := range c.Resources() {
		w.Resources = append(w.Resources, v1.ConfigResource{Kind: r.Kind, Name: r.Name})
	}
	return w
}

func wireConfigErrors(errs config.Errors) []v1.ConfigError {
	var list []v1.ConfigError
	for _, e := range errs {
		text := e.Cause
		if e.Value != "" {
			text = e.Value + ": " + text
		}
		list = append(list, v1.ConfigError{
			File: e.File, Line: e.Line, Column: e.Column, Field: e.Field, Error: text, Hint: e.Hint,
		})
	}
	return list
}
