package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// pendingFile is a file that is there as a whole or not at all.
type pendingFile struct {
	path string
	file *os.File
}

// createPending makes sure that path can be written, and leaves what is there
// untouched until commit. What is not a regular file is refused: it would be
// replaced.
func createPending(path string) (*pendingFile, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("is a directory")
	case !info.Mode().IsRegular():
		return nil, errors.New("is not a regular file")
	}
	// What a link leads to is replaced, not the link.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, err
	}
	return &pendingFile{path: path, file: f}, nil
}

// commit writes the file. It must be called once at most.
func (p *pendingFile) commit(data []byte) error {
	_, err := p.file.Write(data)
	err = errors.Join(err, p.file.Chmod(0o644), p.file.Close())
	if err == nil {
		err = os.Rename(p.file.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", p.path, err)
	}
	p.file = nil
	return nil
}

// discard removes what commit did not make a file of. It may be called always.
func (p *pendingFile) discard() {
	if p == nil || p.file == nil {
		return
	}
	p.file.Close()
	// The folder is not ours to clean up in any other way.
	_ = os.Remove(p.file.Name())
}
