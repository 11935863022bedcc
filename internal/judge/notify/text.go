package notify

import (
	"strconv"
	"strings"
	"unicode"
)

// maxShown is how many bytes of what others wrote a message shows.
const maxShown = 300

// show returns a text of others for a message: on one line, short, and quoted
// when it has anything that a terminal would not print as it is.
func show(text string) string {
	short := cut(text, maxShown)
	more := ""
	if len(short) < len(text) {
		more = "..."
	}
	if short == "" || strings.ContainsFunc(short, func(r rune) bool { return !unicode.IsPrint(r) }) {
		short = strconv.Quote(short)
	}
	return short + more
}
