package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
	"github.com/goshawk-io/goshawk/upgrade/gate"
)

// upgradeTrigger are the flags of upgrade trigger.
type upgradeTrigger struct {
	folder      string
	json, quiet bool
	gate        gateFlags
	// every is how often the gate is asked while the upgrade goes on.
	every time.Duration
}

func newUpgradeTrigger(env Env) *cobra.Command {
	o := upgradeTrigger{every: time.Second}
	cmd := &cobra.Command{
		Use:   "trigger [PID] [--gate-slo NAME] [--json]",
		Short: "Have a server upgrade itself, and wait for the outcome",
		Long: `Have a server start the version that lies at its path now, wait until it has
taken over or was rolled back, and print how that went. Without a PID there must be
one server that can be upgraded. It is what kill -USR2 does, with an answer.

--gate-slo and --gate-service ask an agent (goshawk up --slo FILE) how objectives
stand: nothing is started while one burns, and the upgrade is rolled back when one
burns before it is over. The server may have a gate of its own.

The upgrade goes on when this command is interrupted.

Exit codes: 0 committed: the new version serves, 1 rolled back or not started: the
old one serves, 2 bad usage, or not now (another upgrade goes on), 4 no answer of
the server or the agent, 130 interrupted.`,
		Example: "  goshawk upgrade trigger\n  goshawk upgrade trigger 4711 --json\n  goshawk upgrade trigger 4711 --gate-slo checkout-latency",
		Args:    upTo(1, "at most one PID"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), env, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print the outcome as a JSON document")
	f.BoolVar(&o.quiet, "quiet", false, "do not tell what goes on")
	f.StringVar(&o.folder, controlFolderFlag, "", "look for control sockets in `DIR` alone")
	o.gate.register(f)
	cmd.ValidArgsFunction = completeUpgradable(env, &o.folder)
	return cmd
}

func (o *upgradeTrigger) run(ctx context.Context, env Env, args []string) error {
	const command = "upgrade trigger"
	ask, err := o.gate.gate(env, command)
	if err != nil {
		return err
	}
	_, one, err := theProcess(ctx, command, o.folder, args, env.Getenv)
	if err != nil {
		return err
	}
	if one.err != nil {
		return noAnswer(command, one.holder, one.err)
	}
	if ask != nil {
		if err := ask(ctx, upgrade.Candidate{}); err != nil {
			if ctx.Err() != nil {
				return errInterrupted
			}
			f := &failure{code: exitBad, err: fmt.Errorf("%s: %d: nothing was started: %w", command, one.holder, err)}
			if errors.Is(err, gate.ErrNoVerdict) {
				f.code, f.hint = exitInternal, noVerdictHint
			}
			return f
		}
	}
	outcome, err := o.upgrade(ctx, env.Stderr, one, ask)
	if ctx.Err() != nil {
		fmt.Fprintf(env.Stderr, "note: the upgrade goes on; goshawk upgrade abort %d ends it\n", one.holder)
		return errInterrupted
	}
	return o.end(env.Stdout, one, outcome, err)
}

const noVerdictHint = "look whether goshawk up --slo FILE answers there; --agent URL says where, --token-file FILE lets in"

// upgrade asks for the upgrade and waits for its end.
func (o *upgradeTrigger) upgrade(ctx context.Context, progress io.Writer, one *upgradable, ask gate.Gate) (*upgrade.Outcome, error) {
	c, err := one.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	beside, stop := context.WithCancel(ctx)
	var working sync.WaitGroup
	if !o.quiet {
		began := time.Now()
		working.Go(func() { follow(beside, progress, one, began) })
	}
	var refused error
	if ask != nil {
		working.Go(func() { refused = o.watch(beside, one, ask) })
	}
	var outcome upgrade.Outcome
	err = c.Upgrade(ctx, &outcome)
	stop()
	working.Wait()
	if refused != nil && outcome.Outcome == upgrade.RolledBack {
		outcome.Reason = refused.Error()
	}
	return &outcome, err
}

// watch asks the gate until ctx ends, and aborts the upgrade when it refuses.
func (o *upgradeTrigger) watch(ctx context.Context, one *upgradable, ask gate.Gate) error {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		refused := ask(ctx, upgrade.Candidate{})
		if ctx.Err() != nil {
			return nil
		}
		if refused == nil {
			continue
		}
		c, err := one.dial(ctx)
		if err != nil {
			return nil
		}
		aborted, err := c.Abort(ctx)
		if err := errors.Join(err, c.Close()); err != nil || !aborted {
			return nil
		}
		return refused
	}
}

