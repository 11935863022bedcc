package yamldoc

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// problems reads a text by read and returns what is wrong.
func problems(text string, read func(Value)) []string {
	r := NewReader("f")
	r.Parse([]byte(text), read)
	var list []string
	for _, e := range r.Errors() {
		list = append(list, e.Error()+" | "+e.Hint)
	}
	return list
}

func TestValue_Object(t *testing.T) {
	var n int
	var word string
	fields := []Field{
		{Name: "count", Kind: "a number", Required: true, Sample: "1", Read: func(v Value) { v.Number(&n, 1, 9) }},
		{Name: "word", Kind: "a text", Nothing: true, Read: func(v Value) { v.Word(&word, 10) }},
		{Name: "old", Refuse: "is gone"},
		{Name: "whole", Required: true, Raw: true, Sample: "{}"},
		{Name: "inner", Fields: []Field{{Name: "flag", Read: func(v Value) { v.Boolean(new(bool)) }}}},
	}
	tests := []struct {
		name, text string
		want       []string
	}{
		{"right", "count: 3\nword:\nwhole: {a: b}\ninner:\n  # flag: true\n", nil},
		{"right, by aliases", "count: &c 3\nword: *c\nwhole: &w {}\ninner: *w\n", nil},
		{"a list", "[1]", []string{"f:1:1: is a list, not an object | write count, word, whole, inner below it"}},
		{"empty", "{}", []string{"f:1:1: count: is missing | write count: 1", "f:1:1: whole: is missing | write whole: {}"}},
		{"without values", "count:\nwhole:\n", []string{"f:1:1: whole: has no value | write whole: {}", "f:1:7: count: has no value | write a number, or remove the line"}},
		{"twice", "count: 1\ncount: 2\nwhole: 1\n", []string{"f:2:1: count: is there twice, first in line 1 | write it once"}},
		{"misspelt", "count: 1\nwhole: 1\nwrod: a\n", []string{"f:3:1: wrod: there is no such field | did you mean word? the fields there are: count, word, whole, inner"}},
		{"merged", "count: 1\nwhole: 1\n<<: {word: a}\n", []string{"f:3:1: <<: there is no such field | write the fields out: keys are not merged here"}},
		{"refused", "count: 1\nwhole: 1\nold: 1\n", []string{"f:3:1: old: is gone | remove it"}},
		{"a key that is an object", "count: 1\nwhole: 1\n? {a: b}\n: c\n", []string{"f:3:3: a key is an object, not a text | the fields are: count, word, whole, inner"}},
		{"a key that says nothing", "count: 1\nwhole: 1\n'': c\n", []string{`f:3:1: "": there is no such field`}},
		{"numbers", "count: 010\nwhole: 1\n", []string{"f:1:8: count: 010: begins with 0 | write a whole number from 1 to 9"}},
		{"deeper", "count: 1\nwhole: 1\ninner: {flag: 1}\n", []string{"f:3:15: inner.flag: 1: is a number, not true or false | write true or false"}},
		{"no text", "a: \x00", []string{"f:1:4: has the control character 0x00 | save the file as UTF-8 text"}},
		{"no UTF-8", "a\nb: \xff", []string{"f:2:4: is not UTF-8: byte 0xff | "}},
		{"no YAML", "a: [b\nc: d\n", []string{"f:2:2: is no YAML: did not find expected ',' or ']', while parsing a flow sequence that begins in line 1 | "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := problems(test.text, func(v Value) { v.Object(fields) })
			for i := range max(len(got), len(test.want)) {
				if i >= len(got) || i >= len(test.want) || !strings.HasPrefix(got[i], test.want[i]) {
					t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
				}
			}
		})
	}
}

func TestValue_scalars(t *testing.T) {
	var text string
	var number float64
	var length time.Duration
	each := map[string]func(Value){
		"text":     func(v Value) { v.Text(&text, 5) },
		"prose":    func(v Value) { v.Prose(&text, 5) },
		"word":     func(v Value) { v.Word(&text, 10) },
		"decimal":  func(v Value) { number, _ = v.Decimal("write a number") },
		"duration": func(v Value) { v.Duration(&length, time.Second, time.Hour, "auto") },
	}
	for _, test := range []struct {
		kind, text string
		want       any // an error begins with "!"
	}{
		{"text", "abc", "abc"}, {"text", "1", "!is a number, not a text"}, {"text", "abcdef", "!is longer than 5 bytes"}, {"text", "' a'", "!has spaces around it"},
		{"text", `"a\nb"`, "!has more than one line"}, {"text", "''", "!is empty"}, {"text", "[a]", "!is a list, not a text"},
		{"prose", `"a\nb"`, "a\nb"}, {"prose", "''", ""}, {"prose", "abcdef", "!is longer"}, {"prose", "1", "!is a number"},
		{"word", "1.50", "1.50"}, {"word", "yes", "yes"}, {"word", "true", "true"}, {"word", "2026-01-01", "2026-01-01"}, {"word", "{}", "!is an object"}, {"word", "12345678901", "!is a number, not a text"},
		{"decimal", "99.9", 99.9}, {"decimal", "1e-3", 0.001}, {"decimal", "0x10", "!is not a decimal number"}, {"decimal", ".inf", "!is not a decimal number"},
		{"decimal", "1e999", "!is a text, not a number"}, {"decimal", "'1'", "!is a text, not a number"}, {"decimal", "1_0", "!"},
		{"duration", "1500ms", 1500 * time.Millisecond}, {"duration", "auto", time.Duration(0)}, {"duration", "3", "!has no unit"}, {"duration", "2h", "!is not from 1s to 1h"},
	} {
		text, number, length = "", 0, 0
		got := problems(test.text, each[test.kind])
		if want, bad := test.want.(string); bad && strings.HasPrefix(want, "!") {
			if len(got) != 1 || !strings.Contains(got[0], want[1:]) {
				t.Errorf("%s %s: %v, want %s", test.kind, test.text, got, want)
			}
			continue
		}
		values := map[string]any{"text": text, "prose": text, "word": text, "decimal": number, "duration": length}
		if len(got) > 0 || values[test.kind] != test.want {
			t.Errorf("%s %s: %v %v, want %v", test.kind, test.text, values[test.kind], got, test.want)
		}
	}
}

