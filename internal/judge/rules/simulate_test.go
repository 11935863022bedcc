package rules

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestWriteTests(t *testing.T) {
	var b bytes.Buffer
	warnings, err := WriteTests(&b, "rules.yaml", []objective.SLO{example("checkout-availability"), example("q", asks(objective.Query{Ratio: "up"}))}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(warnings) != 1 || warnings[0].SLO != "q" {
		t.Errorf("warnings are %v", warnings)
	}
	testutil.Golden(t, "tests.yaml", b.Bytes())
}

// promtool runs promtool in a folder with the files.
func promtool(t *testing.T, files map[string][]byte, args ...string) {
	t.Helper()
	tool := testutil.RequireTool(t, "promtool", "prometheus")
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%.3000s", strings.Join(args, " "), err, out)
	}
}

func TestPromtool_takesTheRules(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			file, _ := yamlOf(t, []objective.SLO{k.slo}, k.options)
			promtool(t, map[string][]byte{"rules.yaml": file}, "check", "rules", "--lint-fatal", "rules.yaml")
		})
	}
}

func TestPromtool_provesTheRules(t *testing.T) {
	for _, k := range kinds() {
		if !slices.Contains([]string{"counters", "reset-free", "labels", "proposal"}, k.name) {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			slos := []objective.SLO{k.slo}
			file, _ := yamlOf(t, slos, k.options)
			var tests bytes.Buffer
			if _, err := WriteTests(&tests, "rules.yaml", slos, k.options); err != nil {
				t.Fatal(err)
			}
			promtool(t, map[string][]byte{"rules.yaml": file, "tests.yaml": tests.Bytes()}, "test", "rules", "tests.yaml")
		})
	}
}
