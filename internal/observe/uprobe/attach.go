package uprobe

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Site is an instruction of an executable that a program is attached to.
type Site struct {
	// Offset is where the instruction is in the file, in bytes.
	Offset uint64
	// Cookie is what bpf_get_attach_cookie returns at this site.
	Cookie uint64
}

// Refusal is a site that has no program, and why.
type Refusal struct {
	Site
	// Err is the kernel's answer, or matches [ErrPatched] or [ErrUnreadable].
	Err error
}

// Options configures [Attach]. The zero value works.
type Options struct {
	// PID limits the sites to one process, in the caller's PID namespace; 0
	// means every process that runs the file, also those that start later.
	//
	// Kernels before 6.10 cannot limit many sites to one process with all its
	// threads. There the limit is left out, as [FiltersProcess] says: the
	// program must look at the process itself, and other processes that run
	// the file pay for its hits.
	PID int
	// Log hears how sites were attached, on the debug level; nil means nobody.
	Log *slog.Logger
}

// errNoSites is returned for a call that has nothing to attach.
var errNoSites = errors.New("no sites to attach to")

// multi reports whether the kernel attaches many sites by one link.
func multi() bool { return features.HaveBPFLinkUprobeMulti() == nil }

// Prepare makes the programs of object that are in a section "uprobe" fit for
// [Attach] on this kernel. It must be called before object is loaded.
func Prepare(object *ebpf.CollectionSpec) {
	for _, program := range object.Programs {
		if program.Type == ebpf.Kprobe && strings.HasPrefix(program.SectionName, "uprobe") {
			PrepareProgram(program)
		}
	}
}

// PrepareProgram is [Prepare] for one program, whatever its section.
func PrepareProgram(program *ebpf.ProgramSpec) { prepare(program, multi()) }

func prepare(program *ebpf.ProgramSpec, many bool) {
	program.Type = ebpf.Kprobe
	program.AttachType = ebpf.AttachNone
	if many {
		program.AttachType = ebpf.AttachTraceUprobeMulti
	}
}

// FiltersProcess reports whether the kernel limits the sites of program to the
// process of [Options.PID]. Where it does not the program runs in every process
// that runs the file.
func FiltersProcess(program *ebpf.Program) bool { return filtersProcess(program, multi()) }

func filtersProcess(program *ebpf.Program, many bool) bool {
	if !many {
		return true
	}
	// A kernel that filters threads instead of processes takes any number for
	// one; it gets as far as to find that "/" is no file.
	exe, err := link.OpenExecutable("/")
	if err != nil {
		return false
	}
	l, err := exe.UprobeMulti(nil, program, &link.UprobeMultiOptions{Addresses: []uint64{1}, PID: math.MaxUint32})
	if err == nil {
		l.Close()
	}
	return errors.Is(err, unix.EINVAL)
}

// Attach runs program at each site of exe, which the caller keeps open and may
// close once Attach returns. The program must have been through [Prepare].
//
// The caller closes the result to detach from all sites: that waits for the
// kernel, some tens of milliseconds. Sites that the kernel refuses are returned
// with its answer while the others are attached; when no site is left, or when
// the kernel refuses for another reason, the error says why and nothing is
// attached.
func Attach(exe *os.File, program *ebpf.Program, sites []Site, o Options) (io.Closer, []Refusal, error) {
	return attach(exe, program, sites, o, multi())
}

func attach(exe *os.File, program *ebpf.Program, sites []Site, o Options, many bool) (io.Closer, []Refusal, error) {
	if len(sites) == 0 {
		return nil, nil, errNoSites
	}
	a := &attacher{program: program, pid: o.PID}
	var err error
	// The kernel opens the very file that the descriptor stands for.
	if a.exe, err = link.OpenExecutable(fmt.Sprintf("/proc/self/fd/%d", exe.Fd())); err != nil {
		return nil, nil, fmt.Errorf("attach to %s: %w", exe.Name(), err)
	}
	if many {
		if o.PID != 0 && !filtersProcess(program, true) {
			a.pid = 0
		}
		err = a.bisect(sites)
	} else {
		err = a.each(sites)
	}
	runtime.KeepAlive(exe)
	if err == nil && len(a.links) == 0 {
		err = a.refused[0].Err
	}
	if err != nil {
		a.links.Close()
		return nil, a.refused, fmt.Errorf("attach to %s: %w", exe.Name(), err)
	}
	if o.Log != nil {
		o.Log.Debug("attached", "exe", exe.Name(), "sites", len(sites), "links", len(a.links), "refused", len(a.refused), "multi", many)
	}
	return &a.links, a.refused, nil
}

// attacher is one call of Attach.
type attacher struct {
	exe     *link.Executable
	program *ebpf.Program
	pid     int
	links   links
	refused []Refusal
}

// bisect attaches sites by one link, or by some when the kernel refuses a part
// of them.
func (a *attacher) bisect(sites []Site) error {
	o := link.UprobeMultiOptions{
		Addresses: make([]uint64, len(sites)),
		Cookies:   make([]uint64, len(sites)),
		PID:       uint32(a.pid),
	}
	for i, s := range sites {
		o.Addresses[i], o.Cookies[i] = s.Offset, s.Cookie
	}
	l, err := a.exe.UprobeMulti(nil, a.program, &o)
	switch {
	case err == nil:
		a.links = append(a.links, l)
		return nil
	case !blamesSite(err):
		return err
	case len(sites) == 1:
		return a.refuse(sites[0], err)
	}
	half := len(sites) / 2
	if err := a.bisect(sites[:half]); err != nil {
		return err
	}
	return a.bisect(sites[half:])
}

// each attaches every site by a link of its own.
func (a *attacher) each(sites []Site) error {
	for _, s := range sites {
		l, err := a.exe.Uprobe("", a.program, &link.UprobeOptions{Address: s.Offset, PID: a.pid, Cookie: s.Cookie})
		switch {
		case err == nil:
			a.links = append(a.links, l)
		case !blamesSite(err):
			return err
		default:
			if err := a.refuse(s, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxBlamed is how many sites may be refused before the first that is not: then
// the cause lies elsewhere.
const maxBlamed = 64

// refuse notes that the kernel refuses a site. It returns the error when not
// the sites are to blame.
func (a *attacher) refuse(s Site, err error) error {
	a.refused = append(a.refused, Refusal{s, err})
	if len(a.links) == 0 && len(a.refused) >= maxBlamed {
		return err
	}
	return nil
}

// enotsupp is the kernel's own ENOTSUPP, which it answers to an instruction
// that cannot be probed. User space has no name for it.
const enotsupp = syscall.Errno(524)

// blamesSite reports whether a refusal can be about one of the sites: about
// its instruction or about its offset.
func blamesSite(err error) bool {
	for _, cause := range []error{enotsupp, unix.EOPNOTSUPP, unix.EINVAL, unix.EIO, unix.EEXIST, ebpf.ErrNotSupported} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// links are detached together.
type links []link.Link

// maxClosers is how many links are detached at once. Each waits for the same
// kind of event in the kernel, and those who wait together wait once.
const maxClosers = 64

// Close detaches all links. Closing twice is harmless.
func (l *links) Close() error {
	all := *l
	*l = nil
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	running := make(chan struct{}, maxClosers)
	for i, one := range all {
		running <- struct{}{}
		wait.Go(func() {
			errs[i] = one.Close()
			<-running
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}