func TestValue_Secret(t *testing.T) {
	for _, text := range []string{"{a: 12345}", "{a: ' 12345'}", "{a: [12345]}"} {
		got := problems(text, func(v Value) {
			a, _ := v.Secret().Child("a")
			if a.IsList() {
				a.Items(1, func(v Value) { v.Text(new(string), 9) })
				return
			}
			a.Text(new(string), 9)
		})
		if len(got) != 1 || strings.Contains(got[0], "12345") {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestValue_Pairs: an object is walked as it stands, and a loop may end early.
func TestValue_Pairs(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a: 1\n\"b\\n\": [x, y]\na: {c: d}\n", `a a=1 0; "b\n" b` + "\n" + `= 2; a a= 1`},
		{"a: &b c\n*b : d\n", "a a=c 0; c c=d 0"},
		{"end: 1\nafter: 2\n", "end end=1 0"},
		{"? [z]\n: x\n~: y\n7: z\n", " =x 0; ~ =y 0; 7 7=z 0"},
		{"[a, b]", ""}, {"a", ""}, {"{}", ""},
	} {
		var got []string
		problems(test.text, func(v Value) {
			for key, content := range v.Pairs() {
				got = append(got, fmt.Sprintf("%s %s=%s %d", content.Path(), key.Scalar(), content.Scalar(), content.Len()))
				if key.Path() != content.Path() {
					t.Errorf("%s: the key is at %q, its value at %q", test.text, key.Path(), content.Path())
				}
				if key.Scalar() == "end" {
					break
				}
			}
		})
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%q: got %q, want %q", test.text, strings.Join(got, "; "), test.want)
		}
	}
	for range (Value{}).Pairs() {
		t.Error("what is not there has a key")
	}
}

func TestValue_OneLine(t *testing.T) {
	var text string
	for _, wrong := range []string{"7", "''", "' a'", "abcdef", `"a\nb"`} {
		got := problems(wrong, func(v Value) {
			if v.OneLine(&text, 5, "say it") {
				t.Errorf("%s was read", wrong)
			}
		})
		if len(got) != 1 || !strings.HasSuffix(got[0], " | say it") {
			t.Errorf("%s: %q", wrong, got)
		}
	}
	if got := problems("abc", func(v Value) { v.OneLine(&text, 5, "say it") }); len(got) > 0 || text != "abc" {
		t.Errorf("read %q, %q", text, got)
	}
}

func TestValue_JSON(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a", `"a"`}, {"1.50", "1.50"}, {"0x10", `"0x10"`}, {"yes", `"yes"`}, {"TRUE", "true"}, {".inf", `".inf"`},
		{"{b: [1, ~, {}], a: &a x, c: *a}", `{"a":"x","b":[1,null,{}],"c":"x"}`},
	} {
		got := ""
		if bad := problems(test.text, func(v Value) { got, _ = v.JSON() }); got != test.want || len(bad) > 0 {
			t.Errorf("%s: %s %v, want %s", test.text, got, bad, test.want)
		}
	}
	if bad := problems(strings.Repeat("[", 100)+strings.Repeat("]", 100), func(v Value) {
		if _, ok := v.JSON(); ok {
			t.Error("a value as deep as that was kept")
		}
	}); len(bad) != 1 || !strings.Contains(bad[0], "is deeper than 64 levels") {
		t.Error(bad)
	}
}

// TestReader_stopsAtAliases: a list of lists of lists, each by its name, is not read
// to the end.
func TestReader_stopsAtAliases(t *testing.T) {
	text := "a: &a [" + strings.Repeat("x,", 99) + "]\nb: &b [" + strings.Repeat("*a,", 99) + "]\nc: &c [" + strings.Repeat("*b,", 99) + "]\nd: [" + strings.Repeat("*c,", 99) + "]\n"
	read := 0
	var walk func(Value)
	walk = func(v Value) {
		if read++; v.IsList() {
			v.AnyItems(100, walk)
		}
	}
	got := problems(text, func(v Value) { v.Entries(func(_ string, _, content Value) { walk(content) }) })
	if len(got) != 1 || !strings.Contains(got[0], "the aliases of the file stand for more than 600000 values") || read > maxVisits {
		t.Errorf("%d values, %v", read, got)
	}
}

