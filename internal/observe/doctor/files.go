package doctor

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// errTooLarge says that a file is larger than one of its kind is.
var errTooLarge = errors.New("the file is too large")

// readSmall reads a regular file of at most limit bytes. It does not wait for what
// only looks like a file: a FIFO, say.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: path, Err: os.ErrInvalid}
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = &os.PathError{Op: "read", Path: path, Err: errTooLarge}
	}
	return text, err
}
