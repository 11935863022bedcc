package cli

import (
	"github.com/spf13/cobra"
)

func newSLO(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "slo",
		Short: "Service level objectives: check files, write rules, show how they stand",
		Long: `Work with service level objectives, in files of OpenSLO v1, Sloth v1 or Pyrra.
goshawk up --slo FILE judges them, and proposes some for services that have none.

Exit codes: 0 done, 1 a promise is not kept (status), 2 bad usage, or the files
have errors.`,
		Example: "  goshawk slo check slo.yaml\n  goshawk slo check --convert openslo sloth.yaml > slo.yaml\n  goshawk slo rules slo.yaml > rules.yaml\n  goshawk slo status\n  goshawk slo accept shop-availability",
		Args:    noSubcommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// For noSubcommand.
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newSLOCheck(env), newSLORules(env), newSLOStatus(env), newSLOAccept(env), newSLODismiss(env))
	return cmd
}
