package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/api/v1/client"
)

// smallTrace returns a trace of this process. Only one can be recorded at a time.
var smallTrace = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	if err := trace.Start(&b); err != nil {
		panic(err)
	}
	for range 20 {
		done := make(chan int)
		go func() { done <- 1 }()
		<-done
	}
	trace.Stop()
	return b.Bytes()
})

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newTraces(t *testing.T, dir string, o TracesOptions) *Traces {
	t.Helper()
	if o.Now == nil {
		o.Now = noon
	}
	traces, err := NewTraces(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

func serveTraces(traces *Traces) http.Handler {
	return New(Options{Host: &host{}, Events: &events{}, Traces: traces, Now: noon})
}

func post(h http.Handler, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, body)
	r.Host = "127.0.0.1:7788"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTraces_uploads(t *testing.T) {
	small := smallTrace()
	tests := []struct {
		name, target string
		body         []byte
		options      TracesOptions
		status       int
		has          string
		file         string
		complete     bool
	}{
		{"plain", "?name=a.trace", small, TracesOptions{}, 200, `"go_version":"go1.2`, "a.trace", true},
		{"gzip", "?name=a.trace.gz", zipped(t, small), TracesOptions{}, 200, `"go_version":"go1.2`, "a.trace.gz", true},
		{"without a name", "", small, TracesOptions{}, 200, "", "trace", true},
		{"a path for a name", "?name=../../etc/passwd", small, TracesOptions{}, 200, "", "passwd", true},
		{"a path of Windows", `?name=C:%5Cfakepath%5Cb.trace`, small, TracesOptions{}, 200, "", "b.trace", true},
		{"a long name of bytes", "?name=%ff" + strings.Repeat("x", 400), small, TracesOptions{}, 200, "", "\uFFFD" + strings.Repeat("x", 254), true},
		{"cut off", "?name=a", small[:len(small)-40], TracesOptions{}, 200, "is cut off", "a", false},
		{"a header only", "?name=a", small[:16], TracesOptions{}, 400, "is cut off", "", false},
		{"HTML", "?name=a", []byte("<!doctype html><title>404</title>"), TracesOptions{}, 400, "a: is not a Go execution trace", "", false},
		{"gzip of HTML", "?name=a", zipped(t, []byte("<!doctype html>")), TracesOptions{}, 400, "is not a Go execution trace", "", false},
		{"nothing", "?name=a", nil, TracesOptions{}, 400, "a: is empty", "", false},
		{"of Go 1.21", "?name=a", []byte("go 1.21 trace\x00\x00\x00rest"), TracesOptions{}, 400, "Go 1.22 or newer", "", false},
		{"too large", "?name=a", small, TracesOptions{MaxBody: 100}, 413, "more than 100 bytes", "", false},
		{"another parameter", "?path=/etc", small, TracesOptions{}, 400, `parameter path`, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			h := serveTraces(newTraces(t, dir, tt.options))
			// A reader of no known type has no length: the body is chunked.
			for _, body := range []io.Reader{bytes.NewReader(tt.body), io.MultiReader(bytes.NewReader(tt.body))} {
				w := post(h, tracesPath+tt.target, body)
				if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.has) {
					t.Fatalf("status %d, %.300s; want %d and %q", w.Code, w.Body, tt.status, tt.has)
				}
				var kept v1.KeptTrace
				if err := json.Unmarshal(w.Body.Bytes(), &kept); err != nil {
					t.Fatal(err)
				}
				if kept.File != tt.file || kept.Complete != tt.complete || isTraceID(kept.ID) != (tt.status == 200) {
					t.Errorf("id %q, file %q, complete %v; want %q, %v", kept.ID, kept.File, kept.Complete, tt.file, tt.complete)
				}
			}
			want := 0
			if tt.status == 200 {
				want = 2
			}
			if files := fileNames(t, dir); len(files) != want || slices.ContainsFunc(files, func(name string) bool { return !isTraceID(strings.TrimSuffix(name, traceSuffix)) }) {
				t.Errorf("files %v, want %d named by ids", files, want)
			}
		})
	}
}

