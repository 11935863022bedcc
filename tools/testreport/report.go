package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is a line of `go test -json`, see `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

type testKey struct{ pkg, test string }

type skip struct {
	testKey
	reason string
}

// report collects events and writes to out as soon as something is decided.
type report struct {
	out    io.Writer
	output map[testKey]*strings.Builder // of tests that have not ended
	skips  []skip
	passed int
	failed int
	broken int // packages that failed
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[testKey]*strings.Builder{}}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil && e.Action != "" {
				r.add(e)
			} else {
				r.out.Write(line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	key := testKey{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		io.WriteString(r.out, e.Output)
	case "output":
		r.keep(key, e.Output)
	case "pass":
		if e.Test != "" {
			r.passed++
		}
		delete(r.output, key)
	case "fail":
		if e.Test == "" {
			r.broken++
			r.printUnfinished(e.Package)
			return
		}
		r.failed++
		r.print(key)
	case "skip":
		if e.Test != "" {
			r.skips = append(r.skips, skip{key, r.reason(key)})
		}
		delete(r.output, key)
	}
}

// keep holds the output of a test back; a package's own lines pass at once.
func (r *report) keep(key testKey, text string) {
	if key.test == "" {
		if text != "PASS\n" {
			io.WriteString(r.out, text)
		}
		return
	}
	if r.output[key] == nil {
		r.output[key] = &strings.Builder{}
	}
	r.output[key].WriteString(text)
}

func (r *report) print(key testKey) {
	if b := r.output[key]; b != nil {
		io.WriteString(r.out, b.String())
	}
	delete(r.output, key)
}

// printUnfinished prints what tests said that never ended: a panic, an exit or
// a timeout took the package down.
func (r *report) printUnfinished(pkg string) {
	var keys []testKey
	for key := range r.output {
		if key.pkg == pkg {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b testKey) int { return strings.Compare(a.test, b.test) })
	for _, key := range keys {
		r.print(key)
	}
}

// reason returns what a skipped test said, without go test's decoration.
func (r *report) reason(key testKey) string {
	b := r.output[key]
	if b == nil {
		return "no reason given"
	}
	position := regexp.MustCompile(`^\s*[\w.-]+\.go:\d+: `)
	var parts []string
	for _, line := range strings.Split(b.String(), "\n") {
		text := strings.TrimSpace(position.ReplaceAllString(line, ""))
		if text == "" || strings.HasPrefix(text, "=== ") || strings.HasPrefix(text, "--- SKIP") {
			continue
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "no reason given"
	}
	return strings.Join(parts, " ")
}

// close prints the summary and returns the exit status.
func (r *report) close(allowed []allowance, strict bool, notes string) int {
	fmt.Fprintln(r.out)
	unlisted := r.printSkips(allowed, strict)
	for _, line := range strings.Split(strings.TrimSpace(notes), "\n") {
		if line != "" {
			fmt.Fprintf(r.out, "note: %s\n", line)
		}
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped", r.passed, r.failed, len(r.skips))
	if r.broken > 0 {
		fmt.Fprintf(r.out, "; packages failed: %d", r.broken)
	}
	fmt.Fprintln(r.out)
	if unlisted > 0 {
		fmt.Fprintf(r.out, "error: %d skipped tests are not on the list of allowed skips\n", unlisted)
	}
	if r.failed+r.broken+unlisted > 0 {
		return 1
	}
	return 0
}

// printSkips prints the skipped tests by reason and returns how many of them a
// strict run must not accept.
func (r *report) printSkips(allowed []allowance, strict bool) int {
	byReason := map[string][]skip{}
	var reasons []string
	for _, s := range r.skips {
		if byReason[s.reason] == nil {
			reasons = append(reasons, s.reason)
		}
		byReason[s.reason] = append(byReason[s.reason], s)
	}
	unlisted := 0
	for _, reason := range reasons {
		fmt.Fprintf(r.out, "skipped: %s\n", reason)
		for _, s := range byReason[reason] {
			listed := slices.ContainsFunc(allowed, func(a allowance) bool { return a.covers(s.pkg, s.test) })
			mark := ""
			if strict && !listed {
				unlisted++
				mark = "  <- not allowed here"
			}
			fmt.Fprintf(r.out, "    %s %s%s\n", s.pkg, s.test, mark)
		}
	}
	return unlisted
}
