package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
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

	// Of the http scenarios.
	webserver, webload string
	webNames, peers    []string // agents, and the commands of those that are not known
	nice               int
	webCount           int

	// Of the startup scenarios.
	starts                 []string // name=command
	startNames, startKinds string   // what is built when there are none
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
		{"http-cost", "a small HTTP handler at saturation, with and without agents", (*bench).webCost},
		{"http-points", "which probe points a request hits and what each costs (needs bpftool)", (*bench).webPoints},
		{"http-exact", "a million requests, some aborted or panicking, beside what is counted", (*bench).webExact},
		{"http-rate", "20,000 requests/s for 20 s", (*bench).webRate},
		{"http-many", "50 services", (*bench).webMany},
		{"startup-truth", "the packages of starts beside GODEBUG=inittrace=1", (*bench).startTruth},
		{"startup-cost", "starts with and without goshawk startup", (*bench).startCost},
	}
}

func main() {
	if work := os.Getenv(launchVariable); work != "" {
		os.Exit(launch(work, os.Args[1:]))
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	b := &bench{}
	var args, names, agents string
	flag.StringVar(&b.goshawk, "goshawk", "bin/goshawk", "the goshawk to measure")
	flag.StringVar(&args, "goshawk-args", "", "further arguments for goshawk watch")
	flag.IntVar(&b.count, "rounds", 5, "rounds of each scenario")
	flag.DurationVar(&b.seconds, "for", 4*time.Second, "length of one run")
	flag.DurationVar(&b.patience, "patience", 30*time.Second, "how long to wait for other tools that trace to end")
	flag.StringVar(&names, "observers", "none,goshawk", "what is measured side by side: none, goshawk, bpftrace, execsnoop; up for idle")
	flag.StringVar(&agents, "agents", "none,goshawk,up", "what http-cost and http-points measure side by side: none, goshawk, up, every, names of -agent")
	flag.Func("agent", "name=command of another agent that sends spans; {pid} and {port} are the server's, {otlp} takes spans, {dir} is a new folder; may be repeated", func(text string) error {
		b.peers = append(b.peers, text)
		return nil
	})
	flag.IntVar(&b.nice, "nice", 0, "nice level of servers, loads and agents of the http scenarios")
	flag.IntVar(&b.webCount, "requests", 1_020_000, "requests of http-exact")
	flag.Func("startup", "name=command of a program whose start is measured, instead of building some; may be repeated", func(text string) error {
		b.starts = append(b.starts, text)
		return nil
	})
	flag.StringVar(&b.startNames, "startup-programs", "go,nats-server,caddy,etcd,prometheus", "what the startup scenarios build")
	flag.StringVar(&b.startKinds, "startup-kinds", "static,stripped,pie,cgo", "how: also trimmed, pie-stripped, cgo-external")
	flag.Usage = usage
	flag.Parse()
	if os.Getuid() != 0 {
		return errors.New("needs root, to load eBPF")
	}
	b.goshawkArgs = strings.Fields(args)
	b.names, b.webNames = strings.Split(names, ","), strings.Split(agents, ",")
	var err error
	if b.goshawk, err = filepath.Abs(b.goshawk); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.spawner = filepath.Join(b.dir, "spawner")
	if err := errors.Join(b.build(b.spawner, "./test/targets/spawner"), b.buildWeb()); err != nil {
		return err
	}
	return b.chosen(flag.Args())
}

func (b *bench) chosen(names []string) error {
	var errs []error
	for _, s := range scenarios() {
		group, _, _ := strings.Cut(s.name, "-")
		wanted := len(names) == 0 && group != "http" && group != "startup"
		for _, name := range names {
			wanted = wanted || name == s.name || name == group
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
	fmt.Fprintln(os.Stderr, "usage: bench [flags] [scenario...]\n\nScenarios; without a name all but those of http and startup, with the name of a group all of it:")
	for _, s := range scenarios() {
		fmt.Fprintf(os.Stderr, "  %-13s %s\n", s.name, s.what)
	}
	fmt.Fprintln(os.Stderr, "\nFlags:")
	flag.PrintDefaults()
}
