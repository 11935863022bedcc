package script

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

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
			"code":  expectCode,
			"jsonl": expectJSONLines,
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
