package exec

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// Spec returns the exec probe.
func Spec() *probe.Spec {
	return &probe.Spec{
		Name:    "exec",
		Summary: "commands: who ran them, from which line of Go, what they cost, how they ended",
		Needs: []probe.Need{
			{What: "privilege", Check: platform.CheckPrivilege, Hint: "run as root, or grant CAP_BPF and CAP_PERFMON"},
			{What: "kernel BTF", Check: platform.CheckBTF, Hint: "use a kernel built with CONFIG_DEBUG_INFO_BTF"},
			{What: "a kernel of 5.17 or later", Check: func() error { return platform.CheckKernel(5, 17) }, Hint: "bpf_loop came with Linux 5.17"},
		},
		Attach: []probe.AttachPoint{
			{Program: "exec_exec", Target: "sched:sched_process_exec", Required: true},
			{Program: "exec_exit", Target: "sched:sched_process_exit", Required: true},
			{Program: "exec_fork", Target: "sched:sched_process_fork", Missing: "call sites, goroutines, commands that could not be started"},
			{Program: "exec_reap", Target: "sched:sched_process_free", Missing: "exact accounts; commands are reported five seconds after their end"},
			{Program: "exec_wait", Target: "sched:sched_process_wait", Missing: "when exactly a zombie was collected"},
			{Program: "exec_signal", Target: "signal:signal_generate", Missing: "who sent the signal that ended a command"},
			{Program: "exec_pipes", Kind: probe.TaskIterator, Target: "iter:task", Every: time.Second, Missing: "commands that are blocked on a pipe"},
			{
				Program: "exec_dying", Kind: probe.FunctionEntry, Target: "fentry:do_exit",
				Before: probe.Kernel{Major: 6, Minor: 16}, Missing: "what could not be started, and why; that it could not is seen",
			},
		},
		Schema:         Schema(),
		Load:           loadBpf,
		FeedsProcesses: true,
		Shared:         []string{"layouts", "requests", "errands", "finished"},
		PerCPU:         []string{"per_cpu_exec"},
		NewDecoder:     newDecoder,
	}
}
