//go:build vm

package vm

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

const (
	// oldest is the first kernel that probes run on.
	oldest = "5.17"
	// memorySince is the first kernel that tells of a process's end while its
	// memory is there.
	memorySince = "6.16"
)

func TestKernels(t *testing.T) {
	testutil.RequireArch(t, "the kernel images are amd64's", "amd64")
	m := machine{qemu: tool(t, "qemu-system-x86_64")}
	busybox := tool(t, "busybox")
	folder := os.Getenv("GOSHAWK_VM_KERNELS")
	kernels, err := filepath.Glob(filepath.Join(folder, "vmlinuz-*"))
	if err != nil || folder == "" || len(kernels) == 0 {
		t.Fatalf("GOSHAWK_VM_KERNELS=%q: no vmlinuz-* there: run `test/vm/kernels FOLDER` first (%v)", folder, err)
	}
	m.initramfs = filepath.Join(t.TempDir(), "initramfs")
	if err := os.WriteFile(m.initramfs, pack(t, build(t, busybox)), 0o644); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, kernel := range kernels {
		release := strings.TrimPrefix(filepath.Base(kernel), "vmlinuz-")
		t.Run(release, func(t *testing.T) {
			steps := m.boot(t, kernel)
			rows = append(rows, row(release, steps))
			if atLeast(t, release, oldest) {
				checkRuns(t, steps, atLeast(t, release, memorySince))
			} else {
				checkRefuses(t, steps)
			}
		})
	}
	t.Logf("\n| kernel | boot | attach exec | exec | tcp | http |\n|---|---|---|---|---|---|\n%s", strings.Join(rows, "\n"))
}

// tool returns the path of a program that test/vm/packages installs. Who sets
// the build tag wants the test: a missing one is no reason to skip.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: run `make test-vm`, which installs it", err)
	}
	return path
}

// build builds what the guest runs, all of it static.
func build(t *testing.T, busybox string) programs {
	t.Helper()
	requireStatic(t, busybox)
	static := []string{"CGO_ENABLED=0"}
	return programs{
		"init":        testutil.BuildGo(t, testutil.Dir("guest"), testutil.BuildOptions{Env: static}),
		"bin/victim":  testutil.BuildGo(t, testutil.Dir("victim"), testutil.BuildOptions{Env: static}),
		"bin/goshawk": testutil.BuildGo(t, testutil.Dir("../../cmd/goshawk"), testutil.BuildOptions{Env: static, Flags: []string{"-trimpath", "-ldflags=-s -w"}}),
		"bin/busybox": busybox,
	}
}

// requireStatic fails the test when a program needs libraries, which the guest
// has none of.
func requireStatic(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Fatalf("%s is not static: apt-get install busybox-static", path)
		}
	}
}

// atLeast compares the first two numbers of kernel releases.
func atLeast(t *testing.T, release, version string) bool {
	t.Helper()
	var major, minor, wantMajor, wantMinor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		t.Fatalf("kernel release %q: %v", release, err)
	}
	if _, err := fmt.Sscanf(version, "%d.%d", &wantMajor, &wantMinor); err != nil {
		t.Fatalf("kernel version %q: %v", version, err)
	}
	return major > wantMajor || major == wantMajor && minor >= wantMinor
}

// row is a kernel's line of the table.
func row(release string, steps map[string]step) string {
	boot, _, _ := strings.Cut(steps["boot"].Stderr, " ")
	watch := steps["watch"]
	return fmt.Sprintf("| %s | %s s | %.1f s | %s | %s | %s |", release, boot, float64(watch.ReadyNS)/1e9,
		lastLine(watch.Stderr), lastLine(steps["tcp"].Stderr), lastLine(steps["http"].Stderr))
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
