package cli

import (
	"fmt"
	"io"
	"strings"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/observe/hook"
)

const (
	// allArguments is the value of --args that names no arguments.
	allArguments = "*"
	// maxJSONSamples is how many samples of one function a JSON document holds.
	maxJSONSamples = 1000
)

// hookPaths returns the arguments that --args names, none for all.
func hookPaths(args string) ([]string, error) {
	if args == "" || args == allArguments {
		return nil, nil
	}
	paths := strings.Split(args, ",")
	for i, path := range paths {
		paths[i] = strings.TrimSpace(path)
		if paths[i] == "" {
			return nil, usageError("write names of parameters and fields such as id,r.URL.Path", "hook: --args %.200q: names an empty argument", args)
		}
	}
	return paths, nil
}

// hookSamples prints calls with their arguments, or keeps them for a JSON
// document.
type hookSamples struct {
	out   io.Writer // nil when they are kept
	kept  map[string][]v1.HookSample
	cut   int // samples that there was no room for
	shown int
}

func (h *hookSamples) take(s *hook.Sample) {
	h.shown++
	if h.out != nil {
		fmt.Fprintln(h.out, printable(sampleLine(s)))
		return
	}
	if h.kept == nil {
		h.kept = map[string][]v1.HookSample{}
	}
	if len(h.kept[s.Func]) == maxJSONSamples {
		h.cut++
		return
	}
	h.kept[s.Func] = append(h.kept[s.Func], wireSample(s))
}

// sampleLine is a call in one line:
//
//	15:04:05.000 g12 main.handle(id=3, r.Method="GET") -> 1.20ms error "no rows"
func sampleLine(s *hook.Sample) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s g%d %s(", s.Time.Format("15:04:05.000"), s.Goroutine, s.Func)
	for i, a := range s.Args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Name + "=" + a.Text)
	}
	b.WriteString(") -> ")
	if !s.Finished {
		b.WriteString("unfinished")
		return b.String()
	}
	b.WriteString(shortDuration(s.Duration))
	if s.Failed {
		b.WriteString(" error " + s.Error)
	}
	return b.String()
}

func wireSample(s *hook.Sample) v1.HookSample {
	w := v1.HookSample{Time: v1.Time(s.Time), Goroutine: s.Goroutine, Args: make(map[string]any, len(s.Args)), Error: s.Error}
	for _, a := range s.Args {
		w.Args[a.Name] = a.Value
	}
	if s.Finished {
		took := int64(s.Duration)
		w.Duration = &took
	}
	return w
}

// of returns the samples of a function, an empty list when there are none.
func (h *hookSamples) of(function string) []v1.HookSample {
	if list := h.kept[function]; list != nil {
		return list
	}
	return []v1.HookSample{}
}

// printNotes says how many calls the samples stand for.
func (h *hookSamples) printNotes(w io.Writer, report *hook.Report) {
	calls := uint64(0)
	for i := range report.Functions {
		calls += report.Functions[i].Calls
	}
	fmt.Fprintf(w, "note: arguments of %d of %d calls: at most one of each function in %v\n", h.shown, calls, report.SampleInterval)
	if report.SamplesLost > 0 {
		fmt.Fprintf(w, "note: %d more were lost for want of room\n", report.SamplesLost)
	}
	if h.cut > 0 {
		fmt.Fprintf(w, "note: %d are left out: %d of each function are kept\n", h.cut, maxJSONSamples)
	}
}
