package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell returns the sender of a command that runs a script.
func shell(t *testing.T, script string, timeout time.Duration, environ ...string) sender {
	t.Helper()
	r := Receiver{Name: "script", Command: &Command{Path: "/bin/sh", Args: []string{"-c", script, "sh", "$HOME; *"}, Timeout: timeout}}
	return destinations(r, &Options{Environ: append(environ, "PATH="+os.Getenv("PATH"))})[0].sender
}

// forever is a timeout that no test waits for.
const forever = time.Hour

func TestCommand_isTold(t *testing.T) {
	dir := t.TempDir()
	a := burning("checkout")
	a.Annotations["description"] = strings.Repeat("x", 2*maxVariable)
	a.Labels["zero"] = "a\x00b"
	a.Service = "sh\x00op"
	s := shell(t, `cat > "$OUT/stdin"; env -0 > "$OUT/env"; printf %s "$1" > "$OUT/arg"; pwd > "$OUT/pwd"`, forever,
		"OUT="+dir, "GOSHAWK_TOKEN=sesame", "KEPT=1")
	if o := s.deliver(context.Background(), alerts(a)); o != (outcome{}) {
		t.Fatal(o)
	}
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var body webhookBody
	if err := json.Unmarshal([]byte(read("stdin")), &body); err != nil || body.Receiver != "script" || body.Alerts[0].Annotations["description"] != a.Annotations["description"] {
		t.Errorf("stdin has %+v (%v)", body, err)
	}
	env := strings.Split(read("env"), "\x00")
	for _, want := range []string{
		"GOSHAWK_RECEIVER=script", "GOSHAWK_STATE=firing", "GOSHAWK_ALERT=Burn", "GOSHAWK_SLO=checkout", "GOSHAWK_SERVICE=shop", "GOSHAWK_SEVERITY=page",
		"GOSHAWK_STARTS_AT=2026-11-22T11:59:00Z", "GOSHAWK_ENDS_AT=", "GOSHAWK_VALUE=14.5", "GOSHAWK_SUMMARY=it burns 14.5 times", "GOSHAWK_URL=" + a.GeneratorURL,
		"GOSHAWK_FINGERPRINT=" + a.Fingerprint(), "GOSHAWK_DESCRIPTION=" + strings.Repeat("x", maxVariable), "KEPT=1",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("the environment lacks %.60s: %.2000q", want, env)
		}
	}
	if slices.ContainsFunc(env, func(pair string) bool { return strings.Contains(pair, "sesame") }) {
		t.Error("the command gets Goshawk's token")
	}
	// Nothing looks into the arguments.
	if got := read("arg"); got != "$HOME; *" {
		t.Errorf("the argument is %q", got)
	}
	if got := read("pwd"); got != "/\n" {
		t.Errorf("it runs in %q", got)
	}
	if got := variables("r", ended(a, noon).complete(noon)); !slices.Contains(got, "GOSHAWK_ENDS_AT=2026-11-22T12:00:00Z") || !slices.Contains(got, "GOSHAWK_STATE=resolved") {
		t.Errorf("one that has ended says %q", got)
	}
}

func TestCommand_fails(t *testing.T) {
	tests := []struct {
		name, script, want string
	}{
		{"with a status", "exit 3", "command /bin/sh: exit status 3"},
		{"with words", "echo no such channel; echo really >&2; exit 1", `command /bin/sh: exit status 1: it printed "no such channel\nreally"`},
		{"with many words", "yes | head -c 1000000; exit 1", "command /bin/sh: exit status 1: it printed " + strconv.Quote(strings.Repeat("y\n", maxShown/2)) + "..."},
		{"by a signal", "kill -TERM $$", "command /bin/sh: signal: terminated"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := shell(t, tt.script, forever).deliver(context.Background(), alerts(burning("a")))
			if errorText(o.err) != tt.want || o.refused || o.uncertain {
				t.Errorf("got %+v, want %s", o, tt.want)
			}
		})
	}
	r := Receiver{Name: "r", Command: &Command{Path: "/none/such"}}
	o := destinations(r, &Options{})[0].sender.deliver(context.Background(), alerts(burning("a")))
	if want := "command /none/such: fork/exec /none/such: no such file or directory"; errorText(o.err) != want || o.uncertain {
		t.Errorf("got %+v, want %s", o, want)
	}
}

