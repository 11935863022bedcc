package cli

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// family starts a shell that starts others, and returns their process ids once
// they run: a child that says in the file asked that it was asked to end, its
// child, which if stubborn does not care, and one in a session of its own.
func family(t *testing.T, dir string, terminal, stubborn bool) (c *startedCommand, child, grandchild, escaped int) {
	t.Helper()
	trap := ":"
	if stubborn {
		trap = "trap '' TERM"
	}
	// No file is there before it is whole.
	const script = `cd "$1" || exit 1
export TRAP="$2"
sh -c 'sh -c "eval \"\$TRAP\"; echo \$\$ >grandchild.new; mv grandchild.new grandchild; exec sleep 300" & trap "sleep 0.05; echo >asked; exit" TERM; echo $$ >child.new; mv child.new child; wait' &
setsid sh -c 'echo $$ >escaped.new; mv escaped.new escaped; exec sleep 300' &
wait`
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	o := startOptions{Command: []string{"sh", "-c", script, "sh", dir, trap}, Stdout: null, Stderr: null}
	if terminal {
		o.Stdin = null
	}
	if c, err = startCommand("/bin/sh", &o); err != nil {
		t.Fatal(err)
	}
	if c.patience = time.Minute; stubborn {
		c.patience = 10 * time.Millisecond
	}
	pid := func(name string) int {
		for {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil {
				n, _ := strconv.Atoi(strings.TrimSpace(string(text)))
				return n
			}
			if !errors.Is(err, os.ErrNotExist) || t.Context().Err() != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	child, grandchild, escaped = pid("child"), pid("grandchild"), pid("escaped")
	for _, pid := range []int{child, grandchild, escaped} {
		if p, err := readRelative("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
			t.Cleanup(func() { p.signal(unix.SIGKILL) })
		}
	}
	return c, child, grandchild, escaped
}

// runs reports whether a process has not ended.
func runs(pid int) bool {
	_, err := readRelative("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil
}

func TestStartedCommand_finishEndsWhatItStarted(t *testing.T) {
	for _, tt := range []struct {
		name               string
		terminal, stubborn bool
	}{
		{"away from a terminal", false, false}, {"on a terminal", true, false},
		{"what ignores that, away from a terminal", false, true}, {"what ignores that, on a terminal", true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			c, child, grandchild, escaped := family(t, dir, tt.terminal, tt.stubborn)
			if group, err := unix.Getpgid(c.process.Pid); err != nil || (group == unix.Getpgrp()) != tt.terminal {
				t.Errorf("it is in the process group %d, we in %d: %v", group, unix.Getpgrp(), err)
			}
			left := c.finish()
			if _, err := os.Stat(filepath.Join(dir, "asked")); !tt.stubborn && err != nil {
				t.Errorf("its child was not asked to end, or not waited for: %v", err)
			}
			// One that was killed may take a moment.
			for tt.stubborn && (runs(child) || runs(grandchild)) && t.Context().Err() == nil {
				time.Sleep(time.Millisecond)
			}
			if runs(child) || runs(grandchild) {
				t.Errorf("its child goes on: %t, its grandchild: %t", runs(child), runs(grandchild))
			}
			if !slices.ContainsFunc(left, func(p relative) bool { return p.pid == escaped }) || !tt.stubborn && len(left) != 1 || !runs(escaped) {
				t.Errorf("left: %+v, want process %d, which has left its group", left, escaped)
			}
		})
	}
}

func TestStartedCommand_leftIsWhatGoesOnAfterIt(t *testing.T) {
	c, child, grandchild, _ := family(t, t.TempDir(), false, false)
	if err := c.process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	var pids []int
	for _, p := range c.left() {
		pids = append(pids, p.pid)
	}
	slices.Sort(pids)
	want := []int{child, grandchild}
	if slices.Sort(want); !slices.Equal(pids, want) {
		t.Errorf("left: %d, want %d", pids, want)
	}
	for _, p := range c.left() {
		p.signal(unix.SIGKILL)
	}
	c.leads = false
	if left := c.left(); left != nil {
		t.Errorf("on a terminal %+v is said to be left, of a group that is not its own", left)
	}
}

func TestRelative_signalSparesWhoeverHasItsIDNow(t *testing.T) {
	dir := t.TempDir()
	c, child, _, _ := family(t, dir, false, false)
	p, err := readRelative("/proc/" + strconv.Itoa(child) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	p.start++
	p.signal(unix.SIGKILL)
	c.finish()
	// Who was killed could not say so.
	if _, err := os.Stat(filepath.Join(dir, "asked")); err != nil {
		t.Errorf("a process with another start time was taken for it: %v", err)
	}
}

func TestParseRelative(t *testing.T) {
	const fields = " S 1 42 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 999 20"
	for _, tt := range []struct {
		name, text string
		want       relative
		fails      bool
	}{
		{"a process", "41 (sleep)" + fields, relative{pid: 41, parent: 1, group: 42, start: 999, name: "sleep"}, false},
		{"a name that looks like fields", "41 (a) R 7 7 (b)" + fields, relative{pid: 41, parent: 1, group: 42, start: 999, name: "a) R 7 7 (b"}, false},
		{"one that has ended", "41 (sleep)" + strings.Replace(fields, "S", "Z", 1), relative{}, true},
		{"one that is about to be gone", "41 (sleep)" + strings.Replace(fields, "S", "X", 1), relative{}, true},
		{"too few fields", "41 (sleep) S 1 42 3", relative{}, true},
		{"no name", "41 sleep" + fields, relative{}, true},
		{"no numbers", "x (sleep)" + fields, relative{}, true},
		{"nothing", "", relative{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseRelative([]byte(tt.text))
			if (err != nil) != tt.fails || err == nil && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func FuzzParseRelative(f *testing.F) {
	f.Add([]byte("41 (sleep) S 1 42 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 999 20"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := parseRelative(text); err == nil && !strings.Contains(string(text), "("+p.name+")") {
			t.Errorf("%q has the name %q", text, p.name)
		}
	})
}

func TestDescendants_whateverTheOrder(t *testing.T) {
	all := []relative{{pid: 2, parent: 9}, {pid: 9, parent: 5}, {pid: 5, parent: 1}, {pid: 6, parent: 1}, {pid: 7, parent: 7}, {pid: 8, parent: 5}}
	var got []int
	for _, p := range descendants(5, all) {
		got = append(got, p.pid)
	}
	if slices.Sort(got); !slices.Equal(got, []int{2, 8, 9}) {
		t.Errorf("%d descend from 5, want 2, 8 and 9", got)
	}
}

func TestWithDescendants_followsWhoIsLeft(t *testing.T) {
	// 5 has gone; its child 8 has another parent now, and a child since; 9 has the
	// id of one that has gone.
	family := []relative{{pid: 5, parent: 1, start: 1}, {pid: 8, parent: 5, start: 2}, {pid: 9, parent: 5, start: 3}}
	all := []relative{{pid: 8, parent: 1, start: 2}, {pid: 9, parent: 1, start: 7}, {pid: 10, parent: 8, start: 8}, {pid: 11, parent: 9, start: 8}}
	var got []int
	for _, p := range withDescendants(family, all) {
		got = append(got, p.pid)
	}
	if !slices.Equal(got, []int{5, 8, 9, 10}) {
		t.Errorf("the family is %d, want 5, 8, 9 and 10", got)
	}
}

func TestGoesOn_namesAFew(t *testing.T) {
	one := goesOn([]relative{{pid: 7, name: "server"}}, "because")
	if one.What != "1 process that goes on: 7 (server)" || one.Why != "because" {
		t.Errorf("%+v", one)
	}
	if many := goesOn(make([]relative, 8), ""); !strings.HasPrefix(many.What, "8 processes that go on: 0 (), ") || !strings.HasSuffix(many.What, ") and 3 more") {
		t.Errorf("%+v", many)
	}
}
