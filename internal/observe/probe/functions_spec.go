package probe

import (
	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// layoutMap is the array that [Functions.Layout] fills.
const layoutMap = "layouts"

// Functions says where a probe attaches in Go programs: once for each
// executable file, for all processes that run it.
//
// The probe's programs find the index of the executable in the lower half of
// their cookie.
type Functions struct {
	// Any lists the functions that make a program worth attaching to: it has
	// one of them at least.
	Any []string
	// Points lists where the programs attach. A function that an executable
	// does not have is left out.
	Points []FunctionPoint
	// Layout returns what the programs must know of an executable. It goes into
	// the object's array "layouts", at the executable's index.
	Layout func(*symbol.Binary) (Layout, error)
	// Wanted, if not nil, is asked some times a second whether a program is of
	// use at the executable of an index, given whether it is attached there: a
	// point that turns out to tell nothing need not be paid for.
	Wanted func(object *ebpf.Collection, index uint32, program string, attached bool) bool
	// Forget, if not nil, removes from the object's maps what they hold of the
	// executable that had an index before: another one gets it.
	Forget func(object *ebpf.Collection, index uint32)
}

// Layout is what a probe's programs know of one executable.
type Layout struct {
	// Value is the entry of the array, as bpf2go declares it.
	Value any
	// Assumed says of which release the layout is, when that of the executable
	// is not known: what the programs read may be wrong. It is empty else.
	Assumed string
	// Off are the parts of the probe that do not work with this executable.
	Off []model.ProbeFault
}

// Where says at which instructions of a function a program runs.
type Where uint8

const (
	// AtEntry is where the function begins: its arguments are in registers.
	AtEntry Where = iota
	// AtReturns is each of the function's returns: its results are in
	// registers. Returns are dear: see [symbol.Point].
	AtReturns
	// AtCalls is where the function calls Callee: the callee's arguments are in
	// registers.
	AtCalls
	// AtStart is where the kernel or the dynamic loader enters the program. It is
	// in no function: that of the point only names it in messages.
	AtStart
)

// FunctionPoint ties one eBPF program to one function.
type FunctionPoint struct {
	// Program is the program's name in the object.
	Program string
	// Function is the function as the linker names it.
	Function string
	// Where says at which instructions.
	Where Where
	// Callee is the function that AtCalls is about.
	Callee string
	// Tag is the upper half of the program's cookie, by which it tells points
	// apart that it has in common.
	Tag uint32
	// Missing says what users do not see when the point cannot attach.
	Missing string
	// Inlined are the points that do for this one where Function, or at calls the
	// Callee, is inlined, which a profile that a program is built with brings
	// about: each for the function that its own Function names. Where there is
	// none, what is called there is not seen, and a probe that has any such point
	// says so.
	Inlined []FunctionPoint
	// Publishes marks a point that is attached only when [Settings] ask for the
	// map of trace contexts.
	Publishes bool
}

// Attached is an executable that a probe is attached to, as decoders see it.
type Attached struct {
	// Program names the executable's addresses.
	Program *symbol.Program
	// Assumed is the layout's.
	Assumed string
}
