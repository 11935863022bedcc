package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// startupVictim is a program that ends with status 7, or serves.
const startupVictim = `package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("speaks")
		os.Exit(7)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Args[1], []byte(l.Addr().String()), 0o600); err != nil {
		panic(err)
	}
	http.Serve(l, nil)
}
`

func buildStartupVictim(t *testing.T) string {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found on amd64 only", "amd64")
	return testutil.BuildGo(t, testutil.Files{"main.go": startupVictim}, testutil.BuildOptions{Flags: []string{"-ldflags=-s -w"}})
}

// goshawk runs a command of ours.
func goshawk(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errors bytes.Buffer
	none := func() int { return 0 }
	env := Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errors, Getenv: func(string) string { return "" }, Width: none, Height: none}
	code = Main(ctx, env, args)
	return code, out.String(), errors.String()
}

func TestStartup_ofACommand(t *testing.T) {
	path := buildStartupVictim(t)
	code, stdout, stderr := goshawk(t.Context(), "startup", "--json", "--", path)
	var got v1.Startup
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
		t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if got.ExitCode == nil || *got.ExitCode != 7 || got.Ended != "exit" || !slices.Equal(got.Command, []string{path}) || got.Phase("main") == nil {
		t.Errorf("got %+v", got)
	}
	if !slices.ContainsFunc(got.Packages, func(p v1.StartupPackage) bool { return p.Name == "net/http" }) {
		t.Errorf("no init of net/http among %d packages", len(got.Packages))
	}
	if !strings.Contains(stderr, "speaks\n") {
		t.Errorf("what the command prints is not on stderr: %q", stderr)
	}
}

// asked asks a server that writes its address to a file, once it is there.
func asked(t *testing.T, file string) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		address, err := os.ReadFile(file)
		if err != nil || len(address) == 0 {
			continue
		}
		response, err := http.Get("http://" + string(address) + "/")
		if err != nil {
			t.Errorf("ask the server: %v", err)
			return
		}
		response.Body.Close()
		return
	}
	t.Error("the server did not say where it is")
}

func TestStartup_ofAServerUntilItAnswers(t *testing.T) {
	path := buildStartupVictim(t)
	file := filepath.Join(t.TempDir(), "address")
	done := make(chan struct{})
	go func() { defer close(done); asked(t, file) }()
	page := filepath.Join(t.TempDir(), "start.html")
	code, stdout, stderr := goshawk(t.Context(), "startup", "--html", page, "--", path, file)
	<-done
	address, _ := os.ReadFile(file)
	if code != 0 || !strings.Contains(stdout, "first_response") || !strings.Contains(stdout, string(address)) {
		t.Errorf("code %d\n%s%s", code, stdout, stderr)
	}
	if html, err := os.ReadFile(page); err != nil || !bytes.Contains(html, []byte("first_listen")) || bytes.Contains(html, []byte("<script src=")) {
		t.Errorf("the page has %d bytes, %v", len(html), err)
	}
}

func TestStartup_interrupted(t *testing.T) {
	path := buildStartupVictim(t)
	file := filepath.Join(t.TempDir(), "address")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		asked(t, file)
	}()
	code, stdout, stderr := goshawk(ctx, "startup", "--until", "exit", "--json", "--", path, file)
	var got v1.Startup
	if err := json.Unmarshal([]byte(stdout), &got); code != 130 || err != nil || got.Ended != "interrupted" || got.Phase("first_listen") == nil || got.ExitCode != nil {
		t.Errorf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
}

func TestStartup_ofAProcessThatRuns(t *testing.T) {
	path := buildStartupVictim(t)
	file := filepath.Join(t.TempDir(), "address")
	v := testutil.StartTarget(t, path, file)
	asked(t, file)
	code, stdout, stderr := goshawk(t.Context(), "startup", "--pid", strconv.Itoa(v.PID), "--json", "--wait", "10ms")
	var got v1.Startup
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
		t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	address, _ := os.ReadFile(file)
	if len(got.Packages) != 0 || len(got.Unseen) != 2 || !strings.Contains(got.Unseen[1].Why, string(address)) || int(got.PID) != v.PID {
		t.Errorf("got %+v", got)
	}
	asked(t, file) // it goes on
}

