package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/upgrade"
	"github.com/goshawk-io/goshawk/upgrade/control"
	"github.com/goshawk-io/goshawk/upgrade/swap"
)

const (
	// statusAnswer is how long a process may take to say how it stands.
	statusAnswer = 3 * time.Second
	// asksAtOnce bounds how many processes are asked at a time.
	asksAtOnce = 16
)

// upgradable is a process with a control socket.
type upgradable struct {
	folder string
	// holder is the process that has the socket: the one that serves, or that which holds
	// the sockets for it.
	holder int
	status swap.Status
	// err says why the status is not known.
	err error
}

// upgradeFolders returns where control sockets are: in the folder of this user, and for
// root in those of others.
func upgradeFolders(folder string, uid int, getenv func(string) string) []string {
	if folder != "" {
		return []string{folder}
	}
	list := []string{control.Folder(uid, getenv)}
	if uid != 0 {
		return list
	}
	// Those of users, and of services with a runtime directory as XDG_RUNTIME_DIR.
	for _, pattern := range []string{"/run/user/*/goshawk/upgrade", "/run/*/goshawk/upgrade"} {
		found, _ := filepath.Glob(pattern)
		list = append(list, found...)
	}
	temporary, _ := filepath.Glob("/tmp/goshawk-upgrade-*")
	// Services that systemd gives a /tmp of their own.
	private, _ := filepath.Glob("/tmp/systemd-private-*/tmp/goshawk-upgrade-*")
	for _, dir := range append(temporary, private...) {
		// Anybody may make one there, also of the name of another.
		owner, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), "goshawk-upgrade-"))
		info, failed := os.Lstat(dir)
		if err != nil || failed != nil || !info.IsDir() {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == owner {
			list = append(list, dir)
		}
	}
	return list
}

// findUpgradable asks all processes that have a socket in one of the folders how they
// stand.
func findUpgradable(ctx context.Context, folders []string) ([]*upgradable, error) {
	var all []*upgradable
	for _, folder := range folders {
		pids, err := control.List(folder)
		if err != nil {
			hint := "name a folder with control sockets, or none"
			if errors.Is(err, os.ErrPermission) {
				hint = "run it as the user of the process, or as root"
			}
			return nil, usageError(hint, "upgrade: look for processes: %w", err)
		}
		for _, pid := range pids {
			all = append(all, &upgradable{folder: folder, holder: pid})
		}
	}
	room := make(chan struct{}, asksAtOnce)
	var asking sync.WaitGroup
	for _, u := range all {
		asking.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			u.err = u.ask(ctx)
		})
	}
	asking.Wait()
	// A socket of a process that is gone is none.
	return slices.DeleteFunc(all, func(u *upgradable) bool {
		return errors.Is(u.err, syscall.ECONNREFUSED) || errors.Is(u.err, os.ErrNotExist)
	}), ctx.Err()
}

// dial connects to the process.
func (u *upgradable) dial(ctx context.Context) (*control.Client, error) {
	c, err := control.Dial(ctx, control.Path(u.folder, u.holder))
	if err != nil {
		return nil, err
	}
	if c.PID != u.holder {
		return nil, errors.Join(fmt.Errorf("its socket is that of process %d", c.PID), c.Close())
	}
	return c, nil
}

// ask asks how the process stands.
func (u *upgradable) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, statusAnswer, fmt.Errorf("no answer within %v", statusAnswer))
	defer cancel()
	c, err := u.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Status(ctx, &u.status); err != nil {
		return err
	}
	if u.status.Listeners == nil {
		u.status.Listeners = []upgrade.Socket{}
	}
	return nil
}

// standing orders the processes of a service: 0 is the one that serves, and that is to
// be asked for an upgrade.
func (u *upgradable) standing() int {
	switch u.status.State {
	case upgrade.Running, upgrade.Spawning, upgrade.BothAccept, upgrade.RolledBack:
		return 0
	case upgrade.Warming, upgrade.Probation:
		if u.status.NextPID != 0 || !u.status.PreviousAlive {
			return 0
		}
		return 1
	case upgrade.Committed, upgrade.Draining, upgrade.Drained:
		return 2
	}
	return 3 // it does not say
}

