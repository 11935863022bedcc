package testutil

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files with what the tests got")

// Golden compares got with the file testdata/name of the calling package.
// `go test -update` writes the file instead.
func Golden(t testing.TB, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\n`go test -update` writes it; got:\n%s", err, got)
	}
	if line, wantLine, gotLine := firstDifference(want, got); line > 0 {
		t.Errorf("%s:%d:\nwant %q\ngot  %q\n`go test -update` accepts it; got all:\n%s",
			path, line, wantLine, gotLine, got)
	}
}

// firstDifference returns the number of the first line that differs and that
// line of each, 0 when want and got are equal.
func firstDifference(want, got []byte) (line int, wantLine, gotLine string) {
	if bytes.Equal(want, got) {
		return 0, "", ""
	}
	wants, gots := bytes.SplitAfter(want, []byte("\n")), bytes.SplitAfter(got, []byte("\n"))
	for i := range min(len(wants), len(gots)) {
		if !bytes.Equal(wants[i], gots[i]) {
			return i + 1, string(wants[i]), string(gots[i])
		}
	}
	// SplitAfter of different texts gives a different element before either ends.
	return min(len(wants), len(gots)), "", ""
}
