package model

import "time"

// ProcessID names a process for good: PIDs are reused, the pair is not.
type ProcessID struct {
	// PID is the process id (the kernel's tgid) in the root PID namespace.
	PID int32
	// Start is when the process was forked, in clock ticks of the boot clock
	// (CLOCK_BOOTTIME, 1/100 s), the resolution of /proc/PID/stat.
	Start uint64
}

// Process is what is known of one process.
type Process struct {
	ID     ProcessID
	Parent ProcessID
	// Exe is the path of the executable in the process's own mount namespace.
	Exe string
	// Deleted says that the file at Exe is no longer the one that runs.
	Deleted bool
	// Args are the arguments; nil when they are not known.
	Args []string
	// Directory is the working directory when it was first seen.
	Directory string
	// StartTime is when the process was forked.
	StartTime time.Time
	// Go says what the Go toolchain recorded; nil when it is not a Go program.
	Go *GoBuild
	// Service is the name of the service that the process is, or runs for.
	Service string
	// ContainerID and PodUID say where it runs; empty outside of containers.
	ContainerID string
	PodUID      string
	// Cgroup is the path that placed it there, as /proc/PID/cgroup writes it.
	Cgroup string
}

// GoBuild is what a Go executable says of itself.
type GoBuild struct {
	// GoVersion is the toolchain's version, "go1.26.8".
	GoVersion string
	// Path is the main package's import path, "github.com/caddyserver/caddy/v2/cmd/caddy".
	Path string
	// Module and Version are the main module's path and version.
	Module, Version string
	// Revision is the VCS revision of the main module, empty when not stamped.
	Revision string
	// BuildID is the content of the Go build id note.
	BuildID string
	// Arch is the architecture of the code, as GOARCH names it.
	Arch string
	// FuncTable says that the function table (pclntab) is there in a layout
	// that can be read.
	FuncTable bool
	// Static says that no dynamic loader is asked for.
	Static bool
	// PIE says that the executable is position-independent.
	PIE bool
	// Cgo says that the executable was built with cgo.
	Cgo bool
	// Stripped says that the symbol table is gone.
	Stripped bool
}
