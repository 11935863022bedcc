//go:build vm

package vm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bootLimit is how long a kernel may take for everything. Under software
// emulation on two busy cores it takes half a minute.
const bootLimit = 15 * time.Minute

// step is what the guest reports; test/vm/guest documents the fields.
type step struct {
	Name    string            `json:"name"`
	Exit    int               `json:"exit"`
	Stdout  string            `json:"stdout"`
	Stderr  string            `json:"stderr"`
	Cases   string            `json:"cases"`
	Pages   map[string]string `json:"pages"`
	ReadyNS int64             `json:"ready_ns"`
}

// machine boots kernels.
type machine struct {
	qemu      string
	initramfs string
}

// boot runs a kernel until it turns itself off and returns the guest's steps
// by name.
func (m machine) boot(t *testing.T, kernel string) map[string]step {
	t.Helper()
	dir := t.TempDir()
	console, results := filepath.Join(dir, "console"), filepath.Join(dir, "results")
	args := []string{
		// One thread emulates all CPUs: with one each, a CPU may execute what the
		// kernel has patched on another, and stop with an oops of int3 when
		// tracepoints are turned on.
		"-accel", "tcg,thread=single", "-cpu", "max",
		"-nodefaults", "-display", "none", "-no-reboot", "-m", "1024", "-smp", "2",
		"-kernel", kernel, "-initrd", m.initramfs,
		"-append", "console=ttyS0 quiet loglevel=4 panic=-1 rdinit=/init",
		"-serial", "file:" + console, "-serial", "file:" + results,
	}
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	out, err := exec.CommandContext(ctx, m.qemu, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu: %v: %s\nconsole: %s", err, out, tail(console))
	}
	steps := readSteps(t, results)
	if _, ok := steps["end"]; !ok {
		t.Fatalf("the guest did not finish; it reported %d steps\nconsole: %s", len(steps), tail(console))
	}
	return steps
}

func readSteps(t *testing.T, path string) map[string]step {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	steps := make(map[string]step)
	decoder := json.NewDecoder(bytes.NewReader(data))
	for decoder.More() {
		var s step
		if err := decoder.Decode(&s); err != nil {
			t.Fatalf("read what the guest reported: %v", err)
		}
		steps[s.Name] = s
	}
	return steps
}

// tail returns the last lines of a console.
func tail(path string) string {
	const lines = 40
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var last []string
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		last = append(last, scanner.Text())
		if len(last) > lines {
			last = last[1:]
		}
	}
	return strings.Join(last, "\n")
}
