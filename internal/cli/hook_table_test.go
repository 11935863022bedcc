package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/hook"
)

func hookReport() *hook.Report {
	var slow, quick model.Distribution
	slow.AddN(3*time.Millisecond, 10)
	quick.AddN(250*time.Nanosecond, 4000)
	return &hook.Report{Took: 2 * time.Second, Functions: []hook.Result{
		{Func: "example.org/long/path.(*Server).quick", Calls: 4000, Took: 2 * time.Second, Latency: quick, Errors: 7, ErrorsKnown: true},
		{Func: "main.slow", Calls: 12, Took: 2 * time.Second, Latency: slow, Unfinished: 2, Detached: "dear"},
		{Func: "main.idle", Took: 2 * time.Second},
		{Func: "main.odd", Refused: "no"},
	}}
}

func TestHookTable(t *testing.T) {
	for _, tt := range []struct {
		name        string
		most, width int
		want        string
	}{
		{"shows all where there is no terminal", 0, 0, `
FUNC                                   CALLS   PER S  ERRORS     P50     P90     P99     MAX  LOST  UNFINISHED
main.slow (detached)                      12     6.0       -  3ms 3ms 3ms 3ms     0           2
example.org/long/path.(*Server).quick   4000  2000.0       7   247ns   250ns   250ns   250ns     0           0
not called: 1
not hooked: 1`},
		{"keeps the end of names and all numbers on a terminal", 0, 90, ""},
		{"shows the dearest on a low terminal", 1, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := hookTable(hookReport(), tt.most, tt.width)
			text := "\n" + strings.Join(lines, "\n")
			switch {
			case tt.most > 0:
				if len(lines) != 5 || !strings.HasPrefix(lines[1], "main.slow") || lines[2] != "called, not shown: 1" {
					t.Error(text)
				}
			case tt.width > 0:
				for _, line := range lines {
					if len([]rune(line)) > tt.width {
						t.Errorf("%d cells, want %d: %s", len([]rune(line)), tt.width, line)
					}
				}
				if !strings.Contains(lines[2], "…") || !strings.Contains(lines[2], "Server).quick ") || !strings.HasSuffix(lines[2], " 0") {
					t.Error(text)
				}
			case strings.Join(strings.Fields(text), " ") != strings.Join(strings.Fields(tt.want), " "):
				t.Error(text)
			}
		})
	}
}

func TestHookScreenDrawsOverTheLastReport(t *testing.T) {
	var out bytes.Buffer
	s := hookScreen{env: Env{Stdout: &out, Width: func() int { return 80 }, Height: func() int { return 24 }}}
	s.draw(hookReport())
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("the first report moves the cursor: %q", out.String())
	}
	out.Reset()
	s.draw(hookReport())
	if !strings.HasPrefix(out.String(), "\x1b[5A\x1b[J") {
		t.Errorf("the second report does not replace the 5 lines of the first: %q", out.String())
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0ns", 999: "999ns", 1000: "1µs", 1234: "1.23µs", 12_340: "12.3µs", 123_400: "123µs",
		3 * time.Millisecond: "3ms", 61 * time.Second: "61.0s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("shortDuration(%d) = %s, want %s", d, got, want)
		}
	}
}
