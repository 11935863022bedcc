package series

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

// Each of these happens to the store's files while it is closed.
type damage struct {
	name string
	do   func(t *testing.T, path string)
}

func damages() []damage {
	change := func(f func(data []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			data, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, f(data), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(where func(n int) int) func(*testing.T, string) {
		return change(func(data []byte) []byte {
			data[where(len(data))] ^= 0x55
			return data
		})
	}
	return []damage{
		{"the first byte is flipped", flip(func(int) int { return 0 })},
		{"a byte in the middle is flipped", flip(func(n int) int { return n / 2 })},
		{"a byte near the end is flipped", flip(func(n int) int { return n - 3 })},
		{"it is cut in half", change(func(data []byte) []byte { return data[:len(data)/2] })},
		{"its last byte is gone", change(func(data []byte) []byte { return data[:len(data)-1] })},
		{"it is empty", change(func([]byte) []byte { return nil })},
		{"it is noise", change(func(data []byte) []byte {
			r := rand.New(rand.NewPCG(7, 7))
			for i := range data {
				data[i] = byte(r.Uint32())
			}
			return data
		})},
	}
}

// fill stores 50 series each 15 s for a while, up to begin.
func fill(t *testing.T, e *Engine, how time.Duration) {
	t.Helper()
	var handles []*Series
	for i := range 50 {
		handles = append(handles, handle(t, e, "filled", Label{"i", fmt.Sprint(i)}))
	}
	b := e.Batch()
	for at := begin().Add(-how); !at.After(begin()); at = at.Add(15 * time.Second) {
		for i, s := range handles {
			b.Add(s, float64(at.Unix())+float64(i*i))
		}
		if a, err := b.Commit(context.Background(), at); err != nil || a.Stored != len(handles) {
			t.Fatal(a, err)
		}
	}
}

// goesOn checks that e stores and answers.
func goesOn(t *testing.T, e *Engine) {
	t.Helper()
	storeOne(t, e, begin().Add(time.Minute), handle(t, e, "filled", Label{"i", "0"}), 7)
	wantNumber(t, e, `filled{i="0"}`, begin().Add(time.Minute), 7)
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	first, last, err := wlog.Segments(filepath.Join(dir, logDir))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i := first; i <= last; i++ {
		paths = append(paths, wlog.SegmentName(filepath.Join(dir, logDir), i))
	}
	return paths
}

func TestOpen_damagedSegment(t *testing.T) {
	for _, c := range damages() {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Dir: t.TempDir(), segmentBytes: 32 << 10}
			e := openTest(t, nil, o)
			fill(t, e, time.Hour)
			closeTest(t, e)
			all := segments(t, o.Dir)
			if len(all) < 4 {
				t.Fatalf("only the segments %v", all)
			}
			damagedOne := all[len(all)/2]
			c.do(t, damagedOne)
			// The head's full chunks would make up for it.
			if err := os.RemoveAll(filepath.Join(o.Dir, chunkDir)); err != nil {
				t.Fatal(err)
			}

			e = openTest(t, nil, o)
			aside := e.Stats().Quarantined
			for _, q := range aside {
				if info, err := os.Stat(q.Path); err != nil || info.Size() == 0 || !strings.Contains(q.What, filepath.Base(damagedOne)) || q.Reason == "" {
					t.Errorf("%+v: %v", q, err)
				}
			}
			// What is before and after the segment is there: one segment is
			// lost at most.
			lost := 241
			matrix, err := e.Range(context.Background(), `filled{i="3"} - time()`, begin().Add(-time.Hour), begin(), 15*time.Second)
			if err != nil || len(matrix) != 1 {
				t.Fatal(matrix, err)
			}
			for _, p := range matrix[0].Points {
				if p.Value == 9 {
					lost--
				}
			}
			if most := 2 * 241 / len(all); lost > most {
				t.Errorf("%d of 241 samples are lost with one of %d segments", lost, len(all))
			}
			// An empty segment is one that nothing was written to. What ends a
			// segment may be padding.
			said := len(aside) == 1 || c.name == "it is empty"
			if lost > 0 && !said || len(aside) > 1 {
				t.Errorf("%d samples are lost, and set aside is %+v", lost, aside)
			}
			if atEnd := strings.Contains(c.name, "last byte") || strings.Contains(c.name, "near the end"); lost == 0 && !atEnd {
				t.Error("nothing is lost: the damage is not where it should be")
			}
			goesOn(t, e)
			closeTest(t, e)
			// It is mended for good.
			e = openTest(t, nil, o)
			if aside := e.Stats().Quarantined; len(aside) > 0 {
				t.Errorf("and again: %+v", aside)
			}
		})
	}
}

