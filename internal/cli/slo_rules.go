package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// sloRules are the flags of slo rules.
type sloRules struct {
	output, tests string
	interval      string
	window        string
	options       rules.Options
}

func newSLORules(env Env) *cobra.Command {
	o := sloRules{options: rules.Options{Version: buildVersion().Version}}
	cmd := &cobra.Command{
		Use:   "rules FILE... [-o FILE] [--tests FILE]",
		Short: "Write objectives as rules of Prometheus",
		Long: `Write recording and alerting rules for a Prometheus, Mimir or Thanos that has
Goshawk's counters, or the series that the objectives' queries ask for. The
series are called as Sloth calls them, so that its dashboards for Grafana (14348
and 14643) show them. FILE is as in goshawk slo check.

With --tests, a file for promtool test rules is written too: it proves that the
rules alert when package sli says so, and not before.

Objectives that are proposals have series, and alert nobody. What rules cannot do
is said on stderr, and in comments.

Exit codes: 0 the rules are written, 2 the files have errors, 4 the rules could
not be written.`,
		Example: "  goshawk slo rules slo.yaml > rules.yaml && promtool check rules rules.yaml\n" +
			"  goshawk slo rules slo.yaml -o rules.yaml --tests tests.yaml && promtool test rules tests.yaml\n" +
			"  goshawk slo rules --max-rules 20 /etc/goshawk/slo | mimirtool rules load /dev/stdin",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("usage: "+cmd.UseLine(), "%s: want one FILE or more, got none", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return o.run(env, args) },
	}
	f := cmd.Flags()
	f.StringVarP(&o.output, "output", "o", "", "write the rules to `FILE` instead of stdout")
	f.StringVar(&o.tests, "tests", "", "write tests of the rules to `FILE`; needs --output")
	f.StringVar(&o.interval, "interval", "30s", "evaluate the rules every `LENGTH`, or more often where windows are no multiples of it")
	f.StringVar(&o.window, "window", "30d", "the `LENGTH` of the window that Sloth's files do not say")
	f.IntVar(&o.options.MaxRules, "max-rules", 0, "put at most `N` rules into a group; Mimir takes 20 by default")
	f.StringVar(&o.options.RunbookURL, "runbook-url", "", "a `URL` for each alert, with {slo} and {service} in it")
	f.StringVar(&o.options.DashboardURL, "dashboard-url", "", "a `URL` for each alert, with {slo} and {service} in it")
	return cmd
}

func (o *sloRules) run(env Env, args []string) error {
	window, ok := draft.Length(o.window)
	if !ok {
		return usageError("write a length such as 30d", "slo rules: --window: %s: is not a length of time", yamldoc.Show(o.window))
	}
	interval, ok := draft.Length(o.interval)
	if !ok || interval < time.Second || interval > 2*time.Minute {
		return usageError("write a length such as 30s", "slo rules: --interval: %s: is not a length of time from 1s to 2m", yamldoc.Show(o.interval))
	}
	switch {
	case o.options.MaxRules < 0:
		return usageError("write a number such as 20", "slo rules: --max-rules: %d: is below 0", o.options.MaxRules)
	case o.tests != "" && o.output == "":
		return usageError("name the file of the rules by --output", "slo rules: --tests: %s: tests refer to the rules by the name of their file", yamldoc.Show(o.tests))
	}
	o.options.Interval, o.options.Check = interval, series.CheckExpression
	set, problems, err := loadSLOs(env, args, window, nil)
	if err != nil {
		return err
	}
	if set == nil {
		for _, p := range problems {
			if !p.Warning {
				fmt.Fprintf(env.Stderr, "%s: error: %s\nhint: %s\n", p.Place(), p.Text(), p.Hint)
			}
		}
		return usageError("goshawk slo check says more", "slo rules: the files have errors")
	}
	groups, warnings, err := rules.Groups(set.SLOs, o.options)
	if err != nil {
		return usageError("mend the query in the file of the objective", "slo rules: %v", err)
	}
	var file, tests bytes.Buffer
	if err := rules.WriteYAML(&file, groups); err != nil {
		return err
	}
	if o.tests != "" {
		untested, err := rules.WriteTests(&tests, o.ruleFile(), set.SLOs, o.options)
		if err != nil {
			return err
		}
		warnings = append(warnings, untested...)
	}
	for _, w := range warnings {
		fmt.Fprintf(env.Stderr, "warning: %s\n", w)
	}
	if o.output == "" {
		_, err := env.Stdout.Write(file.Bytes())
		return err
	}
	if o.tests != "" {
		err = os.WriteFile(o.tests, tests.Bytes(), 0o644)
	}
	if err := errors.Join(err, os.WriteFile(o.output, file.Bytes(), 0o644)); err != nil {
		return fmt.Errorf("slo rules: %w", err)
	}
	return nil
}

// ruleFile is the file of the rules as the file of the tests names it: promtool
// looks for it from there.
func (o *sloRules) ruleFile() string {
	from, err := filepath.Abs(filepath.Dir(o.tests))
	if err != nil {
		return o.output
	}
	to, err := filepath.Abs(o.output)
	if err != nil {
		return o.output
	}
	if path, err := filepath.Rel(from, to); err == nil {
		return path
	}
	return to
}
