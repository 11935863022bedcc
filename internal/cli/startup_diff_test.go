package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// sampleDiff has every kind of line.
func sampleDiff(verdict startup.Verdict) *v1.StartupDiff {
	const ms = time.Millisecond
	spread := func(d time.Duration) startup.Spread {
		return startup.Spread{Min: d - d/10, Median: d, Max: 2 * d, MAD: d / 20, N: 10}
	}
	delta := func(name string, before, after time.Duration, significant bool) startup.Delta {
		return startup.Delta{Name: name, Old: spread(before), New: spread(after), Change: after - before, Significant: significant, Weighs: significant}
	}
	added, gone := delta("example.com/newl", 0, 11*ms, true), delta("example.com/newa", 4*ms, 0, true)
	added.Old, gone.New = startup.Spread{}, startup.Spread{}
	c := &startup.Comparison{
		Verdict: verdict, Reason: "the init of example.com/spins takes 20ms instead of 10ms",
		Old: startup.Side{GoVersion: "go1.25.4", Runs: 10, RunDelayShare: 0.021}, New: startup.Side{GoVersion: "go1.26.8", Runs: 9, Left: 1, Throttled: 2, RunDelayShare: 0.04},
		Total: delta("total", 40*ms, 50*ms, true), Phases: []startup.Delta{
			delta(startup.SchedInit, ms, 2*ms, true), delta(startup.GCInit, 0, ms, false), delta(startup.Main, 6*ms, 12*ms, true), delta(startup.FirstListen, 60*ms, 70*ms, true),
		},
		Packages: []startup.Delta{delta("example.com/spins", 10*ms, 20*ms, true), delta("example.com/quick\x1b", 5*ms, 2*ms, true), delta("example.com/same", ms, ms, false), delta("main", 2*ms, 3*ms, true), added, gone},
		Notes:    []string{"the sides are of two versions of Go"},
	}
	for i := range 12 {
		c.Added = append(c.Added, startup.PackageSpread{Name: "example.com/new" + string(rune('a'+i)), UsageSpread: startup.UsageSpread{Own: spread(time.Duration(i) * ms)}})
	}
	c.Vanished = c.Added[:1]
	v := v1.NewStartupDiff("old.json", "new.json", c)
	return &v
}

func TestStartupDiff_golden(t *testing.T) {
	for _, tt := range []struct {
		name    string
		verdict startup.Verdict
		text    startText
	}{
		{"worse", startup.VerdictWorse, startText{}},
		{"none", startup.NoVerdict, startText{width: 60}},
		{"colour", startup.VerdictBetter, startText{width: 100, color: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.text.diff(sampleDiff(tt.verdict))
			testutil.Golden(t, "startup-diff-"+tt.name+".txt", tt.text.b.Bytes())
		})
	}
}

// record writes runs in which the package spins as long as given.
func record(t *testing.T, path string, spins time.Duration, runs int) {
	t.Helper()
	var document v1.StartupRuns
	for i := range runs {
		s := sampleStart()
		// Nothing else disturbs these runs.
		for n := range s.Phases {
			u := &s.Phases[n].Usage
			u.Duration, u.RunDelay, u.Throttled = u.Duration-u.RunDelay, 0, 0
		}
		s.Packages[1].Usage = startup.Usage{Begin: s.Packages[1].Begin, Duration: time.Millisecond, CPU: time.Millisecond}
		more := spins + time.Duration(i)*10*time.Microsecond
		s.Packages[0].Duration += more
		s.Packages[0].CPU += more
		for n := range s.Phases {
			switch p := &s.Phases[n]; {
			case p.Name == startup.PackageInits:
				p.Duration += more
				p.CPU += more
			case n > 9:
				p.Begin += more
			}
		}
		s.Duration += more
		document.Runs = append(document.Runs, v1.NewStartup(s, nil))
	}
	data, err := json.Marshal(document)
	if err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunStartupDiff_exitCodes(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	record(t, file("quick"), 0, 10)
	record(t, file("slow"), 60*time.Millisecond, 10)
	record(t, file("once"), 60*time.Millisecond, 1)
	if err := os.WriteFile(file("other"), []byte(`{"findings":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, old, new string
		code           int
		verdict        string
		failure        string
	}{
		{"a regression", "quick", "slow", exitBad, "worse", "starts more slowly than"},
		{"an improvement", "slow", "quick", exitDone, "better", ""},
		{"the same", "quick", "quick", exitDone, "same", ""},
		{"too few runs", "quick", "once", exitDone, "no_verdict", ""},
		{"a file that is not there", "quick", "nothing", exitUsage, "", "nothing: no such file"},
		{"a file that is something else", "other", "quick", exitUsage, "", "other: has no phases and packages"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stdout bytes.Buffer
			env := Env{Stdout: &stdout, Stderr: &bytes.Buffer{}, Getenv: func(string) string { return "" }, Width: func() int { return 0 }}
			err := runStartupDiff(env, file(tt.old), file(tt.new), true)
			if exitCode(err) != tt.code || tt.failure != "" && !strings.Contains(err.Error(), tt.failure) {
				t.Errorf("exit code %d, %v; want %d, %q", exitCode(err), err, tt.code, tt.failure)
			}
			var v v1.StartupDiff
			if tt.verdict != "" && (json.Unmarshal(stdout.Bytes(), &v) != nil || v.Verdict != tt.verdict || v.Reason == "") {
				t.Errorf("verdict %q (%s), want %q", v.Verdict, v.Reason, tt.verdict)
			}
			if tt.verdict == "" && stdout.Len() > 0 {
				t.Errorf("printed %s", stdout.String())
			}
		})
	}
}
