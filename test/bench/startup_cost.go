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
	alone, under         sample // CPU time of the program, ms
	aloneWall, underWall sample // ms
	observer, before     sample // ms
	packages             int
	lost                 uint64
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
	fmt.Printf("\nRounds: %d. a / b is the least / the median. Wall time alone has fork and wait in it, that with Goshawk is from execve to the exit.\n\n", b.startRounds())
	fmt.Println("| program | MiB | packages | CPU alone ms | with goshawk | added | added per 100 packages ms | wall alone ms | with goshawk | goshawk's start to execve ms | goshawk's CPU ms | others' CPUs | lost |")
	fmt.Println("|" + strings.Repeat("---|", 13))
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
	for round := range b.startRounds() {
		for turn := range 2 {
			if (turn+round)%2 == 0 {
				r, err := startAlone(p)
				if err != nil {
					return err
				}
				known += r.cpu
				c.alone, c.aloneWall = append(c.alone, millis(r.cpu)), append(c.aloneWall, millis(r.wall))
				continue
			}
			r, err := b.startUnder(p)
			if err != nil {
				return err
			}
			known += r.cpu + r.observer
			c.add(r)
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
	hundreds := float64(max(c.packages, 1)) / 100
	fmt.Printf("| %s | %.0f | %d | %s | %s | %+.0f / %+.0f %% | %.2f / %.2f | %s | %s | %s | %s | %.2f | %d |\n", p.name, p.mib, c.packages,
		pair(c.alone, 1), pair(c.under, 1), 100*least/c.alone.low(), 100*median/c.alone.median(), least/hundreds, median/hundreds,
		pair(c.aloneWall, 1), pair(c.underWall, 1), pair(c.before, 0), pair(c.observer, 0), foreign, c.lost)
}
