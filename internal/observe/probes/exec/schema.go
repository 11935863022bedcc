package exec

import "github.com/goshawk-io/goshawk/internal/model"

// The positions of the fields in Schema.Fields.
const (
	fieldName = iota
	fieldPath
	fieldArgs
	fieldArgsTruncated
	fieldArgsBytes
	fieldDirectory
	fieldPID
	fieldParentPID
	fieldParentName
	fieldCreationTime
	fieldExitTime
	fieldOutcome
	fieldExitCode
	fieldSignal
	fieldKilledBy
	fieldErrorType
	fieldSetup
	fieldCPUUser
	fieldCPUSystem
	fieldMaxRSS
	fieldReadBytes
	fieldWriteBytes
	fieldRunDelay
	fieldUnreaped
	fieldPipeBlocked
	fieldReplacedBy
	fieldCgroup
	fieldFunction
	fieldFile
	fieldLine
	fieldCount
)

// Schema returns the description of the exec probe's events.
func Schema() *model.Schema {
	return &model.Schema{
		Probe:   "exec",
		Fields:  fields(),
		Metrics: metrics(),
		Failure: "error.type",
		Span:    &model.Span{Kind: model.SpanClient, Name: "process.executable.name"},
		Groups:  []string{"process.executable.name", "code.function.name", "code.file.path", "code.line.number", "goshawk.parent.executable.name"},
		Rules:   rules(),
	}
}

func fields() []model.Field {
	f := make([]model.Field, fieldCount)
	f[fieldName] = model.Field{Key: "process.executable.name", Kind: model.KindString, Summary: "Base name of the executable."}
	f[fieldPath] = model.Field{Key: "process.executable.path", Kind: model.KindString, Summary: "Executable, as its mount namespace names it; for a refused command, the path that was tried."}
	f[fieldArgs] = model.Field{Key: "process.command_args", Kind: model.KindStrings, Column: "COMMAND", Summary: "All arguments, the first being the command's own name."}
	f[fieldArgsTruncated] = model.Field{Key: "goshawk.args_truncated", Kind: model.KindBool, Summary: "Set when the arguments are longer than 64 KiB and cut there."}
	f[fieldArgsBytes] = model.Field{Key: "goshawk.args_bytes", Kind: model.KindInt, Unit: "By", Summary: "True length of the arguments, when they are cut."}
	f[fieldDirectory] = model.Field{Key: "process.working_directory", Kind: model.KindString, Summary: "Working directory when the command started."}
	f[fieldPID] = model.Field{Key: "process.pid", Kind: model.KindInt, Summary: "Process id in the root PID namespace."}
	f[fieldParentPID] = model.Field{Key: "process.parent_pid", Kind: model.KindInt, Summary: "The process that ran the command."}
	f[fieldParentName] = model.Field{Key: "goshawk.parent.executable.name", Kind: model.KindString, Summary: "Base name of the executable of the process that ran the command."}
	f[fieldCreationTime] = model.Field{Key: "process.creation.time", Kind: model.KindTime, Summary: "When the process was forked."}
	f[fieldExitTime] = model.Field{Key: "process.exit.time", Kind: model.KindTime, Summary: "When the process ended."}
	f[fieldOutcome] = model.Field{Key: "goshawk.exec.outcome", Kind: model.KindString, Column: "OUTCOME", Width: 9, Outcome: true, Summary: "exited, signaled, or failed when the command could not be started."}
	f[fieldExitCode] = model.Field{Key: "process.exit.code", Kind: model.KindInt, Column: "EXIT", Width: 4, Summary: "Exit code of a command that exited."}
	f[fieldSignal] = model.Field{Key: "goshawk.exec.signal", Kind: model.KindString, Column: "SIGNAL", Width: 7, Summary: "Signal that ended the command."}
	f[fieldKilledBy] = model.Field{Key: "goshawk.exec.killed_by_pid", Kind: model.KindInt, Summary: "Process that sent the signal; unset when the kernel did."}
	f[fieldErrorType] = model.Field{Key: "error.type", Kind: model.KindString, Summary: "Set when the command failed: the errno's name when it could not be started, the signal, or the exit code."}
	f[fieldSetup] = model.Field{Key: "goshawk.exec.setup_ns", Kind: model.KindDuration, Unit: "ns", Summary: "Time from fork to the start of the image."}
	f[fieldCPUUser] = model.Field{Key: "goshawk.cpu_user_ns", Kind: model.KindDuration, Unit: "ns", Summary: "CPU time in user mode."}
	f[fieldCPUSystem] = model.Field{Key: "goshawk.cpu_system_ns", Kind: model.KindDuration, Unit: "ns", Summary: "CPU time in the kernel."}
	f[fieldMaxRSS] = model.Field{Key: "goshawk.max_rss_bytes", Kind: model.KindInt, Unit: "By", Summary: "Peak resident memory, without what a vforked child shared with its parent."}
	f[fieldReadBytes] = model.Field{Key: "goshawk.io_read_bytes", Kind: model.KindInt, Unit: "By", Summary: "Bytes read by system calls, from caches, pipes and sockets too."}
	f[fieldWriteBytes] = model.Field{Key: "goshawk.io_write_bytes", Kind: model.KindInt, Unit: "By", Summary: "Bytes written by system calls."}
	f[fieldRunDelay] = model.Field{Key: "goshawk.run_delay_ns", Kind: model.KindDuration, Unit: "ns", Summary: "Time that threads were ready and waited for a CPU, summed over them."}
	f[fieldUnreaped] = model.Field{Key: "goshawk.unreaped_ns", Kind: model.KindDuration, Unit: "ns", Summary: "Time as a zombie, from the end to the parent's wait."}
	f[fieldPipeBlocked] = model.Field{Key: "goshawk.exec.pipe_blocked_ns", Kind: model.KindDuration, Unit: "ns", Summary: "Time asleep in a write to a full pipe, as far as it was seen; waits of less than a second are not."}
	f[fieldReplacedBy] = model.Field{Key: "goshawk.exec.replaced_by", Kind: model.KindString, Summary: "Executable that the process replaced this one with; exit and end are the process's."}
	f[fieldCgroup] = model.Field{Key: "process.linux.cgroup", Kind: model.KindString, Summary: "Control group."}
	f[fieldFunction] = model.Field{Key: "code.function.name", Kind: model.KindString, Column: "CALL SITE", Width: 32, Summary: "First function of the stack outside of the standard library."}
	f[fieldFile] = model.Field{Key: "code.file.path", Kind: model.KindString, Summary: "Source file of that function."}
	f[fieldLine] = model.Field{Key: "code.line.number", Kind: model.KindInt, Summary: "Line of the call in that file."}
	return f
}

