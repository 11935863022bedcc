package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/test/upgradeload/load"
)

// program is a server with all the processes that it becomes. They are one group of
// processes and share one output, the end of which is the end of the last of them.
type program struct {
	address  string
	group    int
	patience time.Duration // with its end
	ready    chan struct{} // closed when the first process serves
	ended    chan struct{} // closed when all processes are gone

	mu       sync.Mutex
	serving  []int // in the order in which they said so
	served   map[int]bool
	upgraded load.Latencies
	failed   map[string]int // by reason
}

// said is a line of a server's output.
type said struct {
	PID    int     `json:"pid"`
	Event  string  `json:"event"`
	MS     float64 `json:"ms"`
	Reason string  `json:"reason"`
}

// start starts a server and waits until it serves.
func start(ctx context.Context, path, address string, logs io.Writer, args ...string) (*program, error) {
	// Not the pipe of package exec, which ends with the first process.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	command := exec.Command(path, append([]string{"-listen", address}, args...)...)
	command.Stdout = in
	if file, ok := logs.(*os.File); ok {
		// Anything else would be copied by a goroutine that waits for the last process.
		command.Stderr = file
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = command.Start()
	if err = errors.Join(err, in.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), out.Close())
	}
	p := &program{
		address: address, group: command.Process.Pid, patience: 20 * time.Second, served: map[int]bool{}, failed: map[string]int{},
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
	// The first process ends when it likes; what it says of that is in its lines.
	go func() { _ = command.Wait() }()
	go p.listen(out)
	select {
	case <-p.ready:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s: ended before it served", path)
	case <-time.After(20 * time.Second):
		return nil, errors.Join(fmt.Errorf("%s: does not serve after 20 s", path), p.stop())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), p.stop())
	}
}

// listen reads all that the processes say.
func (p *program) listen(out io.ReadCloser) {
	defer close(p.ended)
	defer out.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var s said
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			continue // what a server prints beside is its own
		}
		p.hear(s)
	}
}

func (p *program) hear(s said) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch s.Event {
	case "serving":
		if len(p.serving) == 0 {
			close(p.ready)
		}
		p.serving = append(p.serving, s.PID)
		p.served[s.PID] = true
	case "upgraded":
		p.upgraded = append(p.upgraded, time.Duration(s.MS*float64(time.Millisecond)))
	case "failed":
		p.failed[s.Reason]++
	}
}

// trigger asks the process for an upgrade that was the last to say that it serves; when
// that is gone the one before, and so on.
func (p *program) trigger() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for ; len(p.serving) > 0; p.serving = p.serving[:len(p.serving)-1] {
		pid := p.serving[len(p.serving)-1]
		err := syscall.Kill(pid, syscall.SIGUSR2)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("upgrade process %d: %w", pid, err)
		}
		p.failed[fmt.Sprintf("process %d said that it serves, and is gone", pid)]++
	}
	return errors.New("no process is left to upgrade")
}

// upgrades are those of a program so far.
type upgrades struct {
	// done is how many processes have come to serve after the first.
	done int
	// took is how long each took until the new process accepted. The old process tells it,
	// if it does not end before.
	took load.Latencies
	// failed are those that were refused or rolled back, by reason.
	failed map[string]int
}

func (p *program) upgrades() upgrades {
	p.mu.Lock()
	defer p.mu.Unlock()
	return upgrades{done: max(len(p.served)-1, 0), took: slices.Clone(p.upgraded), failed: maps.Clone(p.failed)}
}

// settle waits for up to 10 s until so many upgrades are over.
func (p *program) settle(n int) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		u := p.upgrades()
		over := u.done
		for _, n := range u.failed {
			over += n
		}
		if over >= n {
			return
		}
	}
}

// stop ends all processes, by force when the patience is over. The error says that this
// was needed.
func (p *program) stop() error {
	// There may be none any more; the end is waited for either way.
	_ = syscall.Kill(-p.group, syscall.SIGTERM)
	select {
	case <-p.ended:
		return nil
	case <-time.After(p.patience):
	}
	if err := syscall.Kill(-p.group, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("end the processes of group %d: %w", p.group, err)
	}
	return fmt.Errorf("the processes of group %d: did not end by themselves in %v", p.group, p.patience)
}
