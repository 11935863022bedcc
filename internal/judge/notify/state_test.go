package notify

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

// remembered is what one destination was told.
func remembered() memory {
	fires, ends := burning("a").complete(noon), ended(burning("b"), noon).complete(noon)
	return memory{"pager webhook 12": {
		{alert: fires, knows: aware, sent: noon.Add(-time.Second), sum: fires.sum()},
		{alert: ends, knows: perhaps, sent: noon.Add(-time.Hour), sum: 5},
	}}
}

// file returns what would be written.
func file(t *testing.T, m memory) string {
	t.Helper()
	data, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestState_isReadAsItWasWritten(t *testing.T) {
	f := stateFile{t.TempDir()}
	for range 2 { // the second replaces the first
		if err := f.write(remembered()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.read(noon)
	if err != nil {
		t.Fatal(err)
	}
	if text := file(t, got); text != file(t, remembered()) {
		t.Errorf("got  %s\nwant %s", text, file(t, remembered()))
	}
	told := got["pager webhook 12"]
	if len(told) != 2 || told[0].sum == told[1].sum {
		t.Fatalf("got %+v", told)
	}
	for _, k := range told {
		want := remembered()["pager webhook 12"][0]
		if k.alert.SLO == "b" {
			want = remembered()["pager webhook 12"][1]
		}
		if !reflect.DeepEqual(k, want) {
			t.Errorf("got  %+v\nwant %+v", k, want)
		}
	}
	info, err := os.Stat(f.path())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v (%v)", info.Mode(), err)
	}
	if entries, _ := os.ReadDir(f.dir); len(entries) != 1 {
		t.Errorf("the folder has %v", entries)
	}
}

func TestState_isNotThere(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		f := stateFile{dir}
		if m, err := f.read(noon); err != nil || len(m) != 0 {
			t.Errorf("%q: got %v, %v", dir, m, err)
		}
	}
	if err := (stateFile{}).write(remembered()); err != nil {
		t.Error(err)
	}
}

func TestState_clockSetBack(t *testing.T) {
	m, err := decodeState([]byte(file(t, remembered())), noon.Add(-24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range m["pager webhook 12"] {
		if k.sent.After(noon.Add(-24 * time.Hour)) {
			t.Errorf("%s was told at %v", k.alert.SLO, k.sent)
		}
	}
}

func TestState_setsAside(t *testing.T) {
	right := file(t, remembered())
	print := burning("a").Fingerprint()
	tests := []struct {
		name, data string
		suffix     string
		want       string // a part of the error
	}{
		{"nothing", "", ".corrupt", "is no JSON: EOF"},
		{"half of it", right[:len(right)/2], ".corrupt", "is no JSON: unexpected EOF"},
		{"zeros", strings.Repeat("\x00", 4096), ".corrupt", "is no JSON"},
		{"more than it", right + "{}", ".corrupt", "has something after its end"},
		{"a list", "[]", ".corrupt", "is no JSON"},
		{"no version", "{}", ".corrupt", "has version 0"},
		{"a later version", `{"version":2,"destinations":"other"}`, ".newer", "is of a later version of Goshawk"},
		{"another type", `{"version":1,"destinations":5}`, ".corrupt", "is not what was written"},
		{"another label", strings.Replace(right, `"slo":"a"`, `"slo":"c"`, 1), ".corrupt", "has the alert " + print + ", which is not what was written"},
		{"no sum", strings.Replace(right, `"sum":"5"`, `"sum":"x"`, 1), ".corrupt", "which is not what was written"},
		{"an alert twice", strings.Replace(right, `"alerts":[`, `"alerts":[`+right[strings.Index(right, `"alerts":[`)+10:strings.Index(right, `,{"fingerprint"`)]+",", 1), ".corrupt", "which is not what was written"},
		{"no destination", `{"version":1,"destinations":[{"key":"","alerts":[]}]}`, ".corrupt", `has no right to the destination "" with 0 alerts`},
		{"a destination twice", `{"version":1,"destinations":[{"key":"a"},{"key":"a"}]}`, ".corrupt", "has no right to the destination a"},
		{"too many", `{"version":1,"destinations":[{"key":"a","alerts":[` + strings.Repeat("{},", maxKnown) + `{}]}]}`, ".corrupt", "with 10001 alerts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log journal
			dir := t.TempDir()
			path := filepath.Join(dir, stateName)
			for range 2 { // what is there already is replaced
				if err := os.WriteFile(path, []byte(tt.data), 0o600); err != nil {
					t.Fatal(err)
				}
				if _, err := New(Options{Dir: dir, Log: log.logger()}); err != nil {
					t.Fatal(err)
				}
			}
			if text := log.String(); strings.Count(text, "level=ERROR") != 2 || !strings.Contains(strings.ReplaceAll(text, `\"`, `"`), tt.want) || !strings.Contains(text, stateName+tt.suffix) {
				t.Errorf("logged %s", text)
			}
			aside, err := os.ReadFile(path + tt.suffix)
			if err != nil || string(aside) != tt.data {
				t.Errorf("set aside is %.100q (%v)", aside, err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the file is still there: %v", err)
			}
		})
	}
}

func TestState_isNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, stateName), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (stateFile{dir}).read(noon); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("the error is %v", err)
	}
}

func TestState_failsToWrite(t *testing.T) {
	f := stateFile{filepath.Join(t.TempDir(), "missing")}
	if err := f.write(remembered()); err == nil || !strings.HasPrefix(err.Error(), "write what was notified: ") {
		t.Errorf("the error is %v", err)
	}
}

// TestState_isBounded writes more than may be read: without annotations.
func TestState_isBounded(t *testing.T) {
	a := burning("a").complete(noon)
	a.Annotations = map[string]string{"long": strings.Repeat("x", maxState)}
	data, err := memory{"k": {{alert: a, knows: aware, sent: noon}}}.encode()
	if err != nil || len(data) > 1000 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	if m, err := decodeState(data, noon); err != nil || len(m["k"]) != 1 {
		t.Errorf("got %v, %v", m, err)
	}
}

func FuzzDecodeState(f *testing.F) {
	data, err := remembered().encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		string(data), "", "{}", `{"version":1}`, `{"version":1,"destinations":[{"key":"a","alerts":null}]}`, `{"version":1e0}`, `{"version":2}`,
		strings.Replace(string(data), "2026", "9999", 1), strings.Replace(string(data), `"sum":"5"`, `"sum":"-5"`, 1), strings.Replace(string(data), "team", "t.am", -1),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeState(data, noon)
		if (m == nil) == (err == nil) {
			t.Fatalf("got %v and %v", m, err)
		}
		for key, known := range m {
			for _, k := range known {
				if k.sent.After(noon) || k.knows == unaware || k.alert.StartsAt.After(noon) {
					t.Errorf("%q: out of bounds: %+v", key, k)
				}
				if _, err := encodeWebhook("r", "", k.alert); err != nil {
					t.Error(err)
				}
			}
		}
		written, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		if m == nil {
			return
		}
		again, err := decodeState(written, noon)
		if err != nil {
			t.Fatalf("%v in %s", err, written)
		}
		if twice, err := again.encode(); err != nil || string(twice) != string(written) {
			t.Errorf("written %s\nagain   %s (%v)", written, twice, err)
		}
	})
}
