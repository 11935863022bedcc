package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// PrivateFolder makes a folder that only this user can enter, for a [Receiver]: below the
// folder for temporary files, else, where that cannot be written to or is too long a path
// for a socket, below $XDG_RUNTIME_DIR, /run or /dev/shm. A container whose file system is
// read-only has the last of these. The caller removes it.
func PrivateFolder(prefix string, getenv func(string) string) (string, error) {
	return privateFolder(prefix, os.TempDir(), getenv("XDG_RUNTIME_DIR"), "/run", "/dev/shm")
}

func privateFolder(prefix string, parents ...string) (string, error) {
	var causes []string
	for _, parent := range parents {
		if !filepath.IsAbs(parent) {
			continue
		}
		dir, err := os.MkdirTemp(parent, prefix)
		if err == nil && len(filepath.Join(dir, receiverName)) > maxPath {
			err = errors.Join(fmt.Errorf("%s: too long a path for a socket", dir), os.Remove(dir))
		}
		if err == nil {
			return dir, nil
		}
		causes = append(causes, err.Error())
	}
	return "", fmt.Errorf("make a private folder: %s", strings.Join(causes, "; "))
}
