package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

// upgradeRun are the flags of upgrade run.
type upgradeRun struct {
	listen                    []string
	ready                     string
	probation, drain, timeout time.Duration
	gate                      gateFlags
	folder                    string
	json                      bool
	verbose                   bool
}

const runCommand = "upgrade run"

func newUpgradeRun(env Env) *cobra.Command {
	var o upgradeRun
	cmd := &cobra.Command{
		Use:   "run [--listen NAME=[NETWORK:]ADDR]... [--ready notify|D] [--probation D] [--drain D] -- CMD ARG...",
		Short: "Run a server that can be upgraded while it runs",
		Long: `Run CMD, and replace it by the new version of its file when asked to: by goshawk
upgrade trigger, or by SIGUSR2. The PID of goshawk stays, so that it can be the first
process of a container or the main one of a unit of systemd.

With --listen the sockets are opened here, once, and passed to CMD as by systemd:
descriptors from 3 on, LISTEN_FDS, LISTEN_FDNAMES, LISTEN_PID. CMD needs no change if
it can be socket-activated, or takes descriptors (caddy: fd/3). In an upgrade the new
version is started beside the old one, and both accept. It has to become ready, to
live through the probation and to pass the gate; else it is ended and the old one
goes on. Then the old one gets SIGTERM, and after --drain SIGKILL.

NAME is what the server sees in LISTEN_FDNAMES. ADDR is :8080, 127.0.0.1:8080 or the
path of a unix socket; NETWORK is tcp (the default), tcp4, tcp6, unix, udp, udp4, udp6
or unixgram. --listen NAME alone is a socket that systemd passes.

Without --listen CMD uses the Go package upgrade: it replaces itself, and goshawk
stays as its parent, passes signals on and clears away what has ended.

Signals: USR2 upgrades, USR1 aborts the upgrade, HUP is passed on, TERM and INT are
passed on and end it; the second one kills.

Exit codes: that of CMD, 128 and the signal if one has ended it; 2 bad usage, 4 CMD
did not become ready, or goshawk failed.`,
		Example: `  goshawk upgrade run --listen web=:8080 -- ./server
  goshawk upgrade run --listen web=:443 --listen admin=/run/shop/admin.sock --ready notify -- ./shop
  goshawk upgrade run --listen web=:8080 -- caddy run --config Caddyfile
  goshawk upgrade run --listen web=:8080 --gate http://127.0.0.1:8080/healthz -- ./server
  goshawk upgrade run -- ./server-with-the-library`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				return usageError("write -- before the command: goshawk upgrade run … -- "+shortOperand(strings.Join(args, " ")), "%s: %s: is before --", runCommand, shortOperand(args[0]))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, env, args) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.listen, "listen", nil, "hold a socket `NAME=[NETWORK:]ADDR` for CMD; may be repeated")
	f.StringVar(&o.ready, "ready", swap.DefaultReady.String(), "a version is ready when it `SAYS` so (notify: READY=1 to NOTIFY_SOCKET), or has lived so long")
	f.DurationVar(&o.probation, "probation", upgrade.DefaultProbation, "for how long a new version must do well before the old one ends")
	f.DurationVar(&o.drain, "drain", upgrade.DefaultDrain, "how long a version that is told to end may take")
	f.DurationVar(&o.timeout, "timeout", upgrade.DefaultTimeout, "how long a version may take to be ready")
	f.StringVar(&o.gate.url, "gate", "", "refuse a new version at the end of its probation unless a GET of `URL` is answered well (2xx)")
	o.gate.register(f)
	f.BoolVar(&o.gate.open, "gate-open", false, "let a new version pass when the agent does not answer")
	f.StringVar(&o.folder, controlFolderFlag, "", "make the control socket in `DIR`")
	f.BoolVar(&o.json, "json", false, "print events as JSON lines; what CMD prints goes to stderr")
	f.BoolVar(&o.verbose, "verbose", false, "log all that goes on")
	return cmd
}