// services groups processes by service, the one that serves first.
func services(all []*upgradable) [][]*upgradable {
	group := make([]int, len(all))
	for i := range all {
		group[i] = i
	}
	join := func(i, j int) {
		from, to := group[j], group[i]
		for k := range group {
			if group[k] == from {
				group[k] = to
			}
		}
	}
	for i, u := range all {
		for j, o := range all {
			// A number may have been given to another process since.
			if u.folder == o.folder && u.err == nil && o.err == nil &&
				(u.status.PreviousAlive && u.status.PreviousPID == o.status.PID || u.status.NextPID != 0 && u.status.NextPID == o.status.PID) {
				join(i, j)
			}
		}
	}
	byGroup := map[int][]*upgradable{}
	for i, u := range all {
		byGroup[group[i]] = append(byGroup[group[i]], u)
	}
	var list [][]*upgradable
	for _, g := range byGroup {
		slices.SortFunc(g, func(a, b *upgradable) int {
			return cmp.Or(cmp.Compare(a.standing(), b.standing()), cmp.Compare(b.status.Generation, a.status.Generation), cmp.Compare(a.holder, b.holder))
		})
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b []*upgradable) int {
		return cmp.Or(cmp.Compare(a[0].status.Program, b[0].status.Program), cmp.Compare(a[0].holder, b[0].holder))
	})
	return list
}

// choose returns the service that a process belongs to, and the process: the one of this
// number, the one whose sockets it holds, or the one that it supervises.
func choose(list [][]*upgradable, pid int) (service []*upgradable, one *upgradable) {
	for _, is := range []func(*upgradable) bool{
		func(u *upgradable) bool { return u.holder == pid },
		func(u *upgradable) bool { return u.err == nil && (u.status.PID == pid || u.status.NextPID == pid) },
		func(u *upgradable) bool { return supervisorOf(u.holder) == strconv.Itoa(pid) },
	} {
		for _, g := range list {
			for _, u := range g {
				if is(u) {
					return g, u
				}
			}
		}
	}
	return nil, nil
}

// supervisorOf returns the number of the process that supervises a process, empty for
// none.
func supervisorOf(pid int) string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	for pair := range strings.SplitSeq(string(text), "\x00") {
		if value, ok := strings.CutPrefix(pair, upgrade.SupervisorVariable+"="); ok {
			return value
		}
	}
	return ""
}

// parseUpgradePID reads the number of a process.
func parseUpgradePID(command, text string) (int, error) {
	pid, err := strconv.ParseInt(text, 10, 32)
	if err != nil || pid <= 0 {
		return 0, usageError("goshawk upgrade status lists the processes", "%s: PID %q: is not a process id", command, text)
	}
	return int(pid), nil
}

// theProcess finds the process that args name, or the only one that there is.
func theProcess(ctx context.Context, command, folder string, args []string, getenv func(string) string) (service []*upgradable, one *upgradable, err error) {
	pid := 0
	if len(args) > 0 {
		if pid, err = parseUpgradePID(command, args[0]); err != nil {
			return nil, nil, err
		}
	}
	folders := upgradeFolders(folder, os.Geteuid(), getenv)
	all, err := findUpgradable(ctx, folders)
	if err != nil {
		return nil, nil, interruptedOr(ctx, err)
	}
	list := services(all)
	if pid == 0 {
		switch len(list) {
		case 1:
			return list[0], list[0][0], nil
		case 0:
			return nil, nil, usageError(upgradableHint, "%s: no process here can be upgraded: no control socket in %s", command, strings.Join(folders, ", "))
		}
		return nil, nil, usageError("name one of them: "+heads(list), "%s: want a PID: there are %d services", command, len(list))
	}
	service, one = choose(list, pid)
	switch {
	case one != nil:
		return service, one, nil
	case errors.Is(syscall.Kill(pid, 0), syscall.ESRCH):
		return nil, nil, usageError("goshawk upgrade status lists the processes", "%s: %d: no such process", command, pid)
	}
	return nil, nil, usageError(upgradableHint, "%s: %d: cannot be upgraded: it has no control socket in %s", command, pid, strings.Join(folders, ", "))
}

const upgradableHint = "start the server with goshawk upgrade run, or use the Go package upgrade; processes of another user are found by root"

// heads lists the processes that serve.
func heads(list [][]*upgradable) string {
	var texts []string
	for i, g := range list {
		if i == 8 {
			texts = append(texts, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		texts = append(texts, fmt.Sprintf("%d (%s)", g[0].holder, printable(g[0].name())))
	}
	return strings.Join(texts, ", ")
}

// name is what a service is called here.
func (u *upgradable) name() string {
	if u.status.Program == "" {
		return "?"
	}
	return filepath.Base(u.status.Program)
}

func interruptedOr(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}
