package platform

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestBootClockKeepsTheLeastInterruptedComparison(t *testing.T) {
	var n int64
	c := BootClock{read: func() (int64, int64, int64, error) {
		n++
		if n == 3 {
			return 1000, 5001, 1002, nil
		}
		return 1000, 9999, 1900, nil
	}}
	if got, want := c.Wall(0), time.Unix(0, 4000).UTC(); !got.Equal(want) {
		t.Errorf("Wall(0) = %v, want %v", got, want)
	}
	if n != bootClockReads {
		t.Errorf("the first conversion read the clocks %d times, want %d", n, bootClockReads)
	}
	if c.Wall(1); n != bootClockReads {
		t.Error("the second conversion read the clocks again")
	}
}

func TestBootClockSeesAStepOfTheWallClockOnRefresh(t *testing.T) {
	wall := int64(5000)
	c := BootClock{read: func() (int64, int64, int64, error) { return 1000, wall, 1000, nil }}
	if step, err := c.Refresh(); step != 0 || err != nil {
		t.Fatalf("first Refresh = %v, %v, want 0 and no error", step, err)
	}
	wall += int64(time.Hour)
	if got := c.Wall(0); !got.Equal(time.Unix(0, 4000)) {
		t.Errorf("Wall before Refresh = %v, want the old offset", got)
	}
	if step, err := c.Refresh(); step != time.Hour || err != nil {
		t.Fatalf("Refresh after a step = %v, %v, want 1h and no error", step, err)
	}
	if got := c.Wall(0); !got.Equal(time.Unix(0, 4000).Add(time.Hour)) {
		t.Errorf("Wall after Refresh = %v, want the new offset", got)
	}
}

func TestBootClockWithoutClocks(t *testing.T) {
	broken := errors.New("no clock")
	fail := true
	c := BootClock{read: func() (int64, int64, int64, error) {
		if fail {
			return 0, 0, 0, broken
		}
		return 1, 2, 1, nil
	}}
	if got := c.Wall(1); !got.IsZero() {
		t.Errorf("Wall = %v, want the zero time", got)
	}
	if _, err := c.Refresh(); !errors.Is(err, broken) {
		t.Errorf("Refresh = %v, want it to wrap %v", err, broken)
	}
	fail = false
	before := c.Wall(1)
	fail = true
	if _, err := c.Refresh(); err == nil || !c.Wall(1).Equal(before) {
		t.Errorf("a failed Refresh changed the offset or hid its error (%v)", err)
	}
}

func TestBootClockAgreesWithTheWallClockOfThisHost(t *testing.T) {
	var c BootClock
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		t.Fatal(err)
	}
	if off := time.Since(c.Wall(uint64(boot.Nano()))).Abs(); off > time.Minute {
		t.Errorf("the boot clock's now is %v off the wall clock's now", off)
	}
}
