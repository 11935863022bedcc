package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// NameThreads gives all threads of this process the name that a start by path would have
// given them: the last part of path, of which the kernel keeps 15 bytes. Threads that
// start later have the name of the one that starts them. It is what `ps -o comm` and
// `pgrep` know a process by; a process that was started by [Image.Path] is known by a
// number until it calls this.
func NameThreads(path string) error {
	name := []byte(filepath.Base(path))
	const tasks = "/proc/self/task"
	named := map[string]bool{}
	// A thread that a thread without the name starts meanwhile is found in the next
	// round.
	for found := true; found; {
		found = false
		list, err := os.ReadDir(tasks)
		if err != nil {
			return fmt.Errorf("name the threads %q: %w", name, err)
		}
		for _, task := range list {
			if named[task.Name()] {
				continue
			}
			found = true
			named[task.Name()] = true
			err := os.WriteFile(filepath.Join(tasks, task.Name(), "comm"), name, 0)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("name the threads %q: %w", name, err)
			}
		}
	}
	return nil
}
