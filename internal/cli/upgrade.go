package cli

import (
	"context"
	"errors"
	"fmt"
	neturl "net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
	"github.com/goshawk-io/goshawk/upgrade/gate"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

const (
	upgradeCommand = "upgrade"
	// upgradeExecute is the hidden command that starts versions of a server.
	upgradeExecute = "execute"
)

func newUpgrade(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   upgradeCommand,
		Short: "Replace running servers by new versions without losing a request",
		Long: `Show and drive servers that can be upgraded while they run: those that use the Go
package upgrade, and any other server that takes its sockets from outside
(LISTEN_FDS, as systemd passes them), run by goshawk upgrade run.

A new version is the file that lies at the path of the program by then. It is
started beside the old one with the same sockets, and has to prove itself; when it
dies, is not ready in time or a gate refuses it, the old one goes on.

Exit codes: 0 done, 1 rolled back, or nothing to abort, 2 bad usage, or not now,
4 no answer; run ends with the exit code of the server.`,
		Example: `  goshawk upgrade status
  goshawk upgrade trigger 4711
  goshawk upgrade abort 4711
  goshawk upgrade run --listen web=:8080 -- ./server`,
		Args: noSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// For noSubcommand.
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newUpgradeStatus(env), newUpgradeTrigger(env), newUpgradeAbort(env), newUpgradeRun(env), newUpgradeExecute())
	return cmd
}

// newUpgradeExecute returns the command that starts a version of a server in its own
// place.
func newUpgradeExecute() *cobra.Command {
	return &cobra.Command{
		Use:                upgradeExecute,
		Short:              "Execute a program with sockets, for upgrade run",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return swap.Exec(args) },
	}
}

// gateFlags are the flags that say who decides about a new version.
type gateFlags struct {
	url              string
	slos             []string
	service          string
	agent, tokenFile string
	open             bool
	timeout          time.Duration
}

// register adds the flags that say what an agent is asked for.
func (o *gateFlags) register(f *pflag.FlagSet) {
	f.StringArrayVar(&o.slos, "gate-slo", nil, "refuse while the objective `NAME` burns; may be repeated")
	f.StringVar(&o.service, "gate-service", "", "refuse while an objective of service `S` burns")
	f.StringVar(&o.agent, "agent", gate.DefaultAgent, "the `URL` of the agent that knows the objectives")
	f.StringVar(&o.tokenFile, "token-file", "", "a `FILE` with the agent's token (or "+tokenVariable+")")
	f.BoolVar(&o.open, "gate-open", false, "let a new version pass when the agent does not answer")
	f.DurationVar(&o.timeout, "gate-timeout", gate.DefaultTimeout, "how long a gate may take to answer")
}

// gate returns what the flags mean, nil for no gate.
func (o *gateFlags) gate(env Env, command string) (gate.Gate, error) {
	var gates []gate.Gate
	if o.timeout <= 0 {
		return nil, usageError("write a positive duration such as 5s", "%s: --gate-timeout %s: is not positive", command, o.timeout)
	}
	if o.url != "" {
		if !isURL(o.url) {
			return nil, usageError("write a URL such as http://127.0.0.1:8080/healthz", "%s: --gate: %s: is no URL", command, yamldoc.Show(o.url))
		}
		gates = append(gates, gate.URL(o.url, o.timeout, nil))
	}
	if len(o.slos) > 0 || o.service != "" {
		if !isURL(o.agent) {
			return nil, usageError("write a URL such as "+gate.DefaultAgent, "%s: --agent: %s: is no URL of an agent", command, yamldoc.Show(o.agent))
		}
		token, err := o.token(env, command)
		if err != nil {
			return nil, err
		}
		gates = append(gates, gate.Objectives(gate.ObjectivesOptions{
			Agent: o.agent, Token: token, Service: o.service, Names: o.slos, Timeout: o.timeout, Open: o.open,
		}))
	}
	if len(gates) == 0 {
		return nil, nil
	}
	return gate.All(gates...), nil
}

func (o *gateFlags) token(env Env, command string) (string, error) {
	text, from := env.Getenv(tokenVariable), tokenVariable
	if o.tokenFile != "" {
		from = "--token-file: " + yamldoc.Show(o.tokenFile)
		var err error
		if text, err = readToken(o.tokenFile); err != nil {
			return "", usageError("name the file that goshawk up was given", "%s: --token-file: %w", command, err)
		}
	}
	token := strings.TrimSpace(text)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", usageError("write the token alone, as goshawk up was given it", "%s: %s: has a character that no token has", command, from)
	}
	return token, nil
}

// ago says how long ago a time was.
func ago(t, now time.Time) string {
	d := max(now.Sub(t), 0)
	switch {
	case d < time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// noAnswer is the failure of a process that does not say anything.
func noAnswer(command string, pid int, err error) error {
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	return &failure{
		code: exitInternal, err: fmt.Errorf("%s: %d: %w", command, pid, err),
		hint: "goshawk upgrade status shows who serves",
	}
}

// isURL reports whether a text is a URL that can be asked.
func isURL(text string) bool {
	at, err := neturl.Parse(text)
	return err == nil && (at.Scheme == "http" || at.Scheme == "https") && at.Host != ""
}
