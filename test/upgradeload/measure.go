package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/test/upgradeload/load"
)

// measured is one run.
type measured struct {
	kind      load.Kind
	program   string
	number    int
	result    *load.Result
	controls  []*load.Result
	triggers  []time.Duration // from the beginning of the result
	every     time.Duration
	window    time.Duration
	upgrades  upgrades
	busyWith  string // the load average after it
	unsettled error  // the server did not end by itself
}

// measureAll does all runs and prints them.
func measureAll(ctx context.Context, o options, out, logs io.Writer) error {
	dir, err := os.MkdirTemp("", "upgradeload")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	authority, err := load.NewAuthority()
	if err != nil {
		return err
	}
	m := &measurer{options: o, authority: authority, dir: dir}
	most := shownLosses
	if o.verbose {
		m.logs, most = logs, math.MaxInt
	}
	for name, text := range map[string][]byte{"certificate.pem": authority.Certificate, "key.pem": authority.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	var all []*measured
	printHead(out)
	for _, kind := range o.kinds {
		for n := range o.runs {
			names := m.programs()
			if n%2 == 1 {
				slices.Reverse(names)
			}
			for _, name := range names {
				run, err := m.run(ctx, kind, name, n+1)
				if err != nil {
					return fmt.Errorf("%s, %s, run %d: %w", kind, name, n+1, err)
				}
				printRow(out, run)
				all = append(all, run)
			}
		}
	}
	printSummary(out, all)
	printLosses(out, all, most)
	for _, run := range all {
		if o.verbose {
			printProfile(out, run)
		}
	}
	return verdict(all)
}

// verdict is the error of all runs together; losses of the server count, not those of
// the peer.
func verdict(all []*measured) error {
	var errs []error
	for _, run := range all {
		if len(run.triggers) > 0 && len(run.result.Processes()) < 2 {
			errs = append(errs, fmt.Errorf("%s, %s, run %d: %w", run.kind, run.program, run.number, errNoChange))
		}
		if run.program == server && run.lost() > 0 {
			errs = append(errs, fmt.Errorf("%s, %s, run %d: %d: %w", run.kind, run.program, run.number, run.lost(), errLost))
		}
		if run.unsettled != nil {
			errs = append(errs, fmt.Errorf("%s, %s, run %d: %w", run.kind, run.program, run.number, run.unsettled))
		}
	}
	return errors.Join(errs...)
}

// lost counts also what the controls lost.
func (run *measured) lost() int {
	n := len(run.result.Losses)
	for _, c := range run.controls {
		n += len(c.Losses)
	}
	return n
}

// The names of the programs.
const (
	server = "server"
	peer   = "peer"
)

// measurer does runs.
type measurer struct {
	options
	authority *load.Authority
	dir       string
	logs      io.Writer
}

func (m *measurer) programs() []string {
	var names []string
	if m.server != "" {
		names = append(names, server)
	}
	if m.peer != "" {
		names = append(names, peer)
	}
	return names
}

// run does one run.
func (m *measurer) run(ctx context.Context, kind load.Kind, name string, number int) (_ *measured, err error) {
	path := m.server
	if name == peer {
		path = m.peer
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, path, address, m.logs, "-protocol", kind.Protocol(),
		"-certificate", filepath.Join(m.dir, "certificate.pem"), "-key", filepath.Join(m.dir, "key.pem"))
	if err != nil {
		return nil, err
	}
	run := &measured{kind: kind, program: name, number: number, every: m.every, window: m.window}
	defer func() {
		run.unsettled = p.stop()
		if err != nil {
			err = errors.Join(err, run.unsettled)
		}
	}()
	if m.busy > 0 {
		stop, err := keepBusy(m.busy)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	o := load.Options{
		Kind: kind, Address: address, Rate: m.rateOf(kind), Duration: m.control,
		Workers: m.connections, Roots: m.authority.Roots, Tickets: m.tickets,
	}
	control := func() error {
		if m.control <= 0 {
			return nil
		}
		c, err := load.Run(ctx, o)
		run.controls = append(run.controls, c)
		return err
	}
	if err := control(); err != nil {
		return nil, err
	}
	under := o
	under.Duration = m.duration
	if err := m.upgrading(ctx, p, under, run); err != nil {
		return nil, err
	}
	if err := control(); err != nil {
		return nil, err
	}
	run.upgrades = p.upgrades()
	if average, err := os.ReadFile("/proc/loadavg"); err == nil {
		run.busyWith, _, _ = strings.Cut(string(average), " ")
	}
	return run, nil
}

// upgrading puts the load on a server while it is upgraded.
func (m *measurer) upgrading(ctx context.Context, p *program, o load.Options, run *measured) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := time.Now()
	type triggered struct {
		at  []time.Time
		err error
	}
	done := make(chan triggered, 1)
	go func() {
		var t triggered
		for next := began.Add(m.every / 2); next.Sub(began) < m.duration && t.err == nil; next = next.Add(m.every) {
			select {
			case <-time.After(time.Until(next)):
				t.at = append(t.at, time.Now())
				t.err = p.trigger()
			case <-ctx.Done():
				t.err = ctx.Err()
			}
		}
		if t.err != nil {
			cancel()
		}
		done <- t
	}()
	result, err := load.Run(ctx, o)
	if err != nil {
		cancel()
	}
	t := <-done
	if t.err != nil {
		return t.err
	}
	if err != nil {
		return err
	}
	run.result = result
	for _, at := range t.at {
		run.triggers = append(run.triggers, at.Sub(result.Began))
	}
	p.settle(len(run.triggers))
	return nil
}

// freeAddress returns an address of this machine that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
