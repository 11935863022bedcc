package script

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestUpDemo runs `goshawk up --demo` as a newcomer does and waits until every
// kind of finding was seen.
func TestUpDemo(t *testing.T) {
	testutil.RequireBPF(t)
	for _, tool := range []string{"cat", "sleep", "grep"} {
		testutil.RequireTool(t, tool, "coreutils")
	}
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
	up.stop(t)
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

// agentProcess is a running `goshawk up`.
type agentProcess struct {
	*testutil.Target
	url string
}

func startUp(t *testing.T, args ...string) *agentProcess {
	t.Helper()
	path := testutil.BuildGo(t, testutil.Dir("../../cmd/goshawk"), testutil.BuildOptions{Env: []string{"CGO_ENABLED=0"}})
	up := &agentProcess{Target: testutil.StartTarget(t, path, append([]string{"up", "--listen", "127.0.0.1:0"}, args...)...)}
	address := regexp.MustCompile(`url=(http://127\.0\.0\.1:\d+)`)
	waitUntil(t, 30*time.Second, func() (bool, string) {
		m := address.FindStringSubmatch(up.Stderr())
		if m == nil {
			return false, up.Stderr()
		}
		up.url = m[1]
		response, err := http.Get(up.url + "/readyz")
		if err != nil {
			return false, err.Error()
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK, response.Status
	})
	return up
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
