package rules

import "strings"

// FillWindow puts five minutes in the place of {{.window}} in an expression, so that it
// can be parsed. Each character keeps its line and column.
func FillWindow(expr string) string {
	return windowVar.ReplaceAllStringFunc(expr, func(name string) string {
		// Spaces behind a length mean nothing.
		return "5m" + strings.Map(func(r rune) rune {
			if r == '\n' {
				return r
			}
			return ' '
		}, name[len("5m"):])
	})
}
