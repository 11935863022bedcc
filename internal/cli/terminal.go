package cli

import (
	"os"

	"golang.org/x/term"
)

// terminalSize returns the size in cells of the terminal that f is, 0 and 0
// when it is none.
func terminalSize(f *os.File) (width, height int) {
	if !term.IsTerminal(int(f.Fd())) {
		return 0, 0
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		return 80, 24
	}
	return width, height
}
