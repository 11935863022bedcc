package gotrace

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The names of the rules.
const (
	ruleSaturated  = "p-saturation"
	ruleWakeLag    = "wake-up-lag"
	ruleSyscall    = "syscall-keeps-p"
	ruleAssist     = "gc-assist"
	ruleSTW        = "long-stop-the-world"
	ruleStalled    = "stalled"
	ruleGrowth     = "goroutine-growth"
	ruleContention = "lock-contention"
	ruleThrottled  = "cpu-throttled"
	ruleStarved    = "run-delay"
	ruleTooManyPs  = "too-many-ps"
	ruleSysmon     = "sysmon-late"
)

// The thresholds of the rules. Each is where a healthy program that was measured
// stays clear of it: see docs/trace.md.
const (
	saturatedShare = 0.50
	saturatedP99   = 10 * time.Millisecond
	lagShare       = 0.20
	syscallP99     = 10 * time.Millisecond
	assistShare    = 0.05
	stwP99         = time.Millisecond
	stwSevere      = 10 * time.Millisecond
	stallShare     = 0.05
	growthLeast    = 1000
	growthShare    = 0.50
	contentionMean = 1.0
	// enough is how many samples a quantile needs to be judged.
	enough = 200
)

// Rules returns the rules by which [Find] judges a trace.
func Rules() []model.Rule {
	return []model.Rule{
		{Name: ruleSaturated, Summary: "For more than half of the time a goroutine waited and no P was idle, and new or woken goroutines waited for more than 10 ms (p99)."},
		{Name: ruleWakeLag, Summary: "For more than a fifth of the time in which goroutines waited for a P one was idle, for 1 ms or longer at a time."},
		{Name: ruleSyscall, Summary: "Goroutines that came back from a system call waited for more than 10 ms (p99) for a P."},
		{Name: ruleAssist, Summary: "Goroutines spent more than 5 % of their running time in marking for the garbage collector."},
		{Name: ruleSTW, Summary: "Stops of the world took more than 1 ms (p99)."},
		{Name: ruleStalled, Summary: "For more than 5 % of the time goroutines ran, or could, and nothing happened for 50 ms or longer."},
		{Name: ruleGrowth, Summary: "There are at least 1,000 goroutines more at the end than at the beginning, and half as many again."},
		{Name: ruleContention, Summary: "On average more than one goroutine waited for a mutex in one place."},
		{Name: ruleThrottled, Summary: "A CPU quota stopped the process for more than 5 % of the trace. This and the next three take samples beside the trace."},
		{Name: ruleStarved, Summary: "Threads were ready and had no CPU for more than 30 % of the time that they wanted one."},
		{Name: ruleTooManyPs, Summary: "GOMAXPROCS is larger than the CPUs, or the quota, that the process may use."},
		{Name: ruleSysmon, Summary: "The runtime's sysmon was ready and had no CPU for more than 20 ms."},
	}
}

