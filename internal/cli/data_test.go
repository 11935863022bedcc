package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

func TestOpenData(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held := t.TempDir()
	holder, err := openData(t.Context(), dataOptions{directory: held, age: time.Hour}, 1<<30, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer holder.close()
	tests := []struct {
		name    string
		options dataOptions
		demo    bool
		kind    string // "" for an error
		want    string // of the error, or of what does not work
	}{
		{"a folder of the user", dataOptions{directory: filepath.Join(t.TempDir(), "new")}, false, "sqlite", ""},
		{"a folder of the user for a demo", dataOptions{directory: t.TempDir()}, true, "sqlite", ""},
		{"a demo", dataOptions{standard: file}, true, "sqlite", ""},
		{"a file", dataOptions{directory: file}, false, "", "up: --data " + file + ": "},
		{"a folder that another agent has", dataOptions{directory: held}, false, "", "is in use by process "},
		{"a default that cannot be written", dataOptions{standard: file}, false, "memory", "Events are kept in memory only and are gone after a restart: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.age = time.Hour
			k, err := openData(t.Context(), tt.options, 1<<30, tt.demo, slog.New(slog.DiscardHandler))
			if err != nil {
				if f, ok := err.(*failure); tt.kind != "" || !ok || f.code != exitUsage || f.hint == "" || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want %q and exit code 2 with a hint", err, tt.want)
				}
				return
			}
			state := k.state()
			if state.Kind != tt.kind || !strings.Contains(strings.Join(state.Errors, " "), tt.want) || tt.want == "" && len(state.Errors) > 0 {
				t.Errorf("state %+v, want %s and %q", state, tt.kind, tt.want)
			}
			event := new(model.Event)
			event.Reset(schemas()[0])
			event.Time = time.Now()
			k.add(event)
			if _, found, err := k.Event(t.Context(), event.ID()); !found || err != nil {
				t.Errorf("what was added is found: %t, %v", found, err)
			}
			if state := k.state(); state.Kept != 1 {
				t.Errorf("%d events are kept, want 1", state.Kept)
			}
			if err := k.close(); err != nil {
				t.Error(err)
			}
			_, err = os.Stat(state.Directory)
			if passing := tt.demo && tt.options.directory == ""; passing != os.IsNotExist(err) && state.Directory != "" {
				t.Errorf("after the end the folder is there: %v", err)
			}
		})
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "1": 1, "16MiB": 16 << 20, "2GiB": 2 << 30, "1.5 GiB": 3 << 29, "10TB": 1e13, "3K": 3 << 10} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"big": "not a size", "0": "not between 1 byte and 1024 TiB", "-1": "not between", "NaN": "not between", "9999999GiB": "not between"} {
		if got, err := parseBytes(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %d, %v; want %s", text, got, err, want)
		}
	}
	if _, err := parseSize("3GiB"); err == nil || err.Error() != "not between 1 byte and 2 GiB" {
		t.Errorf("3GiB of memory: %v", err)
	}
}
