package http

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// works checks that the probe sees what a victim does, and names it right.
func works(t *testing.T, l *live, v *victim, path string) {
	t.Helper()
	do(t, newClient(t, false), "GET", "http://"+v.Plain+path, nil)
	e := l.one(t, path, ofPath(v.PID, path))
	if text(e, fieldStatus) != "200" || text(e, fieldRoute) == "-" && text(e, fieldTemplate) == "-" {
		t.Errorf("status %s, route %s, template %s", text(e, fieldStatus), text(e, fieldRoute), text(e, fieldTemplate))
	}
	path = "/panic" + path
	// On a connection of its own, or the client would send it again.
	do(t, newClient(t, false), "GET", "http://"+v.Plain+path, nil)
	e = l.one(t, path, ofPath(v.PID, path))
	if text(e, fieldFunction) != "main.blowUp" {
		t.Errorf("function = %s, stack = %+v", text(e, fieldFunction), e.Stack)
	}
}

// copyFile copies a program to where the test may change it.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err == nil {
		// Not into a file that runs.
		os.Remove(to)
		err = os.WriteFile(to, content, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTargetsThatEnd kills programs while the probe attaches to them.
func TestTargetsThatEnd(t *testing.T) {
	l := startLive(t, everything())
	path := victimBuild{}.path(t)
	const n = 12
	var doomed []*victim
	for i := range n {
		// Each is a file of its own, to which the probe must attach.
		own := filepath.Join(t.TempDir(), "doomed")
		copyFile(t, path, own)
		doomed = append(doomed, startVictim(t, own))
		l.follow(doomed[i].PID)
	}
	for _, v := range doomed {
		time.Sleep(time.Duration(rand.N(200)) * time.Millisecond)
		v.Signal(os.Kill)
		v.Wait()
	}
	v := startVictim(t, path)
	l.attach(t, v.PID)
	works(t, l, v, "/survivor")
	for deadline := time.Now().Add(patience); len(l.probe.Health().Targets) > 1; time.Sleep(100 * time.Millisecond) {
		if err := l.table.Sync(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("health = %+v", l.probe.Health())
		}
	}
	l.stop()
	if h := l.probe.Health(); h.Lost != 0 || h.LostRecords != 0 {
		t.Errorf("health = %+v", h)
	}
}

// TestExec has a program execute itself: it is seen as before.
func TestExec(t *testing.T) {
	l := startLive(t, everything())
	v := startVictim(t, victimBuild{}.path(t))
	l.attach(t, v.PID)
	for i := range 3 {
		works(t, l, v, fmt.Sprintf("/items/%d", 100+i))
		if _, err := io.WriteString(v.Stdin, "exec\n"); err != nil {
			t.Fatal(err)
		}
		v.readAddresses(t)
	}
	works(t, l, v, "/items/103")
	v.Stdin.Close()
	v.Wait()
	l.stop()
	if got := l.sum(func(k kind) bool { return int(k.pid) == v.PID && k.route == "/items/{id}" && k.status == 200 }); got != 4 {
		t.Errorf("%d requests are counted, want 4: %v", got, l.tallies)
	}
}

// TestReplacedProgram replaces a program's file while it runs, by one of another
// release: the old process is seen on, the new one as what it is.
func TestReplacedProgram(t *testing.T) {
	l := startLive(t, everything())
	path := filepath.Join(t.TempDir(), "service")
	copyFile(t, victimBuild{}.path(t), path)
	before := startVictim(t, path)
	l.attach(t, before.PID)
	works(t, l, before, "/items/1")
	copyFile(t, victimBuild{toolchain: "go1.23.12", flags: []string{"-trimpath", "-ldflags=-s -w"}}.path(t), path)
	after := startVictim(t, path)
	l.attach(t, after.PID)
	if old, fresh := l.target(t, before.PID), l.target(t, after.PID); old.GoVersion == fresh.GoVersion {
		t.Errorf("both are of %s", old.GoVersion)
	}
	for i := range 3 {
		works(t, l, before, fmt.Sprintf("/items/%d", 10+i))
		works(t, l, after, fmt.Sprintf("/items/%d", 20+i))
	}
	// A program whose file is gone, and which was not seen before.
	copyFile(t, victimBuild{}.path(t), path+"2")
	deleted := startVictim(t, path+"2")
	if err := os.Remove(path + "2"); err != nil {
		t.Fatal(err)
	}
	l.attach(t, deleted.PID)
	works(t, l, deleted, "/items/30")
}

// TestOtherRoots runs programs from file systems that the probe does not see.
func TestOtherRoots(t *testing.T) {
	l := startLive(t, everything())
	path := victimBuild{}.path(t)
	t.Run("chroot", func(t *testing.T) {
		root := t.TempDir()
		copyFile(t, path, filepath.Join(root, "service"))
		cmd := &exec.Cmd{Path: "/service", Dir: "/", SysProcAttr: &syscall.SysProcAttr{Chroot: root}}
		v := &victim{Target: testutil.StartTargetCmd(t, cmd)}
		v.readAddresses(t)
		l.attach(t, v.PID)
		works(t, l, v, "/items/1")
	})
	t.Run("mount namespace", func(t *testing.T) {
		unshare := testutil.RequireTool(t, "unshare", "util-linux")
		script := "mount -t tmpfs tmpfs /mnt && cp " + path + " /mnt/service && exec /mnt/service"
		v := startVictim(t, unshare, "--mount", "--propagation", "private", "sh", "-c", script)
		if _, err := os.Stat("/mnt/service"); err == nil {
			t.Fatal("the file is in the namespace of the test")
		}
		l.attach(t, v.PID)
		works(t, l, v, "/items/2")
	})
	t.Run("all namespaces", func(t *testing.T) {
		unshare := testutil.RequireTool(t, "unshare", "util-linux")
		script := "mount -t tmpfs tmpfs /mnt && cp " + path + " /mnt/service && exec /mnt/service"
		// The program's process id, in the namespace of the test, is that of
		// unshare's child.
		target := testutil.StartTarget(t, unshare, "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script)
		v := &victim{Target: target}
		v.readAddresses(t)
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", target.PID, target.PID))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscan(string(children), &v.PID); err != nil {
			t.Fatalf("children %q: %v", children, err)
		}
		l.attach(t, v.PID)
		works(t, l, v, "/items/3")
	})
}

// TestOtherPrograms has the probe look at programs that it cannot observe, or
// has no business with.
func TestOtherPrograms(t *testing.T) {
	l := startLive(t, everything())
	sleep := testutil.StartTarget(t, "/bin/sleep", "1000")
	plain := testutil.StartTarget(t, testutil.BuildGo(t, testutil.Files{
		"main.go": "package main\n\nimport (\n\t\"io\"\n\t\"os\"\n)\n\nfunc main() { io.Copy(io.Discard, os.Stdin) }\n",
	}, testutil.BuildOptions{}))
	l.follow(sleep.PID, plain.PID)
	t.Run("Go 1.19", func(t *testing.T) {
		// Toolchains that old do not build here, but a program can claim it.
		path := filepath.Join(t.TempDir(), "old")
		content, err := os.ReadFile(victimBuild{toolchain: "go1.20.14", flags: []string{"-trimpath", "-ldflags=-s -w"}}.path(t))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, bytes.ReplaceAll(content, []byte("go1.20.14"), []byte("go1.19.14")), 0o755); err != nil {
			t.Fatal(err)
		}
		old := startVictim(t, path)
		l.follow(old.PID)
		at := l.target(t, old.PID)
		if at.Points != 0 || at.GoVersion != "go1.19.14" {
			t.Errorf("target = %+v", at)
		}
		off := l.probe.Health().Off
		if len(off) != 1 || !strings.Contains(off[0].Cause, "1.20") || !strings.Contains(off[0].Cause, "go1.19.14") {
			t.Errorf("off = %+v, want a refusal that names both releases", off)
		}
		do(t, newClient(t, false), "GET", "http://"+old.Plain+"/items/1", nil)
	})
	v := startVictim(t, victimBuild{}.path(t))
	l.attach0(t, v.PID)
	works(t, l, v, "/items/1")
	for _, at := range l.probe.Health().Targets {
		for _, pid := range at.PIDs {
			if int(pid) == sleep.PID || int(pid) == plain.PID {
				t.Errorf("target = %+v", at)
			}
		}
	}
	for _, e := range l.where(func(e *model.Event) bool { return int(e.PID) == sleep.PID || int(e.PID) == plain.PID }) {
		t.Errorf("an event of process %d", e.PID)
	}
}

