package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/exp/trace"
)

// The readers that are held against each other, by the name under which they are
// printed.
const (
	bare       = "bare reader"
	sequential = "goshawk, one parser"
	parallel   = "goshawk, two parsers"
)

// reader is a way to read a trace.
type reader struct {
	name string
	// args come before the trace.
	args []string
	env  []string
	// heavy says that memory grows with the trace.
	heavy bool
	// events takes from what was printed how many events there were; nil when that
	// is not told.
	events func(io.Reader) (uint64, error)
}

// readers returns what is measured, the bare reader first.
func readers(ctx context.Context, s settings, self string) ([]reader, error) {
	goshawk, err := filepath.Abs(s.goshawk)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(goshawk); err != nil {
		return nil, fmt.Errorf("-goshawk: %w", err)
	}
	// The go command builds the tool when it is not there: not in a measured run.
	path, err := exec.CommandContext(ctx, "go", "tool", "-n", "trace").Output()
	if err != nil {
		return nil, fmt.Errorf("go tool -n trace: %w", err)
	}
	report := []string{goshawk, "trace", "report", "--json"}
	list := []reader{
		{name: bare, args: []string{self, "read"}, events: printed},
		{name: sequential, args: append(report[:len(report):len(report)], "--parallel", "1"), env: []string{"GOMAXPROCS=1"}, events: inJSON},
		{name: parallel, args: report, events: inJSON},
		{name: "go tool trace -pprof=sched", args: []string{string(bytes.TrimSpace(path)), "-pprof=sched"}, heavy: true},
	}
	if s.gotraceui != "" {
		program, err := filepath.Abs(s.gotraceui)
		if err != nil {
			return nil, err
		}
		list = append(list, reader{name: "gotraceui's parser", args: []string{program}, heavy: true})
	}
	return list, nil
}

// readBare returns how many events a trace has.
func readBare(file string) (uint64, error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r, err := trace.NewReader(f)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	for n := uint64(0); ; n++ {
		_, err := r.ReadEvent()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("%s: after %d events: %w", file, n, err)
		}
	}
}

// printed reads the number that readBare's process prints.
func printed(r io.Reader) (n uint64, err error) {
	_, err = fmt.Fscan(r, &n)
	return n, err
}

// inJSON reads the member events of a document, and nothing behind it.
func inJSON(r io.Reader) (uint64, error) {
	d := json.NewDecoder(r)
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return 0, fmt.Errorf("no count of events: %w", err)
		}
		switch {
		case token == json.Delim('{') || token == json.Delim('['):
			depth++
		case token == json.Delim('}') || token == json.Delim(']'):
			depth--
		case token == "events" && depth == 1:
			var n uint64
			err := d.Decode(&n)
			return n, err
		}
	}
}
