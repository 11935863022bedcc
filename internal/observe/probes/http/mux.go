package http

import "github.com/cilium/ebpf"

// muxProgram is the program at http.ServeMux.
const muxProgram = "http_route_mux"

const (
	// muxTrial is for how many requests the point at ServeMux must have been of
	// no use to be given up.
	muxTrial = 1000
	// muxTrials is how often it is tried.
	muxTrials = 3
)

// wanted reports whether a program is of use at an executable. ServeMux leaves
// the pattern in the request that it is given. It is looked at there only for
// the sake of middleware that copies the request before: where none does, the
// point would cost every request and tell nothing.
func wanted(object *ebpf.Collection, index uint32, program string, attached bool) bool {
	if program != muxProgram {
		return true
	}
	uses := object.Maps["mux_uses"]
	var perCPU []bpfMuxUse
	if err := uses.Lookup(index, &perCPU); err != nil || len(perCPU) == 0 {
		return attached
	}
	var sum bpfMuxUse
	for _, use := range perCPU {
		sum.Useful += use.Useful
		sum.Idle += use.Idle
		sum.Unknown += use.Unknown
		sum.Trials += use.Trials
	}
	change := attached && sum.Useful == 0 && sum.Idle+sum.Unknown >= muxTrial ||
		!attached && sum.Unknown > 0 && sum.Trials < muxTrials
	if !change {
		return attached
	}
	clear(perCPU)
	if attached {
		sum.Trials++
	}
	perCPU[0].Trials = sum.Trials
	_ = uses.Put(index, perCPU)
	return !attached
}

// forget removes what is known of the point at ServeMux in an executable.
func forget(object *ebpf.Collection, index uint32) {
	if cpus, err := ebpf.PossibleCPU(); err == nil {
		_ = object.Maps["mux_uses"].Put(index, make([]bpfMuxUse, cpus))
	}
}
