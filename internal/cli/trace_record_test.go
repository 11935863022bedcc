package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/gotrace"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/fetch"
	"github.com/goshawk-io/goshawk/internal/observe/gotrace/hostsample"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// tracedService starts a service with pprof, and returns it and its address.
func tracedService(t *testing.T, args ...string) (*testutil.Target, string) {
	t.Helper()
	service := testutil.StartTarget(t, testutil.BuildGo(t, testutil.Dir("../observe/gotrace/fetch/testdata/service"), testutil.BuildOptions{}), args...)
	return service, service.WaitLine("listening ")
}

// recordTrace runs trace record with flags set, and returns what it printed.
func recordTrace(ctx context.Context, o traceRecord) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	env := Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }, Width: func() int { return 0 }, Height: func() int { return 0 }}
	if o.seconds == 0 {
		o.seconds = 1
	}
	err := o.run(ctx, env)
	if err != nil && !errors.Is(err, errInterrupted) {
		report(&errs, err)
	}
	return exitCode(err), out.String(), errs.String()
}

// files returns the names in a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestTraceRecordOfAService(t *testing.T) {
	service, address := tracedService(t, "-busy", "1")
	for _, test := range []struct {
		name string
		o    traceRecord
	}{
		{"by its URL", traceRecord{url: "http://" + address}},
		{"by its process", traceRecord{pid: int32(service.PID), pidSet: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.o.file, test.o.json = filepath.Join(dir, "a.trace"), true
			code, stdout, stderr := recordTrace(t.Context(), test.o)
			if code != exitDone || stderr != "" {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			var r recordResult
			if err := json.Unmarshal([]byte(stdout), &r); err != nil {
				t.Fatal(err)
			}
			if !r.Complete || r.PID != int32(service.PID) || r.Seconds != 1 || r.DurationNS < 1e9 || r.GoVersion == "" || r.Host == nil || r.Host.Samples == 0 || r.Host.CPUNS == 0 {
				t.Errorf("result %s", stdout)
			}
			if names := files(t, dir); !slices.Equal(names, []string{"a.trace", "a.trace.host.jsonl"}) {
				t.Errorf("files %q", names)
			}
			checkRecorded(t, &r)
		})
	}
}

// checkRecorded analyses a trace, and reads the samples of its host.
func checkRecorded(t *testing.T, r *recordResult) {
	t.Helper()
	f, err := os.Open(r.File)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() != r.Bytes {
		t.Errorf("size %d, %v, told %d", info.Size(), err, r.Bytes)
	}
	report, err := gotrace.Analyse(t.Context(), f, gotrace.Options{})
	if err != nil || report.Events == 0 {
		t.Errorf("the trace: %+v, %v", report, err)
	}
	h, err := os.Open(r.Host.File)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	rec, err := hostsample.Read(h)
	if err != nil || rec.Footer == nil || rec.PID != r.PID || len(rec.Samples) != r.Host.Samples {
		t.Errorf("the samples: %+v, %v", rec.Header, err)
	}
}

// TestTraceRecordIsReadByPeople holds the lines that are printed without --json.
func TestTraceRecordIsReadByPeople(t *testing.T) {
	_, address := tracedService(t, "-busy", "1")
	file := filepath.Join(t.TempDir(), "a.trace")
	code, stdout, stderr := recordTrace(t.Context(), traceRecord{url: "http://" + address, file: file})
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{file + "  ", ", received in ", file + ".host.jsonl  ", "samples of process", "  CPU  ", "  quota  ", "  machine  ", "next: goshawk trace report " + file} {
		if !strings.Contains(stdout, want) {
			t.Errorf("no %q in:\n%s", want, stdout)
		}
	}
}

