package hook

import (
	"context"
	"io"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// TierKernel hooks by the kernel's uprobes: nothing in the process is changed
// but by the kernel itself, and a call costs some microseconds.
const TierKernel = "kernel"

// tier is a way to hook functions. It counts calls of the functions that it was
// made for, which are named by their index.
type tier interface {
	// measure returns what hooking costs on this host, and makes durations
	// leave out what the tier itself adds to them.
	measure(ctx context.Context) (prices, error)
	// sample counts entries of all functions for a while, but not more than
	// most hits, and returns how long it did.
	sample(ctx context.Context, d time.Duration, most uint64) (calls []uint64, took time.Duration, err error)
	// attach hooks the functions of one group. The closer waits for the kernel.
	// Functions that could not be hooked are returned with the cause.
	attach(group []int) (io.Closer, map[int]error, error)
	// counter returns what was counted.
	counter() counter
	// Close frees everything once all groups are closed.
	Close() error
}

// counter is what a tier counts. Reading it does not stop it.
type counter interface {
	// switchOn begins to count the calls of a function, switchOff ends it: a
	// function that is attached and off costs but counts nothing.
	switchOn(function int) error
	switchOff(function int) error
	// calls fills dst with the number of calls of every function.
	calls(dst []uint64) error
	// read returns all that was counted of a function.
	read(function int) (tally, error)
	// open returns how many calls of every function are kept as not returned.
	open() ([]uint64, error)
}

// prices are the CPU times that one call of a function costs it.
type prices struct {
	// entry and entryStepped are of counting an entry at an emulated and at a
	// single-stepped instruction.
	entry, entryStepped time.Duration
	// leave and leaveStepped are of a return.
	leave, leaveStepped time.Duration
	// count and countStepped are of an entry while the rate is sampled.
	count, countStepped time.Duration
}

// call returns what one call of a function with the given points costs. It
// passes one of the entries and one of the returns: the dearest count.
func (p *prices) call(f *function) time.Duration {
	return dearest(f.entries, p.entry, p.entryStepped) + dearest(f.returns, p.leave, p.leaveStepped)
}

// dearest returns the cost of the dearest point, 0 when there is none.
func dearest(points []symbol.Point, emulated, stepped time.Duration) time.Duration {
	var cost time.Duration
	for _, p := range points {
		if p.Stepped {
			cost = max(cost, stepped)
		} else {
			cost = max(cost, emulated)
		}
	}
	return cost
}

// chooseTier returns the name of the tier for what the user asked for: the one
// place that knows which there are.
func chooseTier(name string) (string, error) {
	switch name {
	case "", "auto", TierKernel:
		return TierKernel, nil
	case "relocated", "user":
		return "", inputError("use --tier "+TierKernel, "tier %s: is not built yet", name)
	}
	return "", inputError("the tiers are: auto, kernel, relocated, user", "tier %q: there is none of this name", name)
}

// function is one that is to be hooked.
type function struct {
	name string
	// entries and returns are where it begins and ends. The instances of a
	// generic function have one name and count as one function.
	entries, returns []symbol.Point
	// word is the word of its results that holds the type of its error, -1
	// when it has none; known says whether that can be told.
	word  int
	known bool
	// args are the arguments to print of its calls.
	args []argument
	// refused says why the function is not hooked.
	refused error
}
