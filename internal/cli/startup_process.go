package cli

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killAfter is how long a command that is asked to end may take.
	killAfter = 5 * time.Second
	// goneEvery is how often it is looked whether what it started is gone.
	goneEvery = 20 * time.Millisecond
)

// startedCommand is a command that was started, with all that it starts.
//
// Away from a terminal it leads a process group of its own, which is ended as a
// whole. On a terminal it stays in the group that the terminal signals, so that
// Ctrl-C reaches it; of that group those are ended that descend from it.
type startedCommand struct {
	process *os.Process
	ended   chan error
	// leads says that it leads group, the process group of what is ended with it.
	leads bool
	group int
	// patience is how long it may take to end, killAfter unless a test says
	// otherwise.
	patience time.Duration
}

// startCommand starts a command.
func startCommand(path string, o *startOptions) (*startedCommand, error) {
	cmd := exec.Command(path)
	cmd.Args = o.Command
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = o.Dir, o.Env, o.Stdin, o.Stdout, o.Stderr
	// Whoever has inherited the output may outlive the command.
	cmd.WaitDelay = time.Second
	c := &startedCommand{ended: make(chan error, 1), leads: o.Stdin == nil, group: unix.Getpgrp(), patience: killAfter}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: c.leads}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("startup: %w", err)
	}
	if c.process = cmd.Process; c.leads {
		c.group = cmd.Process.Pid
	}
	go func() { c.ended <- cmd.Wait() }()
	return c, nil
}

// finish ends a command that goes on, with what it has started in its group, and
// returns those descendants that go on: they have gone to groups of their own. It
// blocks until they are gone, for a little more than its patience at most.
func (c *startedCommand) finish() []relative {
	family := descendants(c.process.Pid, relatives())
	if c.leads {
		// All at once, and those too whose parent has ended.
		_ = unix.Kill(-c.group, unix.SIGTERM)
	} else {
		_ = c.process.Signal(unix.SIGTERM)
		for _, p := range c.inGroup(family) {
			p.signal(unix.SIGTERM)
		}
	}
	deadline := time.Now().Add(c.patience)
	select {
	case <-c.ended:
	case <-time.After(c.patience):
		_ = c.process.Kill()
		<-c.ended
	}
	return living(c.clear(family, deadline))
}

// clear waits until the command's group is gone, and kills what is left of it
// then. It returns the family with what that has started meanwhile.
func (c *startedCommand) clear(family []relative, deadline time.Time) []relative {
	for {
		all := relatives()
		family = withDescendants(family, all)
		left := c.inGroup(all)
		if !c.leads {
			left = c.inGroup(living(family))
		}
		if len(left) == 0 {
			return family
		}
		late := time.Now().After(deadline)
		if late {
			for _, p := range left {
				p.signal(unix.SIGKILL)
			}
		}
		time.Sleep(goneEvery)
		if late {
			// What the kernel holds up is told as what goes on.
			return family
		}
	}
}

// left returns what goes on of the group of a command that has ended by itself. As
// a shell does it leaves that alone.
func (c *startedCommand) left() []relative {
	if !c.leads {
		return nil
	}
	return c.inGroup(relatives())
}

func (c *startedCommand) inGroup(list []relative) []relative {
	var members []relative
	for _, p := range list {
		if p.group == c.group && p.pid != c.process.Pid {
			members = append(members, p)
		}
	}
	return members
}
