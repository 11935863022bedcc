package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/doctor"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/observe/target"
)

type doctorOptions struct {
	json     bool
	offline  bool
	timeout  time.Duration
	interval time.Duration
	pprof    string
	// trace is for how long an execution trace is recorded, 0 for none.
	trace time.Duration
}

func newDoctor(env Env) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor [PATH|PID] [--json]",
		Short: "Find what commonly goes wrong around Go programs",
		Long: `Look for what commonly goes wrong, and say what was seen and what to do about it:

  without an argument, or for a folder: the environment of the go command there,
    its installations, settings, module, GOPROXY and GOSUMDB;
  for an executable: how it was built;
  for the id of a process: that, and what the process does and may do: CPU quota,
    memory limit, file descriptors, threads, children.

Nothing is run or changed. GOPROXY and GOSUMDB are asked for a sign of life over the
network, with one request each, unless --offline is given. A process is looked at
twice, --for apart; how many goroutines it has is seen only with --pprof, where its
net/http/pprof is asked. With --trace 3s an execution trace of as long is got from
there, or from the address at which the process serves it, and judged, too: saturated
Ps, late wake-ups, assists of the garbage collector, stops of the world, contention.

What could not be seen is listed as that. The rules are explained in docs/doctor.md.

Exit codes: 0 done, and no finding is an error, 1 done, and one is, 2 bad usage, no
such process or file, not a Go program, or no permission, 4 the process ended
meanwhile, 130 interrupted: what was seen is printed.`,
		Example: `  goshawk doctor
  goshawk doctor --offline ./src
  goshawk doctor ./server
  goshawk doctor 4711 --for 10s --pprof http://127.0.0.1:6060
  goshawk doctor 4711 --trace 3s
  goshawk doctor --json | jq '.findings[].rule'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError("usage: "+cmd.UseLine(), "%s: want one PATH or PID at most, got %d arguments", cmd.CommandPath(), len(args))
			}
			return nil
		},
		ValidArgsFunction: completeProgram,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runDoctor(cmd.Context(), env, args, o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.json, "json", false, "print a JSON document")
	f.BoolVar(&o.offline, "offline", false, "ask neither GOPROXY nor GOSUMDB")
	f.DurationVar(&o.timeout, "timeout", 5*time.Second, "how long GOPROXY and GOSUMDB may take to answer")
	f.DurationVar(&o.interval, "for", time.Second, "how long a process is looked at")
	f.StringVar(&o.pprof, "pprof", "", "count goroutines by the net/http/pprof at `URL`")
	f.DurationVar(&o.trace, "trace", 0, "record an execution trace for `D`, whole seconds, and judge it")
	return cmd
}

func runDoctor(ctx context.Context, env Env, args []string, o doctorOptions) error {
	if o.timeout <= 0 {
		return usageError("write a time such as 5s", "doctor: --timeout %s: is not above 0", o.timeout)
	}
	if o.interval < 0 {
		return usageError("write a time such as 1s", "doctor: --for %s: is negative", o.interval)
	}
	if o.trace < 0 || o.trace > time.Minute {
		return usageError("write a time up to 1m, such as 3s", "doctor: --trace %s: is out of range", o.trace)
	}
	operand := ""
	if len(args) > 0 {
		operand = args[0]
	}
	pid, isPID := parsePID(operand)
	if o.pprof != "" && !isPID {
		return usageError("name the id of its process, too", "doctor: --pprof %s: without a process", shortOperand(o.pprof))
	}
	if o.trace > 0 && !isPID {
		return usageError("name the id of a process, or use goshawk trace report FILE", "doctor: --trace %s: without a process", o.trace)
	}
	var e doctor.Evidence
	var traced *traceFindings
	var err error
	switch {
	case isPID:
		if err = doctorProcess(ctx, &e, operand, pid, &o); err == nil {
			traced = doctorTrace(ctx, &e, int32(pid), &o)
		}
	case len(args) == 0 || isFolder(operand):
		err = doctorEnvironment(ctx, &e, operand, len(args) > 0, &o)
	default:
		err = doctorBinary(&e, operand, variables())
	}
	if err != nil && e.Environment == nil && e.Binary == nil && e.Process == nil {
		return err
	}
	return printDoctor(ctx, env, operand, &e, traced, err, o.json)
}

// printDoctor prints what was found, and returns the error that the command ends with;
// traced is what a trace shows, nil for none; cause is why the evidence is not whole.
func printDoctor(ctx context.Context, env Env, operand string, e *doctor.Evidence, traced *traceFindings, cause error, asJSON bool) error {
	findings := doctor.Diagnose(e)
	v := v1.NewDoctor(operand, time.Now(), e, findings)
	if traced != nil {
		v.AddTrace(gotrace.Rules(), traced.findings)
		findings = append(findings, traced.findings...)
	}
	var err error
	if asJSON {
		err = writeJSON(env.Stdout, &v)
	} else {
		t := startText{width: env.Width(), color: env.color()}
		t.doctor(&v)
		_, err = t.b.WriteTo(env.Stdout)
	}
	switch {
	case err != nil:
		return notWritten("doctor", err)
	case ctx.Err() != nil:
		return errInterrupted
	case cause != nil:
		return cause
	}
	if n := worst(findings); n > 0 {
		return &failure{code: exitBad, err: errors.New("doctor: " + counted(uint64(n), "finding is an error", "findings are errors"))}
	}
	return nil
}

// worst counts the findings that are errors.
func worst(findings []model.Finding) int {
	n := 0
	for _, f := range findings {
		if f.Severity == model.SeverityError {
			n++
		}
	}
	return n
}

// parsePID reads an argument that is a number: no file is meant by it.
func parsePID(operand string) (pid int64, ok bool) {
	pid, err := strconv.ParseInt(operand, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return 0, true
	}
	return pid, err == nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// variables returns the environment by name. Of several values the last counts.
func variables() map[string]string {
	list := make(map[string]string)
	for _, pair := range os.Environ() {
		if name, value, ok := strings.Cut(pair, "="); ok {
			list[name] = value
		}
	}
	return list
}

// doctorClient makes requests that are not redirected, through the proxy that the
// environment names, as those of the go command. It keeps no connections.
func doctorClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func doctorEnvironment(ctx context.Context, e *doctor.Evidence, dir string, asked bool, o *doctorOptions) error {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("doctor: %w", err)
	}
	env := variables()
	options := doctor.EnvironmentOptions{Dir: absolute, Asked: asked, Env: env, EnvFile: goEnvFile(env), ReadSettings: readGoEnv}
	if !o.offline {
		options.Asker = &doctor.Asker{Client: doctorClient(), Timeout: o.timeout, Now: time.Now}
	}
	e.GatherEnvironment(ctx, options)
	return nil
}

// doctorBinary gathers what an executable is. env is nil for one that runs: which Go
// is installed here says nothing about it.
func doctorBinary(e *doctor.Evidence, operand string, env map[string]string) error {
	program, err := openProgram(operand)
	if errors.Is(err, symbol.ErrUnsupported) {
		return doctorOldBinary(e, operand, env, err)
	}
	if err != nil {
		return doctorFailure(operand, err)
	}
	defer program.Close()
	p := doctor.Program{Path: program.Process.Exe, Go: program.Process.Go, Build: program.Build, Linking: program.Linking}
	if _, isPID := parsePID(operand); !isPID {
		if p.Path, err = filepath.Abs(operand); err != nil {
			return fmt.Errorf("doctor: %w", err)
		}
	}
	if f, err := os.Open(executablePath(operand)); err == nil {
		defer f.Close()
		p.File = f
	}
	e.GatherBinary(p, env)
	return nil
}

// executablePath is where the file of an operand is read.
func executablePath(operand string) string {
	if pid, isPID := parsePID(operand); isPID {
		return fmt.Sprintf("/proc/%d/exe", pid)
	}
	return operand
}

// doctorOldBinary gathers what an executable is whose functions cannot be read, which
// was the cause: a release of Go that is too old for that needs a doctor most.
func doctorOldBinary(e *doctor.Evidence, operand string, env map[string]string, cause error) error {
	f, err := os.Open(executablePath(operand))
	if err != nil {
		return doctorFailure(operand, err)
	}
	defer f.Close()
	path, err := filepath.Abs(operand)
	if _, isPID := parsePID(operand); isPID {
		path, err = os.Readlink(executablePath(operand))
	}
	if err != nil {
		return doctorFailure(operand, err)
	}
	p, err := doctor.ReadProgram(path, f)
	if err != nil {
		return doctorFailure(operand, cause)
	}
	e.GatherBinary(p, env)
	return nil
}

func doctorProcess(ctx context.Context, e *doctor.Evidence, operand string, pid int64, o *doctorOptions) error {
	if pid <= 0 || pid > 1<<31-1 {
		return doctorFailure(operand, target.ErrGone)
	}
	options := doctor.ProcessOptions{PID: int32(pid), Interval: o.interval, Now: time.Now, Wait: sleep}
	if o.pprof != "" {
		count, err := doctor.GoroutineCounter(doctorClient(), o.pprof)
		if err != nil {
			return usageError("give the address at which it serves net/http/pprof", "doctor: --pprof %s: %w", shortOperand(o.pprof), err)
		}
		options.Goroutines = count
	}
	// Its start tells the process from a later one of the same id.
	if p, err := target.NewReader(target.ReaderOptions{}).ReadProcess(options.PID); err == nil {
		options.Start = p.ID.Start
	}
	if err := doctorBinary(e, operand, nil); err != nil {
		return err
	}
	err := e.GatherProcess(ctx, options)
	if errors.Is(err, target.ErrGone) {
		return &failure{code: exitInternal, err: fmt.Errorf("doctor: %s: the process ended while it was looked at", shortOperand(operand)), hint: "goshawk ps lists the Go processes"}
	}
	return err
}

// sleep waits, unless ctx is done before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// doctorFailure is the usage error for a program that cannot be looked at.
func doctorFailure(operand string, err error) error {
	hint := "goshawk ps lists the Go processes"
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = "run as root, or as the owner of the file or process"
	case errors.Is(err, symbol.ErrUnsupported):
		hint = "build the program with Go 1.20 or newer, for amd64 or arm64"
	case errors.Is(err, fs.ErrNotExist):
		hint = "give the path of an executable, a folder, or the id of a process"
	}
	return usageError(hint, "doctor: %s: %w", shortOperand(operand), err)
}
