package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// pendingFile is a file that is there as a whole or not at all. One that replaces
// another keeps who owns that and who may read it.
type pendingFile struct {
	path string
	file *os.File
	old  os.FileInfo // what is replaced, nil for nothing
}

// replaceable returns what a file that is written to path replaces, nil for nothing,
// and its path: what a link leads to is replaced, not the link. What is not a regular
// file is refused.
func replaceable(path string) (string, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		info = nil
	case err != nil:
		return "", nil, err
	case info.IsDir():
		return "", nil, errors.New("is a directory")
	case !info.Mode().IsRegular():
		return "", nil, errors.New("is not a regular file")
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return path, info, nil
}

// createPending makes sure that path can be written, and leaves what is there
// untouched until commit.
func createPending(path string) (*pendingFile, error) {
	path, info, err := replaceable(path)
	if err != nil {
		return nil, err
	}
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// What is new may be read by whom the user lets read new files; what replaces
	// another file by nobody until commit.
	mode := fs.FileMode(0o666)
	if info != nil {
		mode = 0o600
	}
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text())
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if failure, ok := errors.AsType[*fs.PathError](err); ok {
		// The name of the new file says nothing to whom it does not concern.
		return nil, fmt.Errorf("create a file in %s: %w", filepath.Dir(path), failure.Err)
	}
	if err != nil {
		return nil, err
	}
	return &pendingFile{path: path, file: f, old: info}, nil
}

// commit writes the file. It must be called once at most.
func (p *pendingFile) commit(data []byte) error {
	_, err := p.file.Write(data)
	err = errors.Join(err, p.keepOwner(), p.file.Close())
	if err == nil {
		err = os.Rename(p.file.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", p.path, err)
	}
	p.file = nil
	return nil
}

// keepOwner gives the file the owner and the mode of what it replaces.
func (p *pendingFile) keepOwner() error {
	if p.old == nil {
		return nil
	}
	if owner, ok := p.old.Sys().(*syscall.Stat_t); ok {
		// Who is not root cannot give a file away, and then it was his, or its
		// folder lets him replace it.
		if err := p.file.Chown(int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return p.file.Chmod(p.old.Mode().Perm())
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