// Find judges a trace by [Rules], the most severe first. It keeps and changes
// nothing of r.
func Find(r *Report) []model.Finding {
	if r == nil || r.Duration <= 0 {
		return nil
	}
	var found []model.Finding
	rules := []func(*Report) *model.Finding{saturated, wakeLag, syscallWaits, assists, stops, stalled, growth, contention}
	if r.Host != nil {
		rules = append(rules, hostRules()...)
	}
	for _, rule := range rules {
		if f := rule(r); f != nil {
			found = append(found, *f)
		}
	}
	slices.SortStableFunc(found, func(a, b model.Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	return found
}

// share is a part of the trace's time.
func (r *Report) share(ns int64) float64 { return float64(ns) / float64(r.Duration) }

func saturated(r *Report) *model.Finding {
	s := r.share(r.Procs.Saturated)
	class, worst := Create, r.Latency[Create]
	if w := r.Latency[Wake]; worst.Count < enough || w.Count >= enough && w.P99 > worst.P99 {
		class, worst = Wake, w
	}
	if s <= saturatedShare || worst.Count < enough || worst.P99 <= int64(saturatedP99) {
		return nil
	}
	return &model.Finding{Rule: ruleSaturated, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("All %d Ps were busy for %.0f %% of the time while goroutines waited; %s -> run p99 is %s.%s",
			r.Procs.Max, s*100, class, duration(worst.P99), busiest(r)),
		Remedy: "Give the process more CPUs (GOMAXPROCS and its quota), or take work off the functions that run longest."}
}

// busiest names the functions that ran longest.
func busiest(r *Report) string {
	running := r.Running()
	if running == 0 {
		return ""
	}
	fns := slices.Clone(r.Functions)
	slices.SortFunc(fns, func(a, b Function) int { return cmp.Compare(b.Running, a.Running) })
	var parts []string
	for _, f := range fns[:min(len(fns), 3)] {
		if part := float64(f.Running) / float64(running); part >= 0.05 {
			parts = append(parts, fmt.Sprintf("%s %.0f %%", f.Name, part*100))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " Of the time on CPU: " + strings.Join(parts, ", ") + "."
}

func wakeLag(r *Report) *model.Finding {
	if r.Procs.Runnable == 0 || float64(r.Procs.LongIdling) <= lagShare*float64(r.Procs.Runnable) ||
		r.share(r.Procs.LongIdling) <= 0.01 {
		return nil
	}
	return &model.Finding{Rule: ruleWakeLag, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("%d times, %s in all, a goroutine waited for 1 ms or longer while a P was idle: %.0f %% of the time in which goroutines waited.",
			r.Procs.LongIdlings, duration(r.Procs.LongIdling), 100*float64(r.Procs.LongIdling)/float64(r.Procs.Runnable)),
		Remedy: "The threads that were to take the work up were not run in time: look at run-queue delay and throttling (goshawk trace record samples both), and at GOMAXPROCS larger than the CPUs."}
}

func syscallWaits(r *Report) *model.Finding {
	s := r.Latency[Syscall]
	if s.Count < enough || s.P99 <= int64(syscallP99) {
		return nil
	}
	return &model.Finding{Rule: ruleSyscall, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("%d goroutines came back from a system call or cgo and had lost their P; they waited %s (p99) for another, %s at most.",
			s.Count, duration(s.P99), duration(s.Max)),
		Remedy: "Bound how many goroutines are in blocking system calls or cgo at once, or raise GOMAXPROCS."}
}

func assists(r *Report) *model.Finding {
	running, assisting := r.Running(), r.Assisting()
	if running == 0 || float64(assisting) <= assistShare*float64(running) {
		return nil
	}
	var worst Function
	for _, f := range r.Functions {
		if f.Assist > worst.Assist {
			worst = f
		}
	}
	return &model.Finding{Rule: ruleAssist, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("Goroutines assisted the collector %d times: %s on CPU, %.0f %% of their running time, most of it in %s. An assist lasted %s (p99) with its waits.",
			r.Assist.Count, duration(assisting), 100*float64(assisting)/float64(running), worst.Name, duration(r.Assist.P99)),
		Remedy: "Allocate less there, or let the heap grow further: raise GOGC, with GOMEMLIMIT as the bound."}
}

func stops(r *Report) *model.Finding {
	var worst Range
	for _, s := range r.STW {
		// Tracing itself stops the world as it begins and ends.
		if strings.HasPrefix(s.Name, "start trace") || strings.HasPrefix(s.Name, "stop trace") {
			continue
		}
		if s.P99 > worst.P99 {
			worst = s
		}
	}
	if worst.P99 <= int64(stwP99) {
		return nil
	}
	severity := model.SeverityInfo
	if worst.P99 > int64(stwSevere) {
		severity = model.SeverityWarn
	}
	return &model.Finding{Rule: ruleSTW, Severity: severity,
		Evidence: fmt.Sprintf("The world was stopped %d times for %q: p99 %s, %s at most, %s in all.",
			worst.Count, worst.Name, duration(worst.P99), duration(worst.Max), duration(worst.Total)),
		Remedy: "A stop lasts until the last goroutine gives way: look for a starved machine first, then for long loops without calls and for frequent runtime.ReadMemStats or profiles."}
}

func stalled(r *Report) *model.Finding {
	if r.share(r.Stall.Total) <= stallShare {
		return nil
	}
	remedy := "The program was not run: a CPU quota used up or a busy machine. The trace cannot tell which; goshawk trace record samples both."
	if h := r.Host; h != nil {
		if h.RunDelayNS+h.ThrottledNS < r.Stall.Total/2 {
			return nil // The host let it run: it computed, and wrote nothing.
		}
		remedy = fmt.Sprintf("The program was not run. In all its threads were ready and had no CPU for %s, and its quota stopped it for %s.", duration(h.RunDelayNS), duration(h.ThrottledNS))
	}
	return &model.Finding{Rule: ruleStalled, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("%d times, %s in all (%.0f %% of the trace), no thread wrote an event for 50 ms or longer though goroutines ran or could run; %s at most.",
			r.Stall.Count, duration(r.Stall.Total), 100*r.share(r.Stall.Total), duration(r.Stall.Max)),
		Remedy: remedy}
}

func growth(r *Report) *model.Finding {
	more := r.Goroutines.Last - r.Goroutines.First
	if more < growthLeast || float64(more) < growthShare*float64(r.Goroutines.First) {
		return nil
	}
	var worst Function
	for _, f := range r.Functions {
		if int64(f.Created)-int64(f.Ended) > int64(worst.Created)-int64(worst.Ended) {
			worst = f
		}
	}
	evidence := fmt.Sprintf("%d goroutines at the beginning, %d at the end; of %s %d began and %d ended.",
		r.Goroutines.First, r.Goroutines.Last, worst.Name, worst.Created, worst.Ended)
	var place Block
	for _, b := range r.Blocking {
		if b.Open > place.Open {
			place = b
		}
	}
	if place.Open > 0 {
		evidence += fmt.Sprintf(" %d of all are blocked (%s) in %s.", place.Open, place.Reason, Place(place.Stack))
	}
	return &model.Finding{Rule: ruleGrowth, Severity: model.SeverityWarn, Evidence: evidence,
		Remedy: "See that what starts these goroutines also ends them: a context that is cancelled, a channel that is closed, a bound on how many there are."}
}

func contention(r *Report) *model.Finding {
	var worst Block
	for _, b := range r.Blocking {
		if total := b.Total + b.OpenTotal; locks(b.Stack) && total > worst.Total+worst.OpenTotal {
			worst = b
		}
	}
	mean := r.share(worst.Total + worst.OpenTotal)
	if worst.Count < enough || mean <= contentionMean {
		return nil
	}
	return &model.Finding{Rule: ruleContention, Severity: model.SeverityWarn,
		Evidence: fmt.Sprintf("Goroutines waited %d times for the mutex in %s, %s in all: %.1f at any time, p50 %s, p99 %s.",
			worst.Count, Place(worst.Stack), duration(worst.Total), mean, duration(worst.P50), duration(worst.P99)),
		Remedy: "Hold it for less time, split what it guards, or let fewer goroutines compete for it."}
}

// locks tells whether a stack waits for a mutex.
func locks(stack []Frame) bool {
	for _, f := range stack[:min(len(stack), 6)] {
		if strings.HasPrefix(f.Func, "sync.(*Mutex).") || strings.HasPrefix(f.Func, "sync.(*RWMutex).") {
			return true
		}
	}
	return false
}

// duration renders ns with three digits.
func duration(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(10 * time.Nanosecond).String()
}
