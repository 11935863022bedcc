package rules

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// WriteYAML writes groups as a file of rules for Prometheus, Mimir and Thanos. The
// same groups give the same bytes. It fails when w does.
func WriteYAML(w io.Writer, groups []Group) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "# Written by `goshawk slo rules`: change the objectives instead.")
	if len(groups) == 0 {
		fmt.Fprintln(out, "groups: []")
		return out.Flush()
	}
	fmt.Fprintln(out, "groups:")
	for _, g := range groups {
		fmt.Fprintln(out)
		writeComment(out, "  ", g.Comment)
		fmt.Fprintf(out, "  - name: %s\n    interval: %s\n    rules:\n", scalar(g.Name), text(g.Interval))
		for _, r := range g.Rules {
			writeRule(out, r)
		}
	}
	return out.Flush()
}

func writeRule(out *bufio.Writer, r Rule) {
	writeComment(out, "      ", r.Comment)
	kind, name := "record", r.Record
	if r.Alert != "" {
		kind, name = "alert", r.Alert
	}
	fmt.Fprintf(out, "      - %s: %s\n", kind, scalar(name))
	writeText(out, "        ", "expr", r.Expr)
	if r.For > 0 {
		fmt.Fprintf(out, "        for: %s\n", text(r.For))
	}
	writeMap(out, "labels", r.Labels)
	writeMap(out, "annotations", r.Annotations)
}

func writeComment(out *bufio.Writer, margin, comment string) {
	if comment == "" {
		return
	}
	for line := range strings.SplitSeq(comment, "\n") {
		fmt.Fprintln(out, margin+"# "+strings.Map(printable, line))
	}
}

// printable drops what ends a line or a comment, or is not allowed in YAML.
func printable(r rune) rune {
	if r == '\t' {
		return ' '
	}
	if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
		return -1
	}
	return r
}

// writeText writes a text that may have lines, as they are where it can.
func writeText(out *bufio.Writer, margin, key, value string) {
	if !strings.Contains(value, "\n") {
		fmt.Fprintf(out, "%s%s: %s\n", margin, key, scalar(value))
		return
	}
	if !isBlock(value) {
		fmt.Fprintf(out, "%s%s: %s\n", margin, key, quoted(value))
		return
	}
	fmt.Fprintf(out, "%s%s: |-\n", margin, key)
	for line := range strings.SplitSeq(value, "\n") {
		if line != "" {
			line = margin + "  " + line
		}
		fmt.Fprintln(out, line)
	}
}

// isBlock reports whether a text can be written in lines and is read back the
// same.
func isBlock(value string) bool {
	if value != strings.TrimSpace(value) {
		return false
	}
	return !strings.ContainsFunc(value, func(r rune) bool { return r != '\n' && printable(r) != r })
}

func writeMap(out *bufio.Writer, key string, pairs map[string]string) {
	if len(pairs) == 0 {
		return
	}
	fmt.Fprintf(out, "        %s:\n", key)
	for _, k := range sortedKeys(pairs) {
		fmt.Fprintf(out, "          %s: %s\n", scalar(k), scalar(pairs[k]))
	}
}

// scalar writes a text without quotes where no reader of YAML takes it for
// anything else.
func scalar(s string) string {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		inside := r >= '0' && r <= '9' || strings.ContainsRune("-_.:/+", r)
		if !letter && (i == 0 || !inside) {
			return quoted(s)
		}
	}
	switch strings.ToLower(s) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return quoted(s)
	}
	if strings.HasSuffix(s, ":") {
		return quoted(s)
	}
	return s
}

// quoted writes a text in quotes: in single ones when it has double ones, which is
// easier to read, and is on one line.
func quoted(s string) string {
	if strings.Contains(s, `"`) && isBlock(s) && !strings.Contains(s, "\n") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(`\U` + fmt.Sprintf("%08X", r))
		}
	}
	return b.String() + `"`
}
