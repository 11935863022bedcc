package cli

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

func newStartupDiff(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff OLD.json NEW.json [--json]",
		Short: "Compare two recorded start-ups",
		Long: `Compare what goshawk startup --json recorded of two versions of a program, best
with --runs 10 or more each: what takes longer now, in time that was the
program's own, without the time that the machine was busy or the quota was used
up. A new package whose init takes more than 0.05 ms counts, too. There is no
verdict when runs are too few, or when load and throttling differ too much.

Exit codes: 0 no regression, or no verdict, 1 a regression, 2 bad usage or a file
that cannot be read.`,
		Example: `  goshawk startup --runs 10 --until main --json -- ./server-old > old.json
  goshawk startup --runs 10 --until main --json -- ./server-new > new.json
  goshawk startup diff old.json new.json`,
		Args:              exactArgs(2, "OLD.json and NEW.json"),
		ValidArgsFunction: completeJSON,
		RunE: func(_ *cobra.Command, args []string) error {
			return runStartupDiff(env, args[0], args[1], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	return cmd
}

func completeJSON(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) >= 2 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
}

func runStartupDiff(env Env, oldFile, newFile string, asJSON bool) error {
	before, err := readStarts(oldFile)
	if err != nil {
		return err
	}
	after, err := readStarts(newFile)
	if err != nil {
		return err
	}
	c := startup.Compare(before, after)
	v := v1.NewStartupDiff(oldFile, newFile, c)
	if asJSON {
		err = writeJSON(env.Stdout, v)
	} else {
		t := startText{width: env.Width(), color: env.color()}
		t.diff(&v)
		_, err = t.b.WriteTo(env.Stdout)
	}
	if err != nil {
		return notWritten("startup diff", err)
	}
	if c.Verdict == startup.VerdictWorse {
		err := fmt.Errorf("startup diff: %s: starts more slowly than %s", shortOperand(newFile), shortOperand(oldFile))
		return &failure{code: exitBad, err: err}
	}
	return nil
}

func readStarts(path string) ([]*startup.Start, error) {
	const hint = "record one: goshawk startup --runs 10 --json -- CMD > FILE"
	f, err := os.Open(path)
	if err != nil {
		return nil, usageError(hint, "startup diff: %w", err)
	}
	defer f.Close()
	starts, err := v1.ReadStarts(f)
	if err != nil {
		return nil, usageError(hint, "startup diff: %s: %w", shortOperand(path), err)
	}
	return starts, nil
}

// diff renders a comparison.
func (t *startText) diff(v *v1.StartupDiff) {
	t.side("old", &v.Old)
	t.side("new", &v.New)
	for _, note := range v.Notes {
		t.wrapped("note: ", table.Printable(note))
	}
	t.b.WriteByte('\n')
	t.deltas(v)
	for _, list := range []struct {
		text  string
		spent []v1.StartupUsageSpread
	}{{"new package", v.Added}, {"no longer there", v.Vanished}} {
		t.only(list.text, withoutChanged(list.spent, v.Packages))
	}
	t.b.WriteByte('\n')
	verdict, code := v.Verdict, ""
	switch startup.Verdict(v.Verdict) {
	case startup.VerdictWorse:
		verdict, code = "slower", "31"
	case startup.VerdictBetter:
		verdict, code = "faster", "32"
	case startup.VerdictSame:
		verdict = "no change"
	case startup.NoVerdict:
		verdict, code = "no verdict", "33"
	}
	t.wrapped("", t.paint(code, verdict)+": "+table.Printable(v.Reason))
}

func (t *startText) side(name string, s *v1.StartupSide) {
	text := fmt.Sprintf("%s  %s: %s, %s, ready without a CPU %.0f %% of the time", name, table.Printable(s.File), counted(uint64(s.Runs), "run", "runs"), orUnknown(table.Printable(s.GoVersion)), s.RunDelayShare*100)
	if s.Throttled > 0 {
		text += fmt.Sprintf(", %d throttled", s.Throttled)
	}
	if s.Left > 0 {
		text += fmt.Sprintf(", %d left out", s.Left)
	}
	t.wrapped("", text)
}

// mostDeltas is how many rows a comparison shows at most.
const mostDeltas = 25

// deltas renders what has changed: the total, then phases and packages, what
// changed most first. Those that did not change significantly are counted.
func (t *startText) deltas(v *v1.StartupDiff) {
	var changed []v1.StartupDelta
	quiet := 0
	for n, list := range [][]v1.StartupDelta{v.Phases, v.Packages} {
		for _, d := range list {
			if !d.Significant {
				quiet++
				continue
			}
			d.Name = deltaName(d.Name, n > 0)
			changed = append(changed, d)
		}
	}
	slices.SortStableFunc(changed, func(a, b v1.StartupDelta) int { return cmp.Compare(abs(b.ChangeNS), abs(a.ChangeNS)) })
	left := len(changed) - mostDeltas
	if left > 0 {
		changed = changed[:mostDeltas]
	}
	rows := [][]string{{"OWN TIME, ms", "OLD", "NEW", "CHANGE", "", "OLD MIN", "NEW MIN"}}
	for _, d := range append([]v1.StartupDelta{v.Total}, changed...) {
		rows = append(rows, deltaRow(&d))
	}
	lines := alignRows(rows, t.room())
	for i, line := range lines {
		code := ""
		switch {
		case i == 0:
			code = "1"
		case strings.HasSuffix(rows[i][4], "slower"):
			code = "31"
		case strings.HasSuffix(rows[i][4], "faster"):
			code = "32"
		}
		t.line("%s", t.paint(code, line))
	}
	if left > 0 {
		t.line("… and %s", counted(uint64(left), "smaller change", "smaller changes"))
	}
	if quiet > 0 {
		t.line("not changed: %s", counted(uint64(quiet), "phase or package", "phases and packages"))
	}
}

// deltaName names a row: a program has a phase and a package of the name main, and
// the times of the first listen are from exec on.
func deltaName(name string, isPackage bool) string {
	switch {
	case isPackage && name == startup.Main:
		return "init of main"
	case isPackage:
		return name
	case name == startup.Main:
		return "main.main"
	case name == startup.FirstListen:
		return "exec to first listen"
	}
	return name
}

func deltaRow(d *v1.StartupDelta) []string {
	name := d.Name
	if name == "total" || name == "" {
		name = "exec to main.main"
	}
	sign, word := "", ""
	if d.ChangeNS > 0 {
		sign = "+"
	}
	if d.Significant && d.ChangeNS > 0 {
		word = "slower"
	}
	if d.Significant && d.ChangeNS < 0 {
		word = "faster"
	}
	change := sign + millis(d.ChangeNS)
	if d.Old.MedianNS > 0 {
		change += fmt.Sprintf(" (%+.0f %%)", 100*float64(d.ChangeNS)/float64(d.Old.MedianNS))
	}
	return []string{table.Printable(name), medianText(&d.Old), medianText(&d.New), change, word, leastText(&d.Old), leastText(&d.New)}
}

// withoutChanged leaves out the packages that have a row of their own.
func withoutChanged(list []v1.StartupUsageSpread, rows []v1.StartupDelta) []v1.StartupUsageSpread {
	return slices.DeleteFunc(slices.Clone(list), func(p v1.StartupUsageSpread) bool {
		return slices.ContainsFunc(rows, func(d v1.StartupDelta) bool { return d.Name == p.Name })
	})
}

// only lists packages that one side has alone, the longest first.
func (t *startText) only(what string, list []v1.StartupUsageSpread) {
	slices.SortStableFunc(list, func(a, b v1.StartupUsageSpread) int { return cmp.Compare(b.Own.MedianNS, a.Own.MedianNS) })
	for i, p := range list {
		if i == mostCalls {
			t.line("%s: and %d more", what, len(list)-i)
			break
		}
		t.line("%s: %s, %s ms", what, table.Printable(p.Name), millis(p.Own.MedianNS))
	}
}

func abs(n int64) int64 { return max(n, -n) }
