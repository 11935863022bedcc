package series

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// ballast takes all of a small disk but leave bytes.
func ballast(t *testing.T, dir string, leave int) (remove func()) {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	size := int64(0)
	for chunk := make([]byte, 4096); ; {
		n, err := f.Write(chunk)
		size += int64(n)
		if err != nil {
			break
		}
	}
	if err := errors.Join(f.Truncate(max(size-int64(leave), 0)), f.Close()); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

func TestCommit_fullDisk(t *testing.T) {
	disk := testutil.RequireSmallDisk(t, 32<<20)
	w := newWatch()
	o := Options{Dir: filepath.Join(disk, "series"), MinFree: -1, segmentBytes: 256 << 10}
	e := openTest(t, w, o)
	ctx := context.Background()
	stored := map[int64]int{} // by second: how many series
	b := e.Batch()
	tick := 0
	var handles []*Series
	commit := func() (Appended, error) {
		tick++
		w.pass(time.Second)
		// New series come all the time, on a full disk too: each must still be
		// known when the log is read again.
		handles = append(handles, handle(t, e, "filled", Label{"i", fmt.Sprint(tick)}))
		for i, s := range handles {
			// Noise does not compress, so that the disk is full soon.
			b.Add(s, float64(tick)+float64((tick*2654435761+i*40503)%99991)/99991)
		}
		n := len(b.entries)
		a, err := b.Commit(ctx, w.now())
		if err == nil && a.Stored != n {
			t.Fatalf("%+v of %d", a, n)
		}
		if err == nil {
			stored[w.now().Unix()] = n
		}
		return a, err
	}
	for range 50 {
		if _, err := commit(); err != nil {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		remove := ballast(t, disk, 20<<10)
		var err error
		failed := 0
		for range 2000 {
			a, commitErr := commit()
			if commitErr == nil {
				continue
			}
			err = commitErr
			if failed++; !errors.Is(err, ErrDisk) || a.Stored != 0 || a.Rejected[Disk] == 0 {
				t.Fatalf("round %d: %+v, %v", round, a, err)
			}
			if failed == 20 {
				break
			}
		}
		if failed != 20 {
			t.Fatalf("round %d: %d commits failed: the disk is not full", round, failed)
		}
		if s := e.Stats(); s.Writable || s.LastError == "" || s.Rejected[Disk] == 0 {
			t.Errorf("round %d: %+v", round, s)
		}
		wantNumber(t, e, `count(filled)`, w.now(), float64(len(query(t, e, "filled", w.now())))) // queries go on
		remove()
		w.pass(reopenPause)
		for range 20 {
			if _, err := commit(); err != nil {
				t.Fatalf("round %d: there is room again: %v", round, err)
			}
		}
		if s := e.Stats(); !s.Writable || s.Reopened != round+1 {
			t.Errorf("round %d: %+v", round, s)
		}
	}
	check := func(when string) {
		t.Helper()
		for at, n := range stored {
			// A range is open on the left: of a second it has one sample.
			if got := number(t, e, `count(count_over_time(filled[1s]))`, time.Unix(at, 0)); int(got) != n {
				t.Fatalf("%s: of %d series of second %d there are %v", when, n, at, got)
			}
		}
	}
	check("in the same life")
	closeTest(t, e)
	e = openTest(t, w, o)
	check("after a restart")
}

func TestCommit_leavesRoomOnTheDisk(t *testing.T) {
	disk := testutil.RequireSmallDisk(t, 16<<20)
	o := Options{Dir: filepath.Join(disk, "series"), MinFree: 4 << 20}
	e := openTest(t, nil, o)
	s := handle(t, e, "a")
	storeOne(t, e, begin(), s, 1)
	remove := ballast(t, disk, 3<<20)
	b := e.Batch()
	b.Add(s, 2)
	if a, err := b.Commit(context.Background(), begin().Add(time.Second)); !errors.Is(err, ErrDisk) || a.Rejected[Disk] != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	if s := e.Stats(); s.Writable || s.Reopened != 0 {
		t.Errorf("%+v", s)
	}
	// Rules' results are samples like others.
	if err := e.SetRules([]RuleGroup{{Name: "g", Rules: []Rule{{Record: "b", Expr: "a"}}}}); err != nil {
		t.Fatal(err)
	}
	if err := e.Evaluate(context.Background(), begin().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if s := e.Stats(); s.Rejected[Disk] != 2 || s.Rules.Failing != 1 {
		t.Errorf("%+v", s)
	}
	remove()
	storeOne(t, e, begin().Add(time.Second), s, 2)
	if s := e.Stats(); !s.Writable || s.Reopened != 0 || s.Stored != 2 {
		t.Errorf("%+v", s)
	}
}

// What rules write fails as commits do.
func TestRules_fullDisk(t *testing.T) {
	disk := testutil.RequireSmallDisk(t, 16<<20)
	w := newWatch()
	e := openTest(t, w, Options{Dir: filepath.Join(disk, "series"), MinFree: -1})
	storeOne(t, e, begin(), handle(t, e, "a"), 1)
	setRules(t, e, RuleGroup{Name: "g", Rules: []Rule{{Record: "b", Expr: "a * time()"}}})
	remove := ballast(t, disk, 0)
	for range 10_000 { // until the page of the log that is begun is full
		w.pass(time.Millisecond)
		if evaluate(t, e, w.now()); !e.Stats().Writable {
			break
		}
	}
	if s := e.Stats(); s.Writable || s.Rejected[Disk] == 0 || s.Rules.Failing != 1 {
		t.Fatalf("%+v", s)
	}
	remove()
	w.pass(reopenPause)
	evaluate(t, e, w.now())
	if s := e.Stats(); !s.Writable || s.Reopened != 1 || s.Rules.Failing != 0 {
		t.Errorf("%+v", s)
	}
	wantNumber(t, e, "b", w.now(), float64(w.now().Unix()))
}

// A handle says where its series is in the store that it was last used in. In
// another there may be another series in that place.
func TestSeries_isFoundAgainAfterTheStoreWasReopened(t *testing.T) {
	w := newWatch()
	e := openTest(t, w, Options{})
	a, b := handle(t, e, "a"), handle(t, e, "b")
	storeOne(t, e, begin(), a, 1)
	e.store.wound(errors.New("for this test"))
	if err := os.RemoveAll(filepath.Join(e.opts.Dir, logDir)); err != nil {
		t.Fatal(err)
	}
	storeOne(t, e, begin().Add(time.Second), b, 2)
	storeOne(t, e, begin().Add(2*time.Second), a, 3)
	if s := e.Stats(); s.Reopened != 1 || s.Series != 2 {
		t.Errorf("%+v", s)
	}
	wantNumber(t, e, "a", begin().Add(2*time.Second), 3)
	wantNumber(t, e, "b", begin().Add(2*time.Second), 2)
}

// No file can be made, so there is no log to write to.
func TestOpen_noFileCanBeMade(t *testing.T) {
	disk := testutil.RequireSmallDisk(t, 16<<20)
	remount := func(inodes int) {
		if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, fmt.Sprintf("nr_inodes=%d", inodes)); err != nil {
			t.Fatal(err)
		}
	}
	w := newWatch()
	o := Options{Dir: filepath.Join(disk, "series"), MinFree: -1}
	e := openTest(t, w, o)
	storeOne(t, e, begin(), handle(t, e, "a"), 1)
	closeTest(t, e)
	remount(100)
	for i := range 100 {
		f, err := os.Create(filepath.Join(disk, fmt.Sprint("file", i)))
		if err != nil {
			break
		}
		f.Close()
	}
	e = openTest(t, w, o)
	ctx := context.Background()
	_, appendErr := e.Append(ctx, begin(), []Sample{{Metric: "a"}})
	_, queryErr := e.Query(ctx, "a", begin())
	if !errors.Is(appendErr, ErrDisk) || !errors.Is(queryErr, ErrDisk) {
		t.Errorf("%v, %v", appendErr, queryErr)
	}
	if s := e.Stats(); s.Writable || s.LastError == "" {
		t.Errorf("%+v", s)
	}
	remount(200)
	w.pass(reopenPause)
	storeOne(t, e, begin().Add(time.Second), handle(t, e, "a"), 2)
	wantNumber(t, e, "a", begin(), 1)
	if s := e.Stats(); !s.Writable {
		t.Errorf("%+v", s)
	}
}

func TestOpen_fullDisk(t *testing.T) {
	disk := testutil.RequireSmallDisk(t, 16<<20)
	w := newWatch()
	o := Options{Dir: filepath.Join(disk, "series"), MinFree: -1}
	e := openTest(t, w, o)
	storeOne(t, e, begin(), handle(t, e, "a"), 1)
	closeTest(t, e)
	remove := ballast(t, disk, 0)
	e = openTest(t, w, o)
	b := e.Batch()
	b.Add(handle(t, e, "a"), 2)
	_, err := b.Commit(context.Background(), begin().Add(time.Second))
	if !errors.Is(err, ErrDisk) {
		t.Errorf("%v", err)
	}
	if s := e.Stats(); s.Rejected[Disk] != 1 {
		t.Errorf("%+v", s)
	}
	remove()
	w.pass(reopenPause)
	storeOne(t, e, begin().Add(2*time.Second), handle(t, e, "a"), 3)
	wantNumber(t, e, "a", begin(), 1)
	wantNumber(t, e, "a", begin().Add(2*time.Second), 3)
}
