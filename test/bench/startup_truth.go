package main

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// startSmall is from where on the time of a package is compared: the trace of
// the runtime has microseconds, and two digits.
const startSmall = 50 * time.Microsecond

// startRounds is how often each start is made: issues and docs compare the
// least of ten.
func (b *bench) startRounds() int { return max(b.count, 10) }

// least keeps the least time of each package, and refuses other packages than
// those of the rounds before.
func least(all, one map[string]time.Duration) (map[string]time.Duration, error) {
	if all == nil {
		return one, nil
	}
	missing, extra := difference(all, one)
	if len(missing)+len(extra) > 0 {
		return nil, fmt.Errorf("packages differ from round to round: -%v +%v", missing, extra)
	}
	for name, took := range one {
		all[name] = min(all[name], took)
	}
	return all, nil
}

// difference returns the names that only want has, and those that only got has.
func difference(want, got map[string]time.Duration) (missing, extra []string) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[name]; !ok {
			missing = append(missing, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			extra = append(extra, name)
		}
	}
	return missing, extra
}

// initTruth compares what Goshawk says of packages with what the runtime says.
type initTruth struct {
	missing, extra []string
	large, small   int
	errors         sample // of the large packages, in parts of the runtime's time
	micros         sample // of the small ones, the difference
	want, got      time.Duration
}

func compareInits(want, got map[string]time.Duration) initTruth {
	var t initTruth
	t.missing, t.extra = difference(want, got)
	for name, took := range want {
		seen, ok := got[name]
		if !ok {
			continue
		}
		t.want += took
		t.got += seen
		if took >= startSmall {
			t.large++
			t.errors = append(t.errors, float64(seen-took)/float64(took))
		} else {
			t.small++
			t.micros = append(t.micros, float64(seen-took)/1e3)
		}
	}
	return t
}

// size returns the sample without signs.
func (s sample) size() sample {
	var sizes sample
	for _, v := range s {
		sizes = append(sizes, math.Abs(v))
	}
	return sizes
}

// quantile returns the least value that at least part of the sample is at or
// below; 0 of nothing.
func (s sample) quantile(part float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[max(0, int(math.Ceil(part*float64(len(sorted))))-1)]
}

func (s sample) mean() float64 {
	total := 0.0
	for _, v := range s {
		total += v
	}
	return total / float64(max(len(s), 1))
}

// startTruth compares the packages that Goshawk names, and their times, with
// the trace that the runtime prints when it is told to.
func (b *bench) startTruth() error {
	programs, err := b.startPrograms()
	if err != nil {
		return err
	}
	fmt.Printf("\nThe least of %d runs each. An error is (goshawk - inittrace) / inittrace, of packages from %s on; that of inittrace is beside as many runs more of itself. Each run of inittrace is just after Goshawk has started another program, so that the caches are not the program's.\n\n", b.startRounds(), startSmall)
	fmt.Println("| program | MiB | packages: inittrace | goshawk | missing | extra | large | median error | median size of it | p90 | inittrace beside itself: median size | p90 | small: mean difference us | sum: inittrace ms | goshawk ms | lost |")
	fmt.Println("|" + strings.Repeat("---|", 16))
	var errs []error
	for _, p := range programs {
		if err := b.startTruthOf(p); err != nil {
			errs = append(errs, err)
			fmt.Printf("| %s | %.0f | failed |\n", p.name, p.mib)
		}
	}
	fmt.Println()
	return errors.Join(errs...)
}

// traced starts a program that prints the inits of its packages, and returns
// them with the least of those before. The caches are as Goshawk leaves them, as for
// a program that it starts.
func (b *bench) traced(p startProgram, before map[string]time.Duration) (map[string]time.Duration, error) {
	if _, err := b.startOther(); err != nil {
		return nil, err
	}
	r, err := startAlone(p, "GODEBUG=inittrace=1")
	if err != nil {
		return nil, err
	}
	said, err := readInits(r.said)
	if err == nil {
		said, err = least(before, said)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: inittrace: %w", p.name, err)
	}
	return said, nil
}

func (b *bench) startTruthOf(p startProgram) error {
	// Again is as many runs more of the same as want: what differs there is no
	// one's fault.
	var want, again, got map[string]time.Duration
	var lost uint64
	for range b.startRounds() {
		var err error
		if want, err = b.traced(p, want); err != nil {
			return err
		}
		r, err := b.startUnder(p)
		if err != nil {
			return err
		}
		lost += r.seen.Lost
		seen, err := r.seen.inits()
		if err == nil {
			got, err = least(got, seen)
		}
		if err != nil {
			return fmt.Errorf("%s: goshawk: %w", p.name, err)
		}
		if again, err = b.traced(p, again); err != nil {
			return err
		}
	}
	t, noise := compareInits(want, got), compareInits(want, again).errors.size()
	fmt.Printf("| %s | %.0f | %d | %d | %d | %d | %d | %+.1f %% | %.1f %% | %.1f %% | %.1f %% | %.1f %% | %+.1f | %.2f | %.2f | %d |\n",
		p.name, p.mib, len(want), len(got), len(t.missing), len(t.extra), t.large, 100*t.errors.median(), 100*t.errors.size().median(),
		100*t.errors.size().quantile(0.9), 100*noise.median(), 100*noise.quantile(0.9), t.micros.mean(), float64(t.want)/1e6, float64(t.got)/1e6, lost)
	if len(t.missing)+len(t.extra) > 0 {
		fmt.Fprintf(os.Stderr, "%s: missing %v, extra %v\n", p.name, t.missing, t.extra)
	}
	return nil
}
