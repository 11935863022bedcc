package sqlite

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// The parts of a body that are there, in its first byte.
const (
	hasGoroutine = 1 << iota
	hasContainer
	hasPod
	hasTrace
	hasSpan
	hasParent
	hasStack
	hasFindings
)

// interner gives texts and stacks numbers. 0 means that it has none for it,
// and the text or stack is written in full.
type interner interface {
	text(s string) uint64
	stack(frames []byte) uint64
}

// encoder writes what an event's row has no column for.
//
// A text is a number: of a text in the dictionary, doubled and odd, or the
// length of the text that follows, doubled. Lists and stacks likewise.
type encoder struct {
	buf    []byte
	frames []byte
	dict   interner
}

// body returns the encoding of e, valid until the next call.
func (c *encoder) body(e *model.Event) []byte {
	c.buf = append(c.buf[:0], 0)
	var has byte
	if e.GoroutineID != 0 {
		has |= hasGoroutine
		c.buf = binary.AppendUvarint(c.buf, e.GoroutineID)
	}
	if e.ContainerID != "" {
		has |= hasContainer
		c.text(e.ContainerID)
	}
	if e.PodUID != "" {
		has |= hasPod
		c.text(e.PodUID)
	}
	if e.TraceID != (model.TraceID{}) {
		has |= hasTrace
		c.buf = append(c.buf, e.TraceID[:]...)
	}
	if e.SpanID != (model.SpanID{}) {
		has |= hasSpan
		c.buf = append(c.buf, e.SpanID[:]...)
	}
	if e.ParentSpanID != (model.SpanID{}) {
		has |= hasParent
		c.buf = append(c.buf, e.ParentSpanID[:]...)
	}
	if len(e.Stack) > 0 {
		has |= hasStack
		c.stack(e.Stack)
	}
	if len(e.Findings) > 0 {
		has |= hasFindings
		c.findings(e.Findings)
	}
	c.buf[0] = has
	c.values(e)
	return c.buf
}

func (c *encoder) text(s string) {
	if id := c.dict.text(s); id != 0 {
		c.buf = binary.AppendUvarint(c.buf, id<<1|1)
		return
	}
	c.buf = binary.AppendUvarint(c.buf, uint64(len(s))<<1)
	c.buf = append(c.buf, s...)
}

func (c *encoder) stack(frames []model.Frame) {
	c.frames = appendFrames(c.frames[:0], frames)
	if id := c.dict.stack(c.frames); id != 0 {
		c.buf = binary.AppendUvarint(c.buf, id<<1|1)
		return
	}
	c.buf = binary.AppendUvarint(c.buf, uint64(len(c.frames))<<1)
	c.buf = append(c.buf, c.frames...)
}

func appendFrames(dst []byte, frames []model.Frame) []byte {
	for _, f := range frames {
		dst = append(binary.AppendUvarint(dst, uint64(len(f.Func))), f.Func...)
		dst = append(binary.AppendUvarint(dst, uint64(len(f.File))), f.File...)
		dst = binary.AppendVarint(dst, int64(f.Line))
	}
	return dst
}

func (c *encoder) findings(list []model.Finding) {
	c.buf = binary.AppendUvarint(c.buf, uint64(len(list)))
	for _, f := range list {
		c.text(f.Rule)
		c.buf = append(c.buf, byte(f.Severity))
		c.text(f.Evidence)
		c.text(f.Remedy)
	}
}

// values writes the fields that are set: the distance to the last one, and the
// value. A point in time is written as the distance from the event's.
func (c *encoder) values(e *model.Event) {
	last := -1
	for i, v := range e.Values {
		if !v.IsSet() {
			continue
		}
		c.buf = binary.AppendUvarint(c.buf, uint64(i-last))
		last = i
		switch e.Schema.Fields[i].Kind {
		case model.KindString:
			c.text(v.Str())
		case model.KindStrings:
			c.list(v)
		case model.KindTime:
			c.buf = binary.AppendVarint(c.buf, v.Int()-e.Time.UnixNano())
		default:
			c.buf = binary.AppendVarint(c.buf, v.Int())
		}
	}
}

func (c *encoder) list(v model.Value) {
	if id := c.dict.text(v.Str()); id != 0 {
		c.buf = binary.AppendUvarint(c.buf, id<<1|1)
		return
	}
	n := uint64(0)
	for range v.Strings() {
		n++
	}
	c.buf = binary.AppendUvarint(c.buf, n<<1)
	for s := range v.Strings() {
		c.text(s)
	}
}

