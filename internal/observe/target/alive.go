package target

import (
	"golang.org/x/sys/unix"

	"github.com/goshawk-io/goshawk/internal/model"
)

// Alive asks /proc whether the very process id is there and has not ended. It
// does I/O.
func (t *Table) Alive(id model.ProcessID) bool { return t.reader.alive(id) }

// Zombie asks /proc whether the very process id has ended and waits for its
// parent to collect it. It does I/O.
func (t *Table) Zombie(id model.ProcessID) bool {
	dir, err := t.reader.openDir(id.PID)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	stat, err := readStat(dir, &scratch{})
	return err == nil && stat.start == id.Start && stat.state == 'Z'
}
