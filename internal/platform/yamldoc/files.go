package yamldoc

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// The bounds of what is read.
const (
	// MaxFileBytes is how large a file may be.
	MaxFileBytes  = 256 << 10
	maxTotalBytes = 4 << 20
	maxFiles      = 1000
	maxEntries    = 10_000
)

// Source is a file that was read.
type Source struct {
	Name string
	Data []byte
}

// Hints say what to do about paths that cannot be read. The zero value says it in
// general.
type Hints struct {
	// Missing is for what is not there.
	Missing string
	// NoFiles is for a folder without YAML files, Crowded for one with too many
	// entries.
	NoFiles, Crowded string
	// Empty is for an empty file, Irregular for what is no file.
	Empty, Irregular string
}

// hint returns the first that is not empty.
func hint(special, general string) string {
	if special != "" {
		return special
	}
	return general
}

// Read reads the files that paths name; of a folder, the *.yaml and *.yml files
// right in it. It blocks as long as the file system does, and not for a writer.
// What could be read is returned beside the errors.
func Read(paths []string, h Hints) ([]Source, Errors) {
	names, errs := List(paths, h)
	var sources []Source
	total := 0
	for _, name := range names {
		data, err := readFile(name, h)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if total += len(data); total > maxTotalBytes {
			errs = append(errs, &Error{File: name, Cause: fmt.Sprintf("all files together are larger than %d MiB", maxTotalBytes>>20), Hint: "name fewer files"})
			break
		}
		sources = append(sources, Source{name, data})
	}
	return sources, errs
}

// ReadStream reads all of r, such as standard input, as a file called name.
func ReadStream(name string, r io.Reader) (Source, *Error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
	switch {
	case err != nil:
		return Source{}, &Error{File: name, Cause: err.Error(), Hint: "name a file"}
	case len(data) > MaxFileBytes:
		return Source{}, tooLarge(name)
	case len(data) == 0:
		return Source{}, &Error{File: name, Cause: "is empty", Hint: "write a document"}
	}
	return Source{name, data}, nil
}

// List returns the names of the files that Read reads, a folder's in their order.
func List(paths []string, h Hints) (names []string, errs Errors) {
	for _, path := range paths {
		if path == "" {
			errs = append(errs, &Error{File: path, Cause: "names no file", Hint: "name a file, or a folder with *.yaml files"})
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			errs = append(errs, unreadable(path, err, h))
		case info.IsDir():
			more, err := listFolder(path, h)
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
func listFolder(path string, h Hints) ([]string, *Error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err, h)
	}
	defer f.Close()
	entries, err := f.ReadDir(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, unreadable(path, err, h)
	}
	if len(entries) > maxEntries {
		return nil, &Error{File: path, Cause: fmt.Sprintf("the folder has more than %d entries", maxEntries), Hint: hint(h.Crowded, "name a folder of its own for these files")}
	}
	var names []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if (ext == ".yaml" || ext == ".yml") && !strings.HasPrefix(e.Name(), ".") && !e.IsDir() {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	if len(names) == 0 {
		return nil, &Error{File: path, Cause: "the folder has no *.yaml file", Hint: hint(h.NoFiles, "put a file into it")}
	}
	slices.Sort(names)
	return names, nil
}

// readFile reads a regular file.
func readFile(name string, h Hints) ([]byte, *Error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, unreadable(name, err, h)
	}
	if err := checkFile(name, info, h); err != nil {
		return nil, err
	}
	// What was a file may be a pipe by now, and is not waited for.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(name, err, h)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, unreadable(name, err, h)
	}
	if err := checkFile(name, info, h); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	switch {
	case err != nil:
		return nil, unreadable(name, err, h)
	case len(data) > MaxFileBytes:
		return nil, tooLarge(name)
	case len(data) == 0:
		return nil, &Error{File: name, Cause: "is empty, as a file is that is being written", Hint: hint(h.Empty, "write a document")}
	}
	return data, nil
}

func checkFile(name string, info fs.FileInfo, h Hints) *Error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		if info.Size() > MaxFileBytes {
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
	return &Error{File: name, Cause: "is " + what + ", not a file", Hint: hint(h.Irregular, "write it into a file")}
}

func tooLarge(name string) *Error {
	return &Error{File: name, Cause: fmt.Sprintf("is larger than %d KiB", MaxFileBytes>>10), Hint: "divide it into several files of a folder"}
}

// unreadable says why name cannot be read; the path in err may be very long.
func unreadable(name string, err error, h Hints) *Error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	what := "name a file that goshawk may read"
	if errors.Is(err, fs.ErrNotExist) {
		what = hint(h.Missing, what)
	}
	return &Error{File: name, Cause: err.Error(), Hint: what}
}
