package testutil

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// leakPatience is how long goroutines that were told to end may take.
const leakPatience = 2 * time.Second

// NoLeaks runs the tests of a package, reports goroutines and file descriptors
// that they leave behind, and exits. It is the body of a TestMain.
func NoLeaks(m *testing.M) {
	before := takeInventory()
	status := m.Run()
	var leaks []string
	for deadline := time.Now().Add(leakPatience); ; time.Sleep(10 * time.Millisecond) {
		leaks = takeInventory().since(before)
		if len(leaks) == 0 || time.Now().After(deadline) {
			break
		}
	}
	if len(leaks) > 0 {
		fmt.Fprintf(os.Stderr, "the tests left behind:\n%s\n", strings.Join(leaks, "\n"))
		status = max(status, 1)
	}
	os.Exit(status)
}

// inventory is what a process holds: by id, a goroutine's stack or a
// descriptor's file.
type inventory struct {
	goroutines map[string]string
	files      map[string]string
}

func takeInventory() inventory {
	return inventory{goroutines: parseGoroutines(allStacks()), files: openFiles("/proc/self/fd")}
}

// since returns what i has and before has not, sorted.
func (i inventory) since(before inventory) []string {
	var list []string
	for id, stack := range i.goroutines {
		if _, ok := before.goroutines[id]; !ok {
			list = append(list, stack)
		}
	}
	for fd, file := range i.files {
		if before.files[fd] != file {
			list = append(list, fmt.Sprintf("file descriptor %s: %s", fd, file))
		}
	}
	slices.Sort(list)
	return list
}

func allStacks() string {
	buf := make([]byte, 1<<16)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return string(buf[:n])
		}
		buf = make([]byte, 2*len(buf))
	}
}

// parseGoroutines reads what runtime.Stack prints, without the calling
// goroutine and those that the standard library keeps for the process's life.
func parseGoroutines(text string) map[string]string {
	kept := []string{"os/signal.signal_recv", "os/signal.loop", "runtime.ensureSigM", "runtime/trace.", "testing.(*M).startAlarm"}
	header := regexp.MustCompile(`^goroutine (\d+) `)
	found := map[string]string{}
	for i, stack := range strings.Split(strings.TrimSpace(text), "\n\n") {
		id := header.FindStringSubmatch(stack)
		isKept := slices.ContainsFunc(kept, func(name string) bool { return strings.Contains(stack, name) })
		if i == 0 || id == nil || isKept {
			continue
		}
		found[id[1]] = stack
	}
	return found
}

// openFiles returns the descriptors listed in dir, without those of the
// runtime's poller.
func openFiles(dir string) map[string]string {
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return found
	}
	for _, e := range entries {
		file, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil || strings.Contains(file, "eventpoll") || strings.Contains(file, "eventfd") {
			continue
		}
		found[e.Name()] = file
	}
	return found
}
