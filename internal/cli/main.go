package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goshawk-io/goshawk/internal/platform"
)

// The exit codes, which are part of the contract with users.
const (
	exitDone        = 0
	exitBad         = 1
	exitUsage       = 2
	exitUnsupported = 3
	exitInternal    = 4
	exitInterrupted = 130
)

// Env is what a command may touch of the world around it.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Getenv reads an environment variable.
	Getenv func(string) string
	// Width is the width of the terminal on stdout, 0 when it is none.
	Width func() int
	// Height is the height of that terminal, 0 when there is none.
	Height func() int
}

// failure is an error with the exit code and the hint that go with it.
type failure struct {
	code int
	err  error
	hint string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usageError is bad usage or input: exit code 2.
func usageError(hint, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// errInterrupted ends a command that a signal stopped after it printed what it
// had.
var errInterrupted = &failure{code: exitInterrupted, err: errors.New("interrupted")}

// Main runs the command that args name and returns the exit code. It returns
// soon after ctx is done.
func Main(ctx context.Context, env Env, args []string) int {
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, errInterrupted) {
		return exitCode(err)
	}
	report(env.Stderr, err)
	return exitCode(err)
}

func newRoot(env Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "goshawk",
		Short: "See, judge, prove and change running Go services",
		Long: `Goshawk attaches to Go processes that know nothing of it: no import, no
restart, stripped static binaries included.

Exit codes: 0 done and the answer is good, 1 done and the answer is bad,
2 bad usage or input, 3 this host cannot, 4 internal failure or incomplete
result, 130 interrupted.`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
		Args:                       noSubcommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("see "+cmd.CommandPath()+" --help", "%s: %w", cmd.CommandPath(), err)
	})
	root.AddCommand(newUp(env), newWatch(env), newPS(env), newInspect(env), newHook(env), newStartup(env), newTrace(env), newDoctor(env), newConfig(env), newSLO(env), newUpgrade(env), newVersion(env), newDemoShop(env))
	return root
}

// noSubcommand refuses words that no command is named after.
func noSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError(hint, "%s: unknown command %q", cmd.CommandPath(), args[0])
}

// exactArgs is cobra's, with an error of ours.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return usageError("usage: "+cmd.UseLine(), "%s: want %s, got %d arguments", cmd.CommandPath(), what, len(args))
	}
}

func exitCode(err error) int {
	var f *failure
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, platform.ErrUnsupported):
		return exitUnsupported
	}
	return exitInternal
}

// report prints err and what would help.
func report(w io.Writer, err error) {
	var f *failure
	if errors.As(err, &f) && f.code == exitBad {
		// The command has done its work: the answer is bad.
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintf(w, "error: %v\n", err)
	var unsupported *platform.UnsupportedError
	switch {
	case errors.As(err, &f) && f.hint != "":
		fmt.Fprintf(w, "hint: %s\n", f.hint)
	case errors.As(err, &unsupported) && unsupported.Hint != "":
		fmt.Fprintf(w, "hint: %s\n", unsupported.Hint)
	}
}

// logger returns the logger that writes to stderr.
func (e Env) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(e.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// color reports whether results may be coloured.
func (e Env) color() bool {
	return e.Width() > 0 && e.Getenv("NO_COLOR") == "" && e.Getenv("TERM") != "dumb"
}

// SystemEnv returns the environment of this process.
func SystemEnv() Env {
	return Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv,
		Width:  func() int { width, _ := terminalSize(os.Stdout); return width },
		Height: func() int { _, height := terminalSize(os.Stdout); return height },
	}
}
