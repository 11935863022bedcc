package doctor

import (
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
	"github.com/goshawk-io/goshawk/internal/platform/cgroup"
)

// Evidence is what was gathered. A part that is nil was not asked for.
type Evidence struct {
	Environment *Environment
	Binary      *Binary
	Process     *Process
	// Unseen is what could not be gathered.
	Unseen []Unseen
}

// Unseen is something that could not be seen, and why.
type Unseen = startup.Unseen

// Environment is what go commands in a folder work with.
type Environment struct {
	// Dir is the folder, and Asked says that the user named it.
	Dir   string
	Asked bool
	// Installations are those of PATH, in its order, each once.
	Installations []Installation
	// GOROOT is what the variable leads to, nil when it is not set.
	GOROOT *Installation
	// Settings are those in force, by name; what has its default may be absent.
	Settings map[string]Setting
	// EnvFile is the file that `go env -w` writes, InFile what it holds, and
	// Variables which of its names the environment sets to something else.
	EnvFile   string
	InFile    map[string]string
	Variables map[string]string
	// GoDebug is GODEBUG of the environment.
	GoDebug string
	Module  *Module
	// Proxies and SumDB are what was asked for an answer; nil when nothing was.
	Proxies []Reached
	SumDB   *Reached
	// SumDBByProxy is the proxy that answers for GOSUMDB, empty for none.
	SumDBByProxy string
}

// Installation is a folder with Go in it.
type Installation struct {
	// Path is the command as PATH leads to it; empty for that of GOROOT.
	Path string
	// Root is its GOROOT without symbolic links, and Version "go1.26.8"; empty
	// when they cannot be told.
	Root, Version string
}

// Setting is the value of a variable of the go command and where it comes from.
type Setting struct {
	Value string
	// From is "the environment", or a file.
	From string
}

// Module is the module, and the workspace, that a folder is in.
type Module struct {
	// Dir is the folder of go.mod, Path the module's.
	Dir, Path string
	// Go and Toolchain are of the lines that count, as versions: "go1.26.0". They
	// are those of go.work where there is one.
	Go, Toolchain string
	// Workspace is the go.work in force, empty without one, and Outside says that
	// it does not use the module.
	Workspace string
	Outside   bool
	// Vendor says that there is a vendor/modules.txt.
	Vendor bool
}

// Outcome is what came of asking a server.
type Outcome string

// The outcomes.
const (
	Answered    Outcome = "answered"
	Refused     Outcome = "refused"
	Silent      Outcome = "silent"
	Unreachable Outcome = "unreachable"
)

// Reached is what came of asking a server for something.
type Reached struct {
	// Host is its host and port: nothing of an address that may be secret.
	Host    string
	Outcome Outcome
	// Status is that of the answer over HTTP.
	Status int
	// Took is how long it took.
	Took time.Duration
	// Cause says why it is unreachable.
	Cause string
	// FallsThrough says that a go command goes on to the next proxy after any error.
	FallsThrough bool
}

// Binary is what an executable is.
type Binary struct {
	Path, GoVersion, Module string
	// Settings are those of its build, by name: "-race", "vcs.modified".
	Settings map[string]string
	// Modules are the paths of the modules that it was built from.
	Modules            []string
	SymbolTable, DWARF bool
	Cgo, Static        bool
	// NSS are the functions of the C library's name service that it imports.
	NSS []string
	// Source is the module that the file lies in, when that is what it was built
	// from; nil else.
	Source *Module
	// Installed is the version of the go command of PATH, empty for none.
	Installed string
}

// Process is a running process, looked at twice.
type Process struct {
	PID int32
	// Interval is how long was between both looks, 0 when there was but one.
	Interval time.Duration
	// GoDebug, GoMaxProcs, GoMemLimit and GoGC are of its environment, empty when
	// they are not set; HasEnvironment says that it could be read.
	GoDebug, GoMaxProcs, GoMemLimit, GoGC string
	HasEnvironment                        bool
	// CPUs is how many CPUs it may run on, 0 when unknown.
	CPUs int
	// Groups are the control groups with a CPU quota above it, the innermost first.
	Groups []QuotaGroup
	Memory Memory
	// Descriptors are open, of DescriptorLimit at most; 0 when unknown.
	Descriptors, DescriptorLimit uint64
	// Zombies are children that had ended before the first look and were not
	// collected at the last.
	Zombies []Zombie
	// Deleted says that the file it runs is no longer at its path, and Replaced
	// that another one is.
	Deleted, Replaced bool
	Exe               string
	Threads           int
	// CPU and RunDelay are how long its threads ran, and were ready and not
	// running, over the interval, summed.
	CPU, RunDelay time.Duration
	HasSched      bool
	// Goroutines are the numbers at the first and the last look; nil when unseen.
	Goroutines *Goroutines
}

// Goroutines are their numbers at two times.
type Goroutines struct{ First, Last int }

// Zombie is a process that has ended and was not collected.
type Zombie struct {
	PID  int
	Name string
}

// QuotaGroup is a control group with a CPU quota.
type QuotaGroup struct {
	Path string
	// CPUs is the quota.
	CPUs float64
	// Total is since the group was made, Seen over the interval.
	Total, Seen cgroup.Throttling
}

// Memory is what the control groups of a process say of memory.
type Memory struct {
	// Limit is the smallest, in bytes, 0 for none; Group is whose it is, and Used
	// what cannot be given back there: anonymous memory.
	Limit, Used uint64
	Group       string
	// OOMKills is how many processes of the group the kernel has killed.
	OOMKills uint64
}
