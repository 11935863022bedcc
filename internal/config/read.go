package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// Error is one thing that is wrong with the configuration.
type Error = yamldoc.Error

// Errors is all that is wrong with a configuration, by file and place. It is
// never empty.
type Errors = yamldoc.Errors

// snapshot is what the paths held at one moment.
type snapshot struct {
	sources []yamldoc.Source
	errs    Errors
}

// read reads the files that paths name. It blocks as long as the file system
// does, and not for a writer.
func read(paths []string) snapshot {
	sources, errs := yamldoc.Read(paths, hints())
	return snapshot{sources, errs}
}

// hints say what to do about files that cannot be read.
func hints() yamldoc.Hints {
	return yamldoc.Hints{
		Missing:   "goshawk config example > goshawk.yaml writes one",
		NoFiles:   "put a file into it; one with a comment alone says that all is as by default",
		Crowded:   "name a folder of its own for the configuration",
		Empty:     "write a resource; a comment alone says that all is as by default",
		Irregular: "write the configuration into a file: it is read again while goshawk runs",
	}
}

// hash names what was read: files of the same name and content, in whatever
// folder, or the same failure to read them, have the same.
func (s snapshot) hash() string {
	h := sha256.New()
	add := func(text []byte) {
		// The length before keeps what belongs together apart.
		h.Write(strconv.AppendInt(nil, int64(len(text)), 10))
		h.Write([]byte{' '})
		h.Write(text)
	}
	for _, f := range s.sources {
		add([]byte(filepath.Base(f.Name)))
		add(f.Data)
	}
	for _, e := range s.errs {
		add([]byte(e.Error()))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// stamp says when what paths name was changed last, and names that state: it
// differs whenever a file, or what a link leads to, was replaced or written.
// The system's clock steps by some milliseconds, so a change that is as young
// may be followed by one with the same stamp.
func stamp(paths []string) (string, time.Time) {
	var b strings.Builder
	var last time.Time
	names, errs := yamldoc.List(paths, hints())
	for _, name := range append(names, paths...) {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", name, err)
			continue
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			continue
		}
		changed := time.Unix(stat.Ctim.Unix())
		if changed.After(last) {
			last = changed
		}
		fmt.Fprintf(&b, "%s %d %d %d %d %d\n", name, stat.Dev, stat.Ino, stat.Size, info.ModTime().UnixNano(), changed.UnixNano())
	}
	for _, e := range errs {
		fmt.Fprintln(&b, e)
	}
	return b.String(), last
}
