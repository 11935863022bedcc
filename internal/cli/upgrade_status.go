package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

// upgradeStatus are the flags of upgrade status.
type upgradeStatus struct {
	folder string
	json   bool
	now    func() time.Time
}

const controlFolderFlag = "control-folder"

func newUpgradeStatus(env Env) *cobra.Command {
	o := upgradeStatus{now: time.Now}
	cmd := &cobra.Command{
		Use:   "status [PID] [--json]",
		Short: "Show the servers that can be upgraded, and how they stand",
		Long: `Show all servers that can be upgraded, one line for each process, those of one
service together with the one that serves first; or, with a PID, one process with
the time line of its last upgrade. The PID of a supervisor, or of a goshawk upgrade
run, is as good as that of the server.

Processes of this user are shown; to root, those of others too.

Exit codes: 0 done, 2 bad usage or no such process, 4 the process does not answer.`,
		Example: "  goshawk upgrade status\n  goshawk upgrade status 4711\n  goshawk upgrade status 4711 --json | jq .last",
		Args:    upTo(1, "at most one PID"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), env, args) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print a JSON document: an object for a PID, else an array")
	f.StringVar(&o.folder, controlFolderFlag, "", "look for control sockets in `DIR` alone")
	cmd.ValidArgsFunction = completeUpgradable(env, &o.folder)
	return cmd
}

// upTo is cobra's MaximumNArgs, with an error of ours.
func upTo(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return usageError("usage: "+cmd.UseLine(), "%s: want %s, got %d arguments", cmd.CommandPath(), what, len(args))
	}
}

