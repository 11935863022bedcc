package api

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/platform"
)

// TracesOptions bounds what is kept of execution traces. The zero value works.
type TracesOptions struct {
	// MaxTraces and MaxBytes bound the traces that are kept and their bytes on disk;
	// 100 and 64 MiB when 0. The oldest are removed.
	MaxTraces int
	MaxBytes  int64
	// MaxBody bounds what may be uploaded, in bytes as sent; 1 GiB when 0.
	MaxBody int64
	// Timeout bounds one analysis, the upload included; 15 min when 0.
	Timeout time.Duration
	// Stall bounds the time in which an upload goes on by no byte; 30 s when 0.
	Stall time.Duration
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Log is told of files that cannot be read or removed; nil discards.
	Log *slog.Logger
}

// Traces keeps what execution traces say, a gzip-compressed document for each, in a
// folder of its own. It is safe for concurrent use.
type Traces struct {
	TracesOptions
	dir string
	// turn is held by the one analysis that may run.
	turn chan struct{}

	mu sync.Mutex
	// list is in the order in which they were analysed.
	list []keptTrace
}

// keptTrace is a trace that is kept, and its size on disk.
type keptTrace struct {
	v1.TraceSummary
	size int64
}

const traceSuffix = ".json.gz"

// maxTraceDocument bounds a document in bytes when it is read again: what Goshawk
// writes has some hundred KiB.
const maxTraceDocument = 64 << 20

// NewTraces opens a folder, which it makes when it is not there, and reads what is
// kept in it. A file that cannot be read is left where it is, and told.
func NewTraces(dir string, o TracesOptions) (*Traces, error) {
	if o.MaxTraces <= 0 {
		o.MaxTraces = 100
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 64 << 20
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 1 << 30
	}
	if o.Timeout <= 0 {
		o.Timeout = 15 * time.Minute
	}
	if o.Stall <= 0 {
		o.Stall = 30 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("keep traces: %w", err)
	}
	t := &Traces{TracesOptions: o, dir: dir, turn: make(chan struct{}, 1)}
	if err := t.load(); err != nil {
		return nil, fmt.Errorf("keep traces: %w", err)
	}
	return t, nil
}

// load lists what is in the folder.
func (t *Traces) load() error {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), traceSuffix)
		if !ok || !isTraceID(id) || !e.Type().IsRegular() {
			t.removePartial(e)
			continue
		}
		kept, size, err := t.read(id)
		if err != nil {
			t.Log.Warn("a trace that was analysed cannot be read", "file", e.Name(), "error", err)
			continue
		}
		t.list = append(t.list, keptTrace{kept.Summary(), size})
	}
	slices.SortStableFunc(t.list, func(a, b keptTrace) int { return time.Time(a.Analysed).Compare(time.Time(b.Analysed)) })
	t.mu.Lock()
	defer t.mu.Unlock()
	t.makeRoom()
	return nil
}

// removePartial removes what a crash left of a file that was being written.
func (t *Traces) removePartial(e fs.DirEntry) {
	name, hidden := strings.CutPrefix(e.Name(), ".")
	id, rest, ok := strings.Cut(name, traceSuffix+".")
	if !hidden || !ok || rest == "" || !isTraceID(id) || !e.Type().IsRegular() {
		return
	}
	if err := os.Remove(filepath.Join(t.dir, e.Name())); err != nil {
		t.Log.Warn("a file that was not written to its end cannot be removed", "file", e.Name(), "error", err)
	}
}

// isTraceID is true of what newTraceID returns: nothing else becomes a name of a file.
func isTraceID(id string) bool {
	raw, err := hex.DecodeString(id)
	return err == nil && len(raw) == 8 && strings.ToLower(id) == id
}

func newTraceID() string {
	var raw [8]byte
	// It never fails.
	_, _ = rand.Read(raw[:])
	return hex.EncodeToString(raw[:])
}

func (t *Traces) path(id string) string { return filepath.Join(t.dir, id+traceSuffix) }

// read reads a document and returns its size on disk as well.
func (t *Traces) read(id string) (kept v1.KeptTrace, size int64, err error) {
	f, err := os.Open(t.path(id))
	if err != nil {
		return kept, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return kept, 0, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return kept, 0, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxTraceDocument+1))
	switch {
	case err != nil:
		return kept, 0, err
	case len(text) > maxTraceDocument:
		return kept, 0, fmt.Errorf("it is longer than %d bytes", maxTraceDocument)
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return kept, 0, err
	}
	if kept.ID != id {
		return kept, 0, fmt.Errorf("it is about the trace %q", kept.ID)
	}
	return kept, info.Size(), nil
}

// add keeps what a trace says under a new id. It blocks until the disk has it.
func (t *Traces) add(trace v1.Trace) (*v1.KeptTrace, error) {
	kept := &v1.KeptTrace{ID: newTraceID(), Analysed: v1.Time(t.Now().UTC()), Trace: trace}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("keep the trace: %w", err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	// A buffer takes everything.
	_, _ = z.Write(text)
	_ = z.Close()
	size := int64(packed.Len())
	if size > t.MaxBytes {
		return nil, fmt.Errorf("keep the trace: the document has %d bytes, and %d are there for all", size, t.MaxBytes)
	}
	if err := platform.ReplaceFile(t.path(kept.ID), packed.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("keep the trace: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, keptTrace{kept.Summary(), size})
	t.makeRoom()
	return kept, nil
}

// makeRoom removes the oldest until the bounds hold. The caller holds mu.
func (t *Traces) makeRoom() {
	var sum int64
	for _, k := range t.list {
		sum += k.size
	}
	for len(t.list) > t.MaxTraces || sum > t.MaxBytes {
		oldest := t.list[0]
		t.list, sum = slices.Delete(t.list, 0, 1), sum-oldest.size
		if err := os.Remove(t.path(oldest.ID)); err != nil {
			t.Log.Warn("an old trace cannot be removed", "id", oldest.ID, "error", err)
		}
	}
}

// summaries returns all that is kept, the latest first.
func (t *Traces) summaries() []v1.TraceSummary {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]v1.TraceSummary, 0, len(t.list))
	for _, k := range slices.Backward(t.list) {
		list = append(list, k.TraceSummary)
	}
	return list
}

// errNoTrace says that no trace is kept by an id.
var errNoTrace = errors.New("is not kept")

// get returns what a trace says.
func (t *Traces) get(id string) (*v1.KeptTrace, error) {
	if !isTraceID(id) {
		return nil, errNoTrace
	}
	kept, _, err := t.read(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoTrace
	}
	if err != nil {
		return nil, err
	}
	return &kept, nil
}

// remove forgets a trace.
func (t *Traces) remove(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := slices.IndexFunc(t.list, func(k keptTrace) bool { return k.ID == id })
	if at < 0 {
		return errNoTrace
	}
	if err := os.Remove(t.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	t.list = slices.Delete(t.list, at, at+1)
	return nil
}
