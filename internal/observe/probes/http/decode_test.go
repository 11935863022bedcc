package http

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/probe"
	"github.com/goshawk-io/goshawk/internal/observe/target"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

const scriptEnd = "----\n"

// TestDecode runs each file of testdata/decode: records as text, and what
// they decode to. `go test -update` rewrites the latter.
func TestDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/decode/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, _, _ := strings.Cut(string(text), scriptEnd)
			got := input + scriptEnd + runScript(t, input)
			testutil.Golden(t, filepath.Join("decode", filepath.Base(file)), []byte(got))
		})
	}
}

// runScript decodes what the lines of a script say and returns the events as
// text.
func runScript(t *testing.T, text string) string {
	out := &transcript{assumed: map[uint32]string{}}
	program, code := ownProgram(t)
	host := testHost(t)
	out.clock = host.Clock
	host.Attached = func(index uint32) (probe.Attached, bool) {
		assumed, ok := out.assumed[index]
		return probe.Attached{Program: program, Assumed: assumed}, ok || index == 1
	}
	host.Refute = func(index uint32, cause error) { fmt.Fprintf(&out.text, "refuted %d: %v\n", index, cause) }
	d := newDecoder(host).(*decoder)
	for one := range strings.Lines(text) {
		if one = strings.TrimSpace(one); one == "" || one[0] == '#' {
			continue
		}
		l := parseLine(t, one)
		record := []byte(l.str("text", ""))
		switch l.verb {
		case "assume":
			out.assumed[uint32(l.num("layout", 1))] = l.str("release", "")
			continue
		case "server", "client":
			l.set["code"] = strconv.FormatUint(code, 10)
			record = l.record()
		case "bytes":
		default:
			t.Fatalf("unknown line %q", one)
		}
		if err := d.Decode(record, out.add); err != nil {
			fmt.Fprintf(&out.text, "error: %v\n", err)
		}
	}
	return out.text.String()
}

// testHost returns a host without processes and probes.
func testHost(t testing.TB) probe.Host {
	t.Helper()
	clock := new(platform.BootClock)
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	return probe.Host{
		Processes: target.NewTable(target.TableOptions{Reader: target.NewReader(target.ReaderOptions{Root: root, Clock: clock})}),
		Clock:     clock, Log: slog.New(slog.DiscardHandler),
		Attached: func(uint32) (probe.Attached, bool) { return probe.Attached{}, false },
		Refute:   func(uint32, error) {},
	}
}

// transcript writes events as text.
type transcript struct {
	clock   *platform.BootClock
	assumed map[uint32]string
	text    strings.Builder
}

func (s *transcript) add(e *model.Event) {
	at := e.Time.Sub(s.clock.Wall(uint64(epoch))).Round(time.Microsecond)
	fmt.Fprintf(&s.text, "pid=%d at=%s took=%s weight=%d", e.PID, at, e.Duration, e.Weight)
	if e.GoroutineID != 0 {
		fmt.Fprintf(&s.text, " goroutine=%d", e.GoroutineID)
	}
	fmt.Fprintf(&s.text, " trace=%s span=%s parent=%s\n", short(e.TraceID[:]), short(e.SpanID[:]), short(e.ParentSpanID[:]))
	for n, f := range e.Schema.Fields {
		if n == fieldPID || !e.Values[n].IsSet() {
			continue
		}
		value := textOf(f.Kind, e.Values[n])
		switch n {
		case fieldLine:
			value = "some"
		case fieldFile:
			value = filepath.Base(value)
		}
		if quoted := strconv.Quote(value); quoted != `"`+value+`"` {
			value = quoted
		}
		fmt.Fprintf(&s.text, "  %s: %s\n", f.Key, value)
	}
	if len(e.Stack) > 0 {
		s.text.WriteString("  stack:")
		for _, f := range e.Stack {
			s.text.WriteString(" " + f.Func)
		}
		s.text.WriteByte('\n')
	}
}

// short writes an id without its leading zeros, "-" when it is none.
func short(id []byte) string {
	if text := strings.TrimLeft(fmt.Sprintf("%x", id), "0"); text != "" {
		return text
	}
	return "-"
}