func (o *upgradeRun) run(cmd *cobra.Command, env Env, command []string) error {
	if len(command) == 0 || command[0] == "" {
		return usageError("write it after --: goshawk upgrade run --listen web=:8080 -- ./server", "%s: want a CMD to run, got none", runCommand)
	}
	// The signals that end this command are passed on to the server.
	ctx := context.WithoutCancel(cmd.Context())
	if len(o.listen) == 0 {
		for _, name := range []string{"ready", "probation", "drain", "timeout", "gate", "gate-slo", "gate-service", "json", controlFolderFlag} {
			if cmd.Flags().Changed(name) {
				return usageError("give the sockets by --listen NAME=ADDR; without it CMD uses the Go package upgrade and decides itself", "%s: --%s: needs --listen", runCommand, name)
			}
		}
		return o.supervise(ctx, env, command)
	}
	options, err := o.options(env, command)
	if err != nil {
		return err
	}
	return o.swap(ctx, env, options)
}

// supervise runs a server that uses package upgrade.
func (o *upgradeRun) supervise(ctx context.Context, env Env, command []string) error {
	options := upgrade.SuperviseOptions{Command: command}
	if o.verbose {
		options.Log = env.logger()
	}
	exit, err := upgrade.Supervise(ctx, options)
	if err != nil {
		return usageError("look whether CMD is there and can be executed", "%s: %w", runCommand, err)
	}
	return exitOfServer(command[0], exit)
}

// exitOfServer is the end of a server.
func exitOfServer(name string, exit int) error {
	switch {
	case exit == 0:
		return nil
	case exit > 128:
		return &failure{code: exit, err: fmt.Errorf("%s: %s: ended by signal %d", runCommand, shortOperand(name), exit-128)}
	}
	return &failure{code: exit, err: fmt.Errorf("%s: %s: exit status %d", runCommand, shortOperand(name), exit)}
}

// options are what the flags mean.
func (o *upgradeRun) options(env Env, command []string) (swap.Options, error) {
	options := swap.Options{
		Command: command, Shim: []string{os.Args[0], upgradeCommand, upgradeExecute},
		Probation: o.probation, Drain: o.drain, Timeout: o.timeout, ControlFolder: o.folder, Reap: os.Getpid() == 1,
	}
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{{"probation", o.probation}, {"drain", o.drain}, {"timeout", o.timeout}} {
		if d.value < 0 || d.value == 0 && d.flag == "timeout" {
			return options, usageError("write a positive duration such as 10s", "%s: --%s %s: is not positive", runCommand, d.flag, d.value)
		}
	}
	if o.probation == 0 {
		options.Probation = -1
	}
	if o.drain == 0 {
		options.Drain = time.Nanosecond
	}
	if o.ready == "notify" {
		options.Notify = true
	} else if d, err := time.ParseDuration(o.ready); err != nil || d < 0 {
		return options, usageError("write notify, or a duration such as 2s", "%s: --ready %q: is neither", runCommand, o.ready)
	} else if d > o.timeout {
		return options, usageError("write a longer --timeout", "%s: --ready %s: is longer than --timeout %s", runCommand, d, o.timeout)
	} else {
		options.Ready = max(d, time.Nanosecond)
	}
	for _, text := range o.listen {
		l, err := parseListener(text)
		if err != nil {
			return options, err
		}
		options.Listeners = append(options.Listeners, l)
	}
	gate, err := o.gate.gate(env, runCommand)
	if gate != nil {
		options.Gate = gate
	}
	if o.verbose {
		options.Log = env.logger()
	}
	return options, err
}

// parseListener reads NAME=[NETWORK:]ADDR.
func parseListener(text string) (swap.Listener, error) {
	const hint = "write NAME=ADDR, such as web=:8080, web=127.0.0.1:8080, web=/run/web.sock or dns=udp::53"
	name, address, given := strings.Cut(text, "=")
	l := swap.Listener{Name: name, Network: "tcp", Address: address}
	switch {
	case name == "":
		return l, usageError(hint, "%s: --listen %q: has no name", runCommand, text)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }):
		return l, usageError(hint, "%s: --listen %q: a name is printable ASCII without spaces and colons", runCommand, text)
	case !given:
		l.Network = ""
		return l, nil
	case address == "":
		return l, usageError(hint, "%s: --listen %q: has no address", runCommand, text)
	case strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@") || strings.HasPrefix(address, "./"):
		l.Network = "unix"
		return l, nil
	}
	if network, rest, ok := strings.Cut(address, ":"); ok {
		switch network {
		case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unixgram":
			l.Network, l.Address = network, rest
		}
	}
	if !strings.HasPrefix(l.Network, "unix") && !strings.Contains(l.Address, ":") {
		return l, usageError(hint, "%s: --listen %q: has no port", runCommand, text)
	}
	return l, nil
}

