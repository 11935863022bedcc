package cli

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// starter records starts.
type starter interface {
	// Run starts the command and observes it until o.Until, exit, o.Wait after
	// the listen without anything more, or ctx is done; it ends the command
	// (SIGTERM, then SIGKILL after 5 s) unless that has ended by itself. What was
	// seen until ctx was done is returned without an error.
	Run(ctx context.Context, o startOptions) (*startup.Start, error)
	Close() error
}

// startOptions are one start.
type startOptions struct {
	// Command is what to start; it is empty when PID is set.
	Command []string
	// PID is a process that was there before, 0 for none: it is not ended.
	PID int32
	// Dir is the working directory, empty for that of this process.
	Dir string
	// Env is the environment, nil for that of this process.
	Env []string
	// Stdin is the input, nil for an empty one.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Until is what to wait for: one of untilNames.
	Until string
	// Wait is how long to wait after the first listen for more.
	Wait time.Duration
}

// untilNames are what --until takes, the earliest first.
func untilNames() []string { return []string{"main", "listen", "accept", "response", "exit"} }

type startupOptions struct {
	json  bool
	html  string
	runs  int
	all   bool
	until string
	wait  time.Duration
	pid   int32
	// pidSet and runsSet say that the flags were given.
	pidSet, runsSet bool
	// open opens what records.
	open func(ctx context.Context, env Env, command []string) (starter, error)
	// now is the clock of what --html writes.
	now func() time.Time
}

func newStartup(env Env) *cobra.Command {
	o := startupOptions{open: newStarter, now: time.Now}
	cmd := &cobra.Command{
		Use:   "startup [--json] [--html FILE] [--runs N] -- CMD ARG...",
		Short: "Start a Go program and show where its start-up time goes",
		Long: `Start CMD and show its start-up waterfall: what the kernel, the dynamic loader,
the runtime and the init of each package took, until the program listens and has
answered a first request. CMD needs no symbols, no flag and no change.

Each line tells CPU time, time that threads waited, and time that they were ready
and no CPU was free, or their control group had used up its quota: that time is
the machine's, not the program's. From main.main on all threads count.

What CMD prints goes to stderr, its input is empty unless goshawk runs it once on
a terminal. It is ended (SIGTERM, after 5 s SIGKILL) when --until is reached, or
nothing came for --wait after it began to listen; else with Ctrl-C, and what was
seen until then is printed. Processes that CMD starts are not in the figures; they
are ended with it, unless they have left its process group.

--runs N starts it N times, one after another, and prints the run in the middle
and, for each phase and package, minimum, median and spread.

--pid shows what is still to come of a process that runs, and says what of its
start can no longer be seen. The process is left running.

Exit codes: 0 done, whatever the status of CMD (which is in the report), 2 bad
usage, 3 this host cannot, 4 CMD is not a Go program or could not be observed,
130 interrupted; what was seen is printed.`,
		Example: `  goshawk startup -- ./server --port 8080
  goshawk startup --runs 10 --until listen --json -- ./server > new.json
  goshawk startup --html start.html -- caddy run
  goshawk startup --all --until main -- go version
  goshawk startup diff old.json new.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 {
				words := slices.Concat(args[:max(dash, 0)], args[max(dash, 0):])
				return usageError("write -- before the command: goshawk startup -- "+shortOperand(strings.Join(words, " ")), "startup: %s: is before --", shortOperand(args[0]))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.pidSet, o.runsSet = cmd.Flags().Changed("pid"), cmd.Flags().Changed("runs")
			if o.pidSet {
				o.open = func(ctx context.Context, env Env, _ []string) (starter, error) { return newJoiner(ctx, env, o.pid) }
			}
			return runStartup(cmd.Context(), env, args, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	f.StringVar(&o.html, "html", "", "write a page that needs nothing else to `FILE`, too")
	f.IntVar(&o.runs, "runs", 1, "start it `N` times")
	f.BoolVar(&o.all, "all", false, "show all packages and system calls, however short")
	f.StringVar(&o.until, "until", "response", "end it when `WHAT` was reached: main, listen, accept, response or exit")
	f.DurationVar(&o.wait, "wait", 3*time.Second, "end it when nothing more came for `D` after it began to listen")
	f.Int32Var(&o.pid, "pid", 0, "observe process `PID` instead of starting a command")
	if err := cmd.RegisterFlagCompletionFunc("until", cobra.FixedCompletions(untilNames(), cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.AddCommand(newStartupDiff(env))
	return cmd
}

// check refuses what contradicts itself.
func (o *startupOptions) check(command []string) error {
	switch {
	case o.pidSet && len(command) > 0:
		return usageError("leave out one of them", "startup: --pid %d with a command: they contradict each other", o.pid)
	case o.pidSet && o.runsSet:
		return usageError("leave out --runs: a process starts once", "startup: --runs with --pid: they contradict each other")
	case o.pidSet && o.until == "main":
		return usageError("write listen, accept, response or exit: a process that runs is in main.main already", "startup: --until main with --pid: they contradict each other")
	case o.pidSet && o.pid <= 0:
		return usageError("goshawk ps lists the Go processes", "startup: --pid %d: is not a process id", o.pid)
	case o.pidSet && syscall.Kill(int(o.pid), 0) == syscall.ESRCH:
		return usageError("goshawk ps lists the Go processes", "startup: --pid %d: no such process", o.pid)
	case !o.pidSet && (len(command) == 0 || command[0] == ""):
		return usageError("write it after --: goshawk startup -- ./server", "startup: want a CMD to start, got none")
	case o.runs < 1:
		return usageError("write a number from 1 on", "startup: --runs %d: is less than 1", o.runs)
	case o.wait < 0:
		return usageError("write a positive duration such as 3s", "startup: --wait %s: is negative", o.wait)
	case !slices.Contains(untilNames(), o.until):
		return usageError("write one of: "+strings.Join(untilNames(), ", "), "startup: --until %q: is not known", o.until)
	}
	return nil
}

// start returns what one run is told.
func (o *startupOptions) start(env Env, command []string) startOptions {
	s := startOptions{Command: command, PID: o.pid, Until: o.until, Wait: o.wait, Stdout: env.Stderr, Stderr: env.Stderr}
	if f, ok := env.Stdin.(*os.File); ok && o.runs == 1 && term.IsTerminal(int(f.Fd())) {
		s.Stdin = f
	}
	return s
}
