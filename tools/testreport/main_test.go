package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const stream = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"chatter\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood"}
{"Action":"run","Package":"m/a","Test":"TestNeedsGit"}
{"Action":"output","Package":"m/a","Test":"TestNeedsGit","Output":"=== RUN   TestNeedsGit\n"}
{"Action":"output","Package":"m/a","Test":"TestNeedsGit","Output":"    a_test.go:7: git is not installed\n"}
{"Action":"output","Package":"m/a","Test":"TestNeedsGit","Output":"--- SKIP: TestNeedsGit (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestNeedsGit"}
{"Action":"output","Package":"m/a","Output":"PASS\n"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.012s\n"}
{"Action":"pass","Package":"m/a"}
{"Action":"output","Package":"m/b","Output":"?   \tm/b\t[no test files]\n"}
{"Action":"skip","Package":"m/b"}
`

const failing = stream + `go: downloading example.com/m v1.0.0
{"Action":"run","Package":"m/c","Test":"TestBad"}
{"Action":"output","Package":"m/c","Test":"TestBad","Output":"    c_test.go:9: got 1, want 2\n"}
{"Action":"fail","Package":"m/c","Test":"TestBad"}
{"Action":"output","Package":"m/c","Output":"FAIL\tm/c\t0.010s\n"}
{"Action":"fail","Package":"m/c"}
`

const panicking = `{"Action":"run","Package":"m/d","Test":"TestPanics"}
{"Action":"output","Package":"m/d","Test":"TestPanics","Output":"panic: index out of range\n"}
{"Action":"output","Package":"m/d","Output":"FAIL\tm/d\t0.010s\n"}
{"Action":"fail","Package":"m/d"}
`

func TestRun(t *testing.T) {
	allow := filepath.Join(t.TempDir(), "allow")
	if err := os.WriteFile(allow, []byte("# why\nm/a TestNeeds* no git there\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	malformed := filepath.Join(t.TempDir(), "malformed")
	if err := os.WriteFile(malformed, []byte("m/a TestNeedsGit\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		args    []string
		in      string
		status  int
		want    []string
		without []string
	}{
		{"a skip is told with its reason", nil, stream, 0,
			[]string{"ok  \tm/a\t0.012s", "skipped: git is not installed\n    m/a TestNeedsGit\n", "1 passed, 0 failed, 1 skipped\n"},
			[]string{"chatter", "PASS", "not allowed"}},
		{"an unlisted skip fails a strict run", []string{"-strict"}, stream, 1,
			[]string{"m/a TestNeedsGit  <- not allowed here", "error: 1 skipped tests"}, nil},
		{"a listed skip passes a strict run", []string{"-strict", "-allow", allow}, stream, 0,
			[]string{"    m/a TestNeedsGit\n"}, []string{"not allowed"}},
		{"an allowance without a reason is refused", []string{"-allow", malformed}, stream, 2, nil, nil},
		{"notes are repeated at the end", []string{"-notes", allow}, stream, 0, []string{"note: # why\n"}, nil},
		{"a failed test fails the run and is printed", nil, failing, 1,
			[]string{"c_test.go:9: got 1, want 2", "FAIL\tm/c", "go: downloading", "1 passed, 1 failed, 1 skipped; packages failed: 1"}, nil},
		{"a panic fails the run and is printed", nil, panicking, 1, []string{"panic: index out of range"}, nil},
		{"a package that does not build fails the run", nil,
			`{"Action":"build-output","ImportPath":"m/e","Output":"e.go:1: syntax error\n"}` + "\n" +
				`{"Action":"fail","Package":"m/e","FailedBuild":"m/e"}` + "\n", 1,
			[]string{"e.go:1: syntax error"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs strings.Builder
			if got := run(tt.args, strings.NewReader(tt.in), &out, &errs); got != tt.status {
				t.Errorf("status %d, want %d; stderr %q", got, tt.status, errs.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, out.String())
				}
			}
			for _, without := range tt.without {
				if strings.Contains(out.String(), without) {
					t.Errorf("output has %q:\n%s", without, out.String())
				}
			}
		})
	}
}

func TestAllowanceCovers(t *testing.T) {
	for _, tt := range []struct {
		pattern, pkg, test string
		want               bool
	}{
		{"internal/a TestX r", "example.com/m/internal/a", "TestX", true},
		{"internal/a TestX r", "example.com/m/internal/a", "TestX/sub", true},
		{"internal/a TestX/go1.2* r", "example.com/m/internal/a", "TestX/go1.20", true},
		{"internal/a TestX/go1.2* r", "example.com/m/internal/a", "TestX", false},
		{"internal/a TestX r", "example.com/m/internal/a", "TestXY", false},
		{"internal/a TestX r", "example.com/m/internal/b", "TestX", false},
		{"internal/* TestX r", "example.com/m/internal/b", "TestX", true},
	} {
		list, err := parseAllowed(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := list[0].covers(tt.pkg, tt.test); got != tt.want {
			t.Errorf("%q covers %s %s: %v, want %v", tt.pattern, tt.pkg, tt.test, got, tt.want)
		}
	}
}
