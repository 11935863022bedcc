package script

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/goshawk-io/goshawk/internal/cli"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"goshawk": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(cli.Main(ctx, cli.SystemEnv(), os.Args[1:]))
		},
		"tracer": func() { os.Exit(tracer(os.Args[1:])) },
		"server": func() { os.Exit(server(os.Args[1:])) },
		"victim": func() { os.Exit(victim(os.Args[1:])) },
	})
}

// TestCommands runs the scripts that need nothing of the machine.
func TestCommands(t *testing.T) { runScripts(t, "testdata/plain") }

// TestObserve runs the scripts that observe this machine.
func TestObserve(t *testing.T) {
	testutil.RequireBPF(t)
	runScripts(t, "testdata/bpf")
}

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"appears":     waitAppears,
			"certificate": writeCertificate,
			"code":        expectCode,
			"jsonl":       expectJSONLines,
			"observed":    waitObserved,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PID", strconv.Itoa(os.Getpid()))
			return nil
		},
	})
}

// expectCode is "code N command [arg...]".
func expectCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [arg...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%s: %v", args[1], err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// patience is how long a script waits for what must come.
const patience = time.Minute

// waitObserved is "observed FILE": it runs commands until FILE, the output of a
// goshawk that was started before, is not empty.
func waitObserved(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: observed file")
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ts.Check(ts.Exec("true"))
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() > 0 {
			return
		}
	}
	ts.Fatalf("%s is empty after %s", args[0], patience)
}

// waitAppears is "appears FILE REGEXP...": each must match within FILE.
func waitAppears(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: appears file regexp...")
	}
	deadline := time.Now().Add(patience)
	for _, arg := range args[1:] {
		pattern, err := regexp.Compile("(?m)" + arg)
		ts.Check(err)
		for !pattern.MatchString(ts.ReadFile(args[0])) {
			if time.Now().After(deadline) {
				ts.Fatalf("nothing in %s matches %s:\n%s", args[0], arg, ts.ReadFile(args[0]))
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// expectJSONLines is "jsonl FILE", where FILE may be stdout.
func expectJSONLines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: jsonl file")
	}
	for i, line := range strings.Split(strings.TrimSuffix(ts.ReadFile(args[0]), "\n"), "\n") {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			ts.Fatalf("%s: line %d: %v: %s", args[0], i+1, err, line)
		}
	}
}
