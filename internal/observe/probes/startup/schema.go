package startup

import (
	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// The positions of the fields in Schema.Fields.
const (
	fieldKind = iota
	fieldName
	fieldWithin
	fieldBegin
	fieldCPU
	fieldRunDelay
	fieldOffCPU
	fieldThrottled
	fieldSyscalls
	fieldSyscallTime
	fieldObserved
	fieldMinorFaults
	fieldMajorFaults
	fieldOperand
	fieldResult
	fieldCallCount
	fieldAddress
	fieldExe
	fieldArgs
	fieldGoVersion
	fieldPID
	fieldEnded
	fieldExitCode
	fieldSignal
	fieldChildren
	fieldThreads
	fieldLost
	fieldUnseen
	fieldGoDebug
	fieldDefaultGoDebug
	fieldGoMaxProcs
	fieldGoProxy
	fieldCPUs
	fieldQuota
	fieldThrottles
	fieldCount
)

// Schema returns the description of the startup probe's events. One start is one
// trace: the start, its phases and packages below it, and below those the system
// calls worth naming.
func Schema() *model.Schema {
	return &model.Schema{
		Probe: "startup", Fields: fields(),
		Span:   &model.Span{Kind: model.SpanInternal, Name: startup.KeyKind, Names: []string{startup.KeyName}},
		Groups: []string{startup.KeyKind, startup.KeyName},
		Rules:  startup.Rules(),
		Metrics: []model.Metric{{
			Name: "goshawk.startup.duration", Kind: model.Histogram, Unit: "s", Summary: "How long starts took, until the program listened or ended.",
			Labels: []model.Label{{Name: "goshawk_startup_ended", Field: startup.KeyEnded}}, When: startup.KeyEnded,
		}},
	}
}

func fields() []model.Field {
	duration := func(key, summary string) model.Field {
		return model.Field{Key: key, Kind: model.KindDuration, Unit: "ns", Summary: summary}
	}
	count := func(key, unit, summary string) model.Field {
		return model.Field{Key: key, Kind: model.KindInt, Unit: unit, Summary: summary}
	}
	text := func(key, summary string) model.Field {
		return model.Field{Key: key, Kind: model.KindString, Summary: summary}
	}
	f := make([]model.Field, fieldCount)
	f[fieldKind] = model.Field{Key: startup.KeyKind, Kind: model.KindString, Column: "KIND", Width: 8, Summary: "start, phase, package or syscall; mark for an instant that is no part of the start."}
	f[fieldName] = model.Field{Key: startup.KeyName, Kind: model.KindString, Column: "NAME", Summary: "The executable's base name, the phase, the package or the system call."}
	f[fieldWithin] = text(startup.KeyWithin, "Phase that a phase is a part of.")
	f[fieldBegin] = duration(startup.KeyBegin, "When it began, after the kernel had executed the program.")
	f[fieldCPU] = duration(startup.KeyCPU, "Time on a CPU: of the main thread up to main.main, of all threads from there on.")
	f[fieldRunDelay] = duration(startup.KeyRunDelay, "Time ready to run while no CPU took it up.")
	f[fieldOffCPU] = duration(startup.KeyOffCPU, "Time that it waited.")
	f[fieldThrottled] = duration(startup.KeyThrottled, "Time that the control group, or one above it, was throttled meanwhile.")
	f[fieldSyscalls] = count(startup.KeySyscalls, "{syscall}", "System calls that ended; unset when they are not traced.")
	f[fieldSyscallTime] = duration(startup.KeySyscallTime, "How long these took.")
	f[fieldObserved] = duration(startup.KeyObserved, "How long it took to observe these, beside that: a part of the CPU time.")
	f[fieldMinorFaults] = count(startup.KeyMinorFaults, "{fault}", "Page faults without I/O.")
	f[fieldMajorFaults] = count(startup.KeyMajorFaults, "{fault}", "Page faults with I/O.")
	f[fieldOperand] = text(startup.KeyOperand, "Path or address that a system call was about.")
	f[fieldResult] = count(startup.KeyResult, "", "What a system call returned: a negative errno when it failed.")
	f[fieldCallCount] = count(startup.KeyCallCount, "{syscall}", "How many system calls the event stands for, that had the same name, operand and error; unset for one.")
	f[fieldAddress] = text(startup.KeyAddress, "Address that the program listens on, or that was the first to connect.")
	f[fieldExe] = text(startup.KeyExe, "Path of the executable.")
	f[fieldArgs] = model.Field{Key: startup.KeyArgs, Kind: model.KindStrings, Summary: "Arguments of the program."}
	f[fieldGoVersion] = text(startup.KeyGoVersion, "Go release that the program was built with.")
	f[fieldPID] = model.Field{Key: startup.KeyPID, Kind: model.KindInt, Summary: "Process in the root PID namespace."}
	f[fieldEnded] = model.Field{Key: startup.KeyEnded, Kind: model.KindString, Summary: "What ended the observation: first_listen, exit, exec of another program, or timeout."}
	f[fieldExitCode] = count(startup.KeyExitCode, "", "Exit status of the process, -1 when a signal ended it.")
	f[fieldSignal] = count(startup.KeySignal, "", "Signal that ended the process.")
	f[fieldChildren] = count(startup.KeyChildren, "{process}", "Processes that the program started meanwhile.")
	f[fieldThreads] = count(startup.KeyThreads, "{thread}", "Threads that the program started meanwhile.")
	f[fieldLost] = count(startup.KeyLost, "{record}", "Records that did not arrive meanwhile: what is told may be incomplete.")
	f[fieldUnseen] = model.Field{Key: startup.KeyUnseen, Kind: model.KindStrings, Summary: "What could not be seen, each as \"what: why\"."}
	f[fieldGoDebug] = text(startup.KeyGoDebug, "GODEBUG of the environment.")
	f[fieldDefaultGoDebug] = text(startup.KeyDefaultGoDebug, "GODEBUG that the program was built with.")
	f[fieldGoMaxProcs] = count(startup.KeyGoMaxProcs, "", "GOMAXPROCS of the environment.")
	f[fieldGoProxy] = model.Field{Key: startup.KeyGoProxy, Kind: model.KindStrings, Summary: "Hosts of GOPROXY, for a go command."}
	f[fieldCPUs] = count(startup.KeyCPUs, "{cpu}", "CPUs that the process may run on.")
	f[fieldQuota] = count(startup.KeyQuota, "", "Thousandths of a CPU that the control group may use.")
	f[fieldThrottles] = count(startup.KeyThrottles, "", "How often the control group was throttled meanwhile.")
	return f
}
