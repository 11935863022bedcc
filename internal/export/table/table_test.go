package table

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestPrintable_showsControlAndDoesNotObeyIt(t *testing.T) {
	tests := []struct{ in, want string }{
		{"plain text", "plain text"},
		{"grün 鷹", "grün 鷹"},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"a\nb\tc\r", `a\nb\tc\x0d`},
		{"\xff\xfe", `\xff\xfe`},
		{"bell\x07", `bell\x07`},
		{"right\u202eleft", `right\u202eleft`},
		{"csi\u009b31m", `csi\u009b31m`},
		{"\uFFFD", "\uFFFD"},
	}
	for _, tt := range tests {
		if got := Printable(tt.in); got != tt.want {
			t.Errorf("Printable(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b]0;title\x07")
	f.Fuzz(func(t *testing.T, s string) {
		got := Printable(s)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 }) {
			t.Errorf("Printable(%q) = %q has control characters", s, got)
		}
	})
}

func TestCommand_quotesForAShell(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"git", "status"}, "git status"},
		{[]string{"sh", "-c", "a && b"}, "sh -c 'a && b'"},
		{[]string{"echo", ""}, "echo ''"},
		{[]string{"it's"}, `'it'\''s'`},
		{[]string{"a\nb's"}, `$'a\nb\'s'`},
		{nil, ""},
	}
	for _, tt := range tests {
		if got := Command(slices.Values(tt.args)); got != tt.want {
			t.Errorf("Command(%q) = %s, want %s", tt.args, got, tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	tests := map[time.Duration]string{
		-1: "-", 0: "0ns", 999: "999ns", 1500: "1.50µs", 12345 * time.Microsecond: "12.3ms",
		123 * time.Millisecond: "123ms", 2 * time.Second: "2.00s", 99 * time.Second: "99.0s", 125 * time.Second: "2m5s",
	}
	for d, want := range tests {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%d) = %s, want %s", d, got, want)
		}
	}
}

func TestWriter_rendersBySchema(t *testing.T) {
	schema := &model.Schema{
		Probe: "made-up",
		Fields: []model.Field{
			{Key: "args", Kind: model.KindStrings, Column: "COMMAND"},
			{Key: "hidden", Kind: model.KindString},
			{Key: "code", Kind: model.KindInt, Column: "EXIT", Width: 4},
			{Key: "code.function.name", Kind: model.KindString, Column: "CALL SITE", Width: 12},
		},
	}
	var out bytes.Buffer
	w := New(&out, schema, Options{Width: 90})
	var e model.Event
	e.Reset(schema)
	e.Time = time.Now()
	e.Service, e.PID, e.Duration = "shop", 42, 1500*time.Microsecond
	e.Values[0] = model.StringsValue("echo\x00" + strings.Repeat("x", 200) + "\x00")
	e.Values[1] = model.StringValue("not shown")
	e.Values[2] = model.IntValue(3)
	e.Values[3] = model.StringValue("example.com/some/where/shop.checkout")
	e.Findings = []model.Finding{{Rule: "odd", Severity: model.SeverityWarn, Evidence: "seen\n"}}
	if err := w.Event(&e); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if want := "TIME         SERVICE            PID  DURATION EXIT CALL SITE    COMMAND"; lines[0] != want {
		t.Errorf("header\n%s\nwant\n%s", lines[0], want)
	}
	if want := "shop                42    1.50ms 3    …op.checkout echo xxx"; !strings.Contains(lines[1], want) {
		t.Errorf("row\n%s\nlacks\n%s", lines[1], want)
	}
	if n := utf8.RuneCountInString(strings.TrimRight(lines[1], " ")); n > 90 {
		t.Errorf("the row is %d cells wide, want at most 90", n)
	}
	if strings.Contains(out.String(), "not shown") {
		t.Error("a field without a column is shown")
	}
	if want := `    warn odd: seen\n`; lines[2] != want {
		t.Errorf("finding %q, want %q", lines[2], want)
	}
}
