package uprobe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// Cost is the CPU time that one hit takes from the thread that is hit.
type Cost struct {
	// Empty is with a program that does nothing.
	Empty time.Duration
	// Typical is with one that reads a clock and the target's memory and
	// writes two maps.
	Typical time.Duration
}

// Costs says what a hit costs on this host.
type Costs struct {
	// Emulated is at an instruction that the kernel emulates.
	Emulated Cost
	// Stepped is at one that it executes out of line, by single-stepping.
	Stepped Cost
}

// Calibrate measures what a hit costs, on a child of its own, in some tens of
// milliseconds. It needs the privilege to load and attach programs.
func Calibrate(ctx context.Context) (Costs, error) {
	empty, err := ebpf.NewProgram(emptyProgram())
	if err != nil {
		return Costs{}, fmt.Errorf("calibrate uprobes: load a program: %w", err)
	}
	defer empty.Close()
	typical, err := newTypical()
	if err != nil {
		return Costs{}, fmt.Errorf("calibrate uprobes: load a program: %w", err)
	}
	defer typical.Close()
	measured, err := Measure(ctx, []Trial{
		{Program: empty, Entry: EntryEmulated}, {Program: typical.program, Entry: EntryEmulated},
		{Program: empty, Return: ReturnStepped}, {Program: typical.program, Return: ReturnStepped},
	})
	if err != nil {
		return Costs{}, fmt.Errorf("calibrate uprobes: %w", err)
	}
	return Costs{Emulated: Cost{measured[0], measured[1]}, Stepped: Cost{measured[2], measured[3]}}, nil
}

// Point is an instruction of the function that costs are measured on.
type Point int

// The points of the function, in the order in which a call passes them.
const (
	// None is no point.
	None Point = iota
	// EntryStepped and EntryEmulated are at its beginning: the kernel
	// single-steps the one and emulates the other.
	EntryStepped
	EntryEmulated
	// ReturnEmulated and ReturnStepped are at its end.
	ReturnEmulated
	ReturnStepped
)

// stepped reports whether the kernel single-steps the instruction.
func (p Point) stepped() bool { return p == EntryStepped || p == ReturnStepped }

// Trial is one measurement of [Measure]: what one call of a function costs
// that is probed at one point or two. The stack pointer is the same at all
// points, and the register of g points to readable memory, so that it looks like
// a Go function to a program.
type Trial struct {
	// Program runs at the points. It must have been through [Prepare].
	Program *ebpf.Program
	// Entry and Return are the points; None leaves one out.
	Entry, Return Point
	// EntryCookie and ReturnCookie are the cookies there.
	EntryCookie, ReturnCookie uint64
}

// sites returns the sites of the trial in a slot.
func (t *Trial) sites(m *meter, slot int) []Site {
	var sites []Site
	if t.Return != None {
		sites = append(sites, Site{m.offset(slot, t.Return), t.ReturnCookie})
	}
	if t.Entry != None {
		sites = append(sites, Site{m.offset(slot, t.Entry), t.EntryCookie})
	}
	return sites
}

// How often the function of a trial is called: some calls before, and then
// several runs, of which the fastest third counts, so that other work on the
// host does not.
const (
	warmUp       = 32
	runs         = 9
	steppedCalls = 120
	cheapCalls   = 600
)

// Measure returns, for each trial, the CPU time that its probes add to one call
// of a function. It calls the functions in a child process of its own. It
// blocks for some milliseconds for each trial, and for some tens to detach.
func Measure(ctx context.Context, trials []Trial) ([]time.Duration, error) {
	m, err := hostMeter()
	if err != nil {
		return nil, err
	}
	// One slot more stays without a probe.
	f, err := m.file(len(trials) + 1)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	child, err := startMeter(ctx, m, f)
	if err != nil {
		return nil, err
	}
	var attached closers
	// The child goes first: code that nobody runs is quickly detached from.
	defer func() { child.stop(); attached.Close() }()
	for i, t := range trials {
		c, refused, err := Attach(f, t.Program, t.sites(m, i), Options{PID: child.cmd.Process.Pid})
		if err == nil && len(refused) > 0 {
			err = refused[0].Err
			c.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("attach to the program to measure on: %w", err)
		}
		attached = append(attached, c)
	}
	return child.measureAll(ctx, trials)
}

// measureAll runs the trials in turn, so that what disturbs one run of each
// does not disturb all runs of one.
func (c *meterProcess) measureAll(ctx context.Context, trials []Trial) ([]time.Duration, error) {
	perCall := make([][]float64, len(trials))
	for run := range runs {
		for i, t := range trials {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			calls := uint64(cheapCalls)
			if t.Entry.stepped() || t.Return.stepped() {
				calls = steppedCalls
			}
			if run == 0 {
				if _, err := c.run(warmUp, i); err != nil {
					return nil, err
				}
			}
			// What the loop and the two system calls cost is subtracted.
			bare, err := c.run(calls, len(trials))
			if err != nil {
				return nil, err
			}
			probed, err := c.run(calls, i)
			if err != nil {
				return nil, err
			}
			perCall[i] = append(perCall[i], float64(probed-bare)/float64(calls))
		}
	}
	costs := make([]time.Duration, len(trials))
	for i, samples := range perCall {
		costs[i] = time.Duration(max(lowerThird(samples), 1))
	}
	return costs, nil
}

