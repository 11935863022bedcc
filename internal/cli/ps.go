package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

func newPS(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ps [--json]",
		Short: "List the Go processes of this host",
		Long: `List the Go processes of this host, with what the toolchain recorded in each.
What belongs to other users is listed as far as it can be read.

Exit codes: 0 done, 2 bad usage, 4 incomplete result.`,
		Example: "  goshawk ps\n  goshawk ps --json",
		Args:    exactArgs(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runPS(cmd.Context(), env, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func runPS(ctx context.Context, env Env, asJSON bool) error {
	processes, err := target.NewReader(target.ReaderOptions{}).List(ctx)
	if err != nil {
		return fmt.Errorf("ps: %w", err)
	}
	if asJSON {
		encoder := json.NewEncoder(env.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(wireProcesses(processes))
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PID\tSERVICE\tGO\tMODULE\tVERSION\tBUILD\tEXE")
	for _, p := range wireProcesses(processes) {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", p.PID, table.Printable(p.Service), strings.TrimPrefix(p.GoVersion, "go"),
			table.Printable(p.Module), table.Printable(p.Version), buildKind(p), table.Printable(p.Exe))
	}
	return w.Flush()
}

// buildKind sums up how a program was built.
func buildKind(p v1.Process) string {
	kind := "dynamic"
	if p.Static {
		kind = "static"
	}
	for _, trait := range []struct {
		on   bool
		name string
	}{{p.PIE, "pie"}, {p.Cgo, "cgo"}, {p.Stripped, "stripped"}, {!p.Hookable, "not hookable"}} {
		if trait.on {
			kind += "," + trait.name
		}
	}
	return kind
}
