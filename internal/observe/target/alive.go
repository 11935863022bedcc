package target

import "github.com/goshawk-io/goshawk/internal/model"

// Alive asks /proc whether the very process id is there and has not ended. It
// does I/O.
func (t *Table) Alive(id model.ProcessID) bool { return t.reader.alive(id) }
