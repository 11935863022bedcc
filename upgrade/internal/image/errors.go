package image

import (
	"errors"
	"io/fs"
)

// Why a file is not started. An error of this package names the file and wraps one of
// them, or the error of the system; [ErrInterpreter] also wraps what is wrong with the
// interpreter.
var (
	// ErrNotRegular is that of a folder, a pipe, a socket or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNotExecutable is that of a file that this user may not execute, or may not
	// read.
	ErrNotExecutable = errors.New("not executable")
	// ErrScript is that of a file that begins with "#!".
	ErrScript = errors.New("a script: its interpreter would open it by a descriptor that is closed by then")
	// ErrFormat is that of a file that is no ELF program, or one that the kernel
	// cannot load.
	ErrFormat = errors.New("not an ELF program")
	// ErrMachine is that of a program for another kind of machine.
	ErrMachine = errors.New("a program for another machine")
	// ErrTruncated is that of a program whose end is missing.
	ErrTruncated = errors.New("truncated")
	// ErrInterpreter is that of a program whose dynamic loader cannot be used.
	ErrInterpreter = errors.New("its interpreter cannot be used")
	// ErrChanged is that of a file that was written to since it was opened.
	ErrChanged = errors.New("was written to since it was checked")
	// ErrBusy is that of a file that is open for writing when it is to be started.
	ErrBusy = errors.New("is being written to")
)

// Hint returns what a person can do about an error of this package, as one sentence
// without a full stop, "" when there is nothing to say.
func Hint(err error) string {
	for _, h := range []struct {
		is   error
		text string
	}{
		{ErrInterpreter, "install the loader that the program was linked for, or build it with CGO_ENABLED=0"},
		{ErrNotRegular, "give the path of the program itself"},
		{ErrNotExecutable, "make it readable and executable for this user (chmod 755), on a file system that is not mounted noexec"},
		{ErrScript, "give the path of the program that the script starts"},
		{ErrMachine, "build it for this machine: see `uname -m`, GOOS and GOARCH"},
		{ErrTruncated, "copy it again: the copy stopped early, or has not ended yet"},
		{ErrFormat, "build it with `go build`, as a program and not as a library or an object"},
		{ErrChanged, "write a new version beside the old one and rename it into place"},
		{ErrBusy, "write a new version beside the old one and rename it into place"},
		{fs.ErrNotExist, "install the new version at this path first"},
	} {
		if errors.Is(err, h.is) {
			return h.text
		}
	}
	return ""
}
