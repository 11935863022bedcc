package startup

import (
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// Spec returns the startup probe.
func Spec() *probe.Spec {
	return &probe.Spec{
		Name:    "startup",
		Summary: "starts of Go programs: how long each phase and each package's init took, and why",
		Needs: []probe.Need{
			{What: "privilege", Check: platform.CheckPrivilege, Hint: "run as root, or grant CAP_BPF and CAP_PERFMON"},
			{What: "kernel BTF", Check: platform.CheckBTF, Hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF"},
			{What: "a kernel of 5.17 or later", Check: func() error { return platform.CheckKernel(5, 17) }, Hint: "the ring of records and cookies of probes need it"},
		},
		Attach: []probe.AttachPoint{
			{Program: "startup_exec", Target: "sched:sched_process_exec", Required: true, Missing: "starts"},
			{Program: "startup_exit", Target: "sched:sched_process_exit", Required: true, Missing: "starts that end early"},
			{Program: "startup_fork", Target: "sched:sched_process_fork", Missing: "threads and children"},
			{Program: "startup_switch", Target: "sched:sched_switch", Missing: "CPU time and waiting"},
			{Program: "startup_listen", Target: "sock:inet_sock_set_state", Missing: "when the program listens"},
			{Program: "startup_sys_enter", Target: "raw_syscalls:sys_enter", Detail: true, Missing: "system calls"},
			{Program: "startup_sys_exit", Target: "raw_syscalls:sys_exit", Detail: true, Missing: "system calls"},
		},
		Functions: &probe.Functions{
			Any:    []string{"runtime.main"},
			Points: points(),
		},
		OnRequest:  true,
		Tune:       tune,
		Schema:     Schema(),
		Load:       loadBpf,
		NewDecoder: newDecoder,
	}
}

// points are where a start passes. What a release inlines is left out, and the
// phase with it.
func points() []probe.FunctionPoint {
	const program = "startup_point"
	at := func(p bpfPoint, function string) probe.FunctionPoint {
		return probe.FunctionPoint{Program: program, Function: function, Tag: uint32(p), Missing: "the phase that begins there"}
	}
	list := []probe.FunctionPoint{
		{Program: program, Function: "the entry point", Where: probe.AtStart, Tag: uint32(bpfPointPOINT_ENTRY), Missing: "starts"},
		at(bpfPointPOINT_OSINIT, "runtime.osinit"),
		at(bpfPointPOINT_SCHEDINIT, "runtime.schedinit"),
		at(bpfPointPOINT_MAIN, "runtime.main"),
		at(bpfPointPOINT_SYSMON, "runtime.sysmon"),
		at(bpfPointPOINT_INIT, "runtime.doInit1"),
		at(bpfPointPOINT_MAIN_MAIN, "main.main"),
	}
	// A return is dear, but these return once.
	for _, p := range []struct {
		point    bpfPoint
		function string
	}{
		{bpfPointPOINT_MALLOCINIT, "runtime.mallocinit"}, {bpfPointPOINT_MODULESINIT, "runtime.modulesinit"},
		{bpfPointPOINT_GCINIT, "runtime.gcinit"}, {bpfPointPOINT_PROCRESIZE, "runtime.procresize"}, {bpfPointPOINT_GCENABLE, "runtime.gcenable"},
	} {
		begin := at(p.point, p.function)
		end := begin
		end.Where, end.Tag = probe.AtReturns, uint32(p.point|bpfPointPOINT_RETURN)
		list = append(list, begin, end)
	}
	return list
}

// tune translates settings for the programs. The processes that they name are of
// this process's PID namespace, which need not be that of the kernel.
func tune(s probe.Settings) map[string]uint64 {
	variables := map[string]uint64{"launcher": uint64(s.Launcher), "joined": uint64(s.Joined), "joined_id": 0, "until_listen": 1, "untraced": 0}
	if s.Launcher == 0 && s.Joined == 0 {
		return variables
	}
	variables["until_listen"], variables["untraced"] = 0, uint64(callTime())
	if own, err := platform.PIDNamespaceOf(0); err == nil {
		variables["namespace_device"], variables["namespace_inode"] = own.Device, own.Inode
	}
	return variables
}
