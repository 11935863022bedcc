package hook

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/uprobe"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// The cookie of a site, as in hook.bpf.c.
const (
	cookieReturn        = 1
	cookieStepped       = 2
	cookieWordShift     = 2
	cookieFunctionShift = 8
)

// kernelTier counts in eBPF programs at uprobes.
type kernelTier struct {
	target    *process
	functions []function
	objects   bpfObjects
	kernelCounter
	interval time.Duration // between two samples of a function, at least
	limit    int           // the process that the kernel limits the sites to, 0 for none
	log      *slog.Logger
}

// newKernelTier loads the programs and gives each function its counters.
func newKernelTier(target *process, functions []function, o Options) (*kernelTier, error) {
	if err := checkHost(); err != nil {
		return nil, err
	}
	object, err := loadBpf()
	if err != nil {
		return nil, fmt.Errorf("read the eBPF object: %w", err)
	}
	uprobe.Prepare(object)
	// Two more are for measuring costs.
	object.Maps[bpfMapFunctions].MaxEntries = uint32(len(functions) + 2)
	object.Maps[bpfMapHistograms].MaxEntries = uint32(len(functions) + 2)
	if o.frames > 0 {
		object.Maps[bpfMapFrames].MaxEntries = o.frames
	}
	k := &kernelTier{target: target, functions: functions, limit: target.pid, log: o.Log}
	if o.Args {
		if k.interval = o.interval; k.interval == 0 {
			k.interval = interval(len(functions))
		}
		if err := k.sampleCalls(object); err != nil {
			return nil, err
		}
	} else {
		object.Maps[bpfMapSamples].MaxEntries = uint32(os.Getpagesize())
	}
	if err := object.LoadAndAssign(&k.objects, nil); err != nil {
		return nil, &platform.UnsupportedError{What: "load the programs of hook", Cause: err, Hint: loadHint(err)}
	}
	if err := k.objects.Threshold.Set(uint64(max(o.Threshold, 0))); err != nil {
		k.Close()
		return nil, fmt.Errorf("set the threshold of hook: %w", err)
	}
	k.kernelCounter.frames = k.objects.Frames
	k.kernelCounter.functions = len(functions)
	if k.counts, err = k.objects.Functions.Memory(); err == nil {
		k.histograms, err = k.objects.Histograms.Memory()
	}
	if err != nil {
		k.Close()
		return nil, fmt.Errorf("map the counters of hook: %w", err)
	}
	if o.everyProcess {
		k.limit = 0
	}
	if o.everyProcess || !uprobe.FiltersProcess(k.objects.HookCall) {
		if err := k.filter(); err != nil {
			k.Close()
			return nil, err
		}
	}
	return k, nil
}

// filter makes the programs look at the process themselves. They know it by its
// id in its own PID namespace, wherever this one is seen from.
func (k *kernelTier) filter() error {
	own, err := k.target.namespaced()
	if err != nil {
		return err
	}
	err = errors.Join(k.objects.TargetDev.Set(own.in.Device), k.objects.TargetIno.Set(own.in.Inode), k.objects.Target.Set(own.pid))
	if err != nil {
		return fmt.Errorf("name the target to the programs of hook: %w", err)
	}
	return nil
}

// sampleCalls makes the programs sample calls, not more than one of a function
// within the interval.
func (k *kernelTier) sampleCalls(object *ebpf.CollectionSpec) error {
	object.Maps[bpfMapPlans].MaxEntries = uint32(len(k.functions))
	goid, _ := k.target.binary.GoidOffset()
	err := errors.Join(object.Variables["sampling"].Set(true), object.Variables["goid_offset"].Set(goid),
		object.Variables["interval"].Set(uint64(k.interval)), object.Variables["turn"].Set(uint64(guardEvery)))
	if err != nil {
		return fmt.Errorf("set up the sampling of calls: %w", err)
	}
	return nil
}