func TestTraceRecordBehindAProxySaysWhatIsNotSeen(t *testing.T) {
	_, address := tracedService(t)
	proxy := httptest.NewServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address}))
	defer proxy.Close()
	file := filepath.Join(t.TempDir(), "a.trace")
	// Samples of an earlier trace of the same name are not of this one.
	if err := os.WriteFile(file+hostSuffix, []byte(hostHead+"1}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := recordTrace(t.Context(), traceRecord{url: proxy.URL, file: file})
	if code != exitDone || !strings.Contains(stdout, "not seen: the host") || !strings.Contains(stdout, "answers for another one") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if names := files(t, filepath.Dir(file)); !slices.Equal(names, []string{"a.trace"}) {
		t.Errorf("files %q", names)
	}
}

// head begins a trace of Go 1.26.
const traceHead = "go 1.26 trace\x00\x00\x00"

// streams answers with the head of a trace, and does what then says.
func streams(t *testing.T, then func(w http.ResponseWriter, r *http.Request)) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/trace") {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, traceHead)
		http.NewResponseController(w).Flush()
		then(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestTraceRecordThatIsInterruptedKeepsWhatCame(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.trace")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	address := streams(t, func(_ http.ResponseWriter, r *http.Request) {
		for {
			info, err := os.Stat(file + partialSuffix)
			if err == nil && info.Size() > 0 {
				cancel()
				<-r.Context().Done()
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	code, stdout, stderr := recordTrace(ctx, traceRecord{url: address, file: file, json: true})
	if code != exitInterrupted || !strings.Contains(stdout, `"complete": false`) || !strings.Contains(stdout, `"cut": "interrupted"`) {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != traceHead {
		t.Errorf("file %q, %v", got, err)
	}
	if names := files(t, filepath.Dir(file)); !slices.Equal(names, []string{"a.trace"}) {
		t.Errorf("files %q", names)
	}
}

func TestTraceRecordThatBreaksOffLeavesNoFile(t *testing.T) {
	for _, test := range []struct {
		name  string
		then  http.HandlerFunc
		stall time.Duration
		want  string
	}{
		{"the connection is cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "the connection ended before the trace did"},
		{"nothing more comes", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, time.Millisecond, "stalled: nothing came for 1ms"},
	} {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "a.trace")
			if err := os.WriteFile(file, []byte("an earlier one"), 0o644); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := recordTrace(t.Context(), traceRecord{url: streams(t, test.then), file: file, fetch: fetch.Options{Stall: test.stall}})
			if code != exitInternal || stdout != "" || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "hint: what came is in "+file+".partial") {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
			if got, err := os.ReadFile(file); err != nil || string(got) != "an earlier one" {
				t.Errorf("file %q, %v", got, err)
			}
			if names := files(t, filepath.Dir(file)); !slices.Equal(names, []string{"a.trace", "a.trace.partial"}) {
				t.Errorf("files %q", names)
			}
		})
	}
}

func TestTraceRecordRefuses(t *testing.T) {
	page, _ := tracedService(t, "-page")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	closed.Close()
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "<html><title>Log in</title></html>")
	}))
	defer html.Close()
	for _, test := range []struct {
		name       string
		o          traceRecord
		code       int
		want, hint string
	}{
		{"nobody", traceRecord{url: nobody}, exitUsage, "connection refused", "nothing listens there"},
		{"a page", traceRecord{url: html.URL}, exitUsage, "is not an execution trace of Go: it answered 200 OK with text/html: Log in", "net/http/pprof"},
		{"a process without pprof", traceRecord{pid: int32(page.PID), pidSet: true}, exitUsage, "serves net/http/pprof on none of the addresses that it listens on", `import _ "net/http/pprof"`},
		{"no process", traceRecord{pid: 1 << 30, pidSet: true}, exitUsage, "no such process", "goshawk ps"},
		{"a name without a scheme", traceRecord{url: "localhost:6060"}, exitUsage, "is not a URL", "http://"},
		{"too long", traceRecord{url: nobody, seconds: 3601}, exitUsage, "--seconds 3601: is out of range", "3600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.o.file = filepath.Join(dir, "a.trace")
			code, stdout, stderr := recordTrace(t.Context(), test.o)
			if code != test.code || stdout != "" || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "hint: ") || !strings.Contains(stderr, test.hint) {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
			if names := files(t, dir); len(names) != 0 {
				t.Errorf("files %q", names)
			}
		})
	}
}

func TestTraceRecordRefusesFiles(t *testing.T) {
	dir := t.TempDir()
	busy, err := createPartial(filepath.Join(dir, "busy"+partialSuffix))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, test := range []struct{ name, file, want string }{
		{"a folder", dir, "is a directory"},
		{"a device", "/dev/null", "is not a regular file"},
		{"a folder that is not there", filepath.Join(dir, "no", "a.trace"), "no such file"},
		{"one that another writes", filepath.Join(dir, "busy"), "another goshawk is writing it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, _, stderr := recordTrace(t.Context(), traceRecord{url: "http://127.0.0.1:1", file: test.file})
			if code != exitUsage || !strings.Contains(stderr, test.want) || !strings.Contains(stderr, "hint: ") {
				t.Errorf("exit code %d: %s", code, stderr)
			}
		})
	}
}

func TestTraceRecordSparesAFileThatIsNotItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.trace")
	if err := os.WriteFile(file+hostSuffix, []byte("a diary"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := recordTrace(t.Context(), traceRecord{url: streams(t, func(http.ResponseWriter, *http.Request) {}), file: file})
	if got, err := os.ReadFile(file + hostSuffix); code != exitInternal || !strings.Contains(stderr, "is not a file of goshawk") || string(got) != "a diary" {
		t.Errorf("exit code %d: %s%q, %v", code, stderr, got, err)
	}
}