func fileNames(t *testing.T, dir string) []string {
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

func TestTraces_areListedReadAndForgotten(t *testing.T) {
	dir, now := t.TempDir(), noon()
	clock := func() time.Time { now = now.Add(time.Minute); return now }
	traces := newTraces(t, dir, TracesOptions{Now: clock})
	c := client.New(client.Options{Transport: client.InProcess(serveTraces(traces)), Base: "http://localhost"})
	var ids []string
	for _, name := range []string{"first", "second"} {
		kept, err := c.AddTrace(t.Context(), name, bytes.NewReader(smallTrace()))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, kept.ID)
	}
	// One that is opened again has what was kept.
	for _, opened := range []*Traces{traces, newTraces(t, dir, TracesOptions{})} {
		c := client.New(client.Options{Transport: client.InProcess(serveTraces(opened)), Base: "http://localhost"})
		list, err := c.Traces(t.Context())
		if err != nil || len(list.Items) != 2 || list.Items[0].ID != ids[1] || list.Items[1].File != "first" || list.Items[0].Events == 0 {
			t.Fatalf("the list %+v, %v; want the two, the latest first", list, err)
		}
		one, err := c.Trace(t.Context(), ids[0])
		if err != nil || one.File != "first" || one.Events != list.Items[1].Events || len(one.Functions) == 0 {
			t.Fatalf("trace %+v, %v", one.Summary(), err)
		}
	}
	if err := c.DeleteTrace(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	var refused *client.Error
	for _, id := range []string{ids[0], "nothing", "../" + ids[1], strings.ToUpper(ids[1]), "..%2f" + ids[1]} {
		if _, err := c.Trace(t.Context(), id); !errors.As(err, &refused) || refused.Status != 404 {
			t.Errorf("trace %q: %v, want that it is not kept", id, err)
		}
		if err := c.DeleteTrace(t.Context(), id); !errors.As(err, &refused) || refused.Status != 404 {
			t.Errorf("remove %q: %v, want that it is not kept", id, err)
		}
	}
	if files := fileNames(t, dir); len(files) != 1 || files[0] != ids[1]+traceSuffix {
		t.Errorf("files %v", files)
	}
}

func TestTraces_onlyOneIsAnalysedAtATime(t *testing.T) {
	h := serveTraces(newTraces(t, t.TempDir(), TracesOptions{}))
	in, out := io.Pipe()
	first := make(chan int, 1)
	go func() { first <- post(h, tracesPath, in).Code }()
	// The first byte is taken when the first one has its turn.
	if _, err := out.Write(smallTrace()[:1]); err != nil {
		t.Fatal(err)
	}
	if w := post(h, tracesPath, bytes.NewReader(smallTrace())); w.Code != 429 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the second is answered %d %v, want 429 and when to come again", w.Code, w.Header())
	}
	if _, err := out.Write(smallTrace()[1:]); err != nil {
		t.Fatal(err)
	}
	out.Close()
	if got := <-first; got != 200 {
		t.Errorf("the first is answered %d", got)
	}
	if w := post(h, tracesPath, bytes.NewReader(smallTrace())); w.Code != 200 {
		t.Errorf("the third is answered %d: %s", w.Code, w.Body)
	}
}

