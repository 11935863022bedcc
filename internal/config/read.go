package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The bounds of what is read.
const (
	maxFileBytes  = 256 << 10
	maxTotalBytes = 4 << 20
	maxFiles      = 1000
	maxEntries    = 10_000
)

// source is a file that was read.
type source struct {
	name string
	data []byte
}

// snapshot is what the paths held at one moment.
type snapshot struct {
	sources []source
	errs    Errors
}

// read reads the files that paths name. It blocks as long as the file system
// does, and not for a writer.
func read(paths []string) snapshot {
	var s snapshot
	names, errs := list(paths)
	s.errs = errs
	total := 0
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			s.errs = append(s.errs, err)
			continue
		}
		if total += len(data); total > maxTotalBytes {
			s.errs = append(s.errs, &Error{File: name, Cause: fmt.Sprintf("all files together are larger than %d MiB", maxTotalBytes>>20), Hint: "name fewer files"})
			break
		}
		s.sources = append(s.sources, source{name, data})
	}
	return s
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
		add([]byte(filepath.Base(f.name)))
		add(f.data)
	}
	for _, e := range s.errs {
		add([]byte(e.Error()))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// list returns the names of the files below paths, a folder's in their order.
func list(paths []string) (names []string, errs Errors) {
	for _, path := range paths {
		if path == "" {
			errs = append(errs, &Error{File: path, Cause: "names no file", Hint: "name a file, or a folder with *.yaml files"})
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			errs = append(errs, unreadable(path, err))
		case info.IsDir():
			more, err := listFolder(path)
			if err != nil {
				errs = append(errs, err)
			}
			names = append(names, more...)
		default:
			names = append(names, path)
		}
	}
	if len(names) > maxFiles {
		errs = append(errs, &Error{File: names[maxFiles], Cause: fmt.Sprintf("there are %d files, more than %d", len(names), maxFiles), Hint: "name fewer files"})
		names = names[:maxFiles]
	}
	return names, errs
}

// listFolder returns the YAML files right in the folder path. Hidden ones are
// not: editors and Kubernetes keep their own there.
func listFolder(path string) ([]string, *Error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	entries, err := f.ReadDir(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(path, err)
	}
	if len(entries) > maxEntries {
		return nil, &Error{File: path, Cause: fmt.Sprintf("the folder has more than %d entries", maxEntries), Hint: "name a folder of its own for the configuration"}
	}
	var names []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, &Error{File: path, Cause: "the folder has no *.yaml file", Hint: "put a file into it; one with a comment alone says that all is as by default"}
	}
	slices.Sort(names)
	return names, nil
}

// readFile reads a regular file.
func readFile(name string) ([]byte, *Error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if err := checkFile(name, info); err != nil {
		return nil, err
	}
	// What was a file may be a pipe by now, and is not waited for.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(name, err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, unreadable(name, err)
	}
	if err := checkFile(name, info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	switch {
	case err != nil:
		return nil, unreadable(name, err)
	case len(data) > maxFileBytes:
		return nil, tooLarge(name)
	case len(data) == 0:
		return nil, &Error{File: name, Cause: "is empty, as a file is that is being written", Hint: "write a resource; a comment alone says that all is as by default"}
	}
	return data, nil
}

func checkFile(name string, info fs.FileInfo) *Error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		if info.Size() > maxFileBytes {
			return tooLarge(name)
		}
		return nil
	case mode.IsDir():
		what = "a folder in a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	default:
		what = "a device"
	}
	return &Error{File: name, Cause: "is " + what + ", not a file", Hint: "write the configuration into a file: it is read again while goshawk runs"}
}

func tooLarge(name string) *Error {
	return &Error{File: name, Cause: fmt.Sprintf("is larger than %d KiB", maxFileBytes>>10), Hint: "divide it into several files of a folder"}
}

// unreadable says why name cannot be read; the path in err may be very long.
func unreadable(name string, err error) *Error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	hint := "name a file that goshawk may read"
	if errors.Is(err, fs.ErrNotExist) {
		hint = "goshawk config example > goshawk.yaml writes one"
	}
	return &Error{File: name, Cause: err.Error(), Hint: hint}
}

// stamp says when what paths name was changed last, and names that state: it
// differs whenever a file, or what a link leads to, was replaced or written.
// The system's clock steps by some milliseconds, so a change that is as young
// may be followed by one with the same stamp.
func stamp(paths []string) (string, time.Time) {
	var b strings.Builder
	var last time.Time
	names, errs := list(paths)
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
