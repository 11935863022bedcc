package startup

import (
	"bytes"
	"io"
	"os"
	"path"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// maxEnvironment bounds what is read of a process's environment.
const maxEnvironment = 1 << 20

// environment is what a program was started with that decides how its runtime
// behaves. Nothing else of the environment is looked at or kept. The zero value is
// of one that is not known.
type environment struct {
	goDebug string
	procs   int64    // GOMAXPROCS, 0 when it is not set
	proxies []string // hosts and ports of GOPROXY, for a go command
	cpus    int64    // that it may run on
}

// readEnvironment reads the environment of a process, which may have ended: it is
// unknown then.
func (d *decoder) readEnvironment(id model.ProcessID) environment {
	e := processEnvironment(id.PID)
	// Who is alive has had the id all the time.
	if !d.host.Processes.Alive(id) {
		return environment{}
	}
	return e
}

// processEnvironment reads the environment of whoever has a process id.
func processEnvironment(pid int32) (e environment) {
	var affinity unix.CPUSet
	if err := unix.SchedGetaffinity(int(pid), &affinity); err == nil {
		e.cpus = int64(affinity.Count())
	}
	file, err := os.Open("/proc/" + strconv.Itoa(int(pid)) + "/environ")
	if err != nil {
		return e
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxEnvironment))
	defer clear(text)
	if err == nil {
		e.parse(text)
	}
	return e
}

// parse reads the variables, each of which ends with a NUL. Of several with the
// same name the first counts, as it does for Go.
func (e *environment) parse(text []byte) {
	var debug, procs, proxy bool
	for len(text) > 0 {
		pair, rest, whole := bytes.Cut(text, []byte{0})
		text = rest
		name, value, ok := bytes.Cut(pair, []byte{'='})
		if !ok || !whole {
			continue
		}
		switch string(name) {
		case "GODEBUG":
			if !debug {
				debug, e.goDebug = true, string(value)
			}
		case "GOMAXPROCS":
			if !procs {
				procs = true
				// The runtime ignores what is no number above 0, or too large.
				if n, err := strconv.ParseInt(string(value), 10, 32); err == nil {
					e.procs = max(n, 0)
				}
			}
		case "GOPROXY":
			if !proxy {
				proxy, e.proxies = true, startup.GoProxies(string(value))
			}
		}
	}
}

// describe sets the fields of what is known.
func (e *environment) describe(v []model.Value) {
	if e.goDebug != "" {
		v[fieldGoDebug] = model.StringValue(e.goDebug)
	}
	if e.procs > 0 {
		v[fieldGoMaxProcs] = model.IntValue(e.procs)
	}
	if len(e.proxies) > 0 && path.Base(v[fieldExe].Str()) == "go" {
		v[fieldGoProxy] = list(e.proxies)
	}
	if e.cpus > 0 {
		v[fieldCPUs] = model.IntValue(e.cpus)
	}
}
