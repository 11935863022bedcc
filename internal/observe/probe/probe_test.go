package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

func TestRingSize(t *testing.T) {
	page := uint32(os.Getpagesize())
	for _, test := range []struct {
		n    int
		want uint32
	}{
		{1, page}, {int(page), page}, {int(page) + 1, 2 * page}, {100_000, 131072}, {1 << 20, 1 << 20}, {math.MaxInt, 1 << 31},
	} {
		if got := ringSize(test.n); got != test.want {
			t.Errorf("ringSize(%d) = %d, want %d", test.n, got, test.want)
		}
	}
}

func TestHintsNameARemedy(t *testing.T) {
	for err, want := range map[error]string{
		os.ErrPermission: "root", ebpf.ErrNotSupported: "kernel", os.ErrNotExist: "kernel", errors.New("else"): "report",
	} {
		if got := hint(err); !strings.Contains(got, want) {
			t.Errorf("hint(%v) = %q, want it to say %q", err, got, want)
		}
	}
}

func TestStateless(t *testing.T) {
	schema := &model.Schema{Fields: []model.Field{{Key: "n", Kind: model.KindInt}}}
	bad := errors.New("bad record")
	d := Stateless(schema, func(record []byte, e *model.Event) (bool, error) {
		switch len(record) {
		case 0:
			return false, bad
		case 1:
			return false, nil
		}
		e.Values[0] = model.IntValue(int64(len(record)))
		return true, nil
	})
	var got []int64
	emit := func(e *model.Event) { got = append(got, e.Values[0].Int()) }
	for _, record := range [][]byte{{1, 2}, {1}, {1, 2, 3}} {
		if err := d.Decode(record, emit); err != nil {
			t.Error(err)
		}
	}
	if err := d.Decode(nil, emit); !errors.Is(err, bad) {
		t.Errorf("Decode = %v, want %v", err, bad)
	}
	d.Tick(0, 0, emit)
	d.Flush(emit)
	if len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Errorf("events = %d, want 2 and 3", got)
	}
}

func TestStartRefusesAHostThatLacksANeed(t *testing.T) {
	spec := &Spec{Name: "test", Needs: []Need{
		{What: "nothing", Check: func() error { return nil }},
		{What: "the moon", Check: func() error { return errors.New("not there") }, Hint: "wait for the night"},
	}}
	_, err := Start(spec, Host{}, Options{})
	var unsupported *platform.UnsupportedError
	if !errors.As(err, &unsupported) || unsupported.Hint != "wait for the night" || !strings.Contains(err.Error(), "the moon") {
		t.Errorf("Start = %v", err)
	}
}

func TestStartRefusesAnObjectThatLacksParts(t *testing.T) {
	broken := errors.New("broken object")
	for name, spec := range map[string]*Spec{
		"no object": {Load: func() (*ebpf.CollectionSpec, error) { return nil, broken }},
		"no ring":   {Load: func() (*ebpf.CollectionSpec, error) { return &ebpf.CollectionSpec{}, nil }},
		"no map per CPU": {PerCPU: []string{"scratch"}, Load: func() (*ebpf.CollectionSpec, error) {
			return &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{ringMap: {Type: ebpf.RingBuf, MaxEntries: 4096}}}, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := Start(spec, Host{}, Options{}); err == nil {
				p.Close()
				t.Error("Start took it")
			}
		})
	}
}

// testValue is what the record of the test's program holds.
const testValue = 42

// testSpec is a probe whose program sends a record of 8 bytes whenever any
// process ends.
func testSpec(points ...AttachPoint) *Spec {
	schema := &model.Schema{Probe: "test", Fields: []model.Field{{Key: "value", Kind: model.KindInt}}}
	return &Spec{
		Name: "test", Schema: schema,
		Attach: append([]AttachPoint{{Program: "on_exit", Target: "sched:sched_process_exit", Required: true}}, points...),
		Load: func() (*ebpf.CollectionSpec, error) {
			program := func(hook string, instructions ...asm.Instruction) *ebpf.ProgramSpec {
				return &ebpf.ProgramSpec{
					Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: hook, License: "GPL", Instructions: instructions,
				}
			}
			object := &ebpf.CollectionSpec{
				Maps: map[string]*ebpf.MapSpec{ringMap: {Name: "test_events", Type: ebpf.RingBuf, MaxEntries: 1 << 16}},
				Programs: map[string]*ebpf.ProgramSpec{
					"on_exit": program("sched_process_exit",
						asm.Mov.Imm(asm.R1, testValue), asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
						asm.LoadMapPtr(asm.R1, 0).WithReference(ringMap),
						asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -8),
						asm.Mov.Imm(asm.R3, 8), asm.Mov.Imm(asm.R4, 0),
						asm.FnRingbufOutput.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return()),
					"refused": program("sched_process_fork", asm.Return()),
					"no_hook": program("goshawk_has_no_such_hook", asm.Mov.Imm(asm.R0, 0), asm.Return()),
				},
			}
			maps.DeleteFunc(object.Programs, func(name string, _ *ebpf.ProgramSpec) bool {
				return name != "on_exit" && !slices.ContainsFunc(points, func(p AttachPoint) bool { return p.Program == name })
			})
			return object, nil
		},
		NewDecoder: func(Host) Decoder {
			return Stateless(schema, func(record []byte, e *model.Event) (bool, error) {
				if len(record) != 8 {
					return false, errors.New("not 8 bytes")
				}
				e.Values[0] = model.IntValue(int64(binary.NativeEndian.Uint64(record)))
				return true, nil
			})
		},
	}
}

