package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
)

// settings are the flags.
type settings struct {
	goshawk    string
	gotraceui  string
	dir        string
	sizes      []int // MiB
	files      []string
	rounds     int
	peerRounds int
	peerMiB    int
	quiet      float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tracebench:", err)
		os.Exit(1)
	}
}

// run does what the arguments say: those of a child that this program starts of
// itself, or those of a user.
func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "generate":
		mib, err := strconv.Atoi(args[2])
		if err != nil {
			return fmt.Errorf("generate: %w", err)
		}
		return generate(ctx, args[1], mib)
	case len(args) == 2 && args[0] == "read":
		n, err := readBare(args[1])
		if err != nil {
			return err
		}
		fmt.Println(n)
		return nil
	}
	s, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return measureAll(ctx, s)
}

func parse(args []string) (settings, error) {
	var s settings
	var sizes string
	f := flag.NewFlagSet("tracebench", flag.ContinueOnError)
	f.StringVar(&s.goshawk, "goshawk", "bin/goshawk", "the goshawk to measure")
	f.StringVar(&s.gotraceui, "gotraceui", "", "a `program` that reads the trace named by its argument with gotraceui's parser; left out when empty")
	f.StringVar(&s.dir, "dir", "", "a `folder` in which traces are kept, and found again; a temporary one when empty")
	f.StringVar(&sizes, "mb", "100", "sizes of the traces to make in MiB, separated by commas; left out when TRACEs are named")
	f.IntVar(&s.rounds, "rounds", 5, "rounds of each trace")
	f.IntVar(&s.peerRounds, "peer-rounds", 5, "in how many of them tools run whose memory grows with the trace")
	f.IntVar(&s.peerMiB, "peer-mb", 128, "the largest trace in MiB on which they run: go tool trace takes 75 times its size")
	f.Float64Var(&s.quiet, "quiet", 0.3, "how many CPUs others may use in a run whose wall time counts")
	f.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: tracebench [flags] [TRACE...]\n\nFlags:")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return s, err
	}
	s.files = f.Args()
	if len(s.files) > 0 {
		return s, nil
	}
	for text := range strings.SplitSeq(sizes, ",") {
		mib, err := strconv.Atoi(text)
		if err != nil || mib <= 0 {
			return s, fmt.Errorf("-mb %s: %q is not a number of MiB", sizes, text)
		}
		s.sizes = append(s.sizes, mib)
	}
	return s, nil
}

// measureAll makes the traces that are asked for and measures all readers on them.
func measureAll(ctx context.Context, s settings) error {
	outputs, err := os.MkdirTemp("", "tracebench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(outputs)
	s.dir = cmp.Or(s.dir, outputs)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	files := s.files
	for _, mib := range s.sizes {
		file, err := made(ctx, self, s.dir, mib)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	all, err := readers(ctx, s, self)
	if err != nil {
		return err
	}
	fmt.Println(describe())
	var errs []error
	for _, file := range files {
		errs = append(errs, compare(ctx, s, all, file, outputs))
	}
	return errors.Join(errs...)
}

// made returns the path of a trace of a size, which it makes when there is none.
func made(ctx context.Context, self, dir string, mib int) (string, error) {
	file := filepath.Join(dir, fmt.Sprintf("%d.trace", mib))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	part := file + ".part"
	o, err := execute(ctx, command{args: []string{self, "generate", part, strconv.Itoa(mib)}}, part+".out")
	if err == nil && o.exit != 0 {
		err = fmt.Errorf("exit status %d: %s", o.exit, o.said)
	}
	if err != nil {
		return "", fmt.Errorf("making a trace of %d MiB: %w", mib, err)
	}
	return file, errors.Join(os.Remove(part+".out"), os.Rename(part, file))
}