func checkHost() error {
	const what = "hook"
	if err := platform.CheckPrivilege(); err != nil {
		return &platform.UnsupportedError{What: what, Cause: err, Hint: "run as root, or grant CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"}
	}
	if err := platform.CheckBTF(); err != nil {
		return &platform.UnsupportedError{What: what, Cause: err, Hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF"}
	}
	return nil
}

func loadHint(err error) string {
	var refused *ebpf.VerifierError
	switch {
	case errors.As(err, &refused):
		return "the verifier of this kernel refuses the program: report the cause with the output of uname -r"
	case errors.Is(err, os.ErrPermission):
		return "run as root, or grant CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE"
	}
	return "kernels from 5.17 on, with BTF, run it: report the cause with the output of uname -r"
}

// Close frees the programs and maps.
func (k *kernelTier) Close() error { return k.objects.Close() }

func (k *kernelTier) counter() counter { return &k.kernelCounter }

// attach makes one link of all sites of a group. Returns come before entries,
// so that no call is seen to begin whose end is not.
func (k *kernelTier) attach(group []int) (io.Closer, map[int]error, error) {
	var sites []uprobe.Site
	for _, i := range group {
		f := &k.functions[i]
		for _, r := range f.returns {
			cookie := uint64(i)<<cookieFunctionShift | cookieReturn
			if f.entries[0].Stepped {
				cookie |= cookieStepped
			}
			// A jump to another function ends the call without its results.
			if f.known && r.Op == "ret" {
				cookie |= uint64(f.word+1) << cookieWordShift
			}
			sites = append(sites, uprobe.Site{Offset: r.Offset, Cookie: cookie})
		}
	}
	sites = append(sites, k.entries(group)...)
	return k.attachSites(k.objects.HookCall, sites)
}

// entries returns the sites of the functions' entries.
func (k *kernelTier) entries(group []int) []uprobe.Site {
	sites := make([]uprobe.Site, 0, len(group))
	for _, i := range group {
		for _, e := range k.functions[i].entries {
			sites = append(sites, uprobe.Site{Offset: e.Offset, Cookie: uint64(i) << cookieFunctionShift})
		}
	}
	return sites
}

// attachSites attaches what the kernel takes; a function one of whose sites it
// refuses counts as refused.
func (k *kernelTier) attachSites(program *ebpf.Program, sites []uprobe.Site) (io.Closer, map[int]error, error) {
	closer, refusals, err := uprobe.Attach(k.target.exe, program, sites, uprobe.Options{PID: k.limit, Log: k.log})
	refused := make(map[int]error, len(refusals))
	for _, r := range refusals {
		refused[int(r.Cookie>>cookieFunctionShift)] = fmt.Errorf("the kernel refuses the instruction at %#x of the file: %w", r.Offset, r.Err)
	}
	return closer, refused, err
}

// samplePoll is how often it is looked whether enough was sampled.
const samplePoll = time.Millisecond

// sample counts entries.
func (k *kernelTier) sample(ctx context.Context, d time.Duration, most uint64) ([]uint64, time.Duration, error) {
	var all []int
	for i := range k.functions {
		if k.functions[i].refused == nil {
			all = append(all, i)
		}
	}
	none := uint64(0)
	if err := errors.Join(k.objects.Limit.Set(none), k.objects.Hits.Set(none), k.objects.Reached.Set(none)); err != nil {
		return nil, 0, fmt.Errorf("set up the sampling: %w", err)
	}
	closer, refused, err := k.attachSites(k.objects.HookCount, k.entries(all))
	if err != nil {
		return nil, 0, err
	}
	for i, cause := range refused {
		k.functions[i].refused = cause
	}
	begin := monotonic()
	err = k.objects.Limit.Set(most)
	ticks := time.NewTicker(samplePoll)
	defer ticks.Stop()
	var reached uint64
	for err == nil && reached == 0 && monotonic()-begin < d && ctx.Err() == nil && !k.target.gone() {
		select {
		case <-ctx.Done():
		case <-ticks.C:
		}
		err = k.objects.Reached.Get(&reached)
	}
	took := monotonic() - begin
	calls := make([]uint64, len(k.functions))
	err = errors.Join(err, k.calls(calls), k.objects.Limit.Set(none))
	if reached > 0 {
		took = max(time.Duration(reached)-begin, time.Microsecond)
	}
	return calls, took, errors.Join(err, closer.Close(), k.reset(), ctx.Err())
}

// monotonic returns the time of the clock that the programs read.
func monotonic() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// measure runs the tier's own programs on a process made for that.
func (k *kernelTier) measure(ctx context.Context) (prices, error) {
	p, err := k.measureOn(ctx, len(k.functions))
	if err != nil {
		return prices{}, fmt.Errorf("measure what a call costs: %w", err)
	}
	return p, nil
}

// measureOn counts in the two places from index on.
func (k *kernelTier) measureOn(ctx context.Context, index int) (prices, error) {
	entry := uint64(index) << cookieFunctionShift
	stepped := uint64(index+1) << cookieFunctionShift
	var target uint32
	if err := errors.Join(k.switchOn(index), k.switchOn(index+1),
		k.objects.Target.Get(&target), k.objects.Target.Set(uint32(0)), k.objects.Limit.Set(^uint64(0))); err != nil {
		return prices{}, err
	}
	call, count := k.objects.HookCall, k.objects.HookCount
	m, err := uprobe.Measure(ctx, []uprobe.Trial{
		{Program: call, Entry: uprobe.EntryEmulated, EntryCookie: entry, Return: uprobe.ReturnStepped, ReturnCookie: entry | cookieReturn},
		{Program: call, Entry: uprobe.EntryEmulated, EntryCookie: entry, Return: uprobe.ReturnEmulated, ReturnCookie: entry | cookieReturn},
		{Program: call, Entry: uprobe.EntryStepped, EntryCookie: stepped, Return: uprobe.ReturnStepped, ReturnCookie: stepped | cookieReturn},
		{Program: call, Entry: uprobe.EntryEmulated, EntryCookie: entry},
		{Program: count, Entry: uprobe.EntryEmulated, EntryCookie: entry},
		{Program: count, Entry: uprobe.EntryStepped, EntryCookie: entry},
	})
	if err != nil {
		return prices{}, err
	}
	p := prices{
		entry: m[3], entryStepped: m[3] + max(m[2]-m[0], 0),
		leave: max(m[1]-m[3], 0), leaveStepped: max(m[0]-m[3], 0),
		count: m[4], countStepped: m[5],
	}
	own, err := k.median(index)
	if err != nil {
		return prices{}, err
	}
	ownStepped, err := k.median(index + 1)
	return p, errors.Join(err, k.objects.OwnEmulated.Set(own), k.objects.OwnStepped.Set(ownStepped),
		k.objects.Target.Set(target), k.objects.Limit.Set(uint64(0)), k.reset())
}

// median returns the median of the durations that were counted of a function,
// in nanoseconds. It is what the probes add to one in the middle of its range:
// less would make short calls look long.
func (k *kernelTier) median(function int) (uint64, error) {
	buckets, err := k.buckets(function)
	if err != nil {
		return 0, err
	}
	var d model.Distribution
	d.AddFineBuckets(buckets, 0, math.MaxInt64)
	return uint64(d.Quantile(0.5)), nil
}

// reset makes all counters 0. Nothing may be attached.
func (k *kernelTier) reset() error {
	for _, memory := range []*ebpf.Memory{k.counts, k.histograms} {
		if _, err := memory.WriteAt(make([]byte, memory.Size()), 0); err != nil {
			return fmt.Errorf("reset the counters: %w", err)
		}
	}
	return nil
}

// kernelCounter reads and writes the maps of the programs.
type kernelCounter struct {
	functions  int
	counts     *ebpf.Memory
	histograms *ebpf.Memory
	frames     *ebpf.Map
}

const (
	countsSize = 64
	// Where struct counts keeps its fields.
	countsOn    = 0
	countsCalls = 8
	// bucketCount is how many buckets a histogram has.
	bucketCount   = 272
	histogramSize = 8 * bucketCount
)

func (c *kernelCounter) switchOn(function int) error  { return c.setOn(function, 1) }
func (c *kernelCounter) switchOff(function int) error { return c.setOn(function, 0) }

func (c *kernelCounter) setOn(function int, on uint32) error {
	if _, err := c.counts.WriteAt(binary.NativeEndian.AppendUint32(nil, on), int64(function*countsSize+countsOn)); err != nil {
		return fmt.Errorf("switch a hook: %w", err)
	}
	return nil
}

func (c *kernelCounter) calls(dst []uint64) error {
	var word [8]byte
	for i := range dst {
		if _, err := c.counts.ReadAt(word[:], int64(i*countsSize+countsCalls)); err != nil {
			return fmt.Errorf("read the counters: %w", err)
		}
		dst[i] = binary.NativeEndian.Uint64(word[:])
	}
	return nil
}

func (c *kernelCounter) buckets(function int) ([]uint64, error) {
	raw := make([]byte, histogramSize)
	if _, err := c.histograms.ReadAt(raw, int64(function*histogramSize)); err != nil {
		return nil, fmt.Errorf("read the histograms: %w", err)
	}
	buckets := make([]uint64, bucketCount)
	for i := range buckets {
		buckets[i] = binary.NativeEndian.Uint64(raw[8*i:])
	}
	return buckets, nil
}

func (c *kernelCounter) read(function int) (tally, error) {
	buckets, err := c.buckets(function)
	if err != nil {
		return tally{}, err
	}
	var raw [countsSize]byte
	if _, err := c.counts.ReadAt(raw[:], int64(function*countsSize)); err != nil {
		return tally{}, fmt.Errorf("read the counters: %w", err)
	}
	word := func(i int) uint64 { return binary.NativeEndian.Uint64(raw[8*i:]) }
	t := tally{calls: word(1), errors: word(2), unseen: word(3), replaced: word(4), bad: word(7)}
	for _, n := range buckets {
		t.returned += n
	}
	t.latency.AddFineBuckets(buckets, word(5), word(6))
	return t, nil
}

// framesAtOnce is how many frames one system call reads.
const framesAtOnce = 4096

func (c *kernelCounter) open() ([]uint64, error) {
	open := make([]uint64, c.functions+2)
	keys, values := make([]bpfFrameKey, framesAtOnce), make([]bpfFrame, framesAtOnce)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := c.frames.BatchLookup(&cursor, keys, values, nil)
		for _, f := range values[:n] {
			if int(f.Function) < len(open) {
				open[f.Function]++
			}
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return open[:c.functions], nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the open calls: %w", err)
		}
	}
}
