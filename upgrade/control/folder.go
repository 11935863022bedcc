package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/upgrade/internal/netsocket"
)

// suffix ends the names of sockets.
const suffix = ".sock"

// Folder returns the folder of the sockets of the processes of a user: below /run for
// root, else below $XDG_RUNTIME_DIR if that is set, else below the folder for temporary
// files.
func Folder(uid int, getenv func(string) string) string {
	switch dir := getenv("XDG_RUNTIME_DIR"); {
	case uid == 0:
		return "/run/goshawk/upgrade"
	case filepath.IsAbs(dir):
		return filepath.Join(dir, "goshawk", "upgrade")
	}
	return filepath.Join(os.TempDir(), "goshawk-upgrade-"+strconv.Itoa(uid))
}

// Path returns the socket of a process in a folder.
func Path(folder string, pid int) string {
	return filepath.Join(folder, strconv.Itoa(pid)+suffix)
}

// prepare makes a folder that nobody else can write to.
func prepare(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Lstat(folder, &s); err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	switch {
	case s.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s: is no folder", folder)
	case int(s.Uid) != os.Geteuid():
		return fmt.Errorf("%s: belongs to user %d", folder, s.Uid)
	case s.Mode&0o022 != 0:
		return fmt.Errorf("%s: others may write to it", folder)
	}
	return nil
}

// List returns the processes that have a socket in a folder and are there, in ascending
// order. A folder that does not exist has none.
func List(folder string) ([]int, error) {
	all, err := numbers(folder)
	return slices.DeleteFunc(all, func(pid int) bool { return !alive(pid) }), err
}

func numbers(folder string) ([]int, error) {
	files, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var pids []int
	for _, f := range files {
		if text, ok := strings.CutSuffix(f.Name(), suffix); ok {
			if pid, err := strconv.Atoi(text); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
	}
	slices.Sort(pids)
	return pids, err
}

// alive reports whether there is a process of this number.
func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

// tidy removes the sockets of processes that are gone. A number says nothing: another
// process may have it by now, and a living one has none here if it is in another container.
func tidy(folder string) {
	all, _ := numbers(folder)
	for _, pid := range all {
		// Another process may be as fast.
		_, _ = netsocket.RemoveLeft("unix", Path(folder, pid))
	}
}