// The names of the rules.
const (
	ruleKilled   = "killed-without-grace"
	rulePipe     = "pipe-not-read"
	ruleZombie   = "zombie"
	ruleOrphaned = "orphaned"
	ruleShell    = "shell-wrapper"
	ruleRepeated = "repeated-command"
)

func rules() []model.Rule {
	return []model.Rule{
		{Name: ruleKilled, Summary: "Its Go parent sent SIGKILL, and no SIGTERM or SIGINT before: a context ended, or Process.Kill was called."},
		{Name: rulePipe, Summary: "It was blocked for a second or more in a write to a pipe that nobody read."},
		{Name: ruleZombie, Summary: "It had ended, and its parent did not wait for it for five seconds."},
		{Name: ruleOrphaned, Summary: "It outlived the Go program that ran it."},
		{Name: ruleShell, Summary: "A Go program ran a command line by a shell."},
		{Name: ruleRepeated, Summary: "One line of code ran the same executable more than a hundred times within a minute; said then and at each doubling."},
	}
}

func metrics() []model.Metric {
	return []model.Metric{
		{
			Name: "goshawk.exec", Kind: model.Counter, Unit: "{command}",
			Summary: "Commands that ended, by outcome.",
			Labels:  []model.Label{{Name: "outcome", Field: "goshawk.exec.outcome"}},
		},
		{
			Name: "goshawk.exec.duration", Kind: model.Histogram, Unit: "s",
			Summary: "How long commands ran.",
		},
		{
			Name: "goshawk.exec.cpu_user", Kind: model.Counter, Unit: "s", Sum: "goshawk.cpu_user_ns",
			Summary: "CPU time that commands spent in user mode.",
		},
		{
			Name: "goshawk.exec.cpu_system", Kind: model.Counter, Unit: "s", Sum: "goshawk.cpu_system_ns",
			Summary: "CPU time that commands spent in the kernel.",
		},
	}
}
