package http

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

// victimSource is the victim's source, for any Go release.
func victimSource(t *testing.T, cgo bool) testutil.Files {
	t.Helper()
	files := testutil.Files{}
	names, err := filepath.Glob("testdata/victim/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no victim: %v", err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = string(text)
	}
	if cgo {
		files["cgo.go"] = "package main\n\n// #include <stdlib.h>\nimport \"C\"\n\nfunc init() { C.free(C.malloc(1)) }\n"
	}
	return files
}

// victimBuild is a way to build the victim.
type victimBuild struct {
	name, toolchain string
	flags           []string
	cgo             bool
}

func (b victimBuild) path(t *testing.T) string {
	t.Helper()
	var env []string
	if b.cgo {
		testutil.RequireTool(t, "gcc", "gcc")
		env = []string{"CGO_ENABLED=1"}
	}
	return testutil.BuildGo(t, victimSource(t, b.cgo), testutil.BuildOptions{Toolchain: b.toolchain, Flags: b.flags, Env: env})
}

// hasPatterns reports whether http.ServeMux of the build's release knows
// methods and wildcards.
func (b victimBuild) hasPatterns() bool {
	return b.toolchain == "" || !strings.HasPrefix(b.toolchain, "go1.20.") && !strings.HasPrefix(b.toolchain, "go1.21.")
}

// victim is a victim that serves.
type victim struct {
	*testutil.Target
	Plain, TLS, H2C string
}

// victimCounts is the Counts of testdata/victim.
type victimCounts struct{ Begun, Ended, Panicked, Commands int64 }

func startVictim(t *testing.T, path string, args ...string) *victim {
	t.Helper()
	v := &victim{Target: testutil.StartTarget(t, path, args...)}
	v.readAddresses(t)
	return v
}

func (v *victim) readAddresses(t *testing.T) {
	t.Helper()
	if err := json.Unmarshal([]byte("{"+v.WaitLine("{")), v); err != nil {
		t.Fatal(err)
	}
}

// ask has the victim do what a line says and returns its answer.
func (v *victim) ask(t *testing.T, line string) string {
	t.Helper()
	if _, err := io.WriteString(v.Stdin, line+"\n"); err != nil {
		t.Fatal(err)
	}
	answer, ok := <-v.Lines
	if !ok {
		t.Fatalf("the victim ended at %q", line)
	}
	return answer
}

// counts blocks until no handler runs and returns what the victim counted.
func (v *victim) counts(t *testing.T) victimCounts {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var c victimCounts
		if err := json.Unmarshal([]byte(v.ask(t, "count")), &c); err != nil {
			t.Fatal(err)
		}
		if c.Begun == c.Ended {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatalf("handlers run for ever: %+v", c)
		}
	}
}

// newClient returns a client that speaks HTTP/1 without TLS, and with it
// HTTP/2 if two.
func newClient(t *testing.T, two bool) *http.Client {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: two,
		MaxIdleConnsPerHost: 64, DisableCompression: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// do makes a request and returns the status and the body; 0 when there was no
// response.
func do(t *testing.T, c *http.Client, method, url string, body []byte, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	all, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(all)
}

// raw sends text over a connection of its own and returns what comes back until
// the victim closes it, or n bytes.
func raw(t *testing.T, addr, request string, n int) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(io.LimitReader(bufio.NewReader(conn), int64(n)))
	return string(answer)
}

// textOf writes a value as text, "-" when it is unset.
func textOf(kind model.Kind, v model.Value) string {
	switch {
	case !v.IsSet():
		return "-"
	case kind == model.KindInt:
		return strconv.FormatInt(v.Int(), 10)
	}
	return v.Str()
}
