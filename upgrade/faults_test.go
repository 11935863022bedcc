package upgrade_test

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade"
)

// stays checks that an upgrade is refused before anything is started, and who serves.
func (r *rig) stays(n int, reason string) {
	r.t.Helper()
	first := r.serving()
	r.signal(unix.SIGUSR2)
	o := r.outcome(n)
	if o.Outcome != upgrade.Running || !strings.Contains(o.Reason, reason) {
		r.t.Errorf("%+v; want %q", o, reason)
	}
	r.answers(first)
}

// TestUpgrade_toABadProgram has what is no new version lie where it should be.
func TestUpgrade_toABadProgram(t *testing.T) {
	t.Parallel()
	program := programOf(t)
	content, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(content)
	binary.LittleEndian.PutUint16(other[18:], uint16(elf.EM_S390))
	r := startRig(t, quick(), exec.Command(program))
	n := 0
	for _, c := range []struct {
		what    string
		content []byte
		mode    os.FileMode
		reason  string
	}{
		{"missing", nil, 0, "no such file"},
		{"not executable", content, 0o644, "not executable"},
		{"of another machine", other, 0o755, "for another machine"},
		{"truncated", content[:len(content)/2], 0o755, "truncated"},
		{"empty", []byte{}, 0o755, "truncated: it is empty"},
		{"a script", []byte("#!/bin/sh\nexit 0\n"), 0o755, "a script"},
		{"a text", []byte("hello"), 0o755, "not an ELF program"},
	} {
		if err := os.Remove(program); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if c.content != nil {
			if err := os.WriteFile(program, c.content, c.mode); err != nil {
				t.Fatal(err)
			}
		}
		t.Log(c.what)
		r.stays(n, c.reason)
		n++
	}
	copyProgram(t, program)
	r.upgraded(n)
}

// TestUpgrade_theProgramIsReplacedMeanwhile puts another file in the place of the program
// after it was checked: the one that was checked is started.
func TestUpgrade_theProgramIsReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	program := programOf(t)
	r := startRig(t, quick(), exec.Command(program))
	r.harm("wait verify")
	r.signal(unix.SIGUSR2)
	r.entered(1, upgrade.Spawning)
	checked, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	// It is renamed into place, so that nothing is written to the one that is open.
	copyProgram(t, program)
	r.harm("")
	o := r.outcome(0)
	if o.Outcome != upgrade.Committed {
		t.Fatalf("%+v", o)
	}
	r.answers(o.PID)
	// Either file may have been opened by then; what runs is a whole one.
	running := programFile(t, strconv.Itoa(o.PID))
	now, err := os.Stat(program)
	if err != nil || !os.SameFile(running, checked) && !os.SameFile(running, now) {
		t.Errorf("another program runs: %v", err)
	}
}

// TestUpgrade_ofTheProgramsOwn has functions of the program fail in the old version, which has
// to go on.
func TestUpgrade_ofTheProgramsOwn(t *testing.T) {
	t.Parallel()
	p := quick()
	p.State = 1 << 10
	r := newRig(t, p)
	first := r.serving()
	for n, c := range []struct {
		harm, reason string
		outcome      upgrade.State
	}{
		{"refuse save", "hand over: the state is torn", upgrade.Running},
		{"abort save", "aborted by SIGUSR1", upgrade.Running},
		{"abort verify", "aborted by SIGUSR1", upgrade.Running},
		{"panic gate", "gate: panic: misfortune", upgrade.RolledBack},
		{"speak main", "another protocol", upgrade.RolledBack},
	} {
		harm, abort := strings.CutPrefix(c.harm, "abort")
		if abort {
			harm = "block" + harm
		} else {
			harm = c.harm
		}
		r.harm(harm)
		r.signal(unix.SIGUSR2)
		if abort {
			r.stateIs(upgrade.Spawning)
			r.signal(unix.SIGUSR1)
		}
		if o := r.outcome(n); o.Outcome != c.outcome || !strings.Contains(o.Reason, c.reason) {
			t.Errorf("%s: %+v", c.harm, o)
		}
		r.answers(first)
	}
	r.harm("")
	r.upgraded(5)
}

// stateIs waits until the process that serves says that it is in a state.
func (r *rig) stateIs(s upgrade.State) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if r.about().Status.State == s {
			return
		}
	}
	r.t.Fatalf("it is not in state %s", s)
}

