package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/export/table"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// summary renders several runs: minimum, median and spread of each phase and of
// the packages that weigh.
func (t *startText) summary(v *v1.StartupSummary) {
	title := fmt.Sprintf("All %s (the one above is in the middle)", counted(uint64(v.Runs), "run", "runs"))
	if v.Runs == 1 {
		title = "All runs: only one"
	}
	t.section(title)
	for _, note := range v.Notes {
		t.wrapped("  note: ", table.Printable(note))
	}
	rows := [][]string{{"ms", "MIN", "MEDIAN", "SPREAD", "MAX", "OWN", "CPU", "READY", "RUNS"}}
	rows = append(rows, spreadRow("exec to main.main", &v.Total, &v.Own, nil))
	if v.Ready != nil {
		rows = append(rows, spreadRow("exec to first listen", v.Ready, nil, nil))
	}
	shown, folded := t.summaryPackages(v.Packages)
	packages := func() {
		for i := range shown {
			rows = append(rows, spreadRow("  "+table.Printable(shown[i].Name), &shown[i].Duration, &shown[i].Own, &shown[i]))
		}
		shown = nil
	}
	for i := range v.Phases {
		p := &v.Phases[i]
		switch {
		case p.Duration.MaxNS == 0 && v.Ready != nil && p.Name == startup.FirstListen:
			// It is the row above.
		case p.Duration.MaxNS == 0:
			rows = append(rows, spreadRow("exec to "+table.Printable(p.Name), &p.Start, nil, nil))
		default:
			rows = append(rows, spreadRow(strings.Repeat("  ", min(len(p.Within), 1))+table.Printable(p.Name), &p.Duration, &p.Own, p))
		}
		if p.Name == startup.PackageInits {
			packages()
		}
	}
	packages()
	for i, line := range alignRows(rows, t.room()) {
		if i == 0 {
			line = t.paint("1", line)
		}
		t.line("%s", strings.TrimRight(line, " "))
	}
	if folded > 0 {
		t.line("  … and %s", counted(uint64(folded), "shorter package", "shorter packages"))
	}
	t.wrapped("", "SPREAD is the median distance from the median; OWN is the median without run delay and throttling.")
}

// summaryPackages returns the packages with the longest medians, the longest
// first, and how many there are more.
func (t *startText) summaryPackages(packages []v1.StartupUsageSpread) ([]v1.StartupUsageSpread, int) {
	list := slices.Clone(packages)
	slices.SortStableFunc(list, func(a, b v1.StartupUsageSpread) int { return cmp.Compare(b.Duration.MedianNS, a.Duration.MedianNS) })
	if t.all {
		return list, 0
	}
	n := 0
	for n < min(len(list), mostPackages) && list[n].Duration.MedianNS >= leastMedian {
		n++
	}
	return list[:n], len(list) - n
}

// leastMedian is what a package takes at least to be shown: what is shorter is
// as long as measuring it takes.
const leastMedian = int64(50 * time.Microsecond)

func spreadRow(name string, took, own *v1.StartupSpread, rest *v1.StartupUsageSpread) []string {
	row := []string{name, millis(took.MinNS), millis(took.MedianNS), "±" + millis(took.MADNS), millis(took.MaxNS), "", "", "", strconv.Itoa(took.Runs)}
	if own != nil {
		row[5] = millis(own.MedianNS)
	}
	if rest != nil {
		row[6], row[7] = medianText(&rest.CPU), medianText(&rest.RunDelay)
	}
	return row
}

func medianText(s *v1.StartupSpread) string {
	if s.Runs == 0 {
		return notMeasured
	}
	return millis(s.MedianNS)
}

func leastText(s *v1.StartupSpread) string {
	if s.Runs == 0 {
		return notMeasured
	}
	return millis(s.MinNS)
}
