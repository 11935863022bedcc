package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// defaultGoProxy is what a go command uses when nobody says otherwise.
const defaultGoProxy = "https://proxy.golang.org,direct"

// maxGoEnv bounds a file of settings of the go command.
const maxGoEnv = 1 << 20

// goProxySetting returns the GOPROXY of a go command, found where the command
// finds it: the environment, the file that `go env -w` writes, go.env of its
// GOROOT.
func goProxySetting(exe string, env map[string]string) string {
	if value := env["GOPROXY"]; value != "" {
		return value
	}
	user := readGoEnv(goEnvFile(env))
	if value := user["GOPROXY"]; value != "" {
		return value
	}
	root := env["GOROOT"]
	if root == "" {
		root = user["GOROOT"]
	}
	if root == "" {
		// It is in bin of its GOROOT, to which a link may lead.
		if target, err := filepath.EvalSymlinks(exe); err == nil {
			exe = target
		}
		root = filepath.Dir(filepath.Dir(exe))
	}
	if value := readGoEnv(filepath.Join(root, "go.env"))["GOPROXY"]; value != "" {
		return value
	}
	return defaultGoProxy
}

// goEnvFile returns the file that `go env -w` writes, empty for none.
func goEnvFile(env map[string]string) string {
	switch file := env["GOENV"]; file {
	case "":
	case "off":
		return ""
	default:
		return file
	}
	folder := env["XDG_CONFIG_HOME"]
	if folder == "" && env["HOME"] != "" {
		folder = filepath.Join(env["HOME"], ".config")
	}
	if !filepath.IsAbs(folder) {
		return ""
	}
	return filepath.Join(folder, "go", "env")
}

// readGoEnv reads settings of the go command. A file that cannot be read has none,
// as for the command.
func readGoEnv(path string) map[string]string {
	text, err := readSettings(path)
	if err != nil {
		return nil
	}
	return parseGoEnv(text)
}

// parseGoEnv reads lines of NAME=VALUE, of which the first of a name counts.
func parseGoEnv(text []byte) map[string]string {
	settings := make(map[string]string)
	for line := range bytes.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), "=")
		if _, known := settings[name]; ok && !known && !strings.HasPrefix(name, "#") {
			settings[name] = value
		}
	}
	return settings
}

// readSettings reads a file that need not be one: what is no regular file could
// block, or never end.
func readSettings(path string) ([]byte, error) {
	if path == "" {
		return nil, os.ErrNotExist
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, os.ErrInvalid)
	}
	return io.ReadAll(io.LimitReader(f, maxGoEnv))
}
