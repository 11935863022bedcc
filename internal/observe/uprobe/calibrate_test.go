package uprobe

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestCalibrate(t *testing.T) {
	testutil.RequireBPF(t)
	costs, err := Calibrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, cost := range map[string]Cost{"emulated": costs.Emulated, "stepped": costs.Stepped} {
		if cost.Empty <= 0 || cost.Typical <= 0 {
			t.Errorf("%s: %+v: a hit costs something", name, cost)
		}
	}
	t.Logf("%+v", costs)
}

func TestMeasureRunsTheProgramAtItsPoints(t *testing.T) {
	testutil.RequireBPF(t)
	program, hits := counting(t, multi())
	costs, err := Measure(t.Context(), []Trial{
		{Program: program, Entry: EntryEmulated, EntryCookie: 1, Return: ReturnStepped, ReturnCookie: 2},
		{Program: program, Entry: EntryStepped, EntryCookie: 3, Return: ReturnEmulated, ReturnCookie: 4},
		{Program: program, Entry: EntryEmulated, EntryCookie: 5},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(costs) != 3 {
		t.Fatalf("%d costs, want 3", len(costs))
	}
	for cookie, want := range map[uint64]uint64{
		1: warmUp + runs*steppedCalls, 2: warmUp + runs*steppedCalls,
		3: warmUp + runs*steppedCalls, 4: warmUp + runs*steppedCalls,
		5: warmUp + runs*cheapCalls, 6: 0,
	} {
		if got := hits(cookie); got != want {
			t.Errorf("%d hits of site %d, want %d", got, cookie, want)
		}
	}
}

func TestMeasureEnds(t *testing.T) {
	testutil.RequireBPF(t)
	program, err := ebpf.NewProgram(emptyProgram())
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Measure(ctx, []Trial{{Program: program, Entry: EntryEmulated}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Measure = %v, want that it was cancelled", err)
	}
}

func TestMeterIsAProgramForBothArchitectures(t *testing.T) {
	for name, m := range map[string]*meter{"amd64": &meterAMD64, "arm64": &meterARM64} {
		t.Run(name, func(t *testing.T) {
			image := m.image(3)
			f, err := elf.NewFile(bytes.NewReader(image))
			if err != nil {
				t.Fatal(err)
			}
			if f.Machine != m.machine || f.Type != elf.ET_EXEC || len(f.Progs) != 1 || f.Progs[0].Filesz != uint64(len(image)) {
				t.Errorf("%+v", f.FileHeader)
			}
			for p := EntryStepped; p <= ReturnStepped; p++ {
				if off := m.offset(2, p); off >= uint64(len(image)) || p > EntryStepped && off <= m.offset(2, p-1) {
					t.Errorf("point %d of slot 2 is at %d of %d bytes", p, off, len(image))
				}
			}
		})
	}
}

func TestDeletedFileRuns(t *testing.T) {
	testutil.RequireBPF(t)
	m, err := hostMeter()
	if err != nil {
		t.Fatal(err)
	}
	f, err := deletedFile(m.image(1))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	child, err := startMeter(t.Context(), m, f)
	if err != nil {
		t.Fatal(err)
	}
	defer child.stop()
	if took, err := child.run(100_000, 0); err != nil || took <= 0 {
		t.Errorf("run took %v: %v", took, err)
	}
}

func TestLowerThird(t *testing.T) {
	for _, tt := range []struct {
		samples []float64
		want    float64
	}{
		{[]float64{5}, 5},
		{[]float64{9, 1, 8, 3, 100, 2, 7, 6, 5}, 2},
	} {
		if got := lowerThird(tt.samples); got != tt.want {
			t.Errorf("lowerThird(%v) = %v, want %v", tt.samples, got, tt.want)
		}
	}
}
