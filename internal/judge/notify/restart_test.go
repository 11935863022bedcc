package notify

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestTable_restart(t *testing.T) {
	first := newBench(t, nil)
	first.offer(burning("told"), burning("ends"), burning("perhaps"), burning("never"))
	first.tell("told firing", arrived)
	first.tell("ends firing", arrived)
	first.tell("perhaps firing", vanished)
	first.offer(burning("told"), ended(burning("ends"), noon), burning("perhaps"), burning("never"))
	known := first.memory()
	if len(known) != 3 {
		t.Fatalf("it keeps %+v", known)
	}
	restarted := func(t *testing.T, grace bool) *bench {
		b := newBench(t, nil)
		b.now, b.grace = noon.Add(time.Minute), grace
		b.restore(known, b.now)
		b.tell("ends resolved", arrived)
		b.silent()
		return b
	}
	t.Run("it does not repeat", func(t *testing.T) {
		b := restarted(t, true)
		late := burning("told")
		late.StartsAt = b.now
		b.offer(late, burning("perhaps"))
		b.tell("perhaps firing", arrived)
		b.silent()
		b.after(4*time.Hour - time.Minute)
		tasks, got := b.next()
		if got != "told firing" || !tasks[0].alert.StartsAt.Before(noon) {
			t.Errorf("it tells %q, %+v", got, tasks)
		}
	})
	t.Run("it does not repeat what it does not know to fire", func(t *testing.T) {
		b := restarted(t, true)
		b.after(5 * time.Hour).silent()
	})
	t.Run("it does not forget to resolve", func(t *testing.T) {
		b := restarted(t, true)
		b.offer(burning("perhaps"))
		b.tell("perhaps firing", arrived)
		b.silent() // who judges gathers still
		b.grace = false
		b.offer(burning("perhaps"))
		b.tell("told resolved", arrived)
	})
	t.Run("what is said to have ended has", func(t *testing.T) {
		b := restarted(t, true)
		b.offer(ended(burning("told"), b.now), burning("perhaps"))
		if got := sent(b); !slices.Contains(got, "told resolved") {
			t.Errorf("it tells %q", got)
		}
	})
	t.Run("what fired since is gone like any", func(t *testing.T) {
		b := restarted(t, true)
		b.offer(burning("told"), burning("perhaps"))
		b.offer(burning("perhaps"))
		if got := sent(b); !slices.Contains(got, "told resolved") {
			t.Errorf("it tells %q", got)
		}
	})
}

// sent takes all that is told now, which arrives.
func sent(b *bench) []string {
	var list []string
	for {
		tasks, got := b.next()
		if got == "" {
			return list
		}
		list = append(list, got)
		b.settle(tasks, arrived, b.now)
	}
}

// TestTable_alwaysConverges throws dice at tables, and then lets all arrive.
// Whatever happened, the receiver then knows what fires and nothing else, and
// was never told of an end of what it had not been told of.
func TestTable_alwaysConverges(t *testing.T) {
	outcomes := []outcome{arrived, arrived, failed, vanished, refusal}
	for seed := range uint64(200) {
		dice := rand.New(rand.NewPCG(seed, 1))
		b := newBench(t, func(p *policy) { p.batch = 1 + dice.IntN(3) })
		knows := make(map[string]bool) // what the receiver knows, or perhaps knows, to fire
		var flying [][]task
		land := func(o outcome) {
			i := dice.IntN(len(flying))
			for _, task := range flying[i] {
				slo, fires := task.alert.Labels[labelSLO], task.alert.State == Firing
				if !fires && !knows[slo] {
					t.Fatalf("seed %d: the end of %s is told to who does not know it", seed, slo)
				}
				if o.err == nil || o.uncertain {
					knows[slo] = fires || o.uncertain
				}
				if o.refused && !fires {
					knows[slo] = false // it had its chance
				}
			}
			b.settle(flying[i], o, b.now)
			flying = slices.Delete(flying, i, i+1)
		}
		var active []Alert
		for range 60 {
			b.after(time.Duration(dice.IntN(600)) * time.Second)
			switch dice.IntN(3) {
			case 0:
				active = nil
				for _, slo := range []string{"a", "b", "c", "d"} {
					if dice.IntN(2) == 0 {
						active = append(active, burning(slo))
					}
				}
				b.offer(active...)
			case 1:
				if tasks, _ := b.take(b.now); len(tasks) > 0 {
					flying = append(flying, tasks)
				}
			case 2:
				if len(flying) > 0 {
					land(outcomes[dice.IntN(len(outcomes))])
				}
			}
		}
		for len(flying) > 0 {
			land(arrived)
		}
		for range 3 {
			b.after(time.Hour).offer(active...)
			for {
				tasks, _ := b.take(b.now)
				if len(tasks) == 0 {
					break
				}
				flying = append(flying, tasks)
				land(arrived)
			}
		}
		for _, slo := range []string{"a", "b", "c", "d"} {
			fires := slices.ContainsFunc(active, func(a Alert) bool { return a.SLO == slo })
			if fires != knows[slo] {
				t.Errorf("seed %d: %s fires: %v, and the receiver believes %v", seed, slo, fires, knows[slo])
			}
		}
		if len(b.entries) != len(active) {
			t.Errorf("seed %d: %d alerts are known, %d are active", seed, len(b.entries), len(active))
		}
	}
}
