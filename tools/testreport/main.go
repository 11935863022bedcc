// Command testreport reads the output of `go test -json` on standard input and
// prints what a person wants of it: the closing line of every package, the
// whole output of what failed, and at the end every skipped test with its
// reason.
//
// With -strict a skip that the list of -allow does not name is a failure. It
// exits 1 when a test failed or such a skip was seen, 2 on bad usage or input.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("testreport", flag.ContinueOnError)
	flags.SetOutput(stderr)
	allowPath := flags.String("allow", "", "`file` of skips that are allowed, lines of: package test reason")
	notesPath := flags.String("notes", "", "`file` whose lines are repeated at the end")
	strict := flags.Bool("strict", false, "fail on a skip that the -allow file does not list")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	var allowed []allowance
	if *allowPath != "" {
		text, err := os.ReadFile(*allowPath)
		if err == nil {
			allowed, err = parseAllowed(string(text))
		}
		if err != nil {
			fmt.Fprintf(stderr, "error: read the allowed skips: %s: %v\n", *allowPath, err)
			return 2
		}
	}
	var notes string
	if *notesPath != "" {
		text, err := os.ReadFile(*notesPath)
		if err != nil {
			fmt.Fprintf(stderr, "error: read the notes: %v\n", err)
			return 2
		}
		notes = string(text)
	}
	r := newReport(stdout)
	if err := r.read(stdin); err != nil {
		fmt.Fprintf(stderr, "error: read test events: %v\n", err)
		return 2
	}
	return r.close(allowed, *strict, notes)
}
