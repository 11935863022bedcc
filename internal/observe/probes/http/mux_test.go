package http

import (
	"testing"

	"github.com/cilium/ebpf"

	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/symbol"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestWanted_thePointAtServeMuxIsGivenUpAndTriedAgain(t *testing.T) {
	testutil.RequireBPF(t)
	spec, err := loadBpf()
	if err != nil {
		t.Fatal(err)
	}
	uses, err := ebpf.NewMap(spec.Maps["mux_uses"])
	if err != nil {
		t.Fatal(err)
	}
	defer uses.Close()
	object := &ebpf.Collection{Maps: map[string]*ebpf.Map{"mux_uses": uses}}
	const index = 3
	attached := true
	ask := func(what string, used bpfMuxUse, want bool) {
		t.Helper()
		var perCPU []bpfMuxUse
		if err := uses.Lookup(uint32(index), &perCPU); err != nil {
			t.Fatal(err)
		}
		used.Trials = perCPU[0].Trials
		perCPU[0] = used
		if err := uses.Put(uint32(index), perCPU); err != nil {
			t.Fatal(err)
		}
		if attached = wanted(object, index, muxProgram, attached); attached != want {
			t.Errorf("%s: wanted = %v", what, attached)
		}
	}
	ask("few requests", bpfMuxUse{Idle: muxTrial - 1}, true)
	ask("useful once", bpfMuxUse{Idle: muxTrial, Useful: 1}, true)
	for range muxTrials {
		ask("of no use", bpfMuxUse{Idle: muxTrial - 1, Unknown: 1}, false)
		ask("no requests since", bpfMuxUse{}, false)
		if attached {
			break
		}
		var perCPU []bpfMuxUse
		if err := uses.Lookup(uint32(index), &perCPU); err != nil {
			t.Fatal(err)
		}
		ask("requests without a pattern", bpfMuxUse{Unknown: 1}, perCPU[0].Trials < muxTrials)
	}
	ask("tried often enough", bpfMuxUse{Unknown: 1}, false)
	forget(object, index)
	ask("another executable has the index", bpfMuxUse{Unknown: 1}, true)
	if !wanted(object, index, "http_server_begin", true) {
		t.Error("another program is not wanted")
	}
}

func TestTry_anotherProgramAtTheIndexIsTriedAnew(t *testing.T) {
	refuted := 0
	d := decoder{host: probe.Host{Refute: func(uint32, error) { refuted++ }}, trials: make(map[uint32]*trial)}
	first, second := probe.Attached{Program: new(symbol.Program), Assumed: "go1.99"}, probe.Attached{Program: new(symbol.Program), Assumed: "go1.99"}
	for range 3 {
		if err := d.try(&bpfHttpRecord{}, first); err != nil {
			t.Fatal(err)
		}
	}
	nonsense := &bpfHttpRecord{Protocol: 99}
	if d.try(nonsense, first) == nil || refuted != 0 {
		t.Errorf("one of four records does not fit: refuted %d times", refuted)
	}
	if d.try(nonsense, second) == nil || refuted != 1 {
		t.Errorf("the only record does not fit: refuted %d times", refuted)
	}
}