func TestTraces_oldestMakeRoom(t *testing.T) {
	for _, tt := range []struct {
		name    string
		options func(size int64) TracesOptions
	}{
		{"by their number", func(int64) TracesOptions { return TracesOptions{MaxTraces: 2} }},
		{"by their size", func(size int64) TracesOptions { return TracesOptions{MaxBytes: size*2 + size/2} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			packed, err := newTraces(t, t.TempDir(), TracesOptions{}).add(v1.Trace{File: "x"})
			if err != nil {
				t.Fatal(err)
			}
			dir, now := t.TempDir(), noon()
			probe := newTraces(t, dir, TracesOptions{})
			if _, err := probe.add(packed.Trace); err != nil {
				t.Fatal(err)
			}
			o := tt.options(probe.list[0].size)
			o.Now = func() time.Time { now = now.Add(time.Minute); return now }
			traces := newTraces(t, dir, o)
			for i := range 4 {
				if _, err := traces.add(v1.Trace{File: fmt.Sprint(i)}); err != nil {
					t.Fatal(err)
				}
			}
			list := traces.summaries()
			if len(list) != 2 || list[0].File != "3" || list[1].File != "2" || len(fileNames(t, dir)) != 2 {
				t.Errorf("kept %+v in %v, want the last two", list, fileNames(t, dir))
			}
			o.MaxTraces = 1
			if got := newTraces(t, dir, o).summaries(); len(got) != 1 || got[0].File != "3" || len(fileNames(t, dir)) != 1 {
				t.Errorf("kept %+v after it was opened for one, want the last", got)
			}
		})
	}
	tiny := newTraces(t, t.TempDir(), TracesOptions{MaxBytes: 10})
	if _, err := tiny.add(v1.Trace{}); err == nil || !strings.Contains(err.Error(), "10 are there for all") {
		t.Errorf("a document larger than all room: %v", err)
	}
}

func TestNewTraces_leavesWhatIsNotItsOwn(t *testing.T) {
	dir := t.TempDir()
	const id = "00112233445566ff"
	for name, text := range map[string]string{
		id + traceSuffix: "damaged", "." + id + traceSuffix + ".123": "half", "notes.txt": "mine", ".hidden": "mine", "0011" + traceSuffix: "mine",
		"aaaaaaaaaaaaaaaa" + traceSuffix: string(zipped(t, []byte(`{"id":"bbbbbbbbbbbbbbbb"}`))), "cccccccccccccccc" + traceSuffix: string(zipped(t, []byte("[]"))),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := newTraces(t, dir, TracesOptions{}).summaries(); len(got) != 0 {
		t.Errorf("kept %+v, want nothing", got)
	}
	if files := fileNames(t, dir); len(files) != 6 || slices.Contains(files, "."+id+traceSuffix+".123") {
		t.Errorf("files %v, want all but the one that was not written to its end", files)
	}
	file := filepath.Join(dir, "notes.txt")
	if _, err := NewTraces(file, TracesOptions{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file for a folder: %v, want an error that names it", err)
	}
}

func TestTraces_needAuthorisation(t *testing.T) {
	dir := t.TempDir()
	h := Guard(serveTraces(newTraces(t, dir, TracesOptions{})), GuardOptions{Token: token(t), Now: noon})
	for _, tt := range []struct {
		name   string
		header []string
		status int
	}{
		{"no token", nil, 401},
		{"a wrong token", []string{"Authorization", "Bearer wrong-horse-battery"}, 401},
		{"a form of another site", []string{"Sec-Fetch-Site", "cross-site", "Authorization", "Bearer " + secret}, 403},
		{"another origin", []string{"Origin", "http://evil.example", "Authorization", "Bearer " + secret}, 403},
		{"the token", []string{"Authorization", "Bearer " + secret}, 200},
	} {
		if w := post(h, tracesPath, bytes.NewReader(smallTrace()), tt.header...); w.Code != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, w.Code, tt.status)
		}
		if n := len(fileNames(t, dir)); (n == 1) != (tt.status == 200) {
			t.Errorf("%s: %d files", tt.name, n)
		}
	}
	id := strings.TrimSuffix(fileNames(t, dir)[0], traceSuffix)
	if w := ask(t, h, "DELETE", tracesPath+"/"+id); w.Code != 401 || len(fileNames(t, dir)) != 1 {
		t.Errorf("status %d, want that it is not removed without a token", w.Code)
	}
}