// The head's full chunks are in the log as well.
func TestOpen_damagedHeadChunks(t *testing.T) {
	for _, c := range damages() {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Dir: t.TempDir()}
			e := openTest(t, nil, o)
			fill(t, e, time.Hour)
			e.store.db.ForceHeadMMap()
			closeTest(t, e)
			found, err := filepath.Glob(filepath.Join(o.Dir, chunkDir, "0*"))
			if err != nil || len(found) == 0 {
				t.Fatal(found, err)
			}
			c.do(t, found[0])
			e = openTest(t, nil, o)
			for _, s := range query(t, e, "count_over_time(filled[2h])", begin()) {
				if s.Value != 241 {
					t.Fatalf("%v", s)
				}
			}
			goesOn(t, e)
		})
	}
}

func TestOpen_missingSegment(t *testing.T) {
	o := Options{Dir: t.TempDir(), segmentBytes: 32 << 10}
	e := openTest(t, nil, o)
	fill(t, e, time.Hour)
	closeTest(t, e)
	all := segments(t, o.Dir)
	if err := os.Remove(all[len(all)/2]); err != nil {
		t.Fatal(err)
	}
	e = openTest(t, nil, o)
	if aside := e.Stats().Quarantined; len(aside) != 2 || aside[0].What != logDir || aside[1].What != chunkDir {
		t.Errorf("%+v", aside)
	}
	goesOn(t, e)
}

// fillBlocks leaves two blocks and a log with the rest.
func fillBlocks(t *testing.T, o Options) (blocks []string) {
	t.Helper()
	e := openTest(t, nil, o)
	fill(t, e, 8*time.Hour)
	if err := e.store.db.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, b := range e.store.db.Blocks() {
		blocks = append(blocks, b.Meta().ULID.String())
	}
	closeTest(t, e)
	if len(blocks) < 2 {
		t.Fatalf("only the blocks %v", blocks)
	}
	return blocks
}

func TestOpen_damagedCheckpoint(t *testing.T) {
	for _, c := range damages() {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Dir: t.TempDir(), segmentBytes: 32 << 10}
			fillBlocks(t, o)
			found, err := filepath.Glob(filepath.Join(o.Dir, logDir, "checkpoint.*", "0*"))
			if err != nil || len(found) == 0 {
				t.Fatal(found, err)
			}
			c.do(t, found[0])
			goesOn(t, openTest(t, nil, o))
		})
	}
}

func TestOpen_damagedBlock(t *testing.T) {
	for _, file := range []string{"meta.json", "index", "chunks/000001", "tombstones"} {
		for _, c := range damages() {
			t.Run(file+": "+c.name, func(t *testing.T) {
				o := Options{Dir: t.TempDir(), reload: time.Second}
				blocks := fillBlocks(t, o)
				c.do(t, filepath.Join(o.Dir, blocks[0], file))
				w := newWatch()
				w.pass(time.Minute)
				e := openTest(t, w, o)
				// Everything is asked for; what is damaged is found then at the
				// latest, and the answer is without it.
				all := func() Vector {
					return query(t, e, `count_over_time(filled[9h])`, begin())
				}
				got := all()
				if len(got) != 50 {
					t.Fatalf("%d series of 50", len(got))
				}
				least := slices.MinFunc(got, func(a, b Sample) int { return int(a.Value - b.Value) }).Value
				harmless := least == 8*240+1
				if harmless {
					// Some bytes mean nothing, those of meta.json's statistics say.
					if aside := e.Stats().Quarantined; len(aside) > 0 {
						t.Errorf("nothing is missing, and yet %+v", aside)
					}
					goesOn(t, e)
					return
				}
				waitFor(t, "the block is set aside", func() bool { return len(e.Stats().Quarantined) == 1 })
				q := e.Stats().Quarantined[0]
				if _, err := os.Stat(filepath.Join(q.Path, "index")); err != nil || q.What != blocks[0] || q.Reason == "" {
					t.Errorf("%+v: %v", q, err)
				}
				waitFor(t, "the block is gone", func() bool {
					_, err := os.Stat(filepath.Join(o.Dir, blocks[0]))
					return os.IsNotExist(err)
				})
				if after := all(); after[0].Value != got[0].Value {
					t.Errorf("%v, then %v", got[0], after[0])
				}
				goesOn(t, e)
			})
		}
	}
}

func TestOpen_unreadableBlockDirectory(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	name := ulid.MustNew(1, nil).String()
	if err := os.Mkdir(filepath.Join(o.Dir, name), 0o700); err != nil {
		t.Fatal(err)
	}
	e := openTest(t, nil, o)
	if aside := e.Stats().Quarantined; len(aside) != 1 || aside[0].What != name {
		t.Errorf("%+v", aside)
	}
	goesOn(t, e)
}

func TestQuarantine_isBounded(t *testing.T) {
	o := Options{Dir: t.TempDir()}
	for i := range maxQuarantined + 3 {
		if err := os.Mkdir(filepath.Join(o.Dir, ulid.MustNew(uint64(i), nil).String()), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w := newWatch()
	e := openTest(t, w, o)
	kept, err := os.ReadDir(filepath.Join(o.Dir, quarantineDir))
	if err != nil || len(kept) != maxQuarantined || len(e.Stats().Quarantined) != maxQuarantined {
		t.Errorf("%d are kept and %d told of, %v", len(kept), len(e.Stats().Quarantined), err)
	}
}