func testHost() Host {
	return Host{Processes: target.NewTable(target.TableOptions{}), Clock: new(platform.BootClock), Log: slog.New(slog.DiscardHandler)}
}

func TestRunDeliversWhatTheKernelSends(t *testing.T) {
	testutil.RequireBPF(t)
	p, err := Start(testSpec(), testHost(), Options{RingBytes: 1 << 16})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var events, wrong atomic.Uint64
	ended := make(chan error)
	go func() {
		ended <- p.Run(ctx, nil, func(e *model.Event) {
			events.Add(1)
			if e.Values[0].Int() != testValue {
				wrong.Add(1)
			}
		})
	}()
	testutil.StartTarget(t, "/bin/true").Wait()
	for deadline := time.Now().Add(time.Minute); events.Load() == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		p.Health() // from another goroutine
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if events.Load() == 0 || wrong.Load() != 0 {
		t.Errorf("%d events, %d of them wrong", events.Load(), wrong.Load())
	}
	if h := p.Health(); !h.Up || h.Events != events.Load() || h.Lost != 0 || len(h.Off) != 0 {
		t.Errorf("health = %+v", h)
	}
}

func TestRunDrainsWhatCameBeforeIt(t *testing.T) {
	testutil.RequireBPF(t)
	p, err := Start(testSpec(), testHost(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	testutil.StartTarget(t, "/bin/true").Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	events := 0
	if err := p.Run(ctx, nil, func(*model.Event) { events++ }); err != nil || events == 0 {
		t.Errorf("Run = %v with %d events", err, events)
	}
}

func TestUndecodableRecordsAreCounted(t *testing.T) {
	testutil.RequireBPF(t)
	spec := testSpec()
	spec.NewDecoder = func(Host) Decoder {
		return Stateless(spec.Schema, func([]byte, *model.Event) (bool, error) { return false, errors.New("no") })
	}
	p, err := Start(spec, testHost(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	testutil.StartTarget(t, "/bin/true").Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx, nil, func(*model.Event) { t.Error("an event of nothing") }); err != nil {
		t.Fatal(err)
	}
	if h := p.Health(); h.LostRecords == 0 || h.Events != 0 {
		t.Errorf("health = %+v", h)
	}
}

func TestAttachPointsFailAlone(t *testing.T) {
	testutil.RequireBPF(t)
	points := []AttachPoint{
		{Program: "refused", Target: "sched:sched_process_fork", Missing: "forks"},
		{Program: "no_hook", Target: "no:hook", Missing: "hooks"},
		{Program: "no_program", Target: "no:program", Missing: "programs"},
	}
	p, err := Start(testSpec(points...), testHost(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	h := p.Health()
	if !h.Up || len(h.Off) != len(points) {
		t.Fatalf("health = %+v, want %d parts off", h, len(points))
	}
	for i, f := range h.Off {
		if f.Part != points[i].Target || f.Missing != points[i].Missing || f.Cause == "" || f.Hint == "" {
			t.Errorf("fault = %+v, want one of %+v", f, points[i])
		}
	}
	for _, point := range points {
		point.Required = true
		q, err := Start(testSpec(point), testHost(), Options{})
		if err == nil {
			q.Close()
		}
		var unsupported *platform.UnsupportedError
		if !errors.As(err, &unsupported) {
			t.Errorf("Start without %s, which is required, = %v", point.Target, err)
		}
	}
}

func TestCloseIsIdempotent(t *testing.T) {
	testutil.RequireBPF(t)
	p, err := Start(testSpec(), testHost(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if h := p.Health(); h.Up || h.Lost != 0 {
		t.Errorf("health of a closed probe = %+v", h)
	}
}
