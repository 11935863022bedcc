package shop

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
)

// parents returns, of each process that /proc lists, the parent and the name.
func parents(t *testing.T) (parent map[int]int, name map[int]string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		t.Fatalf("list processes: %d found, %v", len(files), err)
	}
	parent, name = map[int]int{}, map[int]string{}
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		text := string(stat)
		open, end := strings.IndexByte(text, '('), strings.LastIndexByte(text, ')')
		pid, _ := strconv.Atoi(strings.TrimSpace(text[:open]))
		parent[pid], _ = strconv.Atoi(strings.Fields(text[end+1:])[1])
		name[pid] = text[open+1 : end]
	}
	return parent, name
}

// children returns the names of this process's children, zombies included.
func children(t *testing.T) []string {
	t.Helper()
	parent, name := parents(t)
	var list []string
	for pid, p := range parent {
		if p == os.Getpid() {
			list = append(list, name[pid])
		}
	}
	return list
}

// countDescendants returns how many processes descend from this one.
func countDescendants(t *testing.T) int {
	t.Helper()
	parent, _ := parents(t)
	n := 0
	for pid := range parent {
		// Lists of a changing table may hold loops; none is this deep.
		for p, depth := parent[pid], 0; p > 1 && depth < 100; p, depth = parent[p], depth+1 {
			if p == os.Getpid() {
				n++
				break
			}
		}
	}
	return n
}

func askStatus(t *testing.T, url string) status {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Get(url + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var st status
	if err := json.NewDecoder(answer.Body).Decode(&st); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestRun_showsEverythingAndLeavesNothing(t *testing.T) {
	for name, versions := range map[string]Versions{
		"as it is": {}, "able to be upgraded": {On: true, Upgrade: upgrade.Options{ControlFolder: upgrade.NoControl}},
	} {
		t.Run(name, func(t *testing.T) { runAll(t, versions) })
	}
}

func runAll(t *testing.T, versions Versions) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	ready := make(chan string, 1)
	o := Options{Dir: dir, Detacher: selfDetacher(t), Versions: versions, Ready: func(url string) { ready <- url }}
	var running sync.WaitGroup
	var runErr, loadErr error
	running.Go(func() {
		defer close(ready)
		runErr = Run(ctx, o)
	})
	url, ok := <-ready
	if !ok {
		t.Fatalf("Run: %v", runErr)
	}
	running.Go(func() { loadErr = Load(ctx, url, o) })

	var last status
	for tries := 0; ; tries++ {
		last = askStatus(t, url)
		if n := countDescendants(t); n > 32 {
			t.Errorf("%d processes are alive", n)
		}
		if len(last.Idle) == 0 {
			break
		}
		if tries == 600 {
			t.Errorf("never ran: %v", last.Idle)
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	cancel()
	running.Wait()

	if runErr != nil || loadErr != nil {
		t.Errorf("Run = %v, Load = %v", runErr, loadErr)
	}
	if got, want := len(last.Runs)+len(last.LeftOut), len(allWork()); got != want {
		t.Errorf("%d pieces of work ran or were left out, want %d: %+v", got, want, last)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("processes left behind: %v", left)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("files left behind: %v, %v", files, err)
	}
}

func TestRun_refusesAddresses(t *testing.T) {
	for name, addr := range map[string]string{
		"others could reach": "0.0.0.0:0",
		"that is no address": "nowhere",
		"that do not exist":  "127.0.0.1:99999",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := Run(t.Context(), Options{Addr: addr, Dir: dir}); err == nil || !strings.Contains(err.Error(), addr) {
				t.Errorf("Run on %s = %v, want an error that names it", addr, err)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
				t.Errorf("files left behind: %v, %v", files, err)
			}
		})
	}
}

func TestRun_needsItsFolder(t *testing.T) {
	if err := Run(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "missing")}); err == nil {
		t.Error("Run in a folder that is not there succeeds")
	}
}

func TestLoad_refusesOtherHosts(t *testing.T) {
	if err := Load(t.Context(), "http://192.0.2.1:80", Options{}); err == nil {
		t.Error("Load of another host succeeds")
	}
}

func TestRoutes_answer(t *testing.T) {
	s := openShop(t, "cat")
	tests := []struct {
		name, method, target, form string
		want                       int
	}{
		{"a product", "GET", "/product/1", "", http.StatusOK},
		{"the last product", "GET", "/product/24", "", http.StatusOK},
		{"a product that is not sold", "GET", "/product/25", "", http.StatusBadRequest},
		{"a path as a product", "GET", "/product/..%2f1", "", http.StatusBadRequest},
		{"an order of nothing", "POST", "/checkout", "coupon=SUMMER", http.StatusBadRequest},
		{"a coupon of two lines", "POST", "/checkout", "item=1&coupon=a%0ab", http.StatusBadRequest},
		{"an order", "POST", "/checkout", "item=1&item=2&coupon=SUMMER", http.StatusOK},
		{"an invoice that is not PDF", "GET", "/invoice/1.txt", "", http.StatusBadRequest},
		{"a parcel without a number", "GET", "/shipping/x", "", http.StatusBadRequest},
		{"a form that is too long", "POST", "/checkout", "item=" + strings.Repeat("1", maxBodyBytes), http.StatusBadRequest},
		{"an order by the wrong method", "GET", "/checkout", "", http.StatusMethodNotAllowed},
		{"health", "GET", "/healthz", "", http.StatusOK},
		{"what is not there", "GET", "/basket", "", http.StatusNotFound},
	}
	handler := s.routes()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.target, strings.NewReader(tt.form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d, want %d: %s", w.Code, tt.want, w.Body)
			}
		})
	}
	if !slices.Contains(s.status().Idle, "exportReport") {
		t.Error("exportReport is not idle, though nobody asked for a report")
	}
}
