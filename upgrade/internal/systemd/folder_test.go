package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrivateFolder(t *testing.T) {
	good, other := t.TempDir(), t.TempDir()
	missing := filepath.Join(good, "missing")
	long := filepath.Join(good, strings.Repeat("x", maxPath))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		parents []string
		want    string
	}{
		{"the first one", []string{good, other}, good},
		{"one that cannot be written to", []string{missing, other}, other},
		{"one that is too long for a socket", []string{long, other}, other},
		{"one that is not set", []string{"", other}, other},
		{"one that is not absolute", []string{".", other}, other},
	} {
		dir, err := privateFolder("test-", c.parents...)
		if err != nil || filepath.Dir(dir) != c.want {
			t.Errorf("%s: %q, %v, want one below %s", c.name, dir, err, c.want)
			continue
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", c.name, info, err)
		}
		r, err := NewReceiver(dir)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if left, err := os.ReadDir(long); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	_, err := privateFolder("test-", missing, long)
	if err == nil || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "too long") {
		t.Errorf("nowhere: %v, want each cause", err)
	}
}
