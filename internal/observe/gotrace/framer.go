package gotrace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// The framing of a trace, from internal/trace/tracev2 of the Go distribution.
const (
	headerSize = 16

	evEventBatch        = 1
	evExperimentalBatch = 49
	evEndOfGeneration   = 52

	// maxBatch is the largest batch that the runtime writes, in bytes.
	maxBatch = 64 << 10

	// formatEndOfGeneration is the first format, by Go minor version, in which an
	// event ends a generation. Before, the next generation's first batch does.
	formatEndOfGeneration = 26
)

// maxGeneration bounds a generation, in bytes. The runtime begins a new one each
// second; a generation of this size takes some 50 million events in that second.
const maxGeneration = 256 << 20

var (
	// ErrNotTrace says that the input is not a Go execution trace.
	ErrNotTrace = errors.New("is not a Go execution trace")
	// ErrOldFormat says that the trace is of Go 1.21 or older.
	ErrOldFormat = errors.New("is a trace of Go 1.21 or older")
	// ErrEmpty says that the input ended before its first byte.
	ErrEmpty = errors.New("is empty")
	// ErrCut says that the input ended within a generation.
	ErrCut = errors.New("the trace is cut off")
)

// framer cuts a trace into generations.
type framer struct {
	r      *bufio.Reader
	header [headerSize]byte
	// format is the minor version of Go that the header names.
	format int
	// offset is how many bytes of the trace were read, after decompression.
	offset int64
	// pending is the header of a batch of the next generation that had to be read
	// to see that the one before ended.
	pending *batchHeader
	limit   int64
	// err ended the trace; io.EOF after its last generation.
	err error
}

// generation reads one generation, preceded by the header, so that a reader takes
// it for a trace of its own.
type generation struct {
	f      *framer
	number uint64
	// offset is where the first batch begins in the trace, in bytes.
	offset int64
	// head is what is to be given out before size bytes of the trace.
	head []byte
	size int
	over bool
	// read is how many bytes of batches were read.
	read int64
}

// batchHeader is what precedes the events of a batch.
type batchHeader struct {
	raw        []byte
	generation uint64
	size       int
	end        bool
}

// newFramer reads the header of a trace. Gzip is undone.
func newFramer(r io.Reader) (*framer, error) {
	f := &framer{r: bufio.NewReaderSize(r, 256<<10), limit: maxGeneration}
	if magic, _ := f.r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(f.r)
		if err != nil {
			return nil, fmt.Errorf("%w: gzip: %w", ErrNotTrace, err)
		}
		f.r = bufio.NewReaderSize(z, 256<<10)
	}
	n, err := io.ReadFull(f.r, f.header[:])
	f.offset = int64(n)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return nil, ErrEmpty
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("header: %w", err)
	}
	f.format, err = formatOf(f.header[:n])
	return f, err
}

// formatOf returns the minor version of Go in a trace's header.
func formatOf(header []byte) (int, error) {
	version, ok := bytes.CutPrefix(header, []byte("go 1."))
	if !ok {
		return 0, ErrNotTrace
	}
	digits, _, ok := bytes.Cut(version, []byte(" trace\x00"))
	minor, err := strconv.Atoi(string(digits))
	switch {
	case !ok || err != nil:
		return 0, ErrNotTrace
	case minor < 22:
		return 0, fmt.Errorf("%w: its format is of Go 1.%d", ErrOldFormat, minor)
	case minor != 22 && minor != 23 && minor != 25 && minor != 26:
		return 0, fmt.Errorf("%w: its format is of Go 1.%d, and the newest known is 1.26", ErrNotTrace, minor)
	}
	return minor, nil
}

// more tells whether another generation begins. It waits for the input.
func (f *framer) more() bool {
	if f.err == nil && f.pending == nil {
		f.pending, f.err = f.batch()
	}
	return f.err == nil
}

// next returns the next generation, which must be read to its end before the next
// call. It is nil at the end of the trace.
func (f *framer) next() *generation {
	if !f.more() {
		return nil
	}
	return &generation{f: f, number: f.pending.generation, offset: f.offset - int64(len(f.pending.raw)),
		head: f.header[:]}
}

