package cli

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/config"
	"github.com/goshawk-io/goshawk/internal/judge/notify"
)

// written is an objective of the name for each.
func written(objectives ...string) string {
	var b strings.Builder
	for _, name := range objectives {
		b.WriteString("---\napiVersion: openslo/v1\nkind: SLO\nmetadata: {name: " + name + "}\nspec:\n  service: shop\n  budgetingMethod: Occurrences\n" +
			"  indicator: {spec: {ratioMetric: {rawType: success, raw: {metricSource: {type: goshawk, spec: {signal: http}}}}}}\n" +
			"  timeWindow: [{duration: 30d, isRolling: true}]\n  objectives: [{target: 0.99}]\n")
	}
	return b.String()
}

// followed are files that the test changes.
type followed struct {
	*sloFiles
	t    *testing.T
	path string
	log  strings.Builder
}

func newFollowed(t *testing.T) *followed {
	f := &followed{t: t, path: filepath.Join(t.TempDir(), "slo.yaml")}
	o := &judgingOptions{judgeOptions: judgeOptions{files: []string{f.path}}, dir: t.TempDir(), receivers: []notify.Receiver{{Name: "on-call"}}}
	f.sloFiles = newSLOFiles(o, slog.New(slog.NewTextHandler(&f.log, nil)))
	f.now = func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	return f
}

func (f *followed) write(text string) {
	f.t.Helper()
	if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// expect polls, and wants these objectives.
func (f *followed) expect(want ...string) {
	f.t.Helper()
	if got := names(f.poll()); strings.Join(got, " ") != strings.Join(want, " ") {
		f.t.Fatalf("objectives %q, want %q\n%s", got, want, &f.log)
	}
}

func (f *followed) state() v1.Config { return f.health(v1.Config{State: config.StateOK}) }

// TestSLOFiles_followChanges has files that are written piece by piece, wrong, gone,
// and right again.
func TestSLOFiles_followChanges(t *testing.T) {
	f := newFollowed(t)
	f.write(written("a"))
	if all, problems, ok := f.load(); !ok || len(problems) > 0 || len(all) != 1 {
		t.Fatal(all, problems)
	}
	// What changed since it was loaded is found, but not before it has settled.
	f.write(written("a", "b"))
	f.expect("a")
	f.write(written("a", "b", "c"))
	f.expect("a")
	f.expect("a", "b", "c")
	if c := f.state(); c.State != config.StateOK || len(c.Files) != 1 || c.Files[0] != f.path || c.RejectedAt != nil {
		t.Fatalf("state %+v", c)
	}
	f.write(strings.Replace(written("d"), "0.99", "99", 1))
	f.expect("a", "b", "c")
	f.expect("a", "b", "c")
	f.expect("a", "b", "c")
	c := f.state()
	if c.InForce() || len(c.Errors) != 1 || c.Errors[0].File != f.path || c.Errors[0].Line != 10 || c.Errors[0].Field != "spec.objectives[0].target" || c.Errors[0].Hint == "" || c.RejectedAt == nil {
		t.Errorf("state %+v", c)
	}
	if n := strings.Count(f.log.String(), "those before stay in force"); n != 1 || !strings.Contains(f.log.String(), "slo.yaml:10:") {
		t.Errorf("it is told %d times:\n%s", n, &f.log)
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.expect("a", "b", "c")
	f.expect("a", "b", "c")
	if c := f.state(); c.InForce() || !strings.Contains(c.Errors[0].Error, "no such file") {
		t.Errorf("state %+v", c)
	}
	f.write(written("a", "b", "c"))
	f.expect("a", "b", "c")
	f.expect("a", "b", "c")
	if c := f.state(); !c.InForce() || c.RejectedAt != nil || len(c.Errors) > 0 || !strings.Contains(f.log.String(), "right again") {
		t.Errorf("state %+v\n%s", c, &f.log)
	}
}

func TestSLOFiles_followLinksThatAreSwapped(t *testing.T) {
	f := newFollowed(t)
	dir := filepath.Dir(f.path)
	for folder, text := range map[string]string{"..1": written("a"), "..2": written("b")} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, folder), 0o700), os.WriteFile(filepath.Join(dir, folder, "slo.yaml"), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("..1", filepath.Join(dir, "..data")), os.Symlink("..data/slo.yaml", f.path)); err != nil {
		t.Fatal(err)
	}
	if all, problems, ok := f.load(); !ok || len(all) != 1 || all[0].Name != "a" {
		t.Fatal(all, problems)
	}
	if err := errors.Join(os.Symlink("..2", filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
		t.Fatal(err)
	}
	f.expect("a")
	f.expect("b")
}

func TestSLOFiles_tellWarnings(t *testing.T) {
	f := newFollowed(t)
	f.write(strings.Replace(written("a"), "{name: a}", "{name: a, annotations: {goshawk.io/receivers: on-cal}}", 1))
	_, problems, ok := f.load()
	if !ok || len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Error(), "the receiver on-cal is not configured") || problems[0].Hint != "did you mean on-call?" {
		t.Errorf("problems %v", problems)
	}
	f.write(strings.Replace(written("a"), "signal: http", "signal: http, path: /pay", 1))
	f.poll()
	f.poll()
	if !strings.Contains(f.log.String(), "not by url.path") || len(f.state().Errors) > 0 {
		t.Errorf("the log has\n%s", &f.log)
	}
}

func TestSLOFiles_sayWhatTheJudgeRefuses(t *testing.T) {
	f := newFollowed(t)
	f.write(written("a"))
	f.load()
	f.taken(errors.New("the store is closed"))
	if c := f.state(); c.InForce() || c.Errors[0].File != f.path || !strings.Contains(c.Errors[0].Error, "the store is closed") {
		t.Errorf("state %+v", c)
	}
	f.taken(nil)
	if c := f.state(); !c.InForce() {
		t.Errorf("state %+v", c)
	}
}
