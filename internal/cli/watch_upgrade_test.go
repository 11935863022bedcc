package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
)

// upgrading is a server that has committed an upgrade whenever it is asked.
type upgrading struct{}

func (upgrading) Status() any                          { return nil }
func (upgrading) Abort() bool                          { return false }
func (upgrading) Upgrade(context.Context) (any, error) { return nil, errors.New("not now") }
func (upgrading) Events(ctx context.Context, tell func(any) error) error {
	now := time.Now()
	err := errors.Join(
		tell(upgrade.Event{Time: now.Add(-time.Hour), State: upgrade.RolledBack, Outcome: &upgrade.Outcome{
			Outcome: upgrade.RolledBack, PID: 6, Generation: 2, Began: now.Add(-time.Hour), Started: 1, Ended: 2,
		}}),
		tell(upgrade.Event{Time: now, State: upgrade.Committed, Generation: 1, Outcome: &upgrade.Outcome{
			Outcome: upgrade.Committed, PID: 7, Generation: 2, Began: now, Started: 1e6, Ready: 2e6, Passive: 3e6, Ended: 4e6,
		}}),
	)
	<-ctx.Done()
	return err
}

// lineCounter ends a command when it has printed so many lines.
type lineCounter struct {
	bytes.Buffer
	lines  int
	enough func()
}

func (l *lineCounter) Write(p []byte) (int, error) {
	n, err := l.Buffer.Write(p)
	if bytes.Count(l.Bytes(), []byte("\n")) >= l.lines {
		l.enough()
	}
	return n, err
}

// upgradeParts are the kinds of an upgrade that was committed.
const upgradeParts = "upgrade spawn warm hand_over probation"

func TestWatchUpgrade_showsWhatServersTell(t *testing.T) {
	server, err := control.Serve(control.Folder(os.Geteuid(), os.Getenv), upgrading{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	own := strconv.Itoa(os.Getpid())
	for _, test := range []struct {
		name  string
		args  []string
		lines int
		kinds func(t *testing.T, out string) []string
	}{
		{"as a table", []string{"--pid", own}, 6, func(_ *testing.T, out string) (kinds []string) {
			for line := range strings.Lines(out) {
				// TIME SERVICE PID DURATION KIND
				kinds = append(kinds, strings.Fields(line)[4])
			}
			return kinds[1:]
		}},
		{"as JSON", []string{"--pid", own, "--json"}, 5, func(t *testing.T, out string) (kinds []string) {
			for line := range strings.Lines(out) {
				var e struct {
					Probe      string
					PID        int
					Attributes map[string]any
				}
				if err := json.Unmarshal([]byte(line), &e); err != nil || e.Probe != "upgrade" || e.PID != os.Getpid() {
					t.Errorf("%s: %v", line, err)
				}
				kind, _ := e.Attributes["goshawk.upgrade.kind"].(string)
				kinds = append(kinds, kind)
			}
			return kinds
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			out, errs := lineCounter{lines: test.lines, enough: stop}, bytes.Buffer{}
			none := func() int { return 0 }
			env := Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Width: none, Height: none}
			if code := Main(ctx, env, append([]string{"watch", "upgrade"}, test.args...)); code != exitInterrupted {
				t.Errorf("exit code %d, want %d: %s", code, exitInterrupted, errs.String())
			}
			if got := strings.Join(test.kinds(t, out.String()), " "); got != upgradeParts {
				t.Errorf("%s, want %s:\n%s", got, upgradeParts, out.String())
			}
			if got, want := errs.String(), "events=5 lost=0\n"; !strings.HasSuffix(got, want) {
				t.Errorf("%q, want %q at the end", got, want)
			}
		})
	}
}

func TestWatchUpgrade_refuses(t *testing.T) {
	for flag, want := range map[string]string{
		"--ring-size=4MiB": "error: watch: --ring-size 4MiB: upgrades come through no ring buffer\nhint: leave it out\n",
		"--starts":         "error: watch: --starts: upgrades have no such event\nhint: leave it out: an upgrade is shown with its parts when it is over\n",
		"--duration=-1s":   "error: watch: --duration -1s: is negative\nhint: write a positive duration such as 30s\n",
		"--pid=4194999":    "error: watch: --pid 4194999: no such process\nhint: goshawk ps lists the Go processes\n",
	} {
		t.Run(flag, func(t *testing.T) {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			code, out, errs := goshawk(ctx, "watch", "upgrade", flag)
			if code != exitUsage || out != "" || errs != want {
				t.Errorf("exit code %d, %q, %q; want %q", code, out, errs, want)
			}
		})
	}
}