// attach0 is attach where other programs may have faults.
func (l *live) attach0(t *testing.T, pid int) {
	t.Helper()
	l.follow(pid)
	if at := l.target(t, pid); at.Points == 0 || at.Off != 0 {
		t.Fatalf("target = %+v", at)
	}
}

// TestPatchedCode changes the code of a process before the probe attaches: the
// point is refused, alone.
func TestPatchedCode(t *testing.T) {
	l := startLive(t, everything())
	path := filepath.Join(t.TempDir(), "patched")
	copyFile(t, victimBuild{}.path(t), path)
	v := startVictim(t, path)
	const hijack = "net/http.(*response).Hijack"
	program, err := symbol.NewCache(symbol.Options{}).Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := program.Binary().Lookup(hijack)[hijack]
	if !ok {
		t.Fatalf("no %s", hijack)
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", v.PID), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	if _, err := memory.WriteAt([]byte{0xeb}, int64(f.Entry)); err != nil {
		t.Fatal(err)
	}
	l.follow(v.PID)
	at := l.target(t, v.PID)
	off := l.probe.Health().Off
	if at.Off != 1 || len(off) != 1 || !strings.Contains(off[0].Part, hijack) || !strings.Contains(off[0].Cause, "differs from the file") {
		t.Fatalf("target = %+v, off = %+v", at, off)
	}
	works(t, l, v, "/items/1")
}

// TestTouchedProgram changes the file of a running program in a way that makes
// it look like another one: the probe is attached to it twice, and counts once.
func TestTouchedProgram(t *testing.T) {
	l := startLive(t, everything())
	path := filepath.Join(t.TempDir(), "service")
	copyFile(t, victimBuild{}.path(t), path)
	first := startVictim(t, path)
	l.attach(t, first.PID)
	if err := os.Chmod(path, 0o750); err != nil {
		t.Fatal(err)
	}
	second := startVictim(t, path)
	l.attach(t, second.PID)
	const n = 200
	for _, v := range []*victim{first, second} {
		v.each(t, "/four/", n, 10)
		v.counts(t)
	}
	l.stop()
	for _, v := range []*victim{first, second} {
		for role, want := range map[string]uint64{roleServer: 2 * n, roleClient: n} {
			if got := l.sum(func(k kind) bool { return int(k.pid) == v.PID && k.role == role }); got != want {
				t.Errorf("process %d: %d requests are counted as %s, want %d", v.PID, got, role, want)
			}
		}
		made, served := l.calls(t, v, n), l.served(t, v, "/four/", n)
		for id, call := range made {
			if !linkedTo(served[id], call) {
				t.Errorf("call %s is not linked to its request", id)
			}
		}
	}
}
