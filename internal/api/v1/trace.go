package v1

// Trace is what an execution trace says. Times are in ns; those that end in at_ns
// count from the trace's first event.
type Trace struct {
	// File is what was analysed: a path, a URL or "-".
	File string `json:"file"`
	// GoVersion is the version whose trace format it is: "go1.26".
	GoVersion string `json:"go_version"`
	// Time is the wall clock at the first event, null before Go 1.25.
	Time       *Time `json:"time"`
	DurationNS int64 `json:"duration_ns"`
	// Events counts as golang.org/x/exp/trace's reader does.
	Events      uint64 `json:"events"`
	Generations int    `json:"generations"`
	Bytes       int64  `json:"bytes"`
	// Complete is false when the trace is cut off or damaged; Error says where, and
	// the rest is what came before.
	Complete bool   `json:"complete"`
	Error    string `json:"error,omitempty"`

	Latency TraceLatency `json:"latency"`
	// LatencyCut counts waits that had begun before the trace.
	LatencyCut uint64 `json:"latency_cut"`
	// Distributions are of the latencies by class.
	Distributions map[string][]TraceBucket `json:"distributions"`
	// Functions are goroutines by their entry function, those that waited longest in
	// all first.
	Functions []TraceFunction `json:"functions"`
	// STW are stops of the world, the longest in all first.
	STW      []TraceSTW    `json:"stw"`
	GCAssist TraceGCAssist `json:"gc_assist"`
	// Ranges are what else the runtime did: mark phases, sweeping.
	Ranges     []TraceRange    `json:"ranges"`
	Procs      TraceProcs      `json:"procs"`
	Goroutines TraceGoroutines `json:"goroutines"`
	// Blocking is by reason and stack, the longest in all first.
	Blocking []TraceBlock `json:"blocking"`
	// Waits are the longest single waits for a P of each class.
	Waits    []TraceWait   `json:"waits"`
	Regions  []TraceRange  `json:"regions"`
	Tasks    []TraceRange  `json:"tasks"`
	Logs     []TraceCount  `json:"logs"`
	Messages []TraceLog    `json:"messages"`
	Metrics  []TraceMetric `json:"metrics"`
	// Silence is time without any event for 10 ms or longer.
	Silence TraceStats `json:"silence"`
	// Stall is the part of Silence, of 50 ms or longer, in which goroutines ran or
	// could run.
	Stall    TraceStats    `json:"stall"`
	Timeline TraceTimeline `json:"timeline"`
	Findings []Finding     `json:"findings"`
	// Host is what was sampled beside the trace, null when nothing was.
	Host *TraceHost `json:"host"`
	// HostNotSeen says why samples that are there are not used.
	HostNotSeen string `json:"host_not_seen,omitempty"`
	// LeftOut counts what bounded tables had no room for.
	LeftOut map[string]uint64 `json:"left_out,omitempty"`
}

// TraceStats takes durations together. Quantiles are off by at most 6 %.
type TraceStats struct {
	Count   uint64 `json:"count"`
	TotalNS int64  `json:"total_ns"`
	P50NS   int64  `json:"p50_ns"`
	P90NS   int64  `json:"p90_ns"`
	P99NS   int64  `json:"p99_ns"`
	MaxNS   int64  `json:"max_ns"`
}

// TraceLatency is how long goroutines that could run waited for a P.
type TraceLatency struct {
	Create  TraceStats `json:"create"`
	Wake    TraceStats `json:"wake"`
	Preempt TraceStats `json:"preempt"`
	Syscall TraceStats `json:"syscall"`
}

// TraceBucket counts the durations from FromNS up to but without ToNS.
type TraceBucket struct {
	FromNS int64  `json:"from_ns"`
	ToNS   int64  `json:"to_ns"`
	Count  uint64 `json:"count"`
}

// TraceFunction is what the goroutines of one entry function did.
type TraceFunction struct {
	Name       string `json:"name"`
	Goroutines uint64 `json:"goroutines"`
	Created    uint64 `json:"created"`
	Ended      uint64 `json:"ended"`
	// RunningNS, WaitingNS and SyscallNS are summed over the goroutines.
	RunningNS int64        `json:"running_ns"`
	WaitingNS int64        `json:"waiting_ns"`
	SyscallNS int64        `json:"syscall_ns"`
	AssistNS  int64        `json:"gc_assist_ns"`
	Latency   TraceLatency `json:"latency"`
	// Waits takes the classes of Latency together.
	Waits        TraceStats    `json:"waits"`
	Distribution []TraceBucket `json:"distribution,omitempty"`
}

// TraceSTW takes the stops of the world for one reason together.
type TraceSTW struct {
	Reason string `json:"reason"`
	TraceStats
}

