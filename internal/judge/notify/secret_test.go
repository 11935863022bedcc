package notify

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSecret_resolve(t *testing.T) {
	dir := t.TempDir()
	at := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token, empty, large, lines := at("token", " hunter2\r\n"), at("empty", "\n"), at("large", strings.Repeat("x", maxSecret+1)), at("lines", "a\nb")
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"A=1", "B=x=y", "EMPTY=", "A=2", "TAB=a\tb"}
	tests := []struct {
		name string
		text Secret
		want string
		err  string
	}{
		{"nothing", "", "", ""},
		{"a text", "Bearer $x {y} $", "Bearer $x {y} $", ""},
		{"a variable", "<${B}>", "<x=y>", ""},
		{"the last of two", "${A}${A}", "22", ""},
		{"a file", "Bearer ${file:" + Secret(token) + "}!", "Bearer hunter2!", ""},
		{"what only looks like one", "$${A} and ${A}", "${A} and 2", ""},
		{"a value is not read again", "${C}", "${A}", ""},
		{"not set", "${MISSING}", "", "the environment variable MISSING is not set"},
		{"set to nothing", "${EMPTY}", "", "the environment variable EMPTY is not set"},
		{"a control character", "${TAB}", "", "a secret has a control character or a line break within"},
		{"no file", "${file:/none/such}", "", "the file of a secret: open /none/such: no such file or directory"},
		{"an empty file", Secret("${file:" + empty + "}"), "", "the file of a secret: " + empty + ": is empty"},
		{"a large file", Secret("${file:" + large + "}"), "", "the file of a secret: " + large + ": is larger than 64 KiB"},
		{"a file of lines", Secret("${file:" + lines + "}"), "", "a secret has a control character or a line break within"},
		{"a pipe that nobody writes", Secret("${file:" + pipe + "}"), "", "the file of a secret: " + pipe + ": is not a regular file"},
		{"a folder", Secret("${file:" + dir + "}"), "", "the file of a secret: " + dir + ": is not a regular file"},
		{"a relative file", "${file:token}", "", "names the file token, which is no absolute path"},
		{"not closed", "a${A", "", "has a ${ that is not closed"},
		{"no name", "${}", "", "has a reference that is neither ${NAME} nor ${file:PATH}"},
		{"no name of a variable", "${A-B}", "", "has a reference that is neither ${NAME} nor ${file:PATH}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.text.resolve(append(environ, "C=${A}"))
			if got != tt.want || errorText(err) != tt.err {
				t.Errorf("got %q and %q, want %q and %q", got, errorText(err), tt.want, tt.err)
			}
		})
	}
}

func TestSecret_printsAsNothing(t *testing.T) {
	s := Webhook{URL: "http://hunter2", Headers: map[string]Secret{"A": "hunter2"}}
	j, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v %#v %q %s", s, s, s.URL, s.URL), string(j)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("it prints as %s", text)
		}
	}
}

func TestSecret_HasReferences(t *testing.T) {
	for text, want := range map[Secret]bool{"": false, "x": false, "$${A}": false, "${A}": true, "x${file:/a}": true} {
		if got := text.HasReferences(); got != want {
			t.Errorf("%q: got %v", string(text), got)
		}
	}
}

func TestSecret_ValidateURL(t *testing.T) {
	for text, want := range map[Secret]string{
		"http://a": "", "https://u:p@a:1/b?c=d": "", "${A}": "", "ftp://a": "does not begin with http:// or https://", "a": "does not begin with http:// or https://",
		"http://": "names no host", "http://:80": "names no host", "http://a/#b": "has a fragment, which no server sees", "http://u:hunter2@a:b": "is no URL", "http://a\x7f": "a",
		"${": "has a ${ that is not closed",
	} {
		got := errorText(text.ValidateURL())
		if want == "a" && got != "" {
			continue // whatever it says
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", string(text), got, want)
		}
	}
}

func TestVeil(t *testing.T) {
	u, err := url.Parse("https://user:hunter2@hooks.example/services/T0/xyz%2Fzyx?token=sesame")
	if err != nil {
		t.Fatal(err)
	}
	var v veil
	v.addURL(u)
	v.add("", "ab", "abc", "abcdef")
	for text, want := range map[string]string{
		"cannot POST /services/T0/xyz%2Fzyx?token=sesame": "cannot POST (secret)",
		"cannot POST /services/T0/xyz/zyx":                "cannot POST (secret)",
		"bad token sesame":                                "bad token (secret)",
		"Basic " + basic("user", "hunter2"):               "Basic (secret)",
		"hunter2 abcdef abc ab":                           "(secret) (secret) (secret) ab",
		"user at hooks.example":                           "user at hooks.example",
	} {
		if got := v.over(text); got != want {
			t.Errorf("%s became %s, want %s", text, got, want)
		}
	}
}
