package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// runSLORules runs goshawk slo rules.
func runSLORules(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := newSLORules(Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs})
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// examples are the files of every format that the readers are tested with.
func sloExamples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../judge/objective/slofile/testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %v: %v", files, err)
	}
	return files
}

func TestSLORules_promtoolTakesWhatIsWritten(t *testing.T) {
	tool := testutil.RequireTool(t, "promtool", "prometheus")
	for _, file := range sloExamples(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := t.TempDir()
			rules, tests := filepath.Join(dir, "rules.yaml"), filepath.Join(dir, "tests.yaml")
			_, stderr, err := runSLORules(t, file, "-o", rules, "--tests", tests)
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			t.Logf("%s", stderr)
			for _, args := range [][]string{{"check", "rules", "--lint-fatal", rules}, {"test", "rules", tests}} {
				if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
					t.Errorf("promtool %v: %v\n%.2000s", args, err, out)
				}
			}
		})
	}
}

func TestSLORules_writesToStdout(t *testing.T) {
	stdout, _, err := runSLORules(t, sloExamples(t)[0], "--max-rules", "8", "--runbook-url", "https://wiki/{slo}")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"groups:", "slo:sli_error:ratio_rate5m", "runbook_url: https://wiki/", "-2"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in\n%.1000s", want, stdout)
		}
	}
}

func TestSLORules_refuse(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("apiVersion: openslo/v1\nkind: SLO\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	good := sloExamples(t)[0]
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no file", nil, "want one FILE or more"},
		{"a file with errors", []string{bad}, "slo rules: the files have errors"},
		{"an interval that is too long", []string{good, "--interval", "5m"}, "--interval: 5m: is not a length of time from 1s to 2m"},
		{"an interval that is none", []string{good, "--interval", "soon"}, "--interval: soon: is not"},
		{"a window that is none", []string{good, "--window", "x"}, "--window: x: is not a length"},
		{"tests without a file of rules", []string{good, "--tests", "t.yaml"}, "--tests: t.yaml: tests refer to the rules"},
		{"fewer than no rules", []string{good, "--max-rules", "-1"}, "--max-rules: -1: is below 0"},
		{"a file that cannot be written", []string{good, "-o", filepath.Join(bad, "x")}, "slo rules: open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stdout, _, err := runSLORules(t, tt.args...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if stdout != "" {
				t.Errorf("stdout has %q", stdout)
			}
		})
	}
}
