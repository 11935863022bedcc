package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// bench is what scenarios share.
type bench struct {
	goshawk     string
	goshawkArgs []string
	spawner     string
	dir         string // for the output of observers
	count       int    // rounds
	seconds     time.Duration
	names       []string // observers
	patience    time.Duration
	runs        int
}

// scenario is one measurement, which prints Markdown.
type scenario struct {
	name, what string
	run        func(*bench) error
}

func scenarios() []scenario {
	return []scenario{
		{"storm", "two spawners as fast as they can, 5 KB of arguments", (*bench).storm},
		{"small", "the same with 100 bytes of arguments", (*bench).small},
		{"program", "the same with /bin/true, which a dynamic loader starts", (*bench).program},
		{"stall", "4000 commands/s, and the observer stopped for 500 ms of every 2 s", (*bench).stall},
		{"stallmax", "the same as fast as the machine goes", (*bench).stallMax},
		{"starve", "six spawners at nice -15, 4500 commands/s, the observer at nice 19", (*bench).starve},
		{"starvemax", "the same as fast as the machine goes", (*bench).starveMax},
		{"loss", "rings of 4 KiB and 64 KiB", (*bench).loss},
		{"programs", "CPU time of each eBPF program (needs bpftool)", (*bench).programs},
		{"idle", "an agent with little to do", (*bench).idle},
		{"begin", "from the start of an observer to the first command shown", (*bench).begin},
		{"many", "10,000 processes at the start, which then end at once", (*bench).many},
		{"truth", "what observers show of hard cases", (*bench).truth},
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	b := &bench{}
	var args, names string
	flag.StringVar(&b.goshawk, "goshawk", "bin/goshawk", "the goshawk to measure")
	flag.StringVar(&args, "goshawk-args", "", "further arguments for goshawk watch")
	flag.IntVar(&b.count, "rounds", 5, "rounds of each scenario")
	flag.DurationVar(&b.seconds, "for", 4*time.Second, "length of one run")
	flag.DurationVar(&b.patience, "patience", 30*time.Second, "how long to wait for other tools that trace to end")
	flag.StringVar(&names, "observers", "none,goshawk", "what is measured side by side: none, goshawk, bpftrace, execsnoop; up for idle")
	flag.Usage = usage
	flag.Parse()
	if os.Getuid() != 0 {
		return errors.New("needs root, to load eBPF")
	}
	b.goshawkArgs = strings.Fields(args)
	b.names = strings.Split(names, ",")
	var err error
	if b.goshawk, err = filepath.Abs(b.goshawk); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.spawner = filepath.Join(b.dir, "spawner")
	build := exec.Command("go", "build", "-o", b.spawner, "./test/targets/spawner")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the spawner: %w", err)
	}
	return b.chosen(flag.Args())
}

func (b *bench) chosen(names []string) error {
	var errs []error
	for _, s := range scenarios() {
		wanted := len(names) == 0
		for _, name := range names {
			wanted = wanted || name == s.name
		}
		if !wanted {
			continue
		}
		fmt.Printf("### %s: %s\n\n%s\n", s.name, s.what, describe())
		if err := s.run(b); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: bench [flags] [scenario...]\n\nScenarios, all of them when none is named:")
	for _, s := range scenarios() {
		fmt.Fprintf(os.Stderr, "  %-9s %s\n", s.name, s.what)
	}
	fmt.Fprintln(os.Stderr, "\nFlags:")
	flag.PrintDefaults()
}
