package platform

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

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
