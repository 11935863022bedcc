package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// startCosts are the rounds of one program.
type startCosts struct {
	// CPU time of the program, ms: alone, by a launcher that has worked as long as
	// Goshawk, and with Goshawk. The last two have the same round's at the same index.
	alone, launched, under sample
	aloneWall, underWall   sample // ms
	observer, before       sample // ms
	packages               int
	lost                   uint64
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }

// low returns the least value; 0 of nothing.
func (s sample) low() float64 {
	if len(s) == 0 {
		return 0
	}
	return slices.Min(s)
}

// startCost starts programs with and without Goshawk, in turns whose order
// changes round by round.
func (b *bench) startCost() error {
	programs, err := b.startPrograms()
	if err != nil {
		return err
	}
	fmt.Printf("\nRounds: %d. a / b is the least / the median. Wall time alone has fork and wait in it, that with Goshawk is from execve to the exit. Launched: without Goshawk, by a program that works for %v before, so that the caches are not the program's either. What the probes add is the median of the rounds' differences to that, of the median of all launched.\n\n", b.startRounds(), launchWork)
	fmt.Println("| program | MiB | packages | CPU alone ms | launched | with goshawk | added | of that by the probes | added per 100 packages ms | wall alone ms | with goshawk | goshawk's start to execve ms | goshawk's CPU ms | others' CPUs | lost |")
	fmt.Println("|" + strings.Repeat("---|", 15))
	var errs []error
	for _, p := range programs {
		if err := b.startCostOf(p); err != nil {
			errs = append(errs, err)
			fmt.Printf("| %s | %.0f | failed |\n", p.name, p.mib)
		}
	}
	fmt.Println()
	return errors.Join(errs...)
}

func (b *bench) startCostOf(p startProgram) error {
	// The first start reads the file.
	if _, err := startAlone(p); err != nil {
		return err
	}
	if _, err := b.startUnder(p); err != nil {
		return err
	}
	idle, err := readBusy()
	if err != nil {
		return err
	}
	var c startCosts
	var known time.Duration
	turns := []func() error{
		func() error {
			r, err := startAlone(p)
			known += r.cpu
			c.alone, c.aloneWall = append(c.alone, millis(r.cpu)), append(c.aloneWall, millis(r.wall))
			return err
		},
		func() error {
			r, err := startLaunched(p)
			known += r.cpu + r.observer
			c.launched = append(c.launched, millis(r.cpu))
			return err
		},
		func() error {
			r, err := b.startUnder(p)
			known += r.cpu + r.observer
			c.add(r)
			return err
		},
	}
	for round := range b.startRounds() {
		for turn := range turns {
			if err := turns[(turn+round)%len(turns)](); err != nil {
				return err
			}
		}
	}
	foreign, err := idle.foreign(known)
	if err != nil {
		return err
	}
	c.print(p, foreign)
	return nil
}

func (c *startCosts) add(r startRun) {
	c.under, c.underWall = append(c.under, millis(r.cpu)), append(c.underWall, millis(r.wall))
	c.observer, c.before = append(c.observer, millis(r.observer)), append(c.before, millis(r.before))
	c.packages = max(c.packages, len(r.seen.Packages))
	c.lost += r.seen.Lost
}

func (c *startCosts) print(p startProgram, foreign float64) {
	if c.packages == 0 {
		fmt.Fprintf(os.Stderr, "%s: no package was seen\n", p.name)
	}
	pair := func(s sample, digits int) string {
		return fmt.Sprintf("%.*f / %.*f", digits, s.low(), digits, s.median())
	}
	least, median := c.under.low()-c.alone.low(), c.under.median()-c.alone.median()
	var probes sample
	for i, cpu := range c.under {
		probes = append(probes, cpu-c.launched[i])
	}
	hundreds := float64(max(c.packages, 1)) / 100
	fmt.Printf("| %s | %.0f | %d | %s | %s | %s | %+.0f / %+.0f %% | %+.0f %%, %.2f ms | %.2f / %.2f | %s | %s | %s | %s | %.2f | %d |\n", p.name, p.mib, c.packages,
		pair(c.alone, 1), pair(c.launched, 1), pair(c.under, 1), 100*least/c.alone.low(), 100*median/c.alone.median(),
		100*probes.median()/c.launched.median(), probes.median(), least/hundreds, median/hundreds,
		pair(c.aloneWall, 1), pair(c.underWall, 1), pair(c.before, 0), pair(c.observer, 0), foreign, c.lost)
}