// TraceRange takes ranges of one name together.
type TraceRange struct {
	Name string `json:"name"`
	TraceStats
	// Open counts those that had not ended, Cut those that had begun before.
	Open uint64 `json:"open"`
	Cut  uint64 `json:"cut"`
}

// TraceGCAssist is marking that goroutines did while they allocated.
type TraceGCAssist struct {
	TraceStats
	// RunningNS is the part that they were on CPU.
	RunningNS int64 `json:"running_ns"`
	// ShareOfRunning is its part of the time that goroutines ran.
	ShareOfRunning float64 `json:"share_of_running"`
}

// TraceProcs is how the Ps were used. Running and Idle are summed over Ps.
type TraceProcs struct {
	Max       int   `json:"max"`
	RunningNS int64 `json:"running_ns"`
	IdleNS    int64 `json:"idle_ns"`
	// RunnableNS is time in which a goroutine waited for a P, SaturatedNS its part in
	// which no P was idle, IdlingNS that in which one was.
	RunnableNS  int64 `json:"runnable_ns"`
	SaturatedNS int64 `json:"saturated_ns"`
	IdlingNS    int64 `json:"runnable_while_idle_ns"`
	// LongIdlingNS is the part of IdlingNS that lasted 1 ms or longer at a time.
	LongIdlingNS int64  `json:"runnable_while_idle_long_ns"`
	LongIdlings  uint64 `json:"runnable_while_idle_long_count"`
}

// TraceGoroutines counts goroutines.
type TraceGoroutines struct {
	First int `json:"first"`
	Last  int `json:"last"`
	Max   int `json:"max"`
}

// TraceBlock is time blocked for one reason in one place.
type TraceBlock struct {
	Reason string `json:"reason"`
	// Place names the line of Stack that a reader looks for.
	Place string  `json:"place"`
	Stack []Frame `json:"stack"`
	// Idle is true of the runtime's own goroutines, which wait for work, and of what was
	// blocked all the time.
	Idle bool `json:"idle"`
	TraceStats
	// Open counts goroutines that are blocked there at the end.
	Open   uint64 `json:"open"`
	OpenNS int64  `json:"open_ns"`
}

// TraceWait is one wait for a P, and what else held as it began and went on.
type TraceWait struct {
	Class      string `json:"class"`
	AtNS       int64  `json:"at_ns"`
	DurationNS int64  `json:"duration_ns"`
	Goroutine  int64  `json:"goroutine_id"`
	Function   string `json:"function"`
	// By is the goroutine that made it runnable, absent for the network poller and
	// timers.
	By         int64  `json:"by_goroutine_id,omitempty"`
	ByFunction string `json:"by_function,omitempty"`
	// Ahead counts goroutines that waited already, IdlePs the Ps that were idle.
	Ahead     int   `json:"ahead"`
	IdlePs    int   `json:"idle_ps"`
	STWNS     int64 `json:"stw_ns"`
	GCNS      int64 `json:"gc_ns"`
	SilenceNS int64 `json:"silence_ns"`
	// Place names the line of Stack that a reader looks for.
	Place string  `json:"place,omitempty"`
	Stack []Frame `json:"stack,omitempty"`
	// RunDelayNS and ThrottledNS are what the host did to the process meanwhile,
	// summed over threads and CPUs; null when that was not sampled.
	RunDelayNS  *int64 `json:"run_delay_ns"`
	ThrottledNS *int64 `json:"throttled_ns"`
}

// TraceCount is how often something was seen.
type TraceCount struct {
	Name  string `json:"name"`
	Count uint64 `json:"count"`
}

// TraceLog is a message of runtime/trace.Log.
type TraceLog struct {
	AtNS      int64  `json:"at_ns"`
	Goroutine int64  `json:"goroutine_id"`
	Category  string `json:"category"`
	Message   string `json:"message"`
}

// TraceMetric is a metric of the runtime.
type TraceMetric struct {
	Name  string `json:"name"`
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Min   uint64 `json:"min"`
	Max   uint64 `json:"max"`
}

// TraceTimeline cuts the trace into bins of equal width. Each list has a value per
// bin.
type TraceTimeline struct {
	WidthNS int64 `json:"width_ns"`
	// These are means over the bin: goroutines, and Ps that are idle.
	Running   []float64 `json:"running"`
	Runnable  []float64 `json:"runnable"`
	InSyscall []float64 `json:"in_syscall"`
	Waiting   []float64 `json:"waiting"`
	IdlePs    []float64 `json:"idle_ps"`
	// These are shares of the bin, 0 to 1.
	STW     []float64 `json:"stw"`
	GC      []float64 `json:"gc"`
	Silence []float64 `json:"silence"`
	// These are the largest numbers within the bin.
	MaxRunnable   []int `json:"max_runnable"`
	MaxGoroutines []int `json:"max_goroutines"`
}