func TestTraces_otherMethodsAreRefused(t *testing.T) {
	h := serveTraces(newTraces(t, t.TempDir(), TracesOptions{}))
	for _, tt := range []struct{ method, target, allow string }{
		{"PUT", tracesPath, "GET, HEAD, POST"}, {"DELETE", tracesPath, "GET, HEAD, POST"}, {"POST", tracesPath + "/0011223344556677", "GET, HEAD, DELETE"},
	} {
		if w := ask(t, h, tt.method, tt.target); w.Code != 405 || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, allow %q", tt.method, tt.target, w.Code, w.Header().Get("Allow"))
		}
	}
	none := New(Options{Host: &host{}, Events: &events{}})
	for method, status := range map[string]int{"GET": 404, "POST": 405} {
		if w := ask(t, none, method, tracesPath); w.Code != status {
			t.Errorf("without a folder %s is answered %d, want %d", method, w.Code, status)
		}
	}
}

// dial connects to a server and sends the beginning of an upload.
func dial(t *testing.T, url string, length int, body []byte) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "POST %s?name=a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", tracesPath, length, body)
	return conn
}

func TestTraces_uploadThatStallsIsEnded(t *testing.T) {
	traces := newTraces(t, t.TempDir(), TracesOptions{Stall: 20 * time.Millisecond})
	server := httptest.NewServer(serveTraces(traces))
	defer server.Close()
	answer, err := io.ReadAll(dial(t, server.URL, 1<<20, smallTrace()[:100]))
	if err != nil || !strings.Contains(string(answer), "408 Request Timeout") || !strings.Contains(string(answer), "no byte has come for 20ms") {
		t.Errorf("answered %q, %v", answer, err)
	}
	if len(traces.summaries()) != 0 {
		t.Error("half an upload is kept")
	}
}

func TestTraces_uploadThatBreaksOffIsNotKept(t *testing.T) {
	traces := newTraces(t, t.TempDir(), TracesOptions{})
	server := httptest.NewServer(serveTraces(traces))
	small := smallTrace()
	dial(t, server.URL, len(small)*2, small).Close()
	// Close waits until the request has been answered.
	server.Close()
	if len(traces.summaries()) != 0 {
		t.Error("half an upload is kept as if it were a trace that was cut off")
	}
}

func TestTraces_analysisThatTakesTooLongIsEnded(t *testing.T) {
	traces := newTraces(t, t.TempDir(), TracesOptions{Timeout: time.Nanosecond})
	if w := post(serveTraces(traces), tracesPath, bytes.NewReader(smallTrace())); w.Code != 503 || !strings.Contains(w.Body.String(), "takes longer than 1ns") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestTraces_whatCannotBeWrittenIsSaid(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "traces")
	traces := newTraces(t, dir, TracesOptions{})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if w := post(serveTraces(traces), tracesPath+"?name=a", bytes.NewReader(smallTrace())); w.Code != 500 || !strings.Contains(w.Body.String(), "keep the trace") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestReference_hasWhatChangesTraces(t *testing.T) {
	sections := reference(t)
	for _, heading := range []string{"POST " + tracesPath, "DELETE " + tracePath} {
		if sections[heading].text == "" {
			t.Errorf("docs/api.md does not describe %s", heading)
		}
	}
}

func TestClient_sayWhyATraceWasRefused(t *testing.T) {
	c := client.New(client.Options{Transport: client.InProcess(serveTraces(newTraces(t, t.TempDir(), TracesOptions{}))), Base: "http://localhost"})
	var refused *client.Error
	if _, err := c.AddTrace(context.Background(), "x & y", strings.NewReader("no trace")); !errors.As(err, &refused) || refused.Status != 400 || !strings.HasPrefix(refused.Message, "x & y: ") || refused.Hint == "" {
		t.Errorf("error %v", err)
	}
}
