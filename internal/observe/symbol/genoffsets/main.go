package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

// options are the flags; all names are of files.
type options struct {
	releases, fields string // what is written
	wanted, pins     string // what is read
	update           bool
}

func main() {
	var o options
	flag.StringVar(&o.releases, "releases", "zreleases.go", "write the table of releases to `file`")
	flag.StringVar(&o.fields, "fields", "zfields.go", "write the table of fields to `file`")
	flag.StringVar(&o.wanted, "wanted", "genoffsets/fields.txt", "read the wanted fields from `file`")
	flag.StringVar(&o.pins, "pins", "genoffsets/versions.txt", "read the versions from `file`")
	flag.BoolVar(&o.update, "update", false, "bring the versions up to date first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "genoffsets:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	text, err := os.ReadFile(o.pins)
	if err != nil {
		return err
	}
	known, err := parsePins(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.pins, err)
	}
	if text, err = os.ReadFile(o.wanted); err != nil {
		return err
	}
	list, err := parseWanted(string(text), known.paths())
	if err != nil {
		return fmt.Errorf("%s: %w", o.wanted, err)
	}
	if o.update {
		if known, err = update(ctx, known, list); err != nil {
			return err
		}
		if err := os.WriteFile(o.pins, known.format(), 0o644); err != nil {
			return err
		}
	}
	tracks := newTracks(list)
	releases, err := standard(ctx, known.toolchains, list, tracks)
	if err != nil {
		return err
	}
	if err := modules(ctx, known, list, tracks); err != nil {
		return err
	}
	table, err := renderReleases(releases)
	if err != nil {
		return err
	}
	fields, err := renderFields(known, tracks)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.releases, table, 0o644); err != nil {
		return err
	}
	return os.WriteFile(o.fields, fields, 0o644)
}
