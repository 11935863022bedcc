package upgrade

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/image"
	"github.com/goshawk-io/goshawk/upgrade/internal/systemd"
	"github.com/goshawk-io/goshawk/upgrade/internal/wire"
)

// variable tells a new process by which descriptor it talks to the old one.
const variable = "GOSHAWK_UPGRADE_FD"

// The descriptors of a new process beyond the three of every process.
const (
	wireFD    = 3
	firstFree = 4
)

// origin is how this process was started. The next one is started in the same way,
// whatever this one has changed of itself since.
type origin struct {
	program   string
	args, env []string
	// directory is held, as its name may become that of another one.
	directory *os.File
}

// newOrigin notes how this process was started. Program is the path that the process
// before was started from; empty for the first one.
func newOrigin(program string) (*origin, error) {
	env := slices.DeleteFunc(systemd.Without(os.Environ()), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		// The watchdog is that of the service, whichever process it has.
		return name == variable || name == "WATCHDOG_PID"
	})
	o := &origin{program: program, args: slices.Clone(os.Args), env: env}
	if o.program == "" {
		var err error
		if o.program, err = ownProgram(os.Args[0]); err != nil {
			return nil, err
		}
	}
	fd, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("hold the working directory: %w", err)
	}
	o.directory = os.NewFile(uintptr(fd), ".")
	return o, nil
}

// ownProgram returns the path that this process was started from. It is the name that it
// was called by if that leads to its program: this may be a link that leads to the next
// version by and by.
func ownProgram(name string) (string, error) {
	running, err := os.Stat("/proc/self/exe")
	if err == nil && name != "" {
		if path, err := exec.LookPath(name); err == nil {
			if path, err = filepath.Abs(path); err == nil {
				if named, err := os.Stat(path); err == nil && os.SameFile(named, running) {
					return path, nil
				}
			}
		}
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program of this process: %w", err)
	}
	return strings.TrimSuffix(path, " (deleted)"), nil
}

// next is a new process.
type next struct {
	process *os.Process
	conn    *wire.Conn
	// messages is closed when the process has closed its end.
	messages chan *wire.Message
	// died is closed when the process has ended, how says how.
	died chan struct{}
	how  string
}

// started is what a new process is told and given.
type started struct {
	image *image.Image
	hello wire.Message
	// sockets are the descriptors of hello's sockets, from firstFree on, and what else
	// hello names behind them.
	sockets []uintptr
}

// start starts a new process. What it is told is written before, so that it can be read
// even if this process dies.
func (o *origin) start(s started) (*next, error) {
	conn, other, err := wire.Pair()
	if err != nil {
		return nil, err
	}
	end := os.NewFile(uintptr(other), "upgrade")
	defer end.Close()
	if err := conn.Send(s.hello); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	// One that the program has closed is opened anew by the next one's runtime.
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr, end}
	// They are closed here after the start, so they must be others than those of the sockets.
	var copies []*os.File
	defer func() {
		for _, f := range copies {
			f.Close()
		}
	}()
	for i, fd := range s.sockets {
		copied, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hand over descriptor %d of %d: %w", i+1, len(s.sockets), err), conn.Close())
		}
		copies = append(copies, os.NewFile(uintptr(copied), "handover"))
	}
	process, err := s.image.Start(o.args, &os.ProcAttr{
		Dir: "/proc/self/fd/" + strconv.Itoa(int(o.directory.Fd())),
		Env: append(slices.Clone(o.env), variable+"="+strconv.Itoa(wireFD)), Files: append(files, copies...),
	})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	n := &next{process: process, conn: conn, messages: make(chan *wire.Message, 16), died: make(chan struct{})}
	go n.hear()
	go n.wait()
	return n, nil
}

// hear receives until the process has closed its end, or says what nobody understands.
func (n *next) hear() {
	defer close(n.messages)
	for {
		m, err := n.conn.Receive()
		if err != nil {
			// Another protocol is worth to be told of; the end of the process is
			// noticed elsewhere.
			if errors.Is(err, wire.ErrVersion) {
				n.messages <- &wire.Message{Kind: wire.Failed, Reason: err.Error()}
			}
			return
		}
		n.messages <- m
	}
}

func (n *next) wait() {
	defer close(n.died)
	state, err := n.process.Wait()
	if err != nil {
		n.how = err.Error()
		return
	}
	n.how = state.String()
}

// close gives back what belongs to the talk with the process.
func (n *next) close() error {
	err := n.conn.Close()
	go func() {
		// Whoever hears ends at the next receive.
		for range n.messages {
		}
	}()
	return err
}