// follow tells what goes on, until ctx ends or the process does.
func follow(ctx context.Context, w io.Writer, one *upgradable, began time.Time) {
	c, err := one.dial(ctx)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.Events(ctx, func(raw json.RawMessage) error {
		var e upgrade.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return err
		}
		if e.Time.Before(began) || e.Outcome != nil {
			return nil // it is of before, or is told as the result
		}
		text := ""
		switch e.State {
		case upgrade.Spawning:
			text = "the new version is being started"
		case upgrade.Warming:
			text = fmt.Sprintf("process %d prepares itself", e.Peer)
		case upgrade.Probation:
			text = fmt.Sprintf("process %d serves, in probation", e.Peer)
		}
		if text != "" {
			fmt.Fprintln(w, text)
		}
		return nil
	})
}

// end prints the outcome and makes an exit code of it.
func (o *upgradeTrigger) end(w io.Writer, one *upgradable, outcome *upgrade.Outcome, err error) error {
	const command = "upgrade trigger"
	if outcome == nil || outcome.Outcome == "" {
		cause := rootCause(err)
		switch {
		case err == nil:
			err = errors.New("what it says is no outcome")
		case strings.HasPrefix(cause, "upgrade: "):
			return usageError(fmt.Sprintf("goshawk upgrade status %d shows what goes on", one.holder), "%s: %d: %s", command, one.holder, printable(strings.TrimPrefix(cause, "upgrade: ")))
		}
		return noAnswer(command, one.holder, err)
	}
	if o.json {
		err = writeJSON(w, outcome)
	} else {
		err = printOutcome(w, one, outcome)
	}
	if err != nil {
		return notWritten(command, err)
	}
	if outcome.Outcome != upgrade.Committed {
		return &failure{code: exitBad, err: fmt.Errorf("%s: %d: %s", command, one.holder, outcomeWord(outcome))}
	}
	return nil
}

// rootCause returns the text of what the process has said, without what was added here.
func rootCause(err error) string {
	text := ""
	for err != nil {
		text = err.Error()
		err = errors.Unwrap(err)
	}
	return text
}

func printOutcome(w io.Writer, one *upgradable, o *upgrade.Outcome) error {
	var b strings.Builder
	switch o.Outcome {
	case upgrade.Committed:
		fmt.Fprintf(&b, "committed: process %d serves in place of %d, generation %d\n", o.PID, one.status.PID, o.Generation)
	default:
		fmt.Fprintf(&b, "%s: process %d goes on to serve\n", outcomeWord(o), one.status.PID)
	}
	if o.Reason != "" {
		fmt.Fprintf(&b, "  %s\n", printable(o.Reason))
	}
	b.WriteString(timeline(o))
	_, err := io.WriteString(w, b.String())
	return err
}

// upgradeAbort are the flags of upgrade abort.
type upgradeAbort struct {
	folder string
	json   bool
}

func newUpgradeAbort(env Env) *cobra.Command {
	var o upgradeAbort
	cmd := &cobra.Command{
		Use:   "abort [PID] [--json]",
		Short: "Roll back the upgrade that goes on",
		Long: `Roll back the upgrade of a server that goes on: the old version serves again, and
the new one ends. Without a PID there must be one server that can be upgraded. It is
what kill -USR1 does, with an answer. What is committed cannot be aborted: upgrade to
the version of before.

Exit codes: 0 the upgrade is rolled back, 1 no upgrade goes on, 2 bad usage, 4 no
answer.`,
		Example: "  goshawk upgrade abort\n  goshawk upgrade abort 4711",
		Args:    upTo(1, "at most one PID"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), env, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	f.StringVar(&o.folder, controlFolderFlag, "", "look for control sockets in `DIR` alone")
	cmd.ValidArgsFunction = completeUpgradable(env, &o.folder)
	return cmd
}

func (o *upgradeAbort) run(ctx context.Context, env Env, args []string) error {
	const command = "upgrade abort"
	service, one, err := theProcess(ctx, command, o.folder, args, env.Getenv)
	if err != nil {
		return err
	}
	if service[0].err == nil {
		// The old process decides, whichever was named.
		one = service[0]
	}
	ctx, cancel := context.WithTimeoutCause(ctx, statusAnswer, fmt.Errorf("no answer within %v", statusAnswer))
	defer cancel()
	aborted, err := one.abort(ctx)
	if err != nil {
		return noAnswer(command, one.holder, err)
	}
	switch {
	case o.json:
		err = writeJSON(env.Stdout, control.Reply{Aborted: &aborted})
	case aborted:
		_, err = fmt.Fprintf(env.Stdout, "aborted: process %d goes on to serve\n", one.status.PID)
	}
	if err != nil {
		return notWritten(command, err)
	}
	if !aborted {
		return &failure{code: exitBad, err: fmt.Errorf("%s: %d: no upgrade goes on", command, one.holder)}
	}
	return nil
}

func (u *upgradable) abort(ctx context.Context) (bool, error) {
	if u.err != nil {
		return false, u.err
	}
	c, err := u.dial(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	return c.Abort(ctx)
}
