package gotrace

// A Class is what a goroutine comes from when it waits for a P.
type Class int

// The classes of scheduler latency.
const (
	// Create is the wait of a new goroutine for its first run.
	Create Class = iota
	// Wake is the wait after it was blocked.
	Wake
	// Preempt is the wait after it was preempted or yielded.
	Preempt
	// Syscall is the wait after a system call in which it lost its P.
	Syscall
	classes
)

// Classes lists all classes.
func Classes() []Class { return []Class{Create, Wake, Preempt, Syscall} }

// String returns the name by which users know the class.
func (c Class) String() string {
	return [...]string{"create", "wake", "preempt", "syscall"}[c]
}

// Stats takes many durations together, in ns. Quantiles are off by at most 1/16.
type Stats struct {
	Count uint64
	Total int64
	P50   int64
	P90   int64
	P99   int64
	Max   int64
}

// Bucket counts the durations from From up to but without To, in ns.
type Bucket struct {
	From  int64
	To    int64
	Count uint64
}

// Latency is how long goroutines that could run waited for a P, by class.
type Latency [classes]Stats

// Total returns the sum over all classes, in ns.
func (l Latency) Total() int64 {
	var total int64
	for _, s := range l {
		total += s.Total
	}
	return total
}

// Report is what a trace says. All times are in ns; those that name a point count
// from the first event.
type Report struct {
	// Format is the minor version of Go whose format the trace has.
	Format int
	// Start is the first event's time on the traced host's monotonic clock.
	Start    int64
	Duration int64
	// Wall is the wall clock at Start in ns since 1970, 0 when the trace has none
	// (before Go 1.25).
	Wall int64
	// Events counts as golang.org/x/exp/trace's reader does.
	Events      uint64
	Generations int
	// Bytes is how much of the trace was read, decompressed.
	Bytes int64
	// Complete is false when the analysis ended early. Analyse's error says why.
	Complete bool

	Latency       Latency
	Distributions [classes][]Bucket
	// Cut counts waits that had begun before the trace did: they are not in Latency.
	Cut uint64
	// Functions are by their latency, the longest in all first.
	Functions []Function
	// STW are stops of the world by reason, the longest in all first.
	STW []Range
	// Assist is marking that goroutines did for the collector while they allocated,
	// from its beginning to its end: they also wait meanwhile.
	Assist Stats
	// Ranges are all other ranges of the runtime by name.
	Ranges []Range
	Procs  Procs
	// Blocking is by reason and stack, the longest in all first.
	Blocking []Block
	// Waits are the longest single waits of each class.
	Waits   []Wait
	Regions []Range
	Tasks   []Range
	Logs    Logs
	Metrics []Metric
	// Silence is time in which no thread wrote an event for SilenceGate or longer.
	Silence Stats
	// Stall is the part of Silence, of StallGate or longer, in which a goroutine ran
	// or could have run: something outside the program kept it from going on.
	Stall    Stats
	Timeline Timeline
	// Goroutines counts those that were there at the beginning, and at the end.
	Goroutines struct{ First, Last, Max int }
	// Host is what was sampled beside the trace, nil when nothing was: see Join.
	Host *Host
	// LeftOut counts what the bounded tables had no room for, by what it is.
	LeftOut map[string]uint64
}

// Running returns for how long goroutines ran, summed over them.
func (r *Report) Running() int64 {
	var total int64
	for i := range r.Functions {
		total += r.Functions[i].Running
	}
	return total
}

// Assisting returns for how long of Running goroutines marked for the collector.
func (r *Report) Assisting() int64 {
	var total int64
	for i := range r.Functions {
		total += r.Functions[i].Assist
	}
	return total
}

// Function is what the goroutines did whose entry is one function.
type Function struct {
	Name string
	// Goroutines counts those that were seen; Created and Ended those whose
	// beginning and end were.
	Goroutines, Created, Ended uint64
	Latency                    Latency
	// Waits takes the classes of Latency together.
	Waits        Stats
	Distribution []Bucket
	// Running, Waiting and InSyscall are summed over its goroutines.
	Running, Waiting, InSyscall int64
	// Assist is the part of Running spent in marking for the collector.
	Assist int64
}

// Range takes the ranges of one name together.
type Range struct {
	Name string
	Stats
	// Open counts those that had not ended, Cut those that had begun before the
	// trace: neither is in Stats.
	Open, Cut uint64
}

// Procs is how the Ps were used.
type Procs struct {
	// Max is GOMAXPROCS, the largest that was seen.
	Max int
	// Running and Idle are summed over Ps.
	Running, Idle int64
	// Runnable is for how long a goroutine waited for a P at all. Saturated is the
	// part of it in which no P was idle, Idling the part in which one was; LongIdling
	// counts of the latter only what lasted IdlingGate or longer, LongIdlings how
	// often that was.
	Runnable, Saturated, Idling, LongIdling int64
	LongIdlings                             uint64
}

// Block is time that goroutines were blocked for one reason in one place.
type Block struct {
	Reason string
	Stack  []Frame
	Stats
	// Open counts goroutines that are still blocked at the end, OpenTotal is for how
	// long they have been, as far as the trace saw it.
	Open      uint64
	OpenTotal int64
}

// Wait is one wait for a P, with what else went on.
type Wait struct {
	Class     Class
	At        int64
	Duration  int64
	Goroutine int64
	Function  string
	// By is the goroutine that made it runnable, -1 for the network poller or a
	// timer, and ByFunction its entry function.
	By         int64
	ByFunction string
	// Ahead counts goroutines that waited for a P already, IdlePs the Ps that were
	// idle, both as the wait began.
	Ahead, IdlePs int
	// STW, GC and Silence are for how long the world was stopped, the collector was
	// marking, and no event was written while it waited.
	STW, GC, Silence int64
	// Stack is where it had been blocked, if it had.
	Stack []Frame
	// Host is what the host did meanwhile, nil when that was not sampled.
	Host *Interference
}

// Logs are the messages of runtime/trace.Log.
type Logs struct {
	Categories []Count
	// First are the first messages, at most 64.
	First []LogLine
}

// Count is how often something was seen.
type Count struct {
	Name  string
	Count uint64
}

// LogLine is one message.
type LogLine struct {
	At        int64
	Goroutine int64
	Category  string
	Message   string
}

// Metric is a runtime metric over the trace.
type Metric struct {
	Name                  string
	First, Last, Min, Max uint64
}

// Timeline cuts the trace into equal bins.
type Timeline struct {
	// Width is of a bin, in ns.
	Width int64
	Bins  []Bin
}

// Bin is a part of the timeline. Those in ns are integrals over the bin: divided by
// its width they are means.
type Bin struct {
	// Running, Runnable and Waiting are goroutines, IdlePs the Ps that do nothing.
	Running, Runnable, InSyscall, Waiting, IdlePs int64
	// STW, GC and Silence are time within the bin.
	STW, GC, Silence int64
	// MaxRunnable and MaxGoroutines are the largest numbers within the bin.
	MaxRunnable, MaxGoroutines int

	// late counts goroutines that the trace named here first.
	late int
}
