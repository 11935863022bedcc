package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/internal/judge/propose"
)

func newSLOAccept(env Env) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "accept NAME... [--data DIR]",
		Short: "Put proposed objectives in force",
		Long: `Put objectives in force that goshawk up has proposed: from then on they alert. up
proposes the strictest targets that a service has kept, once it has seen at least
1,000 requests or commands in at least ten minutes.

A proposal is a file in the folder slo of the agent's data, and so is what was
accepted: change it there, or copy it to the files that --slo names. The agent
follows these files.

Exit codes: 0 done, 2 there is no such proposal, 3 the folder may not be written.`,
		Example: "  goshawk slo accept shop-availability\n  goshawk slo accept --data /srv/goshawk shop-availability shop-latency",
		Args:    someNames,
		RunE: func(_ *cobra.Command, names []string) error {
			return decide(env, "accept", names, data, propose.Folder.Accept)
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the folder `DIR` that the agent was given")
	return cmd
}

func newSLODismiss(env Env) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "dismiss NAME... [--data DIR]",
		Short: "Remove proposed objectives, which do not come back",
		Long: `Remove objectives that goshawk up has proposed. A file keeps each from coming back:
remove that, and it may be proposed again.

Exit codes: 0 done, 2 there is no such proposal, 3 the folder may not be written.`,
		Example: "  goshawk slo dismiss shop-latency",
		Args:    someNames,
		RunE: func(_ *cobra.Command, names []string) error {
			return decide(env, "dismiss", names, data, propose.Folder.Dismiss)
		},
	}
	cmd.Flags().StringVar(&data, "data", defaultData, "the folder `DIR` that the agent was given")
	return cmd
}

// someNames wants the name of a proposal, at least one.
func someNames(cmd *cobra.Command, names []string) error {
	if len(names) == 0 {
		return usageError("goshawk slo status lists the proposals", "slo %s: a name is missing", cmd.Name())
	}
	return nil
}

// decide does something with each of the proposals, or with none when one of them is
// not there.
func decide(env Env, verb string, names []string, data string, do func(propose.Folder, string) (string, error)) error {
	folder := proposeFolder(data)
	for _, name := range names {
		if _, err := folder.Find(name); err != nil {
			return notDecided(verb, name, folder, err)
		}
	}
	for _, name := range names {
		path, err := do(folder, name)
		if err != nil {
			return notDecided(verb, name, folder, err)
		}
		fmt.Fprintf(env.Stdout, "%sed %s: %s\n", verb, name, path)
	}
	return nil
}

// notDecided says why a proposal was neither accepted nor dismissed.
func notDecided(verb, name string, folder propose.Folder, err error) error {
	switch {
	case errors.Is(err, propose.ErrUnknown):
		return usageError(known(folder), "slo %s: %s: no proposal of this name in %s", verb, shortOperand(name), folder.Path)
	case errors.Is(err, fs.ErrPermission):
		return &failure{code: exitUnsupported, err: fmt.Errorf("slo %s: %w", verb, err), hint: "run it as the user who runs goshawk up, such as with sudo"}
	}
	return &failure{code: exitInternal, err: fmt.Errorf("slo %s: %w", verb, err), hint: "goshawk slo check says what is wrong with a file"}
}

// known lists the proposals that are there.
func known(folder propose.Folder) string {
	all, _ := folder.Load()
	var names []string
	for i := range all {
		if all[i].Proposal {
			names = append(names, all[i].Name)
		}
	}
	if len(names) == 0 {
		return "nothing is proposed there: say with --data which folder goshawk up was given"
	}
	return "there are " + strings.Join(names, ", ")
}
