package cli

import (
	"os"

	"golang.org/x/term"
)

// terminalWidth returns the width of the terminal that f is, 0 when it is
// none.
func terminalWidth(f *os.File) int {
	if !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}
