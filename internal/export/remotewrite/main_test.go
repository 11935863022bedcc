package remotewrite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/goshawk-io/goshawk/internal/judge/series"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

// begin is the time of most tests.
func begin() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

// ms returns the time that is so long after begin.
func ms(after time.Duration) int64 { return begin().Add(after).UnixMilli() }

// shelf is a store whose samples the test puts there.
type shelf struct {
	mu     sync.Mutex
	all    map[string]*series.Stored
	newest int64
	err    error
	reads  int
}

func newShelf() *shelf { return &shelf{all: make(map[string]*series.Stored)} }

// put stores a sample of a series, whose label i tells it from others.
func (s *shelf) put(metric string, i int, at int64, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := series.Name{Metric: metric, Labels: series.Labels{{Name: "i", Value: strconv.Itoa(i)}}}
	stored := s.all[name.String()]
	if stored == nil {
		stored = &series.Stored{Name: name, ID: uint64(len(s.all) + 1)}
		s.all[name.String()] = stored
	}
	stored.Numbers = append(stored.Numbers, series.Number{At: at, Value: value})
	s.newest = max(s.newest, at)
}

// fill stores a sample of so many series at each step of a span.
func (s *shelf) fill(n int, from, to, step time.Duration) {
	for at := from; at < to; at += step {
		for i := range n {
			s.put("m_total", i, ms(at), float64(at/time.Second))
		}
	}
}

// Tail implements [Source].
func (s *shelf) Tail(_ context.Context, span series.Span) ([]series.Stored, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var list []series.Stored
	count := 0
	for _, name := range slices.Sorted(maps.Keys(s.all)) {
		stored := s.all[name]
		if span.Wanted != nil && !span.Wanted(stored.Metric) {
			continue
		}
		part := series.Stored{Name: stored.Name, ID: stored.ID}
		seen, _ := span.Seen(stored.ID)
		for _, n := range stored.Numbers {
			if n.At > max(span.After, seen) && (span.Until == 0 || n.At <= span.Until) {
				part.Numbers = append(part.Numbers, n)
			}
		}
		if count += len(part.Numbers); len(part.Numbers) > 0 {
			list = append(list, part)
		}
	}
	if span.Limit > 0 && count > span.Limit {
		return nil, 0, series.ErrTooMuch
	}
	return list, s.newest, s.err
}

// receiver takes samples as Prometheus does: a request as a whole or not at all,
// the samples of a series in the order of time, and the last one twice.
type receiver struct {
	mu sync.Mutex
	// knows are the versions that it knows.
	knows []Protocol
	// script has, for each request, the answer to give instead; empty words stand
	// for its own.
	script []string
	// oldest refuses what is older.
	oldest int64
	// most is how many samples it takes at once.
	most int
	// poison is a series of which it takes nothing, nor what comes with it.
	poison string

	got      map[string][]series.Number
	requests int
	refused  []string // why it refused requests itself
	versions []string
	sizes    []int
}

func newReceiver(knows ...Protocol) *receiver {
	return &receiver{knows: knows, got: make(map[string][]series.Number)}
}

var errDown = errors.New("connection refused")

// Post implements [Poster].
func (r *receiver) Post(_ context.Context, header http.Header, body []byte) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.versions = append(r.versions, header.Get(versionHeader))
	word := ""
	if len(r.script) > 0 {
		word, r.script = r.script[0], r.script[1:]
	}
	switch status, err := strconv.Atoi(strings.TrimSuffix(word, "!")); {
	case word == "down":
		return nil, errDown
	case err == nil && strings.HasSuffix(word, "!"): // it did not mean it
		r.take(header, body)
		return answer(status, "", nil), nil
	case err == nil:
		return answer(status, "", nil), nil
	case word == "drop": // it takes them, and the answer is lost
		r.take(header, body)
		return nil, errors.New("connection reset")
	case word != "":
		status, seconds, _ := strings.Cut(word, " ")
		code, _ := strconv.Atoi(status)
		return answer(code, "", http.Header{"Retry-After": {seconds}}), nil
	}
	response := r.take(header, body)
	if response.StatusCode == http.StatusBadRequest {
		r.refused = append(r.refused, fmt.Sprint(answerError(response)))
	}
	return response, nil
}

func answer(status int, text string, header http.Header) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(text))}
}