func TestReader_boundsErrors(t *testing.T) {
	got := problems("["+strings.Repeat("{a: b},", 300)+"]", func(v Value) {
		v.Items(1000, func(v Value) { v.Object([]Field{{Name: "c"}}) })
	})
	if len(got) != MaxErrors+1 || !strings.HasPrefix(got[MaxErrors], "f: has 100 more errors | ") {
		t.Errorf("%d: %s", len(got), got[len(got)-1])
	}
}

// TestReader_warningsHideNoErrors: there may be any number of them, and the file is
// right.
func TestReader_warningsHideNoErrors(t *testing.T) {
	r := NewReader("f")
	r.Parse([]byte("["+strings.Repeat("a,", 300)+"]"), func(v Value) {
		v.Items(1000, func(v Value) { v.Warn("look", "is odd") })
		v.Fail("mend it", "is wrong")
	})
	errors := 0
	all := r.Errors()
	for _, e := range all {
		if !e.Warning {
			errors++
		}
	}
	if errors != 1 || len(all) != MaxErrors+2 || all[len(all)-1].Error() != "f: has 100 more warnings" || !all[len(all)-1].Warning {
		t.Errorf("%d errors, %d in all, at last %v", errors, len(all), all[len(all)-1])
	}
}

func TestValue_Embedded(t *testing.T) {
	read := func(v Value) {
		v.Entries(func(_ string, _, content Value) {
			content.Embedded(func(v Value) { v.Object([]Field{{Name: "c", Read: func(Value) {}}}) })
		})
	}
	for _, test := range []struct{ text, want string }{
		{"a: |\n\n    # here\n    c: 1\n    d: 2\n", "f:5:5: a.d: there is no such field"},
		{"a: |2\n    d: 2\n", "f:2:5: a.d: there is no such field"},
		{"a: 'd: 2'\n", "f:1:4: a.d: there is no such field"},
		{"a: >\n    d: 2\n", "f:1:4: a.d: there is no such field"},
		{"a: |\n    [x\n", "f:3:5: a: is no YAML"},
		{"a: []\n", "f:1:4: a: is a list, not a text"},
	} {
		if got := problems(test.text, read); len(got) != 1 || !strings.HasPrefix(got[0], test.want) {
			t.Errorf("%q: %v, want %s", test.text, got, test.want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"timeWindow", "objectives", "service", "op"}
	for _, test := range []struct{ misspelt, want string }{
		{"objective", "objectives"}, {"timewindow", "timeWindow"}, {"serivce", "service"}, {"opp", "op"}, {"colour", ""}, {"", ""}, {strings.Repeat("x", 1<<20), ""},
	} {
		if got := Nearest(test.misspelt, names); got != test.want {
			t.Errorf("%.20s: %q, want %q", test.misspelt, got, test.want)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one := put("some/b.yaml", "b")
	put("some/a.yml", "a")
	put("some/.hidden.yaml", "h")
	put("some/note.txt", "n")
	put("some/inner/c.yaml", "c")
	empty, large := put("empty.yaml", ""), put("large.yaml", strings.Repeat("x", MaxFileBytes+1))
	none := filepath.Join(dir, "none")
	if err := os.Mkdir(none, 0o755); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	sources, errs := Read([]string{filepath.Join(dir, "some"), one, "", empty, large, none, pipe, filepath.Join(dir, "gone")}, Hints{NoFiles: "put one there", Missing: "make it"})
	var names, causes []string
	for _, s := range sources {
		names = append(names, strings.TrimPrefix(s.Name, dir+"/")+"="+string(s.Data))
	}
	for _, e := range errs {
		causes = append(causes, strings.ReplaceAll(e.Error(), dir+"/", "")+" | "+e.Hint)
	}
	if want := []string{"some/a.yml=a", "some/b.yaml=b", "some/b.yaml=b"}; !reflect.DeepEqual(names, want) {
		t.Errorf("read %v, want %v", names, want)
	}
	want := []string{
		`"": names no file | name a file, or a folder with *.yaml files`, "none: the folder has no *.yaml file | put one there", "gone: no such file or directory | make it",
		"empty.yaml: is empty, as a file is that is being written | write a document", "large.yaml: is larger than 256 KiB | divide it into several files of a folder", "pipe: is a pipe, not a file | write it into a file",
	}
	if !reflect.DeepEqual(causes, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(causes, "\n"), strings.Join(want, "\n"))
	}
}

func TestReadStream(t *testing.T) {
	if s, err := ReadStream("-", strings.NewReader("a: b")); err != nil || string(s.Data) != "a: b" || s.Name != "-" {
		t.Error(s, err)
	}
	for text, want := range map[string]string{"": "-: is empty", strings.Repeat("x", MaxFileBytes+1): "-: is larger than 256 KiB"} {
		if _, err := ReadStream("-", strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