// swap runs a server that knows nothing of upgrades.
func (o *upgradeRun) swap(ctx context.Context, env Env, options swap.Options) error {
	options.Stdin, _ = env.Stdin.(*os.File)
	options.Stdout, _ = env.Stdout.(*os.File)
	options.Stderr, _ = env.Stderr.(*os.File)
	teller := &runTeller{out: env.Stderr}
	if o.json {
		options.Stdout = options.Stderr
		teller.json = env.Stdout
	}
	options.Events = teller.hear
	engine, err := swap.New(options)
	if err != nil {
		return runFailure(err)
	}
	teller.begin(engine.Status())
	exit, err := engine.Run(ctx)
	if err != nil {
		return runFailure(err)
	}
	return exitOfServer(options.Command[0], exit)
}

// runFailure is an error that is not that of the server.
func runFailure(err error) error {
	text := strings.TrimPrefix(err.Error(), "upgrade: ")
	if hint := swap.Hint(err); hint != "" {
		return usageError(hint, "%s: %s", runCommand, text)
	}
	f := &failure{code: exitInternal, err: fmt.Errorf("%s: %s", runCommand, text)}
	switch {
	case strings.Contains(text, "READY=1"):
		f.hint = "leave out --ready notify if the server does not speak sd_notify, or give it more time by --timeout"
	case strings.HasPrefix(text, "listen "):
		f.hint = "another process may have the address: ss -ltnp shows which; a port below 1024 needs root or CAP_NET_BIND_SERVICE"
	case errors.Is(err, os.ErrPermission):
		f.hint = "run it as a user who may"
	}
	return f
}

// runTeller tells of events.
type runTeller struct {
	mu   sync.Mutex
	out  io.Writer
	json io.Writer // nil for no JSON lines
}

func (t *runTeller) say(format string, args ...any) {
	fmt.Fprintf(t.out, "upgrade: "+format+"\n", args...)
}

// begin tells what is held.
func (t *runTeller) begin(s swap.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json != nil {
		return
	}
	for i, l := range s.Listeners {
		from := "opened"
		if l.Inherited {
			from = "passed by systemd"
		}
		t.say("socket %s: %s %s, %s, descriptor %d of the server", printable(l.Name), l.Network, printable(l.Address), from, 3+i)
	}
}

// hear tells of one event.
func (t *runTeller) hear(e upgrade.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json != nil {
		// Whoever reads it may have gone: the server goes on.
		_ = json.NewEncoder(t.json).Encode(e)
		return
	}
	reason := printable(e.Reason)
	switch e.State {
	case upgrade.Warming:
		if e.Peer == 0 {
			t.say("process %d is started", e.PID)
		} else {
			t.say("process %d is started beside %d", e.Peer, e.PID)
		}
	case upgrade.Spawning:
		t.say("the new version is started")
	case upgrade.Probation:
		t.say("process %d is ready; %d goes on until the probation is over", e.Peer, e.PID)
	case upgrade.Running:
		switch {
		case e.From == upgrade.Warming:
			t.say("process %d serves; a new version is started by: goshawk upgrade trigger %d", e.PID, os.Getpid())
		case e.From == upgrade.Spawning:
			t.say("process %d goes on, nothing was started: %s", e.PID, reason)
		}
	case upgrade.Committed:
		t.say("committed after %s: process %d serves, %d is told to end", shortDuration(e.Outcome.Ended), e.Peer, e.PID)
	case upgrade.RolledBack:
		t.say("rolled back after %s, process %d goes on: %s", shortDuration(e.Outcome.Ended), e.PID, reason)
		if e.Outcome.Ready == 0 && strings.Contains(reason, "ended before it was ready") {
			t.say("if the address is in use for it, it does not take sockets from outside (LISTEN_FDS): see docs/upgrade.md")
		}
	case upgrade.Draining:
		if strings.HasPrefix(reason, "process ") {
			t.say("%s", reason)
		} else {
			t.say("process %d is told to end: %s", e.PID, reason)
		}
	case upgrade.Drained:
		if reason != "" {
			reason = ": " + reason
		}
		t.say("process %d has ended%s", e.PID, reason)
	}
}