// TestUpgrade_signalsBeforeRun sends signals to a version that does not run yet: they do
// not end it, as they would by default.
func TestUpgrade_signalsBeforeRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, quick())
	r.harm("wait new")
	r.signal(unix.SIGUSR2)
	next := r.entered(1, upgrade.Warming).Peer
	for _, s := range []unix.Signal{unix.SIGUSR2, unix.SIGHUP} {
		if err := unix.Kill(next, s); err != nil {
			t.Fatal(err)
		}
	}
	r.harm("")
	if o := r.outcome(0); o.Outcome != upgrade.Committed || o.PID != next {
		t.Errorf("%+v", o)
	}
	r.logged("an upgrade is refused")
}

// TestUpgrade_busy asks for upgrades when none can begin: nothing is started.
func TestUpgrade_busy(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Probation, p.Generations, p.Drain = 10*time.Millisecond, 3, patience
	r := newRig(t, p)
	first := r.serving()
	r.harm("wait warm")
	r.signal(unix.SIGUSR2)
	r.entered(1, upgrade.Warming)
	r.signal(unix.SIGUSR2)
	r.logged("another upgrade goes on")
	r.harm("")
	second := r.outcome(0)
	r.entered(2, upgrade.Running)
	r.gone(first)
	// Two versions that drain are as many as there may be.
	slow := make([]*held, 2)
	for n := range slow {
		slow[n] = r.hold(r.serving())
		r.upgraded(n + 1)
	}
	r.signal(unix.SIGUSR2)
	r.logged("3 processes serve or drain already, and there may be 3 in all")
	if len(r.outcomes()) != 3 {
		t.Errorf("%+v", r.outcomes())
	}
	if refused := r.about().Status.Refused; refused == nil || !strings.HasPrefix(refused.Reason, "3 processes serve or drain") || refused.Time.IsZero() {
		t.Errorf("%+v", refused)
	}
	for _, h := range slow {
		h.finish(t)
	}
	r.gone(second.PID)
	for end := time.Now().Add(patience); r.about().Status.PreviousAlive && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	r.upgraded(3)
}

// logged waits until a version has logged something.
func (r *rig) logged(text string) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if strings.Contains(r.log.String(), text) {
			return
		}
	}
	r.t.Fatalf("%q is not logged:\n%s", text, r.log)
}

// TestUpgrade_theRolledBackCount has versions that were rolled back and still drain count
// as well.
func TestUpgrade_theRolledBackCount(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Generations = 2
	r := newRejected(t, p)
	r.signal(unix.SIGUSR2)
	r.logged("2 processes serve or drain already, and there may be 2 in all")
	r.held.finish(t)
	r.gone(r.next)
	r.logged("rolled back: aborted")
	r.await("it ended", func(e upgrade.Event) bool { return e.PID == r.next && e.State == upgrade.Drained })
	r.again(1)
}

// again asks for an upgrade until one begins: the end of a process is noticed by and by.
func (r *rig) again(n int) upgrade.Outcome {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		r.signal(unix.SIGUSR2)
		time.Sleep(20 * time.Millisecond)
		if r.about().Status.NextPID != 0 || len(r.outcomes()) > n {
			break
		}
	}
	return r.outcome(n)
}

// TestUpgrade_withoutDescriptors leaves room for so many descriptors, from none on: each
// upgrade ends well, or is refused and leaves none behind.
func TestUpgrade_withoutDescriptors(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Probation, p.State = time.Millisecond, 1<<10
	r := newRig(t, p)
	first := r.serving()
	// What asks keeps its connection, which needs a descriptor. The first upgrade opens
	// some that stay.
	client := r.rawClient()
	defer client.close()
	r.harm("refuse warm")
	r.signal(unix.SIGUSR2)
	o := r.outcome(0)
	r.gone(o.PID)
	before := r.settled()
	refused := 0
	for n := 1; ; n++ {
		if n > 60 {
			t.Fatal("no room is enough")
		}
		r.ask("/limit?room=" + strconv.Itoa(n))
		if err := unix.Kill(first, unix.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		o := r.outcome(n)
		if err := r.unlimited(first); err != nil {
			t.Fatal(err)
		}
		if o.Outcome == upgrade.RolledBack && strings.Contains(o.Reason, "the cache stays cold") {
			break
		}
		// A descriptor from a number on that is beyond the limit is said to be invalid.
		if !strings.Contains(o.Reason, "too many open files") && !strings.Contains(o.Reason, "a descriptor from") {
			t.Errorf("room for %d: %+v", n, o)
		}
		refused++
		if now := r.settled(); now > before {
			t.Fatalf("room for %d: %d descriptors are open, %d before", n, now, before)
		}
	}
	if refused < 5 {
		t.Errorf("%d were refused", refused)
	}
	r.harm("")
	r.again(len(r.outcomes()))
}

// unlimited takes the limit of descriptors away, from outside: the process may not be able
// to accept.
func (r *rig) unlimited(pid int) error {
	var now unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &now); err != nil {
		return err
	}
	now.Cur = now.Max
	return unix.Prlimit(pid, unix.RLIMIT_NOFILE, &now, nil)
}