var (
	errBody    = errors.New("the body of an event is damaged")
	errUnknown = errors.New("a number is not in the dictionary")
)

// decoder reads what encoder wrote. The first error stays.
type decoder struct {
	rest []byte
	dict *dictionary
	err  error
}

// body reads into e, whose Schema, Time and Values are there.
func (d *decoder) body(e *model.Event) error {
	has := d.bytes(1)
	if d.err != nil {
		return d.err
	}
	if has[0]&hasGoroutine != 0 {
		e.GoroutineID = d.uvarint()
	}
	if has[0]&hasContainer != 0 {
		e.ContainerID = d.text()
	}
	if has[0]&hasPod != 0 {
		e.PodUID = d.text()
	}
	if has[0]&hasTrace != 0 {
		copy(e.TraceID[:], d.bytes(len(e.TraceID)))
	}
	if has[0]&hasSpan != 0 {
		copy(e.SpanID[:], d.bytes(len(e.SpanID)))
	}
	if has[0]&hasParent != 0 {
		copy(e.ParentSpanID[:], d.bytes(len(e.ParentSpanID)))
	}
	if has[0]&hasStack != 0 {
		e.Stack = d.stack()
	}
	if has[0]&hasFindings != 0 {
		e.Findings = d.findings()
	}
	d.values(e)
	return d.err
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail(errBody)
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail(errBody)
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.fail(errBody)
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

// long reads n bytes, or fails when there are not so many.
func (d *decoder) long(n uint64) []byte {
	if n > math.MaxInt32 {
		d.fail(errBody)
		return nil
	}
	return d.bytes(int(n))
}

func (d *decoder) text() string {
	n := d.uvarint()
	if n&1 == 0 {
		return string(d.long(n >> 1))
	}
	return d.known(n >> 1)
}

func (d *decoder) known(id uint64) string {
	if id == 0 || id > uint64(len(d.dict.texts)) {
		d.fail(errUnknown)
		return ""
	}
	return d.dict.texts[id-1]
}

func (d *decoder) stack() []model.Frame {
	n := d.uvarint()
	if n&1 == 0 {
		inner := decoder{rest: d.long(n >> 1)}
		frames := inner.frames()
		if inner.err != nil {
			d.fail(inner.err)
		}
		return frames
	}
	if id := n >> 1; id != 0 && id <= uint64(len(d.dict.stacks)) {
		return d.dict.stacks[id-1]
	}
	d.fail(errUnknown)
	return nil
}

// frames reads to the end.
func (d *decoder) frames() []model.Frame {
	var list []model.Frame
	for len(d.rest) > 0 {
		f := model.Frame{Func: string(d.long(d.uvarint())), File: string(d.long(d.uvarint()))}
		f.Line = int(d.varint())
		if d.err != nil {
			return nil
		}
		list = append(list, f)
	}
	return list
}

func (d *decoder) findings() []model.Finding {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail(errBody)
		return nil
	}
	list := make([]model.Finding, 0, n)
	for range n {
		f := model.Finding{Rule: d.text()}
		if b := d.bytes(1); len(b) == 1 {
			f.Severity = model.Severity(b[0])
		}
		f.Evidence, f.Remedy = d.text(), d.text()
		list = append(list, f)
	}
	return list
}

func (d *decoder) values(e *model.Event) {
	at := uint64(0)
	for len(d.rest) > 0 {
		step := d.uvarint()
		if at += step; step == 0 || step > uint64(len(e.Values)) || at > uint64(len(e.Values)) {
			d.fail(errBody)
			return
		}
		e.Values[at-1] = d.value(e.Schema.Fields[at-1].Kind, e.Time)
	}
}

func (d *decoder) value(kind model.Kind, begin time.Time) model.Value {
	switch kind {
	case model.KindString:
		return model.StringValue(d.text())
	case model.KindStrings:
		return model.StringsValue(d.list())
	case model.KindTime:
		return model.TimeValue(time.Unix(0, begin.UnixNano()+d.varint()))
	}
	return model.IntValue(d.varint())
}

func (d *decoder) list() string {
	n := d.uvarint()
	if n&1 == 1 {
		return d.known(n >> 1)
	}
	var list []byte
	for n >>= 1; n > 0 && d.err == nil; n-- {
		list = append(append(list, d.text()...), 0)
	}
	return string(list)
}
