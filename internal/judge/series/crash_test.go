package series

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/platform"
)

// childEnv makes the test binary another process: what it does, and with what,
// separated by bars.
const childEnv = "GOSHAWK_SERIES_TEST_CHILD"

// runChild is the main function of that process.
func runChild(args string) error {
	what, rest, _ := strings.Cut(args, "|")
	switch what {
	case "append":
		var a appends
		if err := a.parse(rest); err != nil {
			return err
		}
		return a.endlessly()
	case "fill":
		return fillLog(rest)
	case "open":
		return openAndMeasure(rest)
	}
	return fmt.Errorf("no child %q", what)
}

// killsEnv is how often TestCommit_survivesSIGKILL kills.
const killsEnv = "GOSHAWK_SERIES_KILLS"

// childSeries is how many series a child has; those of a commit have the
// commit's number as their value.
const childSeries = 200

// appends is a child that commits without end and prints the number of each
// commit that returned. Commit n is n steps after start.
type appends struct {
	dir, run string
	start    time.Time
	step     time.Duration
}

func (a appends) String() string {
	return fmt.Sprintf("append|%s|%s|%d|%d", a.dir, a.run, a.start.UnixMilli(), a.step)
}

func (a *appends) parse(text string) error {
	parts := strings.Split(text, "|")
	if len(parts) != 4 {
		return fmt.Errorf("child: %q", text)
	}
	a.dir, a.run = parts[0], parts[1]
	start, err := strconv.ParseInt(parts[2], 10, 64)
	step, stepErr := strconv.ParseInt(parts[3], 10, 64)
	a.start, a.step = time.UnixMilli(start), time.Duration(step)
	return errors.Join(err, stepErr)
}

func (a *appends) at(n int) time.Time { return a.start.Add(time.Duration(n) * a.step) }

// endlessly appends. Segments are small, so that some are begun.
func (a *appends) endlessly() error {
	w := &watch{wall: a.start}
	e, err := Open(context.Background(), Options{Dir: a.dir, Now: w.now, Elapsed: w.since, Manual: true, segmentBytes: 64 << 10})
	if err != nil {
		return err
	}
	handles := make([]*Series, childSeries)
	b := e.Batch()
	for n := 1; ; n++ {
		w.pass(a.step)
		// Some series begin late.
		for i := range min(childSeries, 10+n) {
			if handles[i] == nil {
				if handles[i], err = e.NewSeries("child", Label{"run", a.run}, Label{"i", strconv.Itoa(i)}); err != nil {
					return err
				}
			}
			b.Add(handles[i], float64(n))
		}
		want := len(b.entries)
		if got, err := b.Commit(context.Background(), a.at(n)); err != nil || got.Stored != want {
			return fmt.Errorf("commit %d: %+v, %w", n, got, err)
		}
		fmt.Println(n)
	}
}

// startChild starts the test binary as another process.
func startChild(t testing.TB, args string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+args)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// killChild starts a child, kills it after lines of its output and a pause, and
// returns the last number that it printed.
func killChild(t *testing.T, a appends, lines int, pause time.Duration) int {
	t.Helper()
	cmd, out := startChild(t, a.String())
	last := ""
	for i := 0; i < lines && out.Scan(); i++ {
		last = out.Text()
	}
	time.Sleep(pause)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	for out.Scan() { // what it printed before it was dead counts too
		last = out.Text()
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v", err)
	}
	n, err := strconv.Atoi(last)
	if err != nil && last != "" {
		t.Fatal(err)
	}
	return n
}

// checkRun checks that the first n commits are there, all samples of each.
func checkRun(t *testing.T, e *Engine, a appends, n int) {
	t.Helper()
	ctx := context.Background()
	// Step by step: where a sample is missing, the one before it shows, with
	// its number.
	for from := 1; from <= n; from += maxPoints {
		to := min(from+maxPoints-1, n)
		matrix, err := e.Range(ctx, fmt.Sprintf(`child{run=%q}`, a.run), a.at(from), a.at(to), a.step)
		if err != nil {
			t.Fatal(err)
		}
		if want := min(childSeries, 10+to); len(matrix) < want {
			t.Fatalf("run %s: %d series, want %d of %d commits", a.run, len(matrix), want, to)
		}
		for _, row := range matrix {
			i, _ := strconv.Atoi(row.Labels.Get("i"))
			begins := max(1, i-9) // its first commit
			if want := max(to-max(from, begins)+1, 0); len(row.Points) != want {
				t.Fatalf("run %s: series %d has %d points from commit %d to %d, want %d", a.run, i, len(row.Points), from, to, want)
			}
			for k, p := range row.Points {
				if want := max(from, begins) + k; p.Value != float64(want) || !p.At.Equal(a.at(want)) {
					t.Fatalf("run %s: series %d of commit %d: %v", a.run, i, want, p)
				}
			}
		}
	}
}

func TestCommit_survivesSIGKILL(t *testing.T) {
	kills := 6
	if testing.Short() {
		kills = 3
	}
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		kills = n
	}
	dir := filepath.Join(t.TempDir(), "series")
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	acknowledged, blocks, longest := 0, 0, time.Duration(0)
	a := appends{dir: dir, start: begin()}
	for i := range kills {
		// Every other run is hours long, so that the head is written to blocks
		// and the log is cut while it is killed.
		a.run, a.step = fmt.Sprint("run", i), []time.Duration{time.Millisecond, 30 * time.Second}[i%2]
		n := killChild(t, a, r.IntN(400)+i%2*r.IntN(1200), time.Duration(r.IntN(20_000))*time.Microsecond)
		w := &watch{wall: a.at(n)}
		start := time.Now()
		e := openTest(t, w, Options{Dir: dir, segmentBytes: 64 << 10})
		longest = max(longest, time.Since(start))
		checkRun(t, e, a, n)
		acknowledged += n
		stats := e.Stats()
		blocks += stats.Blocks
		for _, q := range stats.Quarantined {
			// Half a record at the end is what nobody was told is stored.
			if !strings.Contains(q.What, "from byte") {
				t.Errorf("set aside: %+v", q)
			}
		}
		closeTest(t, e)
		a.start = a.at(n).Add(24 * time.Hour)
		if i%20 == 19 { // so that reading it again stays quick
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d kills, %d commits acknowledged, %d blocks seen, %v to open at most", kills, acknowledged, blocks, longest)
}

func TestOpen_aLockedDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "series")
	cmd, out := startChild(t, appends{dir, "a", begin(), time.Millisecond}.String())
	if !out.Scan() {
		t.Fatal(cmd.Wait())
	}
	_, err := Open(context.Background(), Options{Dir: dir})
	var locked *platform.LockedError
	if !errors.As(err, &locked) || locked.PID != cmd.Process.Pid || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), strconv.Itoa(locked.PID)) {
		t.Errorf("%v, want that process %d has %s", err, cmd.Process.Pid, dir)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	e := openTest(t, nil, Options{Dir: dir}) // the lock went with it
	if _, err := Open(context.Background(), Options{Dir: dir}); !errors.As(err, &locked) || locked.PID != os.Getpid() {
		t.Errorf("opened twice: %v", err)
	}
	closeTest(t, e)
	closeTest(t, openTest(t, nil, Options{Dir: dir}))
}
