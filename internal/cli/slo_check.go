package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/config"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/draft"
	"github.com/goshawk-io/goshawk/internal/judge/objective/openslo"
	"github.com/goshawk-io/goshawk/internal/judge/objective/slofile"
	"github.com/goshawk-io/goshawk/internal/judge/rules"
	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// sloCheck are the flags of slo check.
type sloCheck struct {
	json    bool
	convert string
	window  string
	config  []string
}

// stdinName is what problems call the standard input.
const stdinName = "<stdin>"

func newSLOCheck(env Env) *cobra.Command {
	var o sloCheck
	cmd := &cobra.Command{
		Use:   "check FILE... [--config FILE] [--json] [--convert openslo]",
		Short: "Say what is wrong with files of objectives",
		Long: `Read files of objectives and say all that is wrong with them, and where. A file
may be of OpenSLO v1, of Sloth v1 (its Kubernetes resource as well) or of Pyrra.
FILE may be a folder: its *.yaml files are read; - is the standard input. Name
all files at once: names must be unique among them, and OpenSLO documents may
refer to each other.

Each error and warning is written to stderr, and a line with the number of
objectives to stdout. With --config, which is that of goshawk up, receivers of
alerts that are not configured are told. With --convert, stdout has the objectives as OpenSLO v1
instead, and stderr what that format cannot say.

Exit codes: 0 the files are right, 2 they have errors.`,
		Example: "  goshawk slo check slo.yaml\n" +
			"  goshawk slo check --json /etc/goshawk/slo\n" +
			"  goshawk slo check --config /etc/goshawk/goshawk.yaml /etc/goshawk/slo\n" +
			"  kubectl get servicelevelobjectives -o json | jq '.items[]' | goshawk slo check -\n" +
			"  goshawk slo check --convert openslo sloth.yaml > slo.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("usage: "+cmd.UseLine(), "%s: want one FILE or more, got none", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return o.run(env, args) },
	}
	cmd.Flags().BoolVar(&o.json, "json", false, "print a JSON document")
	cmd.Flags().StringVar(&o.convert, "convert", "", "write the objectives in another `FORMAT` to stdout: openslo")
	cmd.Flags().StringArrayVar(&o.config, "config", nil, "know the receivers of the configuration in `FILE`, or in the *.yaml files of a folder; may be repeated")
	cmd.Flags().StringVar(&o.window, "window", "30d", "the `LENGTH` of the window that Sloth's files do not say")
	cmd.RegisterFlagCompletionFunc("convert", cobra.FixedCompletions([]string{"openslo"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *sloCheck) run(env Env, args []string) error {
	switch {
	case o.convert != "" && o.convert != "openslo":
		return usageError("the formats are: openslo", "slo check: --convert: %s: there is no such format", yamldoc.Show(o.convert))
	case o.convert != "" && o.json:
		return usageError("use one of the two", "slo check: --convert and --json both write to stdout")
	}
	window, ok := draft.Length(o.window)
	if !ok {
		return usageError("write a length such as 30d", "slo check: --window: %s: is not a length of time", yamldoc.Show(o.window))
	}
	receivers, err := o.receivers(env)
	if err != nil {
		return err
	}
	set, problems, err := loadSLOs(env, args, window, receivers)
	if err != nil {
		return err
	}
	if o.json {
		if err := json.NewEncoder(env.Stdout).Encode(wireSLOCheck(set, problems)); err != nil {
			return err
		}
		if set == nil {
			return usageError("they are in the document on stdout", "slo check: the files have errors")
		}
		return nil
	}
	errors := printProblems(env.Stderr, problems)
	switch {
	case set == nil:
		return usageError("they are listed above, each with its place", "slo check: the files have %s", counted(uint64(errors), "error", "errors"))
	case o.convert != "":
		return convertSLOs(env, set)
	}
	_, err = fmt.Fprintf(env.Stdout, "ok: objectives=%d files=%d warnings=%d\n", len(set.SLOs), len(set.Files), len(problems)-errors)
	return err
}

// receivers returns the names of those who can be told by the configuration, nil when
// none is named.
func (o *sloCheck) receivers(env Env) ([]string, error) {
	if len(o.config) == 0 {
		return nil, nil
	}
	c, err := config.Load(o.config, config.Options{Probes: knownProbes()})
	if err != nil {
		return nil, reportConfig(env, "slo check: --config", err)
	}
	names := []string{}
	for _, r := range c.Receivers() {
		names = append(names, r.Name)
	}
	return names, nil
}

// printProblems writes what is wrong or odd with files, and returns how many errors
// there are.
func printProblems(w io.Writer, problems yamldoc.Errors) (errors int) {
	for _, p := range problems {
		what := "warning"
		if !p.Warning {
			what = "error"
			errors++
		}
		fmt.Fprintf(w, "%s: %s: %s\nhint: %s\n", p.Place(), what, p.Text(), p.Hint)
	}
	return errors
}

// sloFileOptions is how files of objectives are read; receivers are the names of those
// who can be told, nil when nobody knows.
func sloFileOptions(receivers []string) slofile.Options {
	return slofile.Options{Query: checkQuery, Receivers: receivers}
}

// loadSLOs reads files of objectives; - is the standard input.
func loadSLOs(env Env, args []string, window time.Duration, receivers []string) (*slofile.Set, yamldoc.Errors, error) {
	var paths []string
	streams := 0
	for _, arg := range args {
		if arg == "-" {
			streams++
			continue
		}
		paths = append(paths, arg)
	}
	if streams > 1 {
		return nil, nil, usageError("name it once", "slo check: -: the standard input can be read once")
	}
	o := sloFileOptions(receivers)
	o.Window = window
	if streams == 0 {
		set, problems := slofile.Load(paths, o)
		return set, problems, nil
	}
	source, err := yamldoc.ReadStream(stdinName, env.Stdin)
	if err != nil {
		return nil, yamldoc.Errors{err}, nil
	}
	set, problems := slofile.LoadWith(paths, []yamldoc.Source{source}, o)
	return set, problems, nil
}

// convertSLOs writes objectives as OpenSLO, all or nothing.
func convertSLOs(env Env, set *slofile.Set) error {
	var out bytes.Buffer
	losses, err := openslo.Write(&out, set.SLOs)
	if err != nil {
		return err
	}
	for _, l := range losses {
		fmt.Fprintf(env.Stderr, "loss: %s: %s: OpenSLO cannot say %s\n", l.SLO, l.Field, l.Cause)
	}
	_, err = env.Stdout.Write(out.Bytes())
	return err
}

// wireSLOCheck returns what a check found; set is nil when there are errors.
func wireSLOCheck(set *slofile.Set, problems yamldoc.Errors) v1.SLOCheck {
	w := v1.SLOCheck{State: "rejected", Files: []string{}, Objectives: []v1.SLODefinition{}, Errors: []v1.ConfigError{}, Warnings: []v1.ConfigError{}}
	for _, p := range problems {
		if p.Warning {
			w.Warnings = append(w.Warnings, wireConfigErrors(yamldoc.Errors{p})...)
		} else {
			w.Errors = append(w.Errors, wireConfigErrors(yamldoc.Errors{p})...)
		}
	}
	if set == nil {
		return w
	}
	w.State, w.Files = "ok", append(w.Files, set.Files...)
	for i := range set.SLOs {
		w.Objectives = append(w.Objectives, wireSLODefinition(&set.SLOs[i]))
	}
	return w
}

func wireSLODefinition(s *objective.SLO) v1.SLODefinition {
	d := v1.SLODefinition{
		Name: s.Name, Title: s.Title, Description: s.Description, Service: s.Service, Signal: string(s.Indicator.Signal),
		ThresholdNS: int64(s.Indicator.Threshold), Objective: s.Target, Alerts: len(s.Objectives()[0].Alerts),
		Format: s.Origin.Format, File: s.Origin.File, Line: s.Origin.Line, Labels: s.Labels,
	}
	for _, w := range s.Windows {
		d.Windows = append(d.Windows, w.String())
	}
	return d
}

// checkQuery says what is wrong with an expression in which {{.window}} stands for a
// range, with line and column in it.
func checkQuery(expr string) error { return series.CheckExpression(rules.FillWindow(expr)) }
