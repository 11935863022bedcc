package shop

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// openShop returns a shop with its files and no server; the cleanup ends it.
// The test is skipped where a tool is missing.
func openShop(t *testing.T, tools ...string) *shop {
	t.Helper()
	for _, tool := range tools {
		testutil.RequireTool(t, tool, "coreutils")
	}
	s := newShop(t.Context(), Options{Detacher: selfDetacher(t)}, t.TempDir())
	if err := stockUp(s.dir); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.ledger, err = openLedger(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.end(); err != nil {
			t.Error(err)
		}
		s.ledger.close()
	})
	return s
}

// signalOf returns the signal that ended a command, 0 for none.
func signalOf(err error) syscall.Signal {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return status.Signal()
		}
	}
	return 0
}

func TestSuppliers_areEndedInTheirWays(t *testing.T) {
	s := openShop(t, "sleep")
	if err := s.askWarehouse(t.Context()); signalOf(err) != syscall.SIGKILL {
		t.Errorf("askWarehouse = %v, want killed", err)
	}
	if err := s.askCourier(t.Context()); signalOf(err) != syscall.SIGTERM {
		t.Errorf("askCourier = %v, want terminated", err)
	}
}

func TestRefusedCommands_failWithTheirErrno(t *testing.T) {
	s := openShop(t)
	if err := s.makeThumbnail(t.Context(), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("makeThumbnail = %v, want ENOENT", err)
	}
	if err := s.printLabel(t.Context(), 1); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("printLabel = %v, want EACCES", err)
	}
}

func TestApplyCoupon(t *testing.T) {
	s := openShop(t, "grep")
	for coupon, want := range map[string]bool{"SUMMER": true, "WINTER": false, ".*": false, "-v": false} {
		if got, err := s.applyCoupon(t.Context(), coupon); got != want || err != nil {
			t.Errorf("applyCoupon(%q) = %t, %v, want %t", coupon, got, err, want)
		}
	}
}

func TestSignReceipt_passesTheTrace(t *testing.T) {
	testutil.RequireTool(t, "sh", "dash")
	dir := t.TempDir()
	spy := filepath.Join(dir, "spy")
	if err := os.WriteFile(spy, []byte("#!/bin/sh\necho $TRACEPARENT\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := openShop(t)
	s.tools["sha256sum"] = spy
	s.works["signReceipt"] = work{name: "signReceipt", processes: 1, limit: 1}
	ctx, err := withTraceparent(t.Context(), bytes.NewReader(bytes.Repeat([]byte{0x11}, 24)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.signReceipt(ctx, "receipt")
	if want := "00-" + strings.Repeat("11", 16) + "-" + strings.Repeat("11", 8) + "-01\n"; got != want || err != nil {
		t.Errorf("the command was told %q, %v, want %q", got, err, want)
	}
}

func TestGreetCustomer_keepsAwkwardBytes(t *testing.T) {
	s := openShop(t, "printf")
	text, err := s.greetCustomer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n", "\x1b[31m", "\xff\xfe"} {
		if !strings.Contains(text, want) {
			t.Errorf("greeting %q lacks %q", text, want)
		}
	}
}

func TestScripts_answer(t *testing.T) {
	s := openShop(t, "sh", "nice", "env", "uniq")
	if text, err := s.packParcel(t.Context()); err != nil || !strings.HasPrefix(text, "2000 orders.csv\n") {
		t.Errorf("packParcel = %q, %v", text, err)
	}
	if text, err := s.topSellers(); err != nil || strings.Count(text, "\n") != 3 {
		t.Errorf("topSellers = %q, %v", text, err)
	}
}

func TestWarmCache_leavesAtMostTwoZombies(t *testing.T) {
	s := openShop(t, "cat")
	for range 2 {
		if err := s.warmCache(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.warmCache(); !errors.Is(err, errBusy) {
		t.Errorf("a third warmCache = %v, want %v", err, errBusy)
	}
	if got := len(children(t)); got != 2 {
		t.Errorf("%d children, want 2 that nobody waits for", got)
	}
	if err := s.end(); err != nil {
		t.Error(err)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("left after the end: %v", left)
	}
}

func TestQueueMail_leavesAnOrphanUntilTheEnd(t *testing.T) {
	testutil.RequireTool(t, "sh", "dash")
	for name, detacher := range map[string][]string{"by a Go program": selfDetacher(t), "by a shell script": nil} {
		t.Run(name, func(t *testing.T) {
			restore, err := becomeSubreaper()
			if err != nil {
				t.Fatal(err)
			}
			defer restore()
			s := openShop(t, "cat")
			s.detacher = detacher
			if err := s.queueMail(); err != nil {
				t.Fatal(err)
			}
			if got := children(t); len(got) != 1 || !slices.Contains(got, "cat") {
				t.Errorf("children = %v, want the adopted cat", got)
			}
			if err := s.end(); err != nil {
				t.Error(err)
			}
			if left := children(t); len(left) > 0 {
				t.Errorf("left after the end: %v", left)
			}
		})
	}
}

func TestQueueMail_reportsALauncherThatFails(t *testing.T) {
	s := openShop(t, "cat")
	for name, detacher := range map[string][]string{
		"missing":          {filepath.Join(s.dir, thumbnailer)},
		"printing nothing": {"true"},
		"printing a text":  {"echo"},
	} {
		s.detacher = detacher
		if err := s.queueMail(); err == nil {
			t.Errorf("queueMail by a launcher %s succeeds", name)
		}
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestQueueMail_survivesALauncherThatSharesItsOutput(t *testing.T) {
	testutil.RequireTool(t, "sh", "dash")
	restore, err := becomeSubreaper()
	if err != nil {
		t.Fatal(err)
	}
	defer restore()
	s := openShop(t, "cat")
	script := filepath.Join(s.dir, "leaky.sh")
	if err := os.WriteFile(script, []byte("exec 3<&0\n\"$1\" <&3 &\necho $!\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.detacher = []string{"sh", script}
	if err := s.queueMail(); !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("queueMail = %v, want %v", err, exec.ErrWaitDelay)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