// completeUpgradable completes the numbers of processes.
func completeUpgradable(env Env, folder *string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		all, _ := findUpgradable(cmd.Context(), upgradeFolders(*folder, os.Geteuid(), env.Getenv))
		var list []string
		for _, u := range all {
			list = append(list, strconv.Itoa(u.holder)+"\t"+printable(u.name()))
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

func (o *upgradeStatus) run(ctx context.Context, env Env, args []string) error {
	const command = "upgrade status"
	if len(args) > 0 {
		_, one, err := theProcess(ctx, command, o.folder, args, env.Getenv)
		if err != nil {
			return err
		}
		if one.err != nil {
			return noAnswer(command, one.holder, one.err)
		}
		if o.json {
			return notWritten(command, writeJSON(env.Stdout, one.status))
		}
		return notWritten(command, printUpgradable(env.Stdout, one, o.now()))
	}
	folders := upgradeFolders(o.folder, os.Geteuid(), env.Getenv)
	all, err := findUpgradable(ctx, folders)
	if err != nil {
		return interruptedOr(ctx, err)
	}
	list := services(all)
	if o.json {
		array := []swap.Status{}
		for _, g := range list {
			for _, u := range g {
				if u.err == nil {
					array = append(array, u.status)
				}
			}
		}
		err = writeJSON(env.Stdout, array)
	} else {
		err = printServices(env.Stdout, list, o.now())
	}
	for _, u := range all {
		if u.err != nil {
			fmt.Fprintf(env.Stderr, "warning: %d: %v\n", u.holder, u.err)
		}
	}
	if len(list) == 0 && !o.json {
		fmt.Fprintf(env.Stderr, "note: no control socket in %s: %s\n", strings.Join(folders, ", "), upgradableHint)
	}
	return notWritten(command, err)
}

// printServices prints a table of all processes.
func printServices(w io.Writer, list [][]*upgradable, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no server that can be upgraded")
		return err
	}
	rows := [][]string{{"SERVICE", "PID", "STATE", "GENERATION", "SINCE", "CONNECTIONS", "LISTENERS", "LAST UPGRADE"}}
	for _, g := range list {
		for i, u := range g {
			name := printable(u.name())
			if i > 0 {
				name = "  " + name
			}
			rows = append(rows, u.row(name, now))
		}
	}
	for _, line := range alignRows(rows, maxWidth) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

func (u *upgradable) row(name string, now time.Time) []string {
	if u.err != nil {
		return []string{name, strconv.Itoa(u.holder), "?", "-", "-", "-", "-", "-"}
	}
	s := &u.status
	connections, listeners := 0, []string{}
	for _, l := range s.Listeners {
		connections += l.Connections
		listeners = append(listeners, printable(l.Name+"="+l.Address))
	}
	open, last := strconv.Itoa(connections), "-"
	if s.SupervisorPID != 0 {
		open = "-" // nobody counts them
	}
	if len(listeners) == 0 {
		listeners = []string{"-"}
	}
	if s.Last != nil {
		last = outcomeWord(s.Last) + " " + agoText(s.Last.Began.Add(s.Last.Ended), now)
	}
	return []string{
		name, strconv.Itoa(u.holder), string(s.State), strconv.Itoa(s.Generation), ago(s.Since, now), open, strings.Join(listeners, ","), last,
	}
}

// agoText is ago within a sentence.
func agoText(t, now time.Time) string {
	if text := ago(t, now); text != "just now" {
		return text + " ago"
	}
	return "just now"
}

// outcomeWord is how an upgrade ended, in words.
func outcomeWord(o *upgrade.Outcome) string {
	switch o.Outcome {
	case upgrade.Committed:
		return "committed"
	case upgrade.RolledBack:
		return "rolled back"
	case upgrade.Running:
		return "not started"
	}
	return printable(string(o.Outcome))
}

// printUpgradable prints all that is known of one process.
func printUpgradable(w io.Writer, u *upgradable, now time.Time) error {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s "+format+"\n", append([]any{what}, args...)...)
	}
	s := &u.status
	line("process", "%d, generation %d, %s since %s (%s)", s.PID, s.Generation, printable(string(s.State)), s.Since.Local().Format(time.DateTime), agoText(s.Since, now))
	line("program", "%s", printable(s.Program))
	if s.SupervisorPID != 0 {
		line("held by", "%d, which holds the sockets", s.SupervisorPID)
	}
	if s.PreviousPID != 0 {
		still := "which has ended"
		if s.PreviousAlive {
			still = "which still ends"
			if s.State == upgrade.Warming || s.State == upgrade.Probation {
				still = "which stands by"
			}
		}
		line("follows", "%d, %s", s.PreviousPID, still)
	}
	if s.NextPID != 0 {
		line("followed by", "%d", s.NextPID)
	}
	for _, l := range s.Listeners {
		text := fmt.Sprintf("%s, %s %s", printable(l.Name), printable(l.Network), printable(l.Address))
		if l.Inherited {
			text += ", inherited"
		}
		if s.SupervisorPID == 0 {
			text += ", " + counted(uint64(max(l.Connections, 0)), "connection", "connections")
		}
		line("listener", "%s", text)
	}
	if s.Last != nil {
		line("last upgrade", "%s %s", outcomeWord(s.Last), agoText(s.Last.Began.Add(s.Last.Ended), now))
		if s.Last.Reason != "" {
			line("", "%s", printable(s.Last.Reason))
		}
		b.WriteString(timeline(s.Last))
	}
	if s.Refused != nil {
		line("refused", "%s: %s", agoText(s.Refused.Time, now), printable(s.Refused.Reason))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// timeline shows when an upgrade had come how far.
func timeline(o *upgrade.Outcome) string {
	var b strings.Builder
	step := func(at time.Duration, format string, args ...any) {
		if at > 0 {
			fmt.Fprintf(&b, "  %10s  %s\n", "+"+shortDuration(at), fmt.Sprintf(format, args...))
		}
	}
	step(o.Started, "started: process %d runs", o.PID)
	step(o.Ready, "ready: it accepts")
	if o.Passive < o.Ended {
		step(o.Passive, "the old one does not accept any more")
	}
	switch o.Outcome {
	case upgrade.Committed:
		step(o.Ended, "committed: the old one ends when it has finished")
	case upgrade.RolledBack:
		step(o.Ended, "rolled back")
	default:
		step(o.Ended, "ended")
	}
	return b.String()
}
