package fetch

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

const (
	// magicSize is the size of a trace's header, which internal/trace of the
	// standard library writes since Go 1.7: "go 1.26 trace" and zeros.
	magicSize = 16
	// oldestMinor is the first release of Go 1 whose traces have generations.
	oldestMinor = 22
	// maxText is how much is read of an answer that is not a trace.
	maxText = 64 << 10
	// maxLine bounds the line of an answer that is told, in characters.
	maxLine = 160
	// packedHead is how much is read of what is packed to tell what is in it.
	packedHead = 4096
)

// checkHead says whether a trace begins with head, which is what [headSize] asks for
// or all there is.
func checkHead(u *url.URL, answer *http.Response, head []byte) error {
	if isGzip(head) {
		unpacked := unpackHead(head)
		if _, ok := minorOf(unpacked); !ok {
			return &Error{URL: u.Redacted(), Err: fmt.Errorf("%w: it is packed with gzip, and no trace is in it", ErrNotTrace), Hint: "pprof's other profiles are packed so: the trace is at " + tracePath}
		}
		head = unpacked
	}
	if len(head) == 0 {
		return &Error{URL: u.Redacted(), Err: fmt.Errorf("%w: the answer is empty", ErrNotTrace), Hint: "try again; if it stays so, ask the service itself and no proxy"}
	}
	minor, ok := minorOf(head)
	if !ok {
		return notTrace(u, answer, head)
	}
	if minor < oldestMinor {
		return &Error{URL: u.Redacted(), Err: fmt.Errorf("is a trace of Go 1.%d, which has no generations", minor), Hint: "build the service with Go 1.22 or later; go tool trace of its own release reads what curl gets"}
	}
	return nil
}

// notTrace says what an answer is instead.
func notTrace(u *url.URL, answer *http.Response, head []byte) error {
	kind := answer.Header.Get("Content-Type")
	kind, _, _ = strings.Cut(kind, ";")
	err := fmt.Errorf("%w: it answered %s", ErrNotTrace, answer.Status)
	if kind != "" {
		err = fmt.Errorf("%w with %s", err, printable(kind))
	}
	text := strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml")
	if line := firstLine(string(head)); text && line != "" {
		err = fmt.Errorf("%w: %s", err, line)
	}
	hint := "is this the port that serves pprof? the trace is at http://HOST:PORT" + tracePath
	if strings.HasSuffix(u.Path, "/pprof/trace") {
		hint = "another handler answers there, or a page to log in: " + importHint
	}
	return &Error{URL: u.Redacted(), Err: err, Hint: hint}
}

// minorOf returns N of a trace of Go 1.N, and false when head begins no trace.
func minorOf(head []byte) (minor int, ok bool) {
	if len(head) < magicSize {
		return 0, false
	}
	text, ok1 := strings.CutPrefix(string(head[:magicSize]), "go 1.")
	number, zeros, ok2 := strings.Cut(text, " trace")
	minor, err := strconv.Atoi(number)
	return minor, ok1 && ok2 && err == nil && minor >= 0 && strings.Trim(zeros, "\x00") == ""
}

func isGzip(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) }

// unpackHead returns the first bytes of what is packed, nil when it is damaged.
func unpackHead(head []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return nil
	}
	unpacked := make([]byte, magicSize)
	if n, err := io.ReadFull(r, unpacked); err != nil {
		return unpacked[:n]
	}
	return unpacked
}

// readHead reads as much as is needed to tell a trace from other answers; less is
// what ended before. An answer that is no trace is read on to its first lines.
func readHead(body io.Reader) ([]byte, error) {
	head := make([]byte, magicSize, packedHead)
	n, err := io.ReadFull(body, head)
	head = head[:n]
	if err == nil {
		if _, ok := minorOf(head); ok {
			return head, nil
		}
		rest := head[n:packedHead]
		n, err = io.ReadFull(body, rest)
		head = head[:len(head)+n]
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrCut) {
		err = nil
	}
	return head, err
}

// firstLine returns the first line of an answer that says something, without the
// marks of HTML.
func firstLine(text string) string {
	hidden := regexp.MustCompile(`(?is)<(script|style|head)\b.*?(</(script|style|head)>|$)`)
	title := regexp.MustCompile(`(?is)<title>([^<]*)</title>`)
	if m := title.FindStringSubmatch(text); m != nil && strings.TrimSpace(m[1]) != "" {
		return printable(strings.Join(strings.Fields(m[1]), " "))
	}
	if strings.Contains(strings.ToLower(text), "<html") {
		text = hidden.ReplaceAllString(text, "")
		text = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, "")
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			return printable(line)
		}
	}
	return ""
}

// printable makes text of a stranger fit for a line on a terminal.
func printable(text string) string {
	clean := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if runes := []rune(clean); len(runes) > maxLine {
		return string(runes[:maxLine]) + "..."
	}
	return clean
}
