package hostsample

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
)

const (
	// defaultInterval is the slice that the kernel gives a thread on a busy CPU,
	// times a few.
	defaultInterval = 10 * time.Millisecond
	// minInterval keeps the sampling from being the load.
	minInterval = time.Millisecond
	// machineEvery is every how many samples the machine is read: its times are
	// counted in ticks of 10 ms.
	machineEvery = 10
	// listEvery is every how many samples new threads are looked for.
	listEvery = 5
	// maxThreads bounds how many threads are sampled; each takes a descriptor.
	maxThreads = 512
	// maxListed bounds how many threads a sample names.
	maxListed = 256
)

// Options are the options of [Start].
type Options struct {
	// PID is the process to sample.
	PID int32
	// Interval is the time between samples; 10 ms by default, 1 ms at least.
	Interval time.Duration
	// Goshawk is the version that the file names as its writer.
	Goshawk string
}

// Sampler records a process until Stop.
type Sampler struct {
	header Header
	stop   chan struct{}
	done   chan struct{}
	once   sync.Once
	footer Footer // good once done is closed
	err    error  // good once done is closed
}

// Start begins to sample, and to write to w from a goroutine that ends with Stop. It
// fails when the process is gone or may not be observed; what else cannot be seen is
// in the file's NotSeen.
func Start(w io.Writer, o Options) (*Sampler, error) {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	o.Interval = max(o.Interval, minInterval)
	r, err := newRun(w, o)
	if err != nil {
		return nil, fmt.Errorf("sample process %d: %w", o.PID, err)
	}
	s := &Sampler{header: r.header, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		// The thread's CPU time is the cost.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		s.footer, s.err = r.run(o.Interval, s.stop)
	}()
	return s, nil
}

// Header returns the first line.
func (s *Sampler) Header() Header { return s.header }

// Stop ends the sampling and returns the last line, once that was written. It may be
// called again.
func (s *Sampler) Stop() (Footer, error) {
	s.once.Do(func() { close(s.stop) })
	<-s.done
	return s.footer, s.err
}

// run is one recording. It belongs to one goroutine.
type run struct {
	proc    string
	header  Header
	out     *bufio.Writer
	encoder *json.Encoder
	shift   int64 // from this thread's clock to the process's
	threads map[int32]*sampledThread
	order   []int32
	left    int
	groups  []*quotaGroup
	stat    *counterFile
	load    *counterFile
	machine machineTimes
	sysmon  *sysmonFinder
	footer  Footer
}

// sampledThread is a thread whose schedstat is open.
type sampledThread struct {
	file *counterFile
	last schedstat
}

func newRun(w io.Writer, o Options) (r *run, err error) {
	r = &run{proc: "/proc/" + strconv.Itoa(int(o.PID)), out: bufio.NewWriterSize(w, 64<<10), threads: map[int32]*sampledThread{}}
	r.encoder = json.NewEncoder(r.out)
	stat, err := readStat(r.proc)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH), err == nil && stat.dead:
		return nil, errors.New("no such process")
	case err != nil:
		return nil, err
	}
	r.sysmon = newSysmonFinder(r.proc, stat.startCode)
	r.shift = monotonicOffset(r.proc) - monotonicOffset("/proc/self")
	r.header = Header{
		Version: FormatVersion, PID: o.PID, ProcessStart: stat.start, Command: stat.name, Goshawk: o.Goshawk,
		IntervalNS: o.Interval.Nanoseconds(), CPUs: onlineCPUs(), AllowedCPUs: allowedCPUs(o.PID),
	}
	r.header.Hostname, _ = os.Hostname()
	if id, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		r.header.BootID = strings.TrimSpace(string(id))
	}
	r.header.GOMAXPROCS, _ = strconv.Atoi(environment(r.proc, "GOMAXPROCS"))
	r.open()
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if err := r.list(true); err != nil {
		return nil, err
	}
	if r.header.StartNS, err = monotonic(); err != nil {
		return nil, err
	}
	r.header.StartNS += r.shift
	r.header.StartTime = time.Now().UTC()
	return r, r.encoder.Encode(&r.header)
}

func (r *run) notSeen(format string, args ...any) {
	r.header.NotSeen = append(r.header.NotSeen, fmt.Sprintf(format, args...))
}

// open opens what is there for the whole recording.
func (r *run) open() {
	var err error
	if r.stat, err = openCounters("/proc/stat", 64<<10); err != nil {
		r.notSeen("how busy the machine was: %v", err)
	} else if text, err := r.stat.read(); err == nil {
		r.machine, _ = parseMachine(text)
	}
	if r.load, err = openCounters("/proc/loadavg", 128); err != nil {
		r.notSeen("the load: %v", err)
	}
	groups, err := quotaGroups(r.proc)
	if err != nil {
		r.notSeen("throttling: %v", err)
	}
	for _, g := range groups {
		text, err := g.stat.read()
		last, ok := cgroup.ParseThrottling(text)
		if err != nil || !ok {
			r.notSeen("throttling: cpu.stat of %s cannot be read", g.Path)
			g.stat.close()
			continue
		}
		g.last = last
		r.groups = append(r.groups, g)
		r.header.Groups = append(r.header.Groups, g.Group)
	}
}

func (r *run) close() {
	for _, t := range r.threads {
		t.file.close()
	}
	for _, g := range r.groups {
		g.stat.close()
	}
	r.stat.close()
	r.load.close()
}