func TestStartup_refuses(t *testing.T) {
	testutil.RequireBPF(t)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	small := testutil.BuildGo(t, testutil.Files{"main.go": "package main\n\nfunc main() {}\n"}, testutil.BuildOptions{Env: []string{"GOARCH=386"}})
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		code       int
		want       string
	}{
		{"a script", script, 4, script + ": is not a Go program"},
		{"a program that is not Go", shell, 4, shell + ": is not a Go program"},
		{"a program of 32 bits", small, 4, small + ": unsupported Go program: not a 64-bit"},
		{"no file", "/no/such/file", 2, "/no/such/file: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, stdout, stderr := goshawk(t.Context(), "startup", "--", tt.path)
			if code != tt.code || stdout != "" || !strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "hint: ") {
				t.Errorf("code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}

// startupParent is a program that executes another one, starts one, or takes its
// time to end; it says in a file when it has.
const startupParent = `package main

import (
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func say(text string) {
	if err := os.WriteFile(os.Args[2], []byte(text), 0o600); err != nil {
		panic(err)
	}
}

func main() {
	switch os.Args[1] {
	case "executes":
		panic(syscall.Exec("/bin/sh", []string{"sh", "-c", "exec sleep 0.01"}, os.Environ()))
	case "starts":
		child := exec.Command("sleep", "300")
		if err := child.Start(); err != nil {
			panic(err)
		}
		say(strconv.Itoa(child.Process.Pid))
		select {}
	case "ends slowly":
		told := make(chan os.Signal, 1)
		signal.Notify(told, syscall.SIGTERM)
		say("ready")
		<-told
		os.Open("/opened/to/end")
		for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; {
		}
	}
}
`

func buildStartupParent(t *testing.T) string {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found on amd64 only", "amd64")
	return testutil.BuildGo(t, testutil.Files{"main.go": startupParent}, testutil.BuildOptions{})
}

// interruptedWhenReady runs a program until it has said something, and returns
// that and what was seen.
func interruptedWhenReady(t *testing.T, path, what string) (said string, got v1.Startup) {
	file := filepath.Join(t.TempDir(), "said")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for t.Context().Err() == nil {
			if text, err := os.ReadFile(file); err == nil && len(text) > 0 {
				said = string(text)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	code, stdout, stderr := goshawk(ctx, "startup", "--json", "--", path, what, file)
	<-ctx.Done()
	if err := json.Unmarshal([]byte(stdout), &got); code != 130 || err != nil {
		t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	return said, got
}

func TestStartup_untilMain(t *testing.T) {
	path := buildStartupVictim(t)
	code, stdout, stderr := goshawk(t.Context(), "startup", "--json", "--until", "main", "--", path, filepath.Join(t.TempDir(), "address"))
	var got v1.Startup
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil || got.Ended != "main" {
		t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	// What it did before it was ended is not told, not even of main.
	if main := got.Phase("main"); main == nil || main.DurationNS != 0 || main.CPUNS != nil || main.Syscalls != nil || got.DurationNS != main.StartNS {
		t.Errorf("main %+v of %d ns", main, got.DurationNS)
	}
	for _, p := range got.Phases {
		if p.StartNS > got.DurationNS || strings.HasPrefix(p.Name, "first_") {
			t.Errorf("%s at %d ns is later than main.main", p.Name, p.StartNS)
		}
	}
}

func TestStartup_ofAChainOfPrograms(t *testing.T) {
	path := buildStartupParent(t)
	code, stdout, stderr := goshawk(t.Context(), "startup", "--json", "--", path, "executes")
	var got v1.Startup
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
		t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if got.Ended != "exec" || got.Phase("main") == nil || len(got.Packages) == 0 {
		t.Errorf("ended by %q, %d phases, %d packages: this is not the Go program's start", got.Ended, len(got.Phases), len(got.Packages))
	}
	if !slices.ContainsFunc(got.Unseen, func(u v1.StartupUnseen) bool {
		return strings.HasPrefix(u.What, "the 2 programs that it executed then")
	}) {
		t.Errorf("unseen %+v", got.Unseen)
	}
}

func TestStartup_endsWhatTheCommandStarted(t *testing.T) {
	path := buildStartupParent(t)
	said, got := interruptedWhenReady(t, path, "starts")
	if p, err := readRelative("/proc/" + said + "/stat"); err == nil {
		p.signal(os.Kill)
		t.Errorf("process %+v goes on", p)
	}
	if got.Children == 0 || got.Phase("main") == nil {
		t.Errorf("%d children, %d phases", got.Children, len(got.Phases))
	}
}

func TestStartup_forgetsWhatTheProgramDidToEnd(t *testing.T) {
	path := buildStartupParent(t)
	_, got := interruptedWhenReady(t, path, "ends slowly")
	main := got.Phase("main")
	if main == nil || main.StartNS+main.DurationNS > got.DurationNS || main.CPUNS != nil && *main.CPUNS > main.DurationNS {
		t.Fatalf("main %+v of %d ns", main, got.DurationNS)
	}
	for _, c := range main.SlowestSyscalls {
		if c.StartNS+c.DurationNS > got.DurationNS {
			t.Errorf("%s %s ends at %d ns of %d", c.Name, c.Operand, c.StartNS+c.DurationNS, got.DurationNS)
		}
	}
	if got.Ended != "interrupted" || main.CPUNS == nil && len(got.Unseen) == 0 || main.CPUNS == nil && !strings.HasPrefix(got.Unseen[0].What, "what was spent in main") {
		t.Errorf("ended by %q, unseen %+v", got.Ended, got.Unseen)
	}
}

func TestStartup_ofAGoCommandWithADeadProxy(t *testing.T) {
	testutil.RequireBPF(t)
	testutil.RequireArch(t, "points are found on amd64 only", "amd64")
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	// What listened there does not any more.
	l := httptest.NewServer(nil)
	l.Close()
	dir := t.TempDir()
	t.Chdir(dir)
	file := filepath.Join(dir, "env")
	if err := os.WriteFile(file, []byte("GOPROXY="+l.URL+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"GOPROXY": "", "GOENV": file, "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOMODCACHE": dir} {
		t.Setenv(name, value)
	}
	code, stdout, stderr := goshawk(t.Context(), "startup", "--json", "--", tool, "list", "-m", "example.com/nothing@latest")
	var got v1.Startup
	if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
		t.Fatalf("code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if !slices.ContainsFunc(got.Findings, func(f v1.Finding) bool { return f.Rule == "dead-goproxy" && f.Severity == "error" }) {
		t.Errorf("exit code %v, facts %+v, findings %+v", got.ExitCode, got.Facts, got.Findings)
	}
}