// lowerThird returns the mean of the smallest third of samples.
func lowerThird(samples []float64) float64 {
	slices.Sort(samples)
	n := max(len(samples)/3, 1)
	sum := 0.0
	for _, s := range samples[:n] {
		sum += s
	}
	return sum / float64(n)
}

// meterProcess is a running meter.
type meterProcess struct {
	*meter
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
}

func startMeter(ctx context.Context, m *meter, f *os.File) (*meterProcess, error) {
	// The child resolves the path before its descriptors are closed.
	cmd := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	cmd.Env = []string{}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		var stdout io.ReadCloser
		if stdout, err = cmd.StdoutPipe(); err == nil {
			if err = cmd.Start(); err == nil {
				return &meterProcess{m, cmd, stdin, stdout}, nil
			}
		}
	}
	return nil, fmt.Errorf("start the program to measure on: %w", err)
}

// stop ends the process.
func (c *meterProcess) stop() {
	c.stdin.Close()
	c.stdout.Close()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// run has the function of a slot called and returns the CPU time that the
// process took.
func (c *meterProcess) run(calls uint64, slot int) (time.Duration, error) {
	before, err := c.cpuTime()
	if err != nil {
		return 0, err
	}
	request := binary.LittleEndian.AppendUint64(nil, calls)
	request = binary.LittleEndian.AppendUint64(request, c.slotAt(slot))
	if _, err := c.stdin.Write(request); err != nil {
		return 0, fmt.Errorf("ask the program to measure on: %w", err)
	}
	var answer [1]byte
	if _, err := io.ReadFull(c.stdout, answer[:]); err != nil {
		return 0, fmt.Errorf("read from the program to measure on: %w", err)
	}
	after, err := c.cpuTime()
	return after - before, err
}

// cpuTime returns what the process has used so far, to the nanosecond.
func (c *meterProcess) cpuTime() (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of a process: see clock_getcpuclockid(3)
	var now unix.Timespec
	if err := unix.ClockGettime(int32(^c.cmd.Process.Pid)<<3|schedClock, &now); err != nil {
		return 0, fmt.Errorf("read the CPU time of process %d: %w", c.cmd.Process.Pid, err)
	}
	return time.Duration(now.Nano()), nil
}

// closers are closed together.
type closers []io.Closer

// Close closes all of them at once.
func (c closers) Close() error {
	results := make(chan error)
	for _, one := range c {
		go func() { results <- one.Close() }()
	}
	var err error
	for range c {
		err = errors.Join(err, <-results)
	}
	return err
}

func memoryFile() (*os.File, error) {
	const name = "goshawk-meter"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		// The kernel is older than the flag.
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func emptyProgram() *ebpf.ProgramSpec {
	spec := &ebpf.ProgramSpec{Name: "goshawk_empty", License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, 0), asm.Return(),
	}}
	PrepareProgram(spec)
	return spec
}

// typical is a program that does what probes do, with its maps.
type typical struct {
	program       *ebpf.Program
	begins, count *ebpf.Map
}

// Close frees the program and its maps.
func (t *typical) Close() error {
	var errs []error
	if t.program != nil {
		errs = append(errs, t.program.Close())
	}
	// Closing a nil map is allowed.
	return errors.Join(append(errs, t.begins.Close(), t.count.Close())...)
}

func newTypical() (*typical, error) {
	t := &typical{}
	var err error
	if t.begins, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 64}); err != nil {
		return nil, err
	}
	if t.count, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
		t.Close()
		return nil, err
	}
	// Where struct pt_regs keeps the stack pointer.
	stackPointer := int16(152)
	if runtime.GOARCH == "arm64" {
		stackPointer = 31 * 8
	}
	spec := &ebpf.ProgramSpec{Name: "goshawk_typical", License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
		// A word of the target's stack.
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -16),
		asm.Mov.Imm(asm.R2, 8),
		asm.LoadMem(asm.R3, asm.R6, stackPointer, asm.DWord),
		asm.FnProbeReadUser.Call(),
		// begins[process and thread] = now
		asm.FnGetCurrentPidTgid.Call(),
		asm.StoreMem(asm.RFP, -24, asm.R0, asm.DWord),
		asm.LoadMapPtr(asm.R1, t.begins.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -24),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -8),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		// count[0]++
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, t.count.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
	}}
	PrepareProgram(spec)
	if t.program, err = ebpf.NewProgram(spec); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}
