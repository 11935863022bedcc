package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// childEnv makes the test binary a process that adds events: the directory and
// the service's name, separated by a colon.
const childEnv = "GOSHAWK_STORE_TEST_CHILD"

// runChild adds events without end and prints how many are committed.
func runChild(args string) error {
	dir, service, _ := strings.Cut(args, ":")
	s, err := Open(context.Background(), dir, Options{EventsPerSecond: -1, fileBytes: 1 << 20, tick: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	l := newLoad()
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for n := 0; ; {
		for range 1 + r.IntN(100) {
			n++
			e := l.event(time.Now())
			e.Service, e.PID = service, int32(n)
			s.Add(e)
		}
		if err := s.flush(context.Background()); err != nil {
			return err
		}
		if stats := s.Stats(); stats.Error != "" || dropped(stats) > 0 || stats.Kept != uint64(n) {
			return fmt.Errorf("added %d: %+v", n, stats)
		}
		fmt.Println(n)
	}
}

// killChild starts a child, kills it after lines of its output, and returns
// the number in the last.
func killChild(t *testing.T, dir, service string, lines int) (acknowledged int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir+":"+service)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lineReader := bufio.NewScanner(out)
	last := ""
	for i := 0; i < lines && lineReader.Scan(); i++ {
		last = lineReader.Text()
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	for lineReader.Scan() { // what it printed before it was dead counts too
		last = lineReader.Text()
	}
	if err := cmd.Wait(); cmd.ProcessState.Success() || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v", err)
	}
	if last == "" {
		return 0
	}
	if acknowledged, err = strconv.Atoi(last); err != nil {
		t.Fatal(err)
	}
	return acknowledged
}

func TestStore_losesNothingAcknowledged(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 8
	}
	dir := filepath.Join(t.TempDir(), "data")
	r := rand.New(rand.NewPCG(1, 1))
	acknowledged := map[string]int{}
	longest, total := time.Duration(0), 0
	for i := range kills {
		service := fmt.Sprint("run", i)
		n := killChild(t, dir, service, r.IntN(16))
		acknowledged[service] = n
		total += n
		begin := time.Now()
		s := openStore(t, dir, Options{})
		hasAtLeast(t, s, service, n)
		longest = max(longest, time.Since(begin))
		s.Close()
	}
	s := openStore(t, dir, Options{})
	for service, n := range acknowledged {
		hasAtLeast(t, s, service, n)
	}
	if stats := s.Stats(); len(stats.SetAside) > 0 || len(stats.Unreadable) > 0 || stats.Files < 2 {
		t.Errorf("%+v", stats)
	}
	t.Logf("%d kills, %d events acknowledged, %d files, %v to open and check at most", kills, total, s.Stats().Files, longest)
}

// hasAtLeast checks that the first n events of service are there, and counted.
func hasAtLeast(t *testing.T, s *Store, service string, n int) {
	t.Helper()
	seen := map[int32]bool{}
	q := model.Query{Service: service, Limit: 1000}
	for {
		page, err := s.Events(context.Background(), q)
		if err != nil || len(page.Incomplete) > 0 {
			t.Fatalf("%s: %v, %q", service, err, page.Incomplete)
		}
		for _, r := range page.Records {
			if seen[r.Event.PID] {
				t.Fatalf("%s: event %d is there twice", service, r.Event.PID)
			}
			seen[r.Event.PID] = true
		}
		if page.Next == "" {
			break
		}
		q.After = page.Next
	}
	for i := range n {
		if !seen[int32(i+1)] {
			t.Fatalf("%s: event %d of %d acknowledged is lost", service, i+1, n)
		}
	}
	rollups, err := s.Rollups(context.Background(), model.RollupQuery{Service: service})
	if err != nil || len(seen) > 0 && (len(rollups.Items) != 1 || rollups.Items[0].Count != uint64(len(seen))) {
		t.Fatalf("%s: rollups %+v, %v; want %d events", service, rollups.Items, err, len(seen))
	}
}

func TestOpen_namesTheProcessThatHasIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir+":x")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(out).Scan() {
		t.Error("the child says nothing")
	}
	_, err = Open(context.Background(), dir, Options{})
	if locked, ok := err.(*platform.LockedError); !ok || locked.PID != cmd.Process.Pid {
		t.Errorf("error %v, want one of process %d", err, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	openStore(t, dir, Options{})
}

func TestStore_survivesAFullDisk(t *testing.T) {
	dir := testutil.RequireSmallDisk(t, 8<<20)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	c, l := newClock(), newLoad()
	s := openStore(t, filepath.Join(dir, "data"), Options{Now: c.now, EventsPerSecond: -1, MaxPending: 4 << 20})
	added := 0
	fill := func(until func(Stats) bool) {
		for !until(s.Stats()) && added < 200_000 {
			addSome(s, l, c, 500)
			added += 500
			settle(t, s)
		}
	}
	fill(func(s Stats) bool { return s.Error != "" })
	stats := s.Stats()
	if stats.Error == "" || stats.Waiting == 0 || dropped(stats) > 0 || stats.Kept+uint64(stats.Waiting) != uint64(added) {
		t.Fatalf("full after %d events: %+v", added, stats)
	}
	records, lacks := all(t, s)
	if len(lacks) == 0 || !strings.Contains(lacks[0], "wait to be written") || len(records) != int(stats.Kept) {
		t.Errorf("%d events of %d, %q", len(records), stats.Kept, lacks)
	}
	fill(func(s Stats) bool { return dropped(s) > 5000 })
	stats = s.Stats()
	if stats.Dropped[droppedFull] < 5000 || len(stats.Dropped) != 1 || len(stats.SetAside) > 0 {
		t.Fatalf("full for long: %+v", stats)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	addSome(s, l, c, 1) // one may have no place: what waits is written with it
	added++
	settle(t, s)
	addSome(s, l, c, 100)
	added += 100
	settle(t, s)
	after := s.Stats()
	if after.Error != "" || after.Waiting != 0 || after.Kept+dropped(after) != uint64(added) || dropped(after) > dropped(stats)+1 {
		t.Errorf("with room again, %d events: %+v", added, after)
	}
	records, lacks = all(t, s)
	if len(records) != int(after.Kept) || len(lacks) > 0 {
		t.Errorf("%d events of %d, %q", len(records), after.Kept, lacks)
	}
	rollups, err := s.Rollups(context.Background(), model.RollupQuery{})
	total := uint64(0)
	for _, r := range rollups.Items {
		total += r.Count
	}
	if err != nil || total != uint64(added) {
		t.Errorf("%d events are counted, %v; want %d, those that were dropped too", total, err, added)
	}
}

func TestOpen_onAFullDisk(t *testing.T) {
	dir := testutil.RequireSmallDisk(t, 4<<20)
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for chunk := 1 << 16; chunk > 0; chunk /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, chunk))
		}
	}
	f.Close()
	c, l := newClock(), newLoad()
	s := openStore(t, filepath.Join(dir, "data"), Options{Now: c.now})
	addSome(s, l, c, 10)
	records, lacks := all(t, s)
	if stats := s.Stats(); len(records) != 0 || len(lacks) != 1 || stats.Error == "" || stats.Waiting != 10 {
		t.Errorf("%d events, %q, %+v", len(records), lacks, stats)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	addSome(s, l, c, 1)
	if records, lacks = all(t, s); len(records) != 11 || len(lacks) > 0 {
		t.Errorf("with room: %d events, %q", len(records), lacks)
	}
}
