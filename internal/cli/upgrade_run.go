package cli

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
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
it can be socket-activated, or takes descriptors (caddy: bind fd/3 in its Caddyfile).
In an upgrade the new version is started beside the old one, and both accept. It has
to become ready, to live through the probation and to pass the gate; else it is ended
and the old one goes on. Then the old one gets SIGTERM, and after --drain SIGKILL.

No connection is refused meanwhile. What becomes of those that are open when CMD gets
SIGTERM is up to CMD: it has to finish its requests, and many a server drops those
that arrive just then on kept-alive connections. The Go package upgrade loses none.

NAME is what the server sees in LISTEN_FDNAMES. ADDR is :8080, 127.0.0.1:8080 or the
path of a unix socket; NETWORK is tcp (the default), tcp4, tcp6, unix, udp, udp4, udp6
or unixgram. --listen NAME alone is a socket that systemd passes.

Without --listen CMD uses the Go package upgrade: it replaces itself, and goshawk
stays as its parent, passes signals on and clears away what has ended.

Signals: USR2 upgrades, USR1 aborts the upgrade, HUP is passed on, TERM and INT are
passed on and end it; the second one kills.

Exit codes: that of CMD, and 128 and the signal if one has ended it, but 0 if that is
the SIGTERM that goshawk has passed on; 2 bad usage, or an address that is not to be
had, 3 no permission, 4 CMD did not become ready, or goshawk failed.`,
		Example: `  goshawk upgrade run --listen web=:8080 -- ./server
  goshawk upgrade run --listen web=:443 --listen admin=/run/shop/admin.sock --ready notify -- ./shop
  goshawk upgrade run --listen web=:8080 --ready notify -- caddy run --config Caddyfile
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
	f.StringVar(&o.folder, controlFolderFlag, "", "make the control socket in `DIR`")
	f.BoolVar(&o.json, "json", false, "print events as JSON lines; what CMD prints goes to stderr")
	f.BoolVar(&o.verbose, "verbose", false, "log all that goes on")
	return cmd
}

func (o *upgradeRun) run(cmd *cobra.Command, env Env, command []string) error {
	if len(command) == 0 || command[0] == "" {
		return usageError("write it after --: goshawk upgrade run --listen web=:8080 -- ./server", "%s: want a CMD to run, got none", runCommand)
	}
	if len(o.listen) == 0 {
		for _, name := range []string{"ready", "probation", "drain", "timeout", "gate", "gate-slo", "gate-service", "json", controlFolderFlag} {
			if cmd.Flags().Changed(name) {
				return usageError("give the sockets by --listen NAME=ADDR; without it CMD uses the Go package upgrade and decides itself", "%s: --%s: needs --listen", runCommand, name)
			}
		}
		return o.supervise(cmd.Context(), env, command)
	}
	options, err := o.options(env, command)
	if err != nil {
		return err
	}
	// The signals that end this command are passed on to the server.
	return o.swap(context.WithoutCancel(cmd.Context()), env, options)
}

// supervise runs a server that uses package upgrade.
func (o *upgradeRun) supervise(ctx context.Context, env Env, command []string) error {
	options := upgrade.SuperviseOptions{Command: command, Log: o.logger(env)}
	exit, err := upgrade.Supervise(context.WithoutCancel(ctx), options)
	if err != nil {
		return runFailure(err)
	}
	return exitOfServer(command[0], exit)
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
			return options, usageError("write a duration such as 10s", "%s: --%s %s: is too short", runCommand, d.flag, d.value)
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
		if slices.ContainsFunc(options.Listeners, func(o swap.Listener) bool { return o.Name == l.Name }) {
			return options, usageError("give each socket a name of its own", "%s: --listen %q: there are two sockets named %s", runCommand, text, l.Name)
		}
		options.Listeners = append(options.Listeners, l)
	}
	gate, err := o.gate.gate(env, runCommand)
	if gate != nil {
		options.Gate = gate
	}
	options.Log = o.logger(env)
	return options, err
}

// logger says what is refused or goes wrong, and with --verbose all that goes on.
func (o *upgradeRun) logger(env Env) *slog.Logger {
	if o.verbose {
		return env.logger()
	}
	return slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

const listenHint = "write --listen NAME=ADDR, such as web=:8080, web=127.0.0.1:8080, web=/run/web.sock or dns=udp::53"

// parseListener reads NAME=[NETWORK:]ADDR.
func parseListener(text string) (swap.Listener, error) {
	const hint = listenHint
	name, address, given := strings.Cut(text, "=")
	l := swap.Listener{Name: name, Network: "tcp", Address: address}
	switch {
	case name == "" || !given && strings.Contains(name, ":"):
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
