package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/ui"
)

func runStartup(ctx context.Context, env Env, command []string, o startupOptions) error {
	if err := o.check(command); err != nil {
		return err
	}
	var page *pendingFile
	if o.html != "" {
		var err error
		if page, err = createPending(o.html); err != nil {
			return usageError("name a file in a folder that can be written to", "startup: --html %s: %w", shortOperand(o.html), err)
		}
		defer page.discard()
	}
	starts, failed := o.record(ctx, env, command)
	if len(starts) == 0 {
		if ctx.Err() != nil {
			return errInterrupted
		}
		return failed
	}
	printed := o.print(env, page, starts)
	if failed == nil && ctx.Err() != nil {
		failed = errInterrupted
	}
	if printed != nil && (failed == nil || errors.Is(failed, errInterrupted)) {
		return printed
	}
	return failed
}

// record runs the command as often as asked for. What was recorded before an
// error is returned with it.
func (o *startupOptions) record(ctx context.Context, env Env, command []string) ([]*startup.Start, error) {
	s, err := o.open(ctx, env, command)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var starts []*startup.Start
	for i := range o.runs {
		if ctx.Err() != nil {
			break
		}
		start, err := s.Run(ctx, o.start(env, command))
		// A run that was cut short would pass for a quick one among others.
		cut := start != nil && start.Ended == startup.EndedInterrupted
		if start != nil && (!cut || len(starts) == 0) {
			starts = append(starts, start)
		}
		if err != nil && !(ctx.Err() != nil && errors.Is(err, ctx.Err())) {
			if o.runs > 1 {
				err = fmt.Errorf("run %d of %d: %w", i+1, o.runs, err)
			}
			return starts, err
		}
		if o.runs > 1 && start != nil {
			fmt.Fprintf(env.Stderr, "run %d of %d: %s\n", i+1, o.runs, startReached(start))
		}
	}
	return starts, nil
}

// startReached says how far a start came, in few words.
func startReached(s *startup.Start) string {
	v := v1.NewStartup(s, nil)
	for _, m := range []struct{ phase, text string }{
		{startup.FirstResponse, "first response"}, {startup.FirstListen, "first listen"}, {startup.Main, "main.main"},
	} {
		if p := v.Phase(m.phase); p != nil {
			at := p.StartNS
			if m.phase == startup.FirstResponse {
				at += p.DurationNS
			}
			return m.text + " after " + shortDuration(time.Duration(at))
		}
	}
	return "ended before main.main, after " + shortDuration(s.Duration)
}

// print prints what was recorded, and writes the page.
func (o *startupOptions) print(env Env, page *pendingFile, starts []*startup.Start) error {
	document := v1.StartupRuns{}
	for _, s := range starts {
		document.Runs = append(document.Runs, v1.NewStartup(s, startup.Find(s)))
	}
	several := o.runs > 1
	if several {
		document.Summary = v1.NewStartupSummary(startup.Summarise(starts))
	}
	middle := document.Middle()
	var err error
	switch {
	case o.json && several:
		err = writeJSON(env.Stdout, document)
	case o.json:
		err = writeJSON(env.Stdout, middle)
	default:
		t := startText{width: env.Width(), color: env.color(), all: o.all}
		t.start(middle)
		if several {
			t.summary(&document.Summary)
		}
		_, err = t.b.WriteTo(env.Stdout)
	}
	if page != nil {
		o := ui.StartupOptions{Version: buildVersion().Version, Now: o.now()}
		html, rendered := ui.RenderStartup(&document, o)
		if rendered == nil {
			rendered = page.commit(html)
		}
		err = errors.Join(err, rendered)
	}
	return notWritten("startup", err)
}

// notWritten says that a report could not be written, if err is not nil.
func notWritten(command string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{code: exitInternal, err: fmt.Errorf("%s: %w", command, err), hint: "make room, or write the report elsewhere"}
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
