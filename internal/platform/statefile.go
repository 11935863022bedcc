package platform

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrTooLarge says that a file is larger than it may be.
var ErrTooLarge = errors.New("is too large")

// ReadFile reads a regular file of at most limit bytes. An error for one that is not
// there matches [fs.ErrNotExist], for one that is larger [ErrTooLarge].
func ReadFile(path string, limit int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: %w: it has more than %d bytes", path, ErrTooLarge, limit)
	}
	return data, err
}

// SetAside renames a file by adding the extension, because of cause, which the
// error that it returns wraps.
func SetAside(path, extension string, cause error) error {
	aside := path + extension
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("%s: %w; it cannot be set aside: %w", path, cause, err)
	}
	return fmt.Errorf("%s: %w; it is set aside as %s", path, cause, filepath.Base(aside))
}

// ReplaceFile writes a file as a whole: whoever reads path sees what was there
// before or all of data, also after a crash of the machine. A new file has mode.
// It blocks until the disk has the data.
func ReplaceFile(path string, data []byte, mode fs.FileMode) error {
	fresh, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = fresh.Write(data)
	if err == nil {
		err = errors.Join(fresh.Chmod(mode), fresh.Sync())
	}
	err = errors.Join(err, fresh.Close())
	if err == nil {
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes the names in a directory safe.
func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
