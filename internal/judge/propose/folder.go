package propose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/openslo"
	"github.com/goshawk-io/goshawk/internal/judge/objective/slofile"
	"github.com/goshawk-io/goshawk/internal/platform"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

// extension is that of files of objectives, and dismissed that of the files which
// keep a proposal from coming back.
const (
	extension = ".yaml"
	dismissed = ".dismissed"
)

// ErrUnknown says that there is no proposal of a name.
var ErrUnknown = errors.New("there is no proposal of this name")

// Folder is where an agent keeps proposals and those that were accepted, each in a
// file of its own. Several processes may use it: every change is one of a whole
// file.
type Folder struct {
	// Path is made by the first [Folder.Add].
	Path string
}

// Load returns the objectives of all files that are right, and the errors of those
// that are not. A folder that does not exist is empty.
func (f Folder) Load() ([]objective.SLO, yamldoc.Errors) {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, yamldoc.Errors{{File: f.Path, Cause: err.Error(), Hint: "make the folder readable, or remove it"}}
	}
	var all []objective.SLO
	var problems yamldoc.Errors
	for _, e := range entries {
		if filepath.Ext(e.Name()) != extension || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		set, errs := slofile.Load([]string{filepath.Join(f.Path, e.Name())}, slofile.Options{})
		if set == nil {
			problems = append(problems, errs...)
			continue
		}
		all = append(all, set.SLOs...)
	}
	return all, problems
}

// Add writes a proposal, and reports whether it did: not where a file has its name,
// or where it was dismissed.
func (f Folder) Add(s *objective.SLO) (bool, error) {
	if err := os.MkdirAll(f.Path, 0o755); err != nil {
		return false, fmt.Errorf("propose %s: %w", s.Name, err)
	}
	for _, ext := range []string{extension, dismissed} {
		if _, err := os.Lstat(f.file(s.Name, ext)); !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	if err := f.write(s); err != nil {
		return false, fmt.Errorf("propose %s: %w", s.Name, err)
	}
	return true, nil
}

// Find returns a proposal. The error matches [ErrUnknown] when there is none, and
// for an objective that was accepted.
func (f Folder) Find(name string) (*objective.SLO, error) {
	set, err := f.read(name)
	if err != nil {
		return nil, err
	}
	for i := range set {
		if set[i].Name == name && set[i].Proposal {
			return &set[i], nil
		}
	}
	return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
}

// Accept takes the mark of a proposal away, for which the agent looks every 2 s.
func (f Folder) Accept(name string) (path string, err error) {
	s, err := f.Find(name)
	if err != nil {
		return "", err
	}
	s.Proposal = false
	if err := f.write(s); err != nil {
		return "", fmt.Errorf("accept %s: %w", name, err)
	}
	return f.file(name, extension), nil
}

// Dismiss removes a proposal, which does not come back while the file is there
// that path names.
func (f Folder) Dismiss(name string) (path string, err error) {
	s, err := f.Find(name)
	if err != nil {
		return "", err
	}
	path = f.file(name, dismissed)
	text := "The proposal " + s.Name + " was dismissed. Remove this file, and it may come back.\n"
	if err := platform.ReplaceFile(path, []byte(text), 0o644); err != nil {
		return "", fmt.Errorf("dismiss %s: %w", name, err)
	}
	if err := os.Remove(f.file(name, extension)); err != nil {
		return "", fmt.Errorf("dismiss %s: %w", name, err)
	}
	return path, nil
}

// read returns the objectives of one file.
func (f Folder) read(name string) ([]objective.SLO, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	path := f.file(name, extension)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", name, ErrUnknown)
		}
		return nil, err
	}
	set, problems := slofile.Load([]string{path}, slofile.Options{})
	if set == nil {
		return nil, problems
	}
	return set.SLOs, nil
}

func (f Folder) write(s *objective.SLO) error {
	text, err := Text(s)
	if err != nil {
		return err
	}
	return platform.ReplaceFile(f.file(s.Name, extension), text, 0o644)
}

func (f Folder) file(name, extension string) string { return filepath.Join(f.Path, name+extension) }

// Text returns an objective as a file.
func Text(s *objective.SLO) ([]byte, error) {
	var b bytes.Buffer
	if _, err := openslo.Write(&b, []objective.SLO{*s}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
