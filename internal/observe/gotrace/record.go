package gotrace

import "encoding/binary"

// op is the kind of a record.
type op uint8

// The kinds of records, with their arguments. An id is shifted by one, so that the
// absence of it, -1, is 0.
const (
	// opTick is an event of which only the time matters.
	opTick op = iota
	// opGo: goroutine, goroutine that caused it, from<<4|to, stack, reason.
	opGo
	// opProc: P, from<<4|to.
	opProc
	// opRangeBegin and the two after it: name, kind of scope, id of scope.
	opRangeBegin
	opRangeActive
	opRangeEnd
	// opRegionBegin and opRegionEnd: goroutine, type, task.
	opRegionBegin
	opRegionEnd
	// opTaskBegin and opTaskEnd: task, parent, type.
	opTaskBegin
	opTaskEnd
	// opLog: goroutine, category, message, task.
	opLog
	// opMetric: name, value.
	opMetric
	// opSync: whether there is a clock snapshot, monotonic and wall clock in ns.
	opSync
	ops
)

// arity says how many arguments a record has.
func (o op) arity() int {
	switch o {
	case opTick:
		return 0
	case opGo:
		return 5
	case opProc, opMetric:
		return 2
	case opLog:
		return 4
	}
	return 3
}

// record is what the analysis needs of an event. Strings and stacks are indices
// into the tables of the generation; index 0 is the empty one.
type record struct {
	op   op
	time int64
	args [5]uint64
}

// Frame is a line of a stack.
type Frame struct {
	Func string
	File string
	Line int
}

// chunkSize is how many bytes of records are handed over at once.
const chunkSize = 64 << 10

// chunk is a part of a generation's records, and what they name first.
type chunk struct {
	data    []byte
	events  uint64
	strings []string
	stacks  [][]Frame
	first   int64
	last    int64
}

// reset empties a chunk that is used again.
func (c *chunk) reset() {
	*c = chunk{data: c.data[:0]}
}

// put appends a record. Times never go back within a generation.
func (c *chunk) put(o op, time int64, args ...uint64) {
	if c.events == 0 {
		c.first, c.last = time, time
	}
	c.events++
	c.data = append(c.data, byte(o))
	c.data = binary.AppendUvarint(c.data, uint64(time-c.last))
	for _, arg := range args {
		c.data = binary.AppendUvarint(c.data, arg)
	}
	c.last = time
}

// each calls take with each record, in order.
func (c *chunk) each(take func(*record)) {
	r := record{time: c.first}
	for data := c.data; len(data) > 0; {
		r.op = op(data[0])
		data = data[1:]
		delta, n := binary.Uvarint(data)
		r.time += int64(delta)
		data = data[n:]
		for i := range r.op.arity() {
			if data[0] < 0x80 {
				r.args[i], data = uint64(data[0]), data[1:]
				continue
			}
			r.args[i], n = binary.Uvarint(data)
			data = data[n:]
		}
		take(&r)
	}
}

// shifted makes an id fit for a record.
func shifted[I ~int64](id I) uint64 { return uint64(id + 1) }

// id undoes shifted.
func id(arg uint64) int64 { return int64(arg) - 1 }