func TestLimited(t *testing.T) {
	var l limited
	for range 3 {
		if n, err := l.Write([]byte(strings.Repeat("x", maxOutput-1))); n != maxOutput-1 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	if l.Len() != maxOutput {
		t.Errorf("it keeps %d bytes", l.Len())
	}
}

func TestCommand_needNotRead(t *testing.T) {
	a := burning("a")
	a.Annotations["long"] = strings.Repeat("x", maxAnnotation)
	for i := range 20 { // more than a pipe holds
		a.Annotations[fmt.Sprintf("long%d", i)] = strings.Repeat("x", maxAnnotation)
	}
	if o := shell(t, "exec 0<&-; exit 0", forever).deliver(context.Background(), alerts(a)); o.err != nil {
		t.Error(o.err)
	}
}

// pids reads the ids that a script wrote, one on each line, once there are n.
func pids(t *testing.T, path string, n int) []int {
	t.Helper()
	var list []int
	until(t, "the script has started", func() bool {
		data, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		list = nil
		for _, field := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, pid)
		}
		return len(list) == n && strings.HasSuffix(string(data), "\n")
	})
	return list
}

// until waits for as long as tests may take.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for !holds() {
		if t.Context().Err() != nil {
			t.Fatalf("it never is that %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// gone reports whether a process has ended; whoever adopts it may not have
// asked yet for how.
func gone(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(data), ") ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

// TestCommand_isKilled has scripts with a child that hold on for ever.
func TestCommand_isKilled(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	script := `trap "" TERM; sleep 100000 & echo $$ $! > "$OUT"; wait`
	t.Run("at the timeout", func(t *testing.T) {
		o := shell(t, script, 300*time.Millisecond, "OUT="+file).deliver(context.Background(), alerts(burning("a")))
		if want := "command /bin/sh: did not end within 300ms and was killed"; errorText(o.err) != want || o.refused || !o.uncertain {
			t.Errorf("got %+v, want %s", o, want)
		}
		// A machine that is very busy has not come to the echo.
		if data, err := os.ReadFile(file); err == nil && len(data) > 0 {
			for _, pid := range pids(t, file, 2) {
				until(t, "both are gone", func() bool { return gone(pid) })
			}
		}
	})
	t.Run("when all ends", func(t *testing.T) {
		_ = os.Remove(file)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan outcome)
		go func() { done <- shell(t, script, forever, "OUT="+file).deliver(ctx, alerts(burning("a"))) }()
		both := pids(t, file, 2)
		cancel()
		if o := <-done; o.err == nil || !o.uncertain {
			t.Errorf("got %+v", o)
		}
		for _, pid := range both {
			until(t, "both are gone", func() bool { return gone(pid) })
		}
	})
}

// TestCommand_leavesSomebodyBehind ends well although a child holds its output.
func TestCommand_leavesSomebodyBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	o := shell(t, `sleep 100000 & echo $! > "$OUT"`, forever, "OUT="+file).deliver(context.Background(), alerts(burning("a")))
	if o.err != nil {
		t.Error(o.err)
	}
	for _, pid := range pids(t, file, 1) {
		if gone(pid) {
			t.Error("it was killed")
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
}

// TestCommand_oneAtATime has scripts that fail when another one runs.
func TestCommand_oneAtATime(t *testing.T) {
	dir := t.TempDir()
	r := Receiver{Name: "script", Command: &Command{Path: "/bin/sh", Timeout: forever, Args: []string{"-c",
		`mkdir "$0/lock" || exit 1; echo "$GOSHAWK_SLO" >> "$0/heard"; sleep 0.05; rmdir "$0/lock"`, dir}}}
	n, stop := running(t, Options{Receivers: []Receiver{r}})
	n.Notify([]Alert{burning("a"), burning("b"), burning("c"), burning("d")})
	until(t, "all were told", func() bool { s := n.Stats()[0]; return s.Sent == 4 || s.Retried > 0 })
	stop()
	data, err := os.ReadFile(filepath.Join(dir, "heard"))
	if s := n.Stats()[0]; err != nil || string(data) != "a\nb\nc\nd\n" || s.Retried != 0 || s.Kind != "command" {
		t.Errorf("heard %q (%v), %+v", data, err, s)
	}
}

func TestCheck_command(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/bin/sh": "", "/none/such": "receiver r: command: stat /none/such: no such file or directory",
		plain: "receiver r: command: " + plain + ": is no executable file", dir: "receiver r: command: " + dir + ": is no executable file",
	} {
		if got := errorText(Check(Receiver{Name: "r", Command: &Command{Path: path}}, nil)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
