package gotrace

// The timeline has at most maxBins bins. It begins with narrow ones and joins each
// two when the trace is longer.
const (
	maxBins  = 480
	firstBin = 100_000 // ns
)

// level is what holds between two events.
type level struct {
	running, runnable, syscall, waiting, idlePs int
	stw, gc, silent                             bool
}

// timeline sums levels up into bins as time goes on.
type timeline struct {
	start int64
	width int64
	bins  []Bin
}

// add sums up a level that held from one point in time to another.
func (t *timeline) add(from, to int64, l level) {
	if t.width == 0 {
		t.start, t.width, t.bins = from, firstBin, make([]Bin, 0, maxBins)
	}
	for from < to {
		i := (from - t.start) / t.width
		for i >= maxBins {
			t.join()
			i = (from - t.start) / t.width
		}
		for int64(len(t.bins)) <= i {
			t.bins = append(t.bins, Bin{})
		}
		end := min(to, t.start+(i+1)*t.width)
		t.bins[i].sum(end-from, l)
		from = end
	}
}

// sum adds a level that held for ns.
func (b *Bin) sum(ns int64, l level) {
	b.Running += ns * int64(l.running)
	b.Runnable += ns * int64(l.runnable)
	b.InSyscall += ns * int64(l.syscall)
	b.Waiting += ns * int64(l.waiting)
	b.IdlePs += ns * int64(l.idlePs)
	if l.stw {
		b.STW += ns
	}
	if l.gc {
		b.GC += ns
	}
	if l.silent {
		b.Silence += ns
	}
	b.MaxRunnable = max(b.MaxRunnable, l.runnable)
	b.MaxGoroutines = max(b.MaxGoroutines, l.running+l.runnable+l.syscall+l.waiting)
}

// late notes a goroutine that comes to be known, and has been there all the time.
func (t *timeline) late() {
	if len(t.bins) > 0 {
		t.bins[len(t.bins)-1].late++
	}
}

// report returns the bins. Goroutines count from the beginning on even where the
// trace named them late: until then they did nothing.
func (t *timeline) report() Timeline {
	late := 0
	for i := len(t.bins) - 1; i >= 0; i-- {
		b := &t.bins[i]
		b.Waiting += int64(late) * t.width
		b.MaxGoroutines += late
		late, b.late = late+b.late, 0
	}
	return Timeline{Width: t.width, Bins: t.bins}
}

// join makes one bin of each two.
func (t *timeline) join() {
	half := (len(t.bins) + 1) / 2
	for i := range half {
		b := t.bins[2*i]
		if 2*i+1 < len(t.bins) {
			b.merge(t.bins[2*i+1])
		}
		t.bins[i] = b
	}
	t.bins = t.bins[:half]
	t.width *= 2
}

func (b *Bin) merge(o Bin) {
	b.Running += o.Running
	b.Runnable += o.Runnable
	b.InSyscall += o.InSyscall
	b.Waiting += o.Waiting
	b.IdlePs += o.IdlePs
	b.STW += o.STW
	b.GC += o.GC
	b.Silence += o.Silence
	b.MaxRunnable = max(b.MaxRunnable, o.MaxRunnable)
	b.MaxGoroutines = max(b.MaxGoroutines, o.MaxGoroutines)
	b.late += o.late
}
