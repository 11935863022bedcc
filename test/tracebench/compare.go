package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// row is what a reader did in its runs on one trace.
type row struct {
	reader
	outcomes []outcome
	// skipped says why it was not run.
	skipped string
	// events and sum are of the first run; later ones must be the same.
	events uint64
	sum    [sha256.Size]byte
}

// compare runs all readers on a trace and prints what that cost. The error says that
// a reader failed, that counts differ, or that goshawk did not print the same.
func compare(ctx context.Context, s settings, all []reader, file, outputs string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	rows := make([]*row, len(all))
	for i, r := range all {
		rows[i] = &row{reader: r}
		if r.heavy && info.Size() > int64(s.peerMiB)<<20+1<<20 {
			rows[i].skipped = fmt.Sprintf("not run on more than %d MiB: its memory grows with the trace", s.peerMiB)
		}
	}
	for round := range s.rounds {
		for i := range rows {
			row := rows[(i+round)%len(rows)]
			if row.skipped != "" || row.heavy && round >= s.peerRounds {
				continue
			}
			if err := row.run(ctx, file, filepath.Join(outputs, "out")); err != nil {
				return fmt.Errorf("%s: %s: %w", file, row.name, err)
			}
		}
	}
	fmt.Print(table(filepath.Base(file), info.Size(), rows, s.quiet))
	return verdicts(rows)
}

// run runs the reader once and takes what it cost and printed.
func (w *row) run(ctx context.Context, file, output string) error {
	args := append(w.args[:len(w.args):len(w.args)], file)
	o, err := execute(ctx, command{args: args, env: w.env}, output)
	if err != nil {
		return err
	}
	w.outcomes = append(w.outcomes, o)
	if o.exit != 0 || w.reader.events == nil {
		return nil
	}
	out, err := os.Open(output)
	if err != nil {
		return err
	}
	defer out.Close()
	events, err := w.reader.events(out)
	if err != nil {
		return err
	}
	hash := sha256.New()
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(hash, out); err != nil {
		return err
	}
	sum := [sha256.Size]byte(hash.Sum(nil))
	if len(w.outcomes) > 1 && (events != w.events || sum != w.sum) {
		return errors.New("printed something else than in its first run")
	}
	w.events, w.sum = events, sum
	return nil
}

// verdicts holds what was printed against what must be.
func verdicts(rows []*row) error {
	var errs []error
	byName := map[string]*row{}
	for _, w := range rows {
		byName[w.name] = w
		for _, o := range w.outcomes {
			if o.exit != 0 {
				errs = append(errs, fmt.Errorf("%s: exit status %d: %s", w.name, o.exit, strings.TrimSpace(o.said)))
				break
			}
		}
		if w.reader.events != nil && w.events != byName[bare].events {
			errs = append(errs, fmt.Errorf("%s counts %d events, the %s %d", w.name, w.events, bare, byName[bare].events))
		}
	}
	if one, two := byName[sequential], byName[parallel]; one != nil && two != nil && one.sum != two.sum {
		errs = append(errs, errors.New("one parser and two do not print the same"))
	}
	if len(errs) == 0 {
		fmt.Printf("All count %d events; one parser and two print the same bytes.\n\n", byName[bare].events)
	}
	return errors.Join(errs...)
}

// describe prints what the numbers depend on.
func describe() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		own.Maxrss = -1
	}
	return fmt.Sprintf("%s, kernel %s, %d CPUs, load %s, peak of this program %d MiB\n", time.Now().Format(time.DateTime),
		strings.TrimSpace(string(release)), strings.Count(string(cpuinfo), "processor\t"),
		strings.TrimSpace(string(load)), own.Maxrss>>10)
}