// take appends all samples of a request, or none.
func (r *receiver) take(header http.Header, body []byte) *http.Response {
	version := V1
	if strings.Contains(header.Get("Content-Type"), "io.prometheus.write.v2.Request") {
		version = V2
	}
	if !slices.Contains(r.knows, version) {
		return answer(http.StatusUnsupportedMediaType, "", nil)
	}
	list, err := decode(version, body)
	if err != nil {
		return answer(http.StatusBadRequest, err.Error(), nil)
	}
	count, fresh := 0, maps.Clone(r.got)
	for _, s := range list {
		name := s.Name.String()
		for _, n := range s.Numbers {
			count++
			known := fresh[name]
			switch last := len(known) - 1; {
			case r.poison != "" && strings.Contains(name, r.poison):
				return answer(http.StatusBadRequest, "poison", nil)
			case n.At < r.oldest:
				return answer(http.StatusBadRequest, "out of bounds", nil)
			case last < 0 || n.At > known[last].At:
				fresh[name] = append(slices.Clip(known), n)
			case n.At < known[last].At:
				return answer(http.StatusBadRequest, fmt.Sprintf("out of order: %s at %d, after %d", name, n.At, known[last].At), nil)
			case math.Float64bits(n.Value) != math.Float64bits(known[last].Value):
				return answer(http.StatusBadRequest, "duplicate", nil)
			}
		}
	}
	if r.most > 0 && count > r.most {
		return answer(http.StatusRequestEntityTooLarge, "", nil)
	}
	r.got, r.sizes = fresh, append(r.sizes, count)
	if version == V1 {
		return answer(http.StatusNoContent, "", nil)
	}
	return answer(http.StatusNoContent, "", http.Header{writtenHeader: {strconv.Itoa(count)}})
}

// decode reads a request, that of version 2.0 with the code of Prometheus.
func decode(version Protocol, body []byte) ([]series.Stored, error) {
	data, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, err
	}
	if version == V1 {
		return timeSeries(data), nil
	}
	var list []series.Stored
	var request writev2.Request
	if err := proto.Unmarshal(data, &request); err != nil {
		return nil, err
	}
	for _, ts := range request.Timeseries {
		var pairs []string
		for _, ref := range ts.LabelsRefs {
			pairs = append(pairs, request.Symbols[ref])
		}
		var numbers []series.Number
		for _, s := range ts.Samples {
			numbers = append(numbers, series.Number{At: s.Timestamp, Value: s.Value})
		}
		list = append(list, series.Stored{Name: nameOf(pairs), Numbers: numbers})
	}
	return list, nil
}

// timeSeries reads a list of TimeSeries of version 1.0, which is field 1.
func timeSeries(data []byte) (list []series.Stored) {
	for _, ts := range fields(data) {
		var pairs []string
		var numbers []series.Number
		for _, part := range fields(ts.bytes) {
			switch part.number {
			case 1:
				pair := []string{"", ""}
				for _, text := range fields(part.bytes) {
					pair[text.number-1] = string(text.bytes)
				}
				pairs = append(pairs, pair...)
			case 2:
				n := series.Number{}
				for _, f := range fields(part.bytes) {
					switch f.number {
					case 1:
						n.Value = math.Float64frombits(f.bits)
					case 2:
						n.At = int64(f.bits)
					}
				}
				numbers = append(numbers, n)
			}
		}
		list = append(list, series.Stored{Name: nameOf(pairs), Numbers: numbers})
	}
	return list
}

// field is one of a message: bytes or a number.
type field struct {
	number protowire.Number
	bytes  []byte
	bits   uint64
}

// fields returns those of a message.
func fields(data []byte) (list []field) {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		f := field{number: number}
		data = data[n:]
		switch kind {
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(data)
		case protowire.Fixed64Type:
			f.bits, n = protowire.ConsumeFixed64(data)
		default:
			f.bits, n = protowire.ConsumeVarint(data)
		}
		list, data = append(list, f), data[n:]
	}
	return list
}

// nameOf returns the name that pairs of names and values are.
func nameOf(pairs []string) (n series.Name) {
	for pair := range slices.Chunk(pairs, 2) {
		if pair[0] == nameLabel {
			n.Metric = pair[1]
			continue
		}
		n.Labels = append(n.Labels, series.Label{Name: pair[0], Value: pair[1]})
	}
	return n
}

// wantAll checks that what was got is what is on the shelf, each sample once.
func (r *receiver) wantAll(t *testing.T, s *shelf) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	want := make(map[string][]series.Number)
	for _, stored := range s.all {
		name := stored.Name
		name.Labels = labelsWithout(labelsOf(&name, series.Labels{{Name: "instance", Value: "node-1"}, {Name: "job", Value: "goshawk"}}), nameLabel)
		want[name.String()] = stored.Numbers
	}
	wantSame(t, r.got, want)
}

func labelsWithout(list series.Labels, name string) series.Labels {
	return slices.DeleteFunc(list, func(l series.Label) bool { return l.Name == name })
}

func wantSame(t testing.TB, got, want map[string][]series.Number) {
	t.Helper()
	same := func(a, b series.Number) bool {
		return a.At == b.At && math.Float64bits(a.Value) == math.Float64bits(b.Value)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.EqualFunc(got[name], want[name], same) {
			t.Errorf("%s: got %d samples, want %d\n got  %.200s\n want %.200s", name, len(got[name]), len(want[name]), fmt.Sprint(got[name]), fmt.Sprint(want[name]))
		}
	}
	for name := range got {
		if want[name] == nil {
			t.Errorf("%s: got, and not to be had", name)
		}
	}
}

// logBuffer takes a log.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func (b *logBuffer) count(part string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.text.String(), part)
}

// newWriter returns a writer from a source to a poster on the host node-1.
func newWriter(t testing.TB, source Source, poster Poster, o Options) *Writer {
	t.Helper()
	o.Name, o.Source, o.Poster, o.Host = "mimir", source, poster, "node-1"
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Random == nil {
		o.Random = func() float64 { return 0 }
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
