package series

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// Everything at the same time, while the store is opened again now and then.
// It is for the race detector, and must come to its end.
func TestEngine_concurrentUse(t *testing.T) {
	ctx := context.Background()
	n := &told{}
	e, err := Open(ctx, Options{Dir: t.TempDir(), Notify: n.notify, MaxQueries: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer closeTest(t, e)
	var wg sync.WaitGroup
	each := func(times int, do func(i int) error) {
		wg.Go(func() {
			for i := range times {
				// What is refused because the store is just closed is fine.
				if err := do(i); err != nil && !errors.Is(err, ErrDisk) {
					t.Errorf("%d: %v", i, err)
					return
				}
			}
		})
	}
	for writer := range 2 {
		s := handle(t, e, "burn", Label{"slo", fmt.Sprint(writer)})
		b := e.Batch()
		each(2000, func(i int) error {
			b.Add(s, float64(i%30))
			_, err := b.Commit(ctx, time.Now())
			return err
		})
	}
	for range 3 {
		each(200, func(i int) error {
			_, err := e.Query(ctx, "sum(rate(burn[1m])) or vector(0)", time.Now())
			return err
		})
		each(100, func(i int) error {
			_, err := e.Range(ctx, "burn", time.Now().Add(-time.Minute), time.Now(), time.Second)
			return err
		})
		each(100, func(i int) error {
			_, err := e.Series(ctx, "burn", time.Now().Add(-time.Minute), time.Now())
			return err
		})
	}
	each(30, func(i int) error {
		group := burning()
		group.Interval, group.Rules[0].For = 5*time.Millisecond, time.Duration(i%3)
		return e.SetRules([]RuleGroup{group})
	})
	each(100, func(i int) error {
		e.Stats()
		e.Alerts()
		return nil
	})
	each(5, func(i int) error {
		e.store.wound(errors.New("for this test"))
		_, err := e.Append(ctx, time.Now(), []Sample{{Metric: "other", Value: float64(i)}})
		return err
	})
	wg.Wait()
	storeOne(t, e, time.Now(), handle(t, e, "last"), 1)
	if s := e.Stats(); s.Reopened == 0 || !s.Writable {
		t.Errorf("%+v", s)
	}
}