// list opens the schedstat of threads that are new. What a thread did before the
// recording is not counted; one that comes later is counted from its beginning.
func (r *run) list(first bool) error {
	dir, err := os.Open(filepath.Join(r.proc, "task"))
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	left := 0
	for _, name := range names {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil || r.threads[int32(id)] != nil {
			continue
		}
		if len(r.threads) >= maxThreads {
			left++
			continue
		}
		file, err := openCounters(filepath.Join(r.proc, "task", name, "schedstat"), 128)
		if errors.Is(err, fs.ErrPermission) {
			return &platform.UnsupportedError{What: "read " + r.proc, Cause: err, Hint: "run as root, or as the user of the process"}
		}
		if err != nil {
			if _, gone := os.Stat(filepath.Join(r.proc, "task", name)); gone == nil && first {
				return &platform.UnsupportedError{What: "run delay", Cause: err, Hint: "the kernel needs CONFIG_SCHED_INFO"}
			}
			continue
		}
		t := &sampledThread{file: file}
		// One that there was no room for is not new either.
		if first || r.left > 0 {
			if text, err := file.read(); err == nil {
				t.last, _ = parseSchedstat(text)
			}
		}
		r.threads[int32(id)] = t
	}
	r.order, r.left = sortedIDs(r.threads), left
	return nil
}

// run samples until stop is closed or the process ends, and writes the last line.
func (r *run) run(interval time.Duration, stop <-chan struct{}) (Footer, error) {
	defer r.close()
	began := threadCPU()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	last := r.header.StartNS
	var err error
	for going := true; going && err == nil && !r.footer.Ended; {
		select {
		case <-stop:
			going = false
		case <-ticker.C:
		}
		var now int64
		if now, err = r.sample(); err == nil {
			r.footer.Missed += max(0, (now-last)/interval.Nanoseconds()-1)
			last = now
		}
	}
	r.footer.EndNS = last
	var why string
	if r.footer.SysmonTID, why = r.sysmon.result(); why != "" {
		r.footer.NotSeen = append(r.footer.NotSeen, "how late sysmon was: "+why)
	}
	if r.footer.ThreadsLeftOut = r.left; r.left > 0 {
		r.footer.NotSeen = append(r.footer.NotSeen, fmt.Sprintf("%d threads: %d are sampled", r.left, maxThreads))
	}
	r.footer.OwnCPUNS = threadCPU() - began
	return r.footer, errors.Join(err, r.encoder.Encode(&r.footer), r.out.Flush())
}

// sample takes one sample, and returns when.
func (r *run) sample() (int64, error) {
	count := r.footer.Samples
	if count%listEvery == 0 && !r.refresh() {
		r.footer.Ended = true
	}
	now, err := monotonic()
	if err != nil {
		return 0, err
	}
	s := Sample{TimeNS: now + r.shift}
	r.sampleThreads(&s)
	for _, g := range r.groups {
		text, err := g.stat.read()
		is, ok := cgroup.ParseThrottling(text)
		if err != nil || !ok {
			continue
		}
		d := is.Since(g.last)
		g.last = is
		s.Periods += int64(d.Periods)
		s.ThrottledPeriods += int64(d.Throttled)
		s.ThrottledNS += d.Time.Nanoseconds()
	}
	if count%machineEvery == machineEvery-1 {
		s.Machine = r.sampleMachine()
	}
	r.sysmon.look(r.order)
	r.footer.Samples++
	return s.TimeNS, r.encoder.Encode(&s)
}

// refresh looks for new threads. It returns false when the process has ended.
func (r *run) refresh() bool {
	stat, err := readStat(r.proc)
	if err != nil || stat.dead || stat.start != r.header.ProcessStart {
		return false
	}
	// A process that ends meanwhile is seen the next time.
	_ = r.list(false)
	return true
}

func (r *run) sampleThreads(s *Sample) {
	for _, tid := range r.order {
		t := r.threads[tid]
		if t == nil {
			continue
		}
		text, err := t.file.read()
		if err != nil {
			// The thread has ended.
			t.file.close()
			delete(r.threads, tid)
			continue
		}
		is, ok := parseSchedstat(text)
		if !ok {
			continue
		}
		d := Thread{TID: tid, CPUNS: max(0, is.cpu-t.last.cpu), RunDelayNS: max(0, is.delay-t.last.delay), Slices: max(0, is.slices-t.last.slices)}
		t.last = is
		s.CPUNS += d.CPUNS
		s.RunDelayNS += d.RunDelayNS
		s.Slices += d.Slices
		if d.CPUNS+d.RunDelayNS+d.Slices > 0 && len(s.Threads) < maxListed {
			s.Threads = append(s.Threads, d)
		}
	}
}

func (r *run) sampleMachine() *Machine {
	if r.stat == nil || r.load == nil {
		return nil
	}
	text, err := r.stat.read()
	is, ok := parseMachine(text)
	if err != nil || !ok {
		return nil
	}
	m := &Machine{BusyNS: max(0, is.busy-r.machine.busy), IdleNS: max(0, is.idle-r.machine.idle), StealNS: max(0, is.steal-r.machine.steal)}
	r.machine = is
	if text, err = r.load.read(); err == nil {
		m.Load1, m.Running, _ = parseLoad(text)
	}
	return m
}

// onlineCPUs counts the machine's CPUs; runtime.NumCPU counts those that this
// process may use.
func onlineCPUs() int {
	text, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return runtime.NumCPU()
	}
	if n := countList(strings.TrimSpace(string(text))); n > 0 {
		return n
	}
	return runtime.NumCPU()
}

// countList counts the members of a list such as 0-3,8; 0 when it is none.
func countList(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		from, to, several := strings.Cut(part, "-")
		if !several {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || b < a {
			return 0
		}
		n += b - a + 1
	}
	return n
}

// allowedCPUs counts the CPUs that a process may use, 0 when not known.
func allowedCPUs(pid int32) int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(int(pid), &set); err != nil {
		return 0
	}
	return set.Count()
}