// Read implements io.Reader. An error is the framer's from then on.
func (g *generation) Read(p []byte) (int, error) {
	for len(g.head) == 0 && g.size == 0 {
		if g.over {
			return 0, io.EOF
		}
		if err := g.batch(); err != nil {
			return 0, err
		}
	}
	if len(g.head) > 0 {
		n := copy(p, g.head)
		g.head = g.head[n:]
		return n, nil
	}
	n, err := g.f.r.Read(p[:min(len(p), g.size)])
	g.size -= n
	g.f.offset += int64(n)
	if err != nil && n == 0 {
		return 0, g.fail(err)
	}
	return n, nil
}

// located names the generation in an error, if there is one.
func (g *generation) located(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("generation %d, at byte %d: %w", g.number, g.offset, err)
}

// batch takes up the next batch, unless it is of another generation.
func (g *generation) batch() error {
	f := g.f
	if !f.more() {
		return g.fail(f.err)
	}
	h := f.pending
	switch {
	case h.end:
		g.over = true
	case h.generation != g.number && f.format < formatEndOfGeneration:
		g.over = true
		return nil
	case h.generation != g.number:
		return g.fail(f.broken("generation %d follows within %d", h.generation, g.number))
	case f.offset-g.offset+int64(h.size) > f.limit:
		return g.fail(f.broken("generation %d is larger than %d MiB", g.number, f.limit>>20))
	}
	f.pending, g.head, g.size = nil, h.raw, h.size
	g.read += int64(len(h.raw) + h.size)
	return nil
}

// fail ends the trace. Before Go 1.26 the last generation ends with the input.
func (g *generation) fail(err error) error {
	if errors.Is(err, io.EOF) {
		g.over = true
		if g.f.format < formatEndOfGeneration && g.size == 0 {
			g.f.err = io.EOF
			return io.EOF
		}
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrCut) {
		err = fmt.Errorf("%w within generation %d, at byte %d", ErrCut, g.number, g.f.offset)
	}
	g.f.err = err
	return err
}

// batch reads the header of the next batch. The error is io.EOF at the end.
func (f *framer) batch() (*batchHeader, error) {
	kind, err := f.r.ReadByte()
	if err != nil {
		return nil, f.failed(err)
	}
	f.offset++
	h := &batchHeader{raw: append(make([]byte, 0, 24), kind)}
	switch {
	case kind == evEventBatch:
	case kind == evExperimentalBatch && f.format >= 23:
		if err := f.byte(h); err != nil {
			return nil, err
		}
	case kind == evEndOfGeneration && f.format >= formatEndOfGeneration:
		h.end = true
		return h, nil
	case kind == 'g' && f.startsHeader():
		return nil, f.broken("a second trace begins")
	default:
		return nil, f.broken("a batch cannot begin with %#x", kind)
	}
	return h, f.fields(h)
}

// startsHeader tells whether the rest of a trace's header is next.
func (f *framer) startsHeader() bool {
	next, _ := f.r.Peek(4)
	return string(next) == "o 1."
}

// fields reads the generation, thread, time and size of a batch.
func (f *framer) fields(h *batchHeader) error {
	var values [4]uint64
	for i := range values {
		from := len(h.raw)
		for {
			if err := f.byte(h); err != nil {
				return err
			}
			if h.raw[len(h.raw)-1] < 0x80 {
				break
			}
			if len(h.raw)-from >= binary.MaxVarintLen64 {
				return f.broken("a number of a batch is too long")
			}
		}
		values[i], _ = binary.Uvarint(h.raw[from:])
	}
	if values[0] == 0 {
		return f.broken("a batch of generation 0")
	}
	if values[3] > maxBatch {
		return f.broken("a batch of %d bytes", values[3])
	}
	h.generation, h.size = values[0], int(values[3])
	return nil
}

// byte moves a byte of a batch's header.
func (f *framer) byte(h *batchHeader) error {
	b, err := f.r.ReadByte()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w within a batch, at byte %d", ErrCut, f.offset)
	}
	if err != nil {
		return f.failed(err)
	}
	f.offset++
	h.raw = append(h.raw, b)
	return nil
}

// failed names the offset in an error of the input. A gzip stream that ends early
// is a trace that is cut off.
func (f *framer) failed(err error) error {
	switch {
	case err == nil || errors.Is(err, io.EOF):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w, at byte %d", ErrCut, f.offset)
	}
	return fmt.Errorf("at byte %d: %w", f.offset, err)
}

func (f *framer) broken(format string, args ...any) error {
	return fmt.Errorf("damaged at byte %d: "+format, append([]any{f.offset}, args...)...)
}