func TestRouteText(t *testing.T) {
	for _, test := range []struct {
		parts []string
		want  string
	}{
		{[]string{"/"}, "/"},
		{[]string{"/items/{id}"}, "/items/{id}"},
		{[]string{"GET /items/{id}"}, "/items/{id}"},
		{[]string{"GET  \t/items/{id}"}, "/items/{id}"},
		{[]string{"example.com/items/{id}"}, "/items/{id}"},
		{[]string{"GET example.com/"}, "/"},
		{[]string{"/files/{path...}"}, "/files/{path...}"},
		{[]string{"/files/*"}, "/files/*"},
		{[]string{"/api/*", "/items/{id}"}, "/api/items/{id}"},
		{[]string{"/api/*", "/*", "/v1/*", "/items/{id}"}, "/api/v1/items/{id}"},
		{[]string{"no slash"}, "no slash"},
		{[]string{""}, ""},
		{nil, ""},
	} {
		r := new(bpfHttpRecord)
		for i, part := range test.parts {
			r.RouteBytes[i] = uint16(fill(r.Route[i][:], part, -1))
			r.RouteParts++
		}
		if got := routeText(r); got != test.want {
			t.Errorf("routeText(%q) = %q, want %q", test.parts, got, test.want)
		}
	}
}

func TestSplitPort(t *testing.T) {
	for _, test := range []struct {
		text, host string
		port       int64
	}{
		{"", "", 0},
		{"example.com", "example.com", 0},
		{"example.com:80", "example.com", 80},
		{"example.com:", "example.com", 0},
		{"example.com:http", "example.com", 0},
		{"example.com:65535", "example.com", 65535},
		{"example.com:65536", "example.com", 0},
		{"example.com:-1", "example.com", 0},
		{":80", "", 80},
		{"127.0.0.1:1", "127.0.0.1", 1},
		{"[::1]:80", "::1", 80},
		{"[::1]", "::1", 0},
		{"::1", "::1", 0},
		{"[fe80::1%eth0]:80", "fe80::1%eth0", 80},
		{"[::1", "::1", 0},
		{"a:b:c", "a:b:c", 0},
		{"@", "@", 0},
	} {
		host, port := splitPort(test.text)
		if host != test.host || port != test.port {
			t.Errorf("splitPort(%q) = %q, %d, want %q, %d", test.text, host, port, test.host, test.port)
		}
	}
}

func TestKind(t *testing.T) {
	const unset = "-"
	server, client := uint8(bpfRoleROLE_SERVER), uint8(bpfRoleROLE_CLIENT)
	done, panicked := uint8(bpfOutcomeOUTCOME_DONE), uint8(bpfOutcomeOUTCOME_PANIC)
	hijacked, failed := uint8(bpfOutcomeOUTCOME_HIJACKED), uint8(bpfOutcomeOUTCOME_ERROR)
	for _, test := range []struct {
		role, outcome          uint8
		status                 uint16
		wantStatus, text, fail string
	}{
		{server, done, 200, "200", "done", unset},
		{server, done, 404, "404", "done", unset},
		{server, done, 499, "499", "done", unset},
		{server, done, 500, "500", "done", "500"},
		{server, done, 999, "999", "done", "999"},
		{server, panicked, 0, unset, "panic", "panic"},
		{server, hijacked, 0, unset, "hijacked", unset},
		{server, failed, 0, unset, "aborted", "aborted"},
		{client, done, 200, "200", "done", unset},
		{client, done, 399, "399", "done", unset},
		{client, done, 400, "400", "done", "400"},
		{client, done, 503, "503", "done", "503"},
		{client, done, 0, unset, "done", unset},
		{client, failed, 0, unset, "error", "error"},
	} {
		e := new(model.Event)
		e.Reset(Schema())
		setKind(e.Values, &bpfSeriesKey{Role: test.role, Outcome: test.outcome, Status: test.status})
		got := []string{text(e, fieldRole), text(e, fieldStatus), text(e, fieldOutcome), text(e, fieldErrorType)}
		want := []string{map[uint8]string{server: "server", client: "client"}[test.role], test.wantStatus, test.text, test.fail}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("role %d, outcome %d, status %d: %q, want %q", test.role, test.outcome, test.status, got, want)
		}
	}
}

// TestMethods compares the numbers of methods, of the programs, with their
// names.
func TestMethods(t *testing.T) {
	for number, want := range map[bpfMethod]string{
		bpfMethodMETHOD_OTHER: "_OTHER", bpfMethodMETHOD_GET: "GET", bpfMethodMETHOD_HEAD: "HEAD", bpfMethodMETHOD_POST: "POST",
		bpfMethodMETHOD_PUT: "PUT", bpfMethodMETHOD_PATCH: "PATCH", bpfMethodMETHOD_DELETE: "DELETE", bpfMethodMETHOD_OPTIONS: "OPTIONS",
		bpfMethodMETHOD_CONNECT: "CONNECT", bpfMethodMETHOD_TRACE: "TRACE", 10: "_OTHER", 255: "_OTHER",
	} {
		if got := methodName(uint8(number)); got != want {
			t.Errorf("methodName(%d) = %s, want %s", number, got, want)
		}
	}
}