// settled returns how many descriptors the process has that serves, once they do not get
// fewer any more.
func (r *rig) settled() int {
	r.t.Helper()
	least, same := 1<<30, 0
	for end := time.Now().Add(patience); same < 5 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if n := r.about().Files; n < least {
			least, same = n, 0
		} else {
			same++
		}
	}
	return least
}

// TestUpgrade_leavesNothingBehind has many versions be rolled back, at all points: the old
// one has no more goroutines and descriptors afterwards.
func TestUpgrade_leavesNothingBehind(t *testing.T) {
	t.Parallel()
	p := quick()
	p.Probation, p.State, p.TLS = 5*time.Millisecond, 1<<10, true
	r := newRig(t, p)
	harms := []string{"exit main", "refuse warm", "kill ready+0ms", "refuse gate", "refuse save"}
	var before about
	const all = 50
	for n := range all + len(harms) {
		if n == len(harms) {
			before = r.still()
		}
		r.harm(harms[n%len(harms)])
		r.signal(unix.SIGUSR2)
		o := r.outcome(n)
		if o.Outcome == upgrade.Committed {
			t.Fatalf("%+v", o)
		}
		if o.PID > 0 {
			r.gone(o.PID)
		}
	}
	if now := r.still(); now.Goroutines > before.Goroutines || now.Files > before.Files {
		t.Errorf("%d goroutines and %d descriptors, %d and %d before", now.Goroutines, now.Files, before.Goroutines, before.Files)
	}
}

// still returns what the process that serves has, once it does not get less any more.
func (r *rig) still() about {
	r.t.Helper()
	least, same := r.about(), 0
	for end := time.Now().Add(patience); same < 20 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if a := r.about(); a.Goroutines < least.Goroutines || a.Files < least.Files {
			least.Goroutines, least.Files, same = min(a.Goroutines, least.Goroutines), min(a.Files, least.Files), 0
		} else {
			same++
		}
	}
	return least
}

// TestUpgrade_doesNotDrift has each version change what it can of itself: the next one is as
// the first one was.
func TestUpgrade_doesNotDrift(t *testing.T) {
	t.Parallel()
	program := programOf(t)
	folder := filepath.Join(t.TempDir(), "folder")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	// By a relative path, and under a name of its own.
	relative, err := filepath.Rel(folder, program)
	if err != nil {
		t.Fatal(err)
	}
	command := &exec.Cmd{Path: relative, Args: []string{relative, "an argument", ""}, Dir: folder, Env: append(os.Environ(), "UPGRADE_TEST_KEPT=yes")}
	r := startRig(t, quick(), command)
	check := func(a about) {
		t.Helper()
		if a.Folder != folder || !slices.Equal(a.Args, command.Args) || a.Drift != "" || a.Kept != "yes" || a.Comm != filepath.Base(program) || a.Program != program || a.Status.Program != program {
			t.Errorf("%+v", a)
		}
	}
	check(r.about())
	for n := range 3 {
		r.ask("/drift")
		if n == 2 {
			// What was held is still the folder, although it has another name, and then none.
			if err := os.Rename(folder, folder+".2"); err != nil {
				t.Fatal(err)
			}
			folder += ".2"
		}
		o := r.upgraded(n)
		r.answers(o.PID)
		a := r.about()
		check(a)
		if a.Status.Generation != n+2 || !a.Status.Listeners[0].Inherited {
			t.Errorf("%+v", a.Status)
		}
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	folder += " (deleted)"
	r.ask("/drift")
	o := r.upgraded(3)
	r.answers(o.PID)
	check(r.about())
}
