package cli

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestPendingFile_keepsWhoMayReadWhatItReplaces(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(plain)
	if err != nil {
		t.Fatal(err)
	}
	owner := os.Getuid()
	if owner == 0 {
		owner = 12345
	}
	for _, tt := range []struct {
		name string
		old  fs.FileMode // 0 for none
		want fs.FileMode
	}{
		{"a new file is as all that the user makes", 0, info.Mode()},
		{"a private file stays that", 0o600, 0o600},
		{"a group's file stays that", 0o660, 0o660},
		{"a file that all read stays that", 0o644, 0o644},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "page.html")
			if tt.old != 0 {
				if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(path, owner, -1); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(path, tt.old); err != nil {
					t.Fatal(err)
				}
			}
			f, err := createPending(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.discard()
			if now, err := f.file.Stat(); err != nil || tt.old != 0 && now.Mode() != 0o600 {
				t.Errorf("before it is there it has the mode %v: %v", now.Mode(), err)
			}
			if err := f.commit([]byte("new")); err != nil {
				t.Fatal(err)
			}
			now, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if now.Mode() != tt.want {
				t.Errorf("it has the mode %v, want %v", now.Mode(), tt.want)
			}
			if uid := int(now.Sys().(*syscall.Stat_t).Uid); tt.old != 0 && uid != owner {
				t.Errorf("it is user %d's, want %d's", uid, owner)
			}
			if text, err := os.ReadFile(path); err != nil || string(text) != "new" {
				t.Errorf("it has %q, %v", text, err)
			}
		})
	}
}
