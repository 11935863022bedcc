package http

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/goshawk-io/goshawk/internal/observe/symbol"
)

// epoch is when scripts begin, on the boot clock. All their times are counted
// from there.
const epoch = 1000 * time.Second

// line is one line of a script: a word, and settings.
type line struct {
	t    testing.TB
	text string
	verb string
	set  map[string]string
}

func parseLine(t testing.TB, text string) line {
	l := line{t: t, text: text, set: map[string]string{}}
	verb, rest, _ := strings.Cut(text, " ")
	l.verb = verb
	setting := regexp.MustCompile(`^\s*([a-z_]+)=("(?:[^"\\]|\\.)*"|\S*)`)
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		found := setting.FindStringSubmatch(rest)
		if found == nil {
			t.Fatalf("%s: no setting: %s", text, rest)
		}
		value := found[2]
		if unquoted, err := strconv.Unquote(value); err == nil {
			value = unquoted
		}
		l.set[found[1]] = value
		rest = rest[len(found[0]):]
	}
	return l
}

func (l line) str(key, otherwise string) string {
	if v, ok := l.set[key]; ok {
		return v
	}
	return otherwise
}

func (l line) num(key string, otherwise int64) int64 {
	v, ok := l.set[key]
	if !ok {
		return otherwise
	}
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil {
		l.t.Fatalf("%s: %v", l.text, err)
	}
	return n
}

func (l line) duration(key string, otherwise time.Duration) time.Duration {
	v, ok := l.set[key]
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		l.t.Fatalf("%s: %v", l.text, err)
	}
	return d
}

// word returns a word of memory whose bytes are those of a text of hexadecimal
// digits, padded with zeros in front.
func (l line) word(key string) uint64 {
	n, err := strconv.ParseUint(l.str(key, "0"), 16, 64)
	if err != nil {
		l.t.Fatalf("%s: %v", l.text, err)
	}
	var b [8]byte
	for i := range b {
		b[7-i] = byte(n >> (8 * i))
	}
	return *(*uint64)(unsafe.Pointer(&b))
}

// choice returns the number of a word.
func choice[T ~uint32](l line, key, otherwise string, words map[string]T) T {
	n, ok := words[l.str(key, otherwise)]
	if !ok {
		l.t.Fatalf("%s: unknown %s", l.text, key)
	}
	return n
}

func outcomes() map[string]bpfOutcome {
	return map[string]bpfOutcome{
		"done": bpfOutcomeOUTCOME_DONE, "panic": bpfOutcomeOUTCOME_PANIC,
		"hijacked": bpfOutcomeOUTCOME_HIJACKED, "error": bpfOutcomeOUTCOME_ERROR, "odd": 77,
	}
}

func routeKinds() map[string]bpfRouteKind {
	return map[string]bpfRouteKind{
		"none": bpfRouteKindROUTE_NONE, "text": bpfRouteKindROUTE_TEXT, "template": bpfRouteKindROUTE_TEMPLATE,
		"other": bpfRouteKindROUTE_OTHER, "host": bpfRouteKindROUTE_HOST, "odd": 77,
	}
}

// record returns the bytes of a line.
func (l line) record() []byte {
	r := bpfHttpRecord{
		Begin: uint64(epoch + l.duration("at", 0)), Start: uint64(l.duration("start", time.Second)), Code: uint64(l.num("code", 0)),
		Goid: uint64(l.num("goid", 0)), Trace: [2]uint64{l.word("trace_high"), l.word("trace")}, Span: l.word("span"), Parent: l.word("parent"),
		Weight: uint64(l.num("weight", 1)), Written: uint64(l.num("written", 0)), Length: l.num("length", 0), Layout: uint32(l.num("layout", 1)),
		Protocol: uint8(l.num("protocol", 1)), Tls: uint8(l.num("tls", 0)), Panicked: uint8(l.num("panicked", 0)),
	}
	r.End = r.Begin + uint64(l.duration("took", time.Millisecond))
	role := bpfRoleROLE_SERVER
	if l.verb == "client" {
		role = bpfRoleROLE_CLIENT
	}
	r.Key = bpfSeriesKey{
		Route: uint64(l.num("series", 1)), Tgid: uint32(l.num("pid", 10)), Status: uint16(l.num("status", 200)), Role: uint8(role),
		Outcome: uint8(choice(l, "outcome", "done", outcomes())), RouteKind: uint8(choice(l, "kind", "none", routeKinds())),
	}
	r.MethodBytes = uint16(fill(r.Method[:], l.str("method", "GET"), l.num("method_bytes", -1)))
	r.PathBytes = uint16(fill(r.Path[:], l.str("path", "/"), l.num("path_bytes", -1)))
	r.HostBytes = uint16(fill(r.Host[:], l.str("host", ""), -1))
	r.RemoteBytes = uint16(fill(r.Remote[:], l.str("remote", ""), -1))
	r.SchemeBytes = uint16(fill(r.Scheme[:], l.str("scheme", ""), -1))
	if text, ok := l.set["route"]; ok {
		for part := range strings.SplitSeq(text, "|") {
			r.RouteBytes[r.RouteParts] = uint16(fill(r.Route[r.RouteParts][:], part, -1))
			r.RouteParts++
		}
	}
	var stack []byte
	if text, ok := l.set["stack"]; ok {
		for call := range strings.SplitSeq(text, ",") {
			stack = binary.NativeEndian.AppendUint64(stack, l.pc(call))
		}
	}
	if text, ok := l.set["caller"]; ok {
		r.Caller = l.pc(text)
	}
	r.StackBytes = uint32(l.num("stack_bytes", int64(len(stack))))
	head := unsafe.Slice((*byte)(unsafe.Pointer(&r)), unsafe.Sizeof(r))
	return aligned(append(slices.Clone(head), stack...))
}

// fill copies text into a C buffer and returns its length, or n if that is not
// negative.
func fill(dst []int8, text string, n int64) int {
	for i := range min(len(dst), len(text)) {
		dst[i] = int8(text[i])
	}
	if n >= 0 {
		return int(n)
	}
	return min(len(dst), len(text))
}

// aligned returns a copy that lies as records do in the ring.
func aligned(b []byte) []byte {
	words := make([]uint64, len(b)/8+1)
	record := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(b))
	copy(record, b)
	return record
}

// pc returns an address within a function of this test's own program.
func (l line) pc(function string) uint64 {
	for name, f := range testFunctions() {
		if name == function {
			return uint64(reflect.ValueOf(f).Pointer()) + 1
		}
	}
	l.t.Fatalf("%s: no function %s", l.text, function)
	return 0
}

// testFunctions are functions that a script's stacks may have.
func testFunctions() map[string]any {
	return map[string]any{
		"strings.ToUpper": strings.ToUpper, "filepath.Join": filepath.Join, "strconv.Itoa": strconv.Itoa,
		"template": template, "parseLine": parseLine,
	}
}

// ownProgram returns the symbols of this test's program, and its start_code.
func ownProgram(t testing.TB) (*symbol.Program, uint64) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := symbol.NewCache(symbol.Options{}).Lookup(path)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	code, err := strconv.ParseUint(fields[23], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return program, code
}
