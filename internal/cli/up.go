package cli

import (
	"github.com/spf13/cobra"
)

func newUp(env Env) *cobra.Command {
	return &cobra.Command{Use: "up"}
}
