package script

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
	"github.com/goshawk-io/goshawk/internal/testutil"
	"github.com/goshawk-io/goshawk/sli"
)

// TestUpDemo runs `goshawk up --demo` as a newcomer does and waits until every
// kind of finding was seen.
func TestUpDemo(t *testing.T) {
	testutil.RequireBPF(t)
	for _, tool := range []string{"cat", "sleep", "grep"} {
		testutil.RequireTool(t, tool, "coreutils")
	}
	// A demo that is killed leaves its data.
	t.Setenv("TMPDIR", t.TempDir())
	up := startUp(t, "--demo")
	want := []string{"killed-without-grace", "orphaned", "pipe-not-read", "repeated-command", "shell-wrapper", "zombie"}
	var rules []string
	waitUntil(t, 90*time.Second, func() (bool, string) {
		rules = findingRules(t, up.url)
		return len(rules) >= len(want), fmt.Sprint("findings so far: ", rules)
	})
	if !slices.Equal(rules, want) {
		t.Errorf("findings %v, want %v", rules, want)
	}
	metrics := get(t, up.url+"/metrics", http.StatusOK)
	for _, line := range []string{
		`goshawk_exec_total{outcome="exited",service="shop"} [1-9]`,
		`goshawk_exec_total{outcome="failed",service="shop"} [1-9]`,
		`goshawk_exec_total{outcome="signaled",service="shop"} [1-9]`,
		`goshawk_exec_duration_seconds_bucket{service="shop",le="\+Inf"} [1-9]`,
		`goshawk_probe_up{probe="exec"} 1`,
		`goshawk_probe_events_lost_total{probe="exec"} 0`,
		`goshawk_probe_cost_seconds_total{probe="exec"} 0\.`,
	} {
		if !regexp.MustCompile(`(?m)^` + line).MatchString(metrics) {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	get(t, up.url+"/healthz", http.StatusOK)
	get(t, up.url+"/readyz", http.StatusOK)
	if body := get(t, up.url+"/api/v1/services", http.StatusOK); !strings.Contains(body, `"name":"shop"`) {
		t.Errorf("/api/v1/services lacks the shop: %s", body)
	}
	if body := get(t, up.url+"/api/v1/probes", http.StatusOK); !strings.Contains(body, `"name":"exec"`) {
		t.Errorf("/api/v1/probes lacks exec: %s", body)
	}
	waitUntil(t, 2*time.Minute, func() (bool, string) {
		list := objectives(t, up.url)
		for _, s := range list {
			for _, a := range s.Alerts {
				if s.Name == "shop-latency" && s.Verdict == sli.Exhausted && a.Severity == "page" && a.Firing {
					return true, ""
				}
			}
		}
		return false, fmt.Sprintf("no objective burns: %+v", list)
	})
	if body := get(t, up.url+"/slos/shop-latency", http.StatusOK); !strings.Contains(body, "The shop is fast") {
		t.Errorf("the page of the objective: %s", body)
	}
	up.stop(t)
}

// objectives returns how the objectives stand.
func objectives(t *testing.T, url string) []v1.SLO {
	t.Helper()
	list, err := client.New(client.Options{Base: url}).SLOs(t.Context(), v1.SLOListQuery{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// commandsObjective counts the commands of all services.
const commandsObjective = `apiVersion: openslo/v1
kind: SLO
metadata: {name: commands}
spec:
  service: any
  budgetingMethod: Occurrences
  indicator:
    metadata: {name: commands}
    spec:
      ratioMetric:
        rawType: success
        raw:
          metricSource:
            type: goshawk
            spec: {signal: exec, service: "*", command: "true"}
  timeWindow: [{duration: 30d, isRolling: true}]
  objectives: [{target: 0.9}]
`

// TestUp_objectivesGoOn kills an agent that judges, and starts the next one with
// the same data: it goes on counting.
func TestUp_objectivesGoOn(t *testing.T) {
	testutil.RequireBPF(t)
	name := testutil.RequireTool(t, "true", "coreutils")
	file := filepath.Join(t.TempDir(), "slo.yaml")
	if err := os.WriteFile(file, []byte(commandsObjective), 0o600); err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	counted := uint64(0)
	for range 2 {
		up := startUp(t, "--data", data, "--slo", file)
		before := counted
		waitUntil(t, time.Minute, func() (bool, string) {
			if err := exec.Command(name).Run(); err != nil {
				t.Fatal(err)
			}
			list := objectives(t, up.url)
			if len(list) != 1 || list[0].Good < before {
				t.Fatalf("objectives %+v after %d", list, before)
			}
			counted = list[0].Good
			return counted > before+2, fmt.Sprintf("objectives %+v", list)
		})
		up.Signal(syscall.SIGKILL)
		up.Wait()
	}
}

// TestUp_refusesObjectivesWithErrors starts an agent with a file that is wrong.
func TestUp_refusesObjectivesWithErrors(t *testing.T) {
	testutil.RequireBPF(t)
	file := filepath.Join(t.TempDir(), "slo.yaml")
	if err := os.WriteFile(file, []byte(strings.Replace(commandsObjective, "0.9", "90", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(buildGoshawk(t), "up", "--listen", "127.0.0.1:0", "--data", t.TempDir(), "--slo", file).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 2 || !strings.Contains(string(out), "slo.yaml:17:") || !strings.Contains(string(out), "is not above 0 and below 1") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestUp_killedLeavesNothing kills an agent and starts the next.
func TestUp_killedLeavesNothing(t *testing.T) {
	testutil.RequireBPF(t)
	first := startUp(t)
	first.Signal(syscall.SIGKILL)
	first.Wait()
	second := startUp(t)
	get(t, second.url+"/readyz", http.StatusOK)
	second.stop(t)
}

// TestUp_keepsEvents kills an agent and asks the next one what it saw.
func TestUp_keepsEvents(t *testing.T) {
	testutil.RequireBPF(t)
	data := t.TempDir()
	first := startUp(t, "--data", data)
	id := ownCommand(t, first)
	// What an answer has is in a file.
	if body := get(t, first.url+"/api/v1/store", http.StatusOK); !regexp.MustCompile(`"kind":"sqlite".*"kept":[1-9]`).MatchString(body) {
		t.Errorf("the store is %s", body)
	}
	first.Signal(syscall.SIGKILL)
	first.Wait()
	second := startUp(t, "--data", data)
	if body := get(t, second.url+"/api/v1/events/"+id, http.StatusOK); !strings.Contains(body, `"id":"`+id+`"`) {
		t.Errorf("the event is %s", body)
	}
	if body := get(t, second.url+"/api/v1/waterfall?root="+id, http.StatusOK); !strings.Contains(body, `"id":"`+id+`"`) {
		t.Errorf("its waterfall is %s", body)
	}
	metrics := get(t, second.url+"/metrics", http.StatusOK)
	for _, line := range []string{`goshawk_store_files [1-9]`, `goshawk_store_events_kept_total `, `goshawk_store_errors 0`} {
		if !regexp.MustCompile(`(?m)^` + line).MatchString(metrics) {
			t.Errorf("/metrics lacks %s", line)
		}
	}

	out, err := exec.Command(buildGoshawk(t), "up", "--listen", "127.0.0.1:0", "--data", data).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(string(out), fmt.Sprintf("in use by process %d\nhint: stop that one, or choose another folder with --data", second.PID)) {
		t.Errorf("a second agent on the folder: %v, %s", err, out)
	}
	second.stop(t)
}

// ownCommand runs a command and waits until the agent keeps it; it returns the
// event's id.
func ownCommand(t *testing.T, up *agentProcess) (id string) {
	t.Helper()
	if err := exec.Command("sh", "-c", "exit 3").Run(); err == nil {
		t.Fatal("sh does not exit with 3")
	}
	waitUntil(t, 30*time.Second, func() (bool, string) {
		body := get(t, fmt.Sprintf("%s/api/v1/events?probe=exec&failed=true&where=process.exit.code=3&where=process.parent_pid=%d", up.url, os.Getpid()), http.StatusOK)
		m := regexp.MustCompile(`^{"items":\[{"id":"([^"]+)"`).FindStringSubmatch(body)
		if m != nil {
			id = m[1]
		}
		return m != nil, body
	})
	return id
}

// TestUp_streams listens to live events.
func TestUp_streams(t *testing.T) {
	testutil.RequireBPF(t)
	up := startUp(t)
	response, err := http.Get(up.url + "/api/v1/events/stream?probe=exec&failed=true&text=streamed-command")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := exec.Command("sh", "-c", "exit 4 # streamed-command").Run(); err == nil {
		t.Fatal("sh does not exit with 4")
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "data: ") {
	}
	if !strings.Contains(lines.Text(), `"process.exit.code":4`) {
		t.Errorf("the stream says %q, %v", lines.Text(), lines.Err())
	}
	up.stop(t)
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("the stream goes on: %q", lines.Text())
		}
	}
}

// TestUp_asksForAToken listens where other machines could connect.
func TestUp_asksForAToken(t *testing.T) {
	testutil.RequireBPF(t)
	const token = "a-token-of-some-length"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	up := startUp(t, "--listen", "0.0.0.0:0", "--token-file", file)
	get(t, up.url+"/api/v1/probes", http.StatusUnauthorized)
	get(t, up.url+"/healthz", http.StatusOK)
	authorised := client.New(client.Options{Base: up.url, Token: token})
	if list, err := authorised.Probes(t.Context()); err != nil || len(list.Items) == 0 {
		t.Errorf("with the token: %v, %v", list, err)
	}
	if strings.Contains(up.Stderr(), token) {
		t.Errorf("the log has the token: %s", up.Stderr())
	}
	up.stop(t)
}

// agentProcess is a running `goshawk up`.
type agentProcess struct {
	*testutil.Target
	url string
}

// startUp starts an agent on a free port. Without --data or --demo it keeps its
// events in a folder of the test.
func startUp(t *testing.T, args ...string) *agentProcess {
	t.Helper()
	if !slices.Contains(args, "--data") && !slices.Contains(args, "--demo") {
		args = append(args, "--data", t.TempDir())
	}
	if !slices.Contains(args, "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	up := &agentProcess{Target: testutil.StartTarget(t, buildGoshawk(t), append([]string{"up"}, args...)...)}
	address := regexp.MustCompile(`url=http://\S+:(\d+) `)
	waitUntil(t, 30*time.Second, func() (bool, string) {
		m := address.FindStringSubmatch(up.Stderr())
		if m == nil {
			return false, up.Stderr()
		}
		up.url = "http://127.0.0.1:" + m[1]
		response, err := http.Get(up.url + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		response.Body.Close()
		return response.StatusCode != http.StatusServiceUnavailable, response.Status
	})
	return up
}

func buildGoshawk(t *testing.T) string {
	t.Helper()
	return testutil.BuildGo(t, testutil.Dir("../../cmd/goshawk"), testutil.BuildOptions{Env: []string{"CGO_ENABLED=0"}})
}

// stop ends the agent as a service manager does and expects a clean end.
func (up *agentProcess) stop(t *testing.T) {
	t.Helper()
	up.Signal(syscall.SIGTERM)
	if state := up.Wait(); !state.Success() {
		t.Errorf("goshawk up ended with %v", state)
	}
	if children := childrenOf(t, up.PID); len(children) > 0 {
		t.Errorf("processes left: %v", children)
	}
}

// childrenOf lists processes whose parent has the id pid.
func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	var found []string
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		status, err := os.ReadFile("/proc/" + e.Name() + "/status")
		if err == nil && strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", pid)) {
			found = append(found, e.Name())
		}
	}
	return found
}

func findingRules(t *testing.T, url string) []string {
	t.Helper()
	var list struct {
		Items []struct {
			Findings []struct{ Rule string }
		}
	}
	if err := json.Unmarshal([]byte(get(t, url+"/api/v1/events?findings=true&limit=1000", http.StatusOK)), &list); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, item := range list.Items {
		for _, f := range item.Findings {
			seen[f.Rule] = true
		}
	}
	var rules []string
	for rule := range seen {
		rules = append(rules, rule)
	}
	slices.Sort(rules)
	return rules
}

func get(t *testing.T, url string, status int) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("GET %s: %s, %v: %s", url, response.Status, err, body)
	}
	return string(body)
}

// waitUntil polls done, which says what it saw, within a generous limit.
func waitUntil(t *testing.T, limit time.Duration, done func() (bool, string)) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		var ok bool
		if ok, last = done(); ok {
			return
		}
	}
	t.Fatalf("not within %s: %s", limit, last)
}
